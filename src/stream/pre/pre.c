/* Mapping and collapse of a site, forward and backward. */
#include <string.h>

#include "stream/mapping/coefficients.h"
#include "stream/mapping/projection.h"
#include "stream/pre/collapse.h"
#include "stream/shape.h"

/* Weights of the collapse: token t's at weights + t * stride. */
typedef struct collapse {
    const float *weights;
    int64_t stride;
} collapse;

static mhc__projection projection_of(const mhc_spec *spec, const mhc__shape *s) {
    mhc__projection p = {s->n, s->groups, s->width, s->channels, spec->norm_eps_place, spec->norm_eps};
    return p;
}

/* first_pre: one-hot on stream 0, what the first site of a shifted schedule collapses with. */
static collapse collapse_of(const mhc__shape *s, const float *coefficients, const float *carried,
                            const float *first_pre) {
    int64_t stride = s->dynamic ? s->coefficients : 0;
    if (s->logits == 0)
        return (collapse){first_pre, 0};
    if (!s->shifted)
        return (collapse){coefficients, stride};
    return carried ? (collapse){carried, stride} : (collapse){first_pre, 0};
}

static void map_dynamic(const mhc_context *context, const mhc_spec *spec, const mhc__shape *s,
                        const mhc_site_params *params, int64_t tokens, mhc_streams x, float *coefficients,
                        float *saved) {
    mhc__projection p = projection_of(spec, s);
    mhc__projection_forward(context->threads, &p, tokens, x, params->fn, saved, saved + s->logits,
                            saved + s->logits + s->groups, s->saved);
    int64_t step = mhc__lanes_of(s->n), blocks = mhc__blocks(tokens, step);
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        mhc__coefficients_forward(spec, s, block * step, mhc__min(tokens, (block + 1) * step), saved, s->saved,
                                  params->scale, params->base, coefficients);
}

static mhc_status check_forward(const mhc__shape *s, const mhc_site_params *params, int64_t tokens, mhc_streams x,
                                const float *carried, const float *coefficients, mhc_error *error) {
    const char *call = "mhc_pre_forward";
    MHC__TRY(mhc__need_params(s, params, call, "params", error));
    if (tokens > 0)
        MHC__TRY(mhc__need(x.data, call, "x", error));
    if (s->logits > 0 && (!s->dynamic || tokens > 0))
        MHC__TRY(mhc__need(coefficients, call, "coefficients", error));
    if (carried && !s->shifted)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "%s: carried: expected NULL (the schedule is not shifted), found an array", call);
    return MHC_OK;
}

mhc_status mhc_pre_forward(const mhc_context *context, const mhc_spec *spec, const mhc_site_params *params,
                           int64_t tokens, mhc_streams x, const float *carried, float *coefficients, float *saved,
                           mhc_rows u, void *workspace, size_t workspace_size, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    MHC__TRY(check_forward(&s, params, tokens, x, carried, coefficients, error));
    if (s.dynamic && tokens > 0) {
        if (!saved) {
            size_t needed = (size_t)tokens * (size_t)s.saved * sizeof(float);
            MHC__TRY(mhc__need_workspace(workspace, workspace_size, needed, "mhc_pre_forward", error));
        }
        map_dynamic(context, spec, &s, params, tokens, x, coefficients, saved ? saved : workspace);
    } else if (!s.dynamic && s.logits > 0) {
        mhc__coefficients_forward(spec, &s, 0, 1, NULL, 0, NULL, params->base, coefficients);
    } else if (s.logits == 0 && coefficients) {
        coefficients[0] = coefficients[1] = coefficients[2] = 1.0f;
    }
    const float first_pre[MHC_MAX_STREAMS] = {1.0f};
    collapse c = collapse_of(&s, coefficients, carried, first_pre);
    if (u.data && tokens > 0)
        mhc__collapse_forward(context->threads, s.n, s.channels, tokens, x, c.weights, c.stride, u);
    return MHC_OK;
}

/* d_mix of all tokens, and d_base and d_scale through one partial sum per block of tokens. */
static void map_dynamic_back(const mhc_context *context, const mhc_spec *spec, const mhc__shape *s,
                             const mhc_site_params *params, int64_t tokens, const float *saved,
                             const float *d_coefficients, const mhc_site_params *gradients, float *d_mix,
                             float *partials) {
    int64_t step = mhc__lanes_of(s->n), blocks = mhc__blocks(tokens, MHC__TOKEN_BLOCK), sums = s->logits + 3;
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t end = mhc__min(tokens, (block + 1) * MHC__TOKEN_BLOCK);
        float *partial = partials + block * sums;
        memset(partial, 0, (size_t)sums * sizeof *partial);
        for (int64_t first = block * MHC__TOKEN_BLOCK; first < end; first += step)
            mhc__coefficients_backward(spec, s, first, mhc__min(end, first + step), saved, s->saved, params->scale,
                                       params->base, d_coefficients, d_mix, s->logits, partial, partial + s->logits);
    }
    for (int64_t k = 0; k < sums; k++) {
        double sum = 0.0;
        for (int64_t block = 0; block < blocks; block++)
            sum += (double)partials[block * sums + k];
        if (k < s->logits)
            gradients->base[k] += (float)sum;
        else
            gradients->scale[k - s->logits] += (float)sum;
    }
}

static mhc_status check_backward(const mhc__shape *s, const mhc_site_params *params, int64_t tokens, mhc_streams x,
                                 const float *carried, const float *coefficients, const float *saved, mhc_rows du,
                                 const float *d_coefficients, const float *d_carried, mhc_streams dx,
                                 const mhc_site_params *gradients, mhc_error *error) {
    const char *call = "mhc_pre_backward";
    MHC__TRY(mhc__need_params(s, params, call, "params", error));
    MHC__TRY(mhc__need_params(s, gradients, call, "gradients", error));
    if (tokens > 0) {
        MHC__TRY(mhc__need(x.data, call, "x", error));
        MHC__TRY(mhc__need(du.data, call, "du", error));
        MHC__TRY(mhc__need(dx.data, call, "dx", error));
        if (s->dynamic)
            MHC__TRY(mhc__need(saved, call, "saved", error));
    }
    if (s->logits > 0 && (!s->dynamic || tokens > 0)) {
        MHC__TRY(mhc__need(coefficients, call, "coefficients", error));
        MHC__TRY(mhc__need(d_coefficients, call, "d_coefficients", error));
    }
    if (!s->shifted && (carried || d_carried))
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "%s: carried, d_carried: expected NULL (the schedule is not shifted), found an array", call);
    if (!carried != !d_carried)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: carried and d_carried: expected both or neither", call);
    return MHC_OK;
}

mhc_status mhc_pre_backward(const mhc_context *context, const mhc_spec *spec, const mhc_site_params *params,
                            int64_t tokens, mhc_streams x, const float *carried, const float *coefficients,
                            const float *saved, mhc_rows du, float *d_coefficients, float *d_carried, mhc_streams dx,
                            const mhc_site_params *gradients, void *workspace, size_t workspace_size,
                            mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    MHC__TRY(check_backward(&s, params, tokens, x, carried, coefficients, saved, du, d_coefficients, d_carried, dx,
                            gradients, error));
    mhc_site_sizes sizes;
    MHC__TRY(mhc_site_sizes_query(spec, tokens, &sizes, error));
    MHC__TRY(mhc__need_workspace(workspace, workspace_size, sizes.workspace, "mhc_pre_backward", error));
    float *scratch = workspace;

    const float first_pre[MHC_MAX_STREAMS] = {1.0f};
    collapse c = collapse_of(&s, coefficients, carried, first_pre);
    float *d_weights = s.logits == 0 ? NULL : s.shifted ? d_carried : d_coefficients;
    mhc__collapse_backward(context->threads, s.n, s.channels, tokens, x, c.weights, c.stride, du, true, dx, d_weights,
                           s.dynamic ? s.coefficients : 0, scratch);
    if (s.logits > 0 && !s.dynamic) {
        mhc__coefficients_backward(spec, &s, 0, 1, NULL, 0, NULL, params->base, d_coefficients, NULL, 0,
                                   gradients->base, NULL);
    } else if (s.dynamic && tokens > 0) {
        float *d_mix = scratch, *slope = d_mix + tokens * s.logits, *partials = slope + tokens * s.groups;
        map_dynamic_back(context, spec, &s, params, tokens, saved, d_coefficients, gradients, d_mix, partials);
        mhc__projection p = projection_of(spec, &s);
        mhc__projection_backward(context->threads, &p, tokens, x, params->fn, saved, saved + s.logits,
                                 saved + s.logits + s.groups, s.saved, d_mix, s.logits, slope, dx, gradients->fn);
    }
    return MHC_OK;
}
