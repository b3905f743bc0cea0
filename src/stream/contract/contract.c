/* n streams to one: mean, sum, learned head or the carried pre. */
#include "mhc/ends.h"

#include <string.h>

#include "base/philox.h"
#include "stream/lanes.h"
#include "stream/mapping/projection.h"
#include "stream/pre/collapse.h"
#include "stream/shape.h"

enum { PLACE_HEAD = 0x6d686303 };

/* Per token: mix [n] | r | g | weight [n]. */
static int64_t saved_row(int n) {
    return 2 * n + 2;
}

static bool has_head(const mhc_spec *spec) {
    return spec->contraction == MHC_CONTRACT_HEAD;
}

static mhc__projection projection_of(const mhc_spec *spec) {
    mhc__projection p = {spec->streams, 1, spec->streams, spec->channels, spec->norm_eps_place, spec->norm_eps};
    return p;
}

mhc_status mhc_contract_sizes_query(const mhc_spec *spec, int64_t tokens, mhc_contract_sizes *sizes, mhc_error *error) {
    mhc_context context = {MHC_DEVICE_CPU, NULL, 1};
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(&context, spec, tokens, &s, error));
    MHC__TRY(mhc__need(sizes, "mhc_contract_sizes_query", "sizes", error));
    int64_t blocks = mhc__blocks(tokens, MHC__TOKEN_BLOCK), floats = 0;
    sizes->saved = has_head(spec) ? tokens * saved_row(s.n) : 0;
    if (has_head(spec)) /* gradient of the weights, then of mix, and one slope per token */
        floats = mhc__max(sizes->saved, tokens * (s.n + 1));
    if (spec->contraction == MHC_CONTRACT_CARRIED)
        floats = blocks * s.n;
    sizes->workspace = (size_t)floats * sizeof(float);
    return MHC_OK;
}

static mhc_status need_head(const mhc_spec *spec, const mhc_head_params *params, const char *call, const char *what,
                            mhc_error *error) {
    if (!has_head(spec) || (params && params->fn && params->base && params->scale))
        return MHC_OK;
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: %s: expected arrays for fn, base and scale, found NULL", call,
                     what);
}

mhc_status mhc_head_init(const mhc_spec *spec, uint64_t seed, const mhc_head_params *params, mhc_error *error) {
    MHC__TRY(mhc_spec_check(spec, error));
    if (!has_head(spec))
        return MHC_OK;
    MHC__TRY(need_head(spec, params, "mhc_head_init", "params", error));
    int n = spec->streams;
    int64_t count = (int64_t)n * n * spec->channels;
    memset(params->base, 0, (size_t)n * sizeof(float));
    params->scale[0] = spec->scale_start;
    mhc__normal_fill(seed, mhc__philox_place(PLACE_HEAD, 0), spec->fn_start, params->fn, count);
    return MHC_OK;
}

/* Weights of the collapse: token t's at weights + t * stride. `constant` backs the mean and the sum. */
typedef struct weights {
    const float *data;
    int64_t stride;
} weights;

static weights weights_of(const mhc_spec *spec, const mhc__shape *s, const float *carried, const float *saved,
                          float constant[MHC_MAX_STREAMS]) {
    if (has_head(spec))
        return (weights){saved ? saved + s->n + 2 : NULL, saved_row(s->n)};
    if (spec->contraction == MHC_CONTRACT_CARRIED)
        return (weights){carried, s->dynamic ? s->coefficients : 0};
    for (int i = 0; i < s->n; i++)
        constant[i] = spec->contraction == MHC_CONTRACT_MEAN ? 1.0f / (float)s->n : 1.0f;
    return (weights){constant, 0};
}

MHC__CLONES static void head_weights(const mhc_spec *spec, const mhc_head_params *params, int64_t tokens,
                                     float *saved) {
    int n = spec->streams;
    for (int64_t t = 0; t < tokens; t++) {
        float *row = saved + t * saved_row(n);
        for (int i = 0; i < n; i++)
            row[n + 2 + i] = mhc__sigmoidf(params->scale[0] * row[i] + params->base[i]) + spec->head_eps;
    }
}

mhc_status mhc_contract_forward(const mhc_context *context, const mhc_spec *spec, const mhc_head_params *params,
                                int64_t tokens, mhc_streams x, const float *carried, float *saved, mhc_rows y,
                                void *workspace, size_t workspace_size, mhc_error *error) {
    const char *call = "mhc_contract_forward";
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    MHC__TRY(need_head(spec, params, call, "params", error));
    if (tokens == 0)
        return MHC_OK;
    MHC__TRY(mhc__need(x.data, call, "x", error));
    MHC__TRY(mhc__need(y.data, call, "y", error));
    if (spec->contraction == MHC_CONTRACT_CARRIED)
        MHC__TRY(mhc__need(carried, call, "carried", error));
    if (has_head(spec)) {
        if (!saved) {
            size_t needed = (size_t)(tokens * saved_row(s.n)) * sizeof(float);
            MHC__TRY(mhc__need_workspace(workspace, workspace_size, needed, call, error));
            saved = workspace;
        }
        mhc__projection p = projection_of(spec);
        mhc__projection_forward(context->threads, &p, tokens, x, params->fn, saved, saved + s.n, saved + s.n + 1,
                                saved_row(s.n));
        head_weights(spec, params, tokens, saved);
    }
    float constant[MHC_MAX_STREAMS];
    weights w = weights_of(spec, &s, carried, saved, constant);
    mhc__collapse_forward(context->threads, s.n, s.channels, tokens, x, w.data, w.stride, y);
    return MHC_OK;
}

/* d [T, n]: gradient of the weights -> of mix. Sums run over the tokens in order, in double. */
static void head_weights_back(const mhc_spec *spec, const mhc_head_params *params, int64_t tokens, const float *saved,
                              float *d, const mhc_head_params *gradients) {
    int n = spec->streams;
    double d_scale = 0.0, d_base[MHC_MAX_STREAMS] = {0};
    for (int64_t t = 0; t < tokens; t++)
        for (int i = 0; i < n; i++) {
            float mix = saved[t * saved_row(n) + i], logit = params->scale[0] * mix + params->base[i];
            float slope = d[t * n + i] * (mhc__sigmoidf(logit) * mhc__sigmoidf(-logit));
            d_base[i] += (double)slope;
            d_scale += (double)slope * (double)mix;
            d[t * n + i] = slope * params->scale[0];
        }
    for (int i = 0; i < n; i++)
        gradients->base[i] += (float)d_base[i];
    gradients->scale[0] += (float)d_scale;
}

static mhc_status check_backward(const mhc_spec *spec, const mhc_head_params *params, mhc_streams x,
                                 const float *carried, const float *saved, mhc_rows dy, const float *d_carried,
                                 mhc_streams dx, const mhc_head_params *gradients, mhc_error *error) {
    const char *call = "mhc_contract_backward";
    MHC__TRY(need_head(spec, params, call, "params", error));
    MHC__TRY(need_head(spec, gradients, call, "gradients", error));
    MHC__TRY(mhc__need(x.data, call, "x", error));
    MHC__TRY(mhc__need(dy.data, call, "dy", error));
    MHC__TRY(mhc__need(dx.data, call, "dx", error));
    if (has_head(spec))
        MHC__TRY(mhc__need(saved, call, "saved", error));
    if (spec->contraction == MHC_CONTRACT_CARRIED) {
        MHC__TRY(mhc__need(carried, call, "carried", error));
        MHC__TRY(mhc__need(d_carried, call, "d_carried", error));
    }
    return MHC_OK;
}

mhc_status mhc_contract_backward(const mhc_context *context, const mhc_spec *spec, const mhc_head_params *params,
                                 int64_t tokens, mhc_streams x, const float *carried, const float *saved, mhc_rows dy,
                                 float *d_carried, mhc_streams dx, const mhc_head_params *gradients, void *workspace,
                                 size_t workspace_size, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    if (tokens == 0) {
        for (int i = 0; i < s.n && d_carried && !s.dynamic; i++)
            d_carried[i] = 0.0f;
        return MHC_OK;
    }
    MHC__TRY(check_backward(spec, params, x, carried, saved, dy, d_carried, dx, gradients, error));
    mhc_contract_sizes sizes;
    MHC__TRY(mhc_contract_sizes_query(spec, tokens, &sizes, error));
    MHC__TRY(mhc__need_workspace(workspace, workspace_size, sizes.workspace, "mhc_contract_backward", error));
    float constant[MHC_MAX_STREAMS], *scratch = workspace;
    weights w = weights_of(spec, &s, carried, saved, constant);
    bool head = has_head(spec), needs_weights = head || spec->contraction == MHC_CONTRACT_CARRIED;
    int64_t d_stride = head ? s.n : w.stride;
    float *d_weights = !needs_weights ? NULL : head ? scratch : d_carried;
    mhc__collapse_backward(context->threads, s.n, s.channels, tokens, x, w.data, w.stride, dy, false, dx, d_weights,
                           d_stride, head ? NULL : scratch);
    if (head) {
        head_weights_back(spec, params, tokens, saved, scratch, gradients);
        mhc__projection p = projection_of(spec);
        mhc__projection_backward(context->threads, &p, tokens, x, params->fn, saved, saved + s.n, saved + s.n + 1,
                                 saved_row(s.n), scratch, s.n, scratch + tokens * s.n, dx, gradients->fn);
    }
    return MHC_OK;
}
