#include "stream/pre/pre.h"

#include <math.h>

#include "stream/cuda.h"

/* What the first site of a shifted schedule, and the plain residual, collapse with: stream 0. */
static const float FIRST_PRE[MHC_MAX_STREAMS] = {1.0f};

mhc__weights mhc__pre_weights(const mhc__shape *shape, const float *coefficients, const float *carried) {
    const float *weights = shape->shifted ? carried : coefficients;
    if (shape->plain || !weights)
        return (mhc__weights){FIRST_PRE, 0};
    return (mhc__weights){weights, shape->dynamic ? shape->coefficients : 0};
}

mhc__pre mhc__pre_of(const mhc_spec *spec, const mhc__shape *shape, const mhc_site_params *params, mhc_streams x,
                     const float *coefficients, const float *carried, float *saved) {
    mhc__pre pre = {.logits = mhc__logit_kernels_chosen(),
                    .streams = mhc__stream_kernels_chosen(shape->type),
                    .spec = spec,
                    .shape = shape,
                    .params = params,
                    .x = x,
                    .weights = mhc__pre_weights(shape, coefficients, carried),
                    .saved = saved};
    pre.projection = (mhc__projection){shape->n,    shape->groups,        shape->width,   shape->channels,
                                       shape->type, spec->norm_eps_place, spec->norm_eps, NULL};
    return pre;
}

mhc_status mhc__pre_check(const mhc__shape *s, const mhc_site_params *params, int64_t tokens, mhc_streams x,
                          const float *carried, const float *coefficients, const char *call, const char *what,
                          mhc_error *error) {
    MHC__TRY(mhc__need_params(s, params, call, what, error));
    if (tokens > 0)
        MHC__TRY(mhc__need(x.data, call, "x", error));
    if (!s->plain && (!s->dynamic || tokens > 0))
        MHC__TRY(mhc__need(coefficients, call, "coefficients", error));
    if (carried && !s->shifted)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "%s: carried: expected NULL (the schedule is not shifted), found an array", call);
    return MHC_OK;
}

/* Floats of the workspace of a forward call: what it saves, unless the caller wants that, and fn packed. */
static int64_t saved_floats(const mhc__pre *pre, int64_t tokens) {
    int64_t floats = pre->saved ? 0 : tokens * pre->shape->saved;
    return floats + (-floats & (MHC__LANES - 1));
}

int64_t mhc__pre_forward_floats(const mhc__pre *pre, int64_t tokens) {
    if (!pre->shape->dynamic)
        return 0;
    return saved_floats(pre, tokens) +
           (mhc__projection_packs(&pre->projection, tokens) ? mhc__projection_packed_floats(&pre->projection) : 0);
}

mhc_status mhc__pre_begin(mhc__pre *pre, int threads, int64_t tokens, float *coefficients, void *workspace,
                          size_t workspace_size, const char *call, mhc_error *error) {
    const mhc__shape *s = pre->shape;
    const float *base = s->logits > 0 ? pre->params->base : NULL;
    size_t needed = (size_t)mhc__pre_forward_floats(pre, tokens) * sizeof(float);
    MHC__TRY(mhc__need_workspace(workspace, workspace_size, needed, call, error));
    pre->around = mhc__row_goes_around(s, tokens);
    if (s->dynamic && mhc__projection_packs(&pre->projection, tokens))
        mhc__projection_pack(pre->streams, threads, &pre->projection, pre->params->fn,
                             (float *)workspace + saved_floats(pre, tokens));
    if (s->dynamic && !pre->saved)
        pre->saved = workspace;
    if (s->plain && coefficients)
        coefficients[0] = coefficients[1] = coefficients[2] = 1.0f;
    if (!s->plain && !s->dynamic)
        pre->logits->coefficients(pre->spec, s, 1, NULL, 0, NULL, base, coefficients);
    return MHC_OK;
}

int64_t mhc__pre_block_tokens(const mhc__pre *pre) {
    return pre->shape->dynamic ? mhc__projection_block(&pre->projection) : MHC__TOKEN_BLOCK;
}

int64_t mhc__pre_part_tokens(const mhc__pre *pre) {
    return pre->shape->dynamic ? mhc__projection_part(&pre->projection) : MHC__TOKEN_BLOCK;
}

static mhc__mixes mixes_from(const mhc__pre *pre, int64_t first) {
    const mhc__shape *s = pre->shape;
    float *row = pre->saved + first * s->saved;
    return (mhc__mixes){row, row + s->logits, row + s->logits + s->groups, s->saved};
}

void mhc__pre_project(const mhc__pre *pre, int64_t first, int64_t end, const mhc__block *part) {
    if (pre->shape->dynamic)
        mhc__projection_forward(pre->streams, &pre->projection, end - first, part, pre->params->fn,
                                mixes_from(pre, first));
}

void mhc__pre_block(const mhc__pre *pre, int64_t first, int64_t end, mhc_streams x, float *coefficients, mhc_rows u) {
    const mhc__shape *s = pre->shape;
    if (s->dynamic) {
        mhc__mixes mixes = mixes_from(pre, first);
        pre->logits->coefficients(pre->spec, s, (int)(end - first), mixes.mix, mixes.stride, pre->params->scale,
                                  pre->params->base, coefficients + first * s->coefficients);
    }
    if (!u.data)
        return;
    const float *weights = pre->weights.data + first * pre->weights.stride;
    u = mhc__rows_from(u, s->type, first);
    if (pre->norm)
        pre->streams->collapse_rmsnorm(s->n, s->channels, pre->around, 0, end - first, x, weights, pre->weights.stride,
                                       pre->norm, u);
    else
        pre->streams->collapse(s->n, s->channels, pre->around, 0, end - first, x, weights, pre->weights.stride, u);
}

static void forward_block(const mhc__pre *pre, int64_t first, int64_t end, float *coefficients, mhc_rows u) {
    const int64_t step = mhc__pre_part_tokens(pre);
    const mhc_type type = pre->shape->type;
    for (int64_t t = first; t < end; t += step) {
        const mhc__block part = {.x = mhc__streams_from(pre->x, type, t, 0)};
        mhc__pre_project(pre, t, mhc__min(end, t + step), &part);
    }
    mhc__pre_block(pre, first, end, mhc__streams_from(pre->x, type, first, 0), coefficients, u);
}

mhc_status mhc__rmsnorm_check(const mhc_rmsnorm *norm, const char *call, mhc_error *error) {
    MHC__TRY(mhc__need(norm, call, "norm", error));
    MHC__TRY(mhc__need(norm->weight, call, "norm->weight", error));
    if (!(norm->eps >= 0.0f) || isinf(norm->eps))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: norm->eps: expected a finite number of at least 0, found %g",
                         call, (double)norm->eps);
    return MHC_OK;
}

/* norm: NULL for none. */
static mhc_status pre_forward(const char *call, const mhc_context *context, const mhc_spec *spec,
                              const mhc_site_params *params, int64_t tokens, mhc_streams x, const float *carried,
                              float *coefficients, float *saved, const mhc_rmsnorm *norm, mhc_rows u, void *workspace,
                              size_t workspace_size, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    MHC__TRY(mhc__pre_check(&s, params, tokens, x, carried, coefficients, call, "params", error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, tokens, workspace, call, error);
        MHC__TRY(mhc__cuda_need_workspace(&cuda, workspace_size));
        return mhc__cuda->pre(&cuda, &(mhc__cuda_pre){mhc__cuda_params(params), x, carried, coefficients, saved, u,
                                                      mhc__cuda_rmsnorm(norm)});
    }
    mhc__pre pre = mhc__pre_of(spec, &s, params, x, coefficients, carried, saved);
    pre.norm = norm;
    MHC__TRY(mhc__pre_begin(&pre, context->threads, tokens, coefficients, workspace, workspace_size, call, error));
    if (!s.dynamic && !u.data)
        return MHC_OK;
    int64_t step = mhc__pre_block_tokens(&pre), blocks = mhc__blocks(tokens, step);
#pragma omp parallel for num_threads(context->threads) schedule(static) if (blocks > 1)
    for (int64_t block = 0; block < blocks; block++)
        forward_block(&pre, block * step, mhc__min(tokens, (block + 1) * step), coefficients, u);
    return MHC_OK;
}

mhc_status mhc_pre_forward(const mhc_context *context, const mhc_spec *spec, const mhc_site_params *params,
                           int64_t tokens, mhc_streams x, const float *carried, float *coefficients, float *saved,
                           mhc_rows u, void *workspace, size_t workspace_size, mhc_error *error) {
    return pre_forward("mhc_pre_forward", context, spec, params, tokens, x, carried, coefficients, saved, NULL, u,
                       workspace, workspace_size, error);
}

mhc_status mhc_pre_rmsnorm_forward(const mhc_context *context, const mhc_spec *spec, const mhc_site_params *params,
                                   int64_t tokens, mhc_streams x, const float *carried, float *coefficients,
                                   float *saved, const mhc_rmsnorm *norm, mhc_rows y, void *workspace,
                                   size_t workspace_size, mhc_error *error) {
    const char *call = "mhc_pre_rmsnorm_forward";
    if (y.data)
        MHC__TRY(mhc__rmsnorm_check(norm, call, error));
    return pre_forward(call, context, spec, params, tokens, x, carried, coefficients, saved, y.data ? norm : NULL, y,
                       workspace, workspace_size, error);
}
