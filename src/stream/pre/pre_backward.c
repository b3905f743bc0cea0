#include <string.h>

#include "stream/cuda.h"
#include "stream/pre/pre.h"

/* For base and scale; of a static mapping they are those of pre first. */
static int64_t sums_of(const mhc__shape *s) {
    return mhc__max(s->logits, s->n) + 3;
}

static int64_t range_floats(const mhc__shape *s) {
    int64_t doubles = MHC__MERGE_SUMS(s->n) + sums_of(s), columns = (s->groups == 1 ? s->n : 1) * s->channels;
    int64_t floats = 2 * doubles + (s->dynamic ? MHC__CHUNK * (int64_t)s->logits + s->width * columns : 0);
    return floats + floats % 2; /* the next range begins with doubles */
}

int64_t mhc__pre_scratch_floats(const mhc__shape *s, int ranges) {
    return ranges * (range_floats(s) + (s->dynamic ? mhc__share_floats(s->n, s->channels) : 0));
}

mhc__pre_scratch mhc__pre_scratch_of(const mhc__shape *s, float *scratch, int ranges, int range, int thread) {
    float *at = scratch + range * range_floats(s);
    double *merged = (double *)(void *)at, *sums = merged + MHC__MERGE_SUMS(s->n);
    float *d_mix = at + 2 * (MHC__MERGE_SUMS(s->n) + sums_of(s));
    float *shares = scratch + ranges * range_floats(s) + thread * mhc__share_floats(s->n, s->channels);
    return (mhc__pre_scratch){merged, sums, d_mix, d_mix + MHC__CHUNK * (int64_t)s->logits, shares};
}

void mhc__pre_back_begin(const mhc__pre *pre, const mhc__pre_gradients *g, int ranges, mhc__pre_scratch *scratch) {
    const mhc__shape *s = pre->shape;
    memset(scratch->merged, 0, (size_t)MHC__MERGE_SUMS(s->n) * sizeof *scratch->merged);
    memset(scratch->sums, 0, (size_t)sums_of(s) * sizeof *scratch->sums);
    if (!s->dynamic)
        return;
    if (ranges == 1) /* few tokens: fn is what they cost, so its gradient is passed over once */
        scratch->d_fn = g->params->fn;
    else
        memset(scratch->d_fn, 0,
               (size_t)s->width * (size_t)mhc__projection_columns(&pre->projection) * sizeof *scratch->d_fn);
}

/* <du, X_j>: the gradient of the weights of the collapse. */
static void weights_back(const mhc__pre *pre, const mhc__pre_gradients *g, int64_t first, int64_t end,
                         mhc__pre_scratch scratch) {
    const mhc__shape *s = pre->shape;
    float sums[MHC_MAX_STREAMS], *d_weights = s->shifted ? g->d_carried : g->d_coefficients;
    if (s->plain || !d_weights)
        return;
    int64_t stride = s->dynamic ? s->coefficients : 0;
    pre->streams->collapse_dots(s->n, s->channels, first, end, pre->x, g->du, stride ? d_weights : sums, stride);
    for (int j = 0; j < s->n && stride == 0; j++)
        scratch.sums[j] += (double)sums[j];
}

/* From the gradients of the coefficients to d_mix, a few tokens at a time, and through the projection to d_fn and to
 * the shares of dx. */
static void mapping_back(const mhc__pre *pre, const mhc__pre_gradients *g, int64_t first, int64_t end,
                         mhc__pre_scratch scratch) {
    const mhc__shape *s = pre->shape;
    float *row = pre->saved + first * s->saved;
    mhc__mixes saved = {row, row + s->logits, row + s->logits + s->groups, s->saved};
    int64_t step = mhc__lanes_of(s->n);
    for (int64_t t = first; t < end; t += step)
        pre->logits->coefficients_back(pre->spec, s, (int)mhc__min(step, end - t), pre->saved + t * s->saved, s->saved,
                                       pre->params->scale, pre->params->base, g->d_coefficients + t * s->coefficients,
                                       scratch.d_mix + (t - first) * s->logits, s->logits, scratch.sums);
    /* The products compute, what comes before and after them waits for memory: so they ask for it. */
    mhc_streams none = {0}, ahead[MHC__BACK_AHEAD];
    ahead[0] = mhc__streams_from(g->merging ? g->dout : g->dx, s->type, first, 0);
    ahead[1] = end < g->tokens ? mhc__streams_from(pre->x, s->type, end, 0) : none;
    ahead[2] = g->soon.data ? mhc__streams_from(g->soon, s->type, first, 0) : none;
    mhc__projection_backward(pre->streams, &pre->projection, end - first, mhc__streams_from(pre->x, s->type, first, 0),
                             pre->params->fn, saved, scratch.d_mix, s->logits, scratch.shares, scratch.d_fn, ahead);
}

void mhc__pre_back_chunk(const mhc__pre *pre, const mhc__pre_gradients *g, int64_t first, int64_t end,
                         mhc__pre_scratch scratch) {
    const mhc__shape *s = pre->shape;
    const float *shares = s->dynamic ? scratch.shares : NULL;
    weights_back(pre, g, first, end, scratch);
    if (s->dynamic)
        mapping_back(pre, g, first, end, scratch);
    if (g->merging)
        pre->streams->unmerge(g->merging, first, end, pre->weights.data, pre->weights.stride, g->dout, g->du, shares,
                              g->dx);
    else
        pre->streams->spread(s->n, s->channels, first, end, true, pre->weights.data, pre->weights.stride, g->du, shares,
                             g->dx);
}

/* Sum k of all ranges, in order. */
static double total(const mhc__shape *s, float *scratch, int ranges, int k) {
    double sum = 0.0;
    for (int range = 0; range < ranges; range++)
        sum += mhc__pre_scratch_of(s, scratch, ranges, range, 0).sums[k];
    return sum;
}

void mhc__pre_back_end(const mhc__pre *pre, const mhc__pre_gradients *g, int threads, int ranges, float *scratch) {
    const mhc__shape *s = pre->shape;
    if (s->plain)
        return;
    if (s->dynamic) {
        for (int k = 0; k < s->logits; k++)
            g->params->base[k] += (float)total(s, scratch, ranges, k);
        for (int k = 0; k < 3; k++)
            g->params->scale[k] += (float)total(s, scratch, ranges, s->logits + k);
        if (ranges > 1)
            mhc__projection_add_parts(threads, &pre->projection, ranges,
                                      mhc__pre_scratch_of(s, scratch, ranges, 0, 0).d_fn, range_floats(s),
                                      g->params->fn);
        return;
    }
    float *d_weights = s->shifted ? g->d_carried : g->d_coefficients;
    for (int j = 0; j < s->n && d_weights; j++)
        d_weights[j] = (float)total(s, scratch, ranges, j);
    if (s->logits == 0)
        return;
    double sums[MHC__LOGIT_FLOATS] = {0};
    pre->logits->coefficients_back(pre->spec, s, 1, NULL, 0, NULL, pre->params->base, g->d_coefficients, NULL, 0, sums);
    for (int k = 0; k < s->logits; k++)
        g->params->base[k] += (float)sums[k];
}

static mhc_status check(const mhc__shape *s, int64_t tokens, const float *carried, const float *saved, mhc_rows du,
                        const float *d_coefficients, const float *d_carried, mhc_streams dx,
                        const mhc_site_params *gradients, mhc_error *error) {
    const char *call = "mhc_pre_backward";
    MHC__TRY(mhc__need_params(s, gradients, call, "gradients", error));
    if (tokens > 0) {
        MHC__TRY(mhc__need(du.data, call, "du", error));
        MHC__TRY(mhc__need(dx.data, call, "dx", error));
        if (s->dynamic)
            MHC__TRY(mhc__need(saved, call, "saved", error));
    }
    if (!s->plain && (!s->dynamic || tokens > 0))
        MHC__TRY(mhc__need(d_coefficients, call, "d_coefficients", error));
    if (!carried != !d_carried)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: carried and d_carried: expected both or neither", call);
    return MHC_OK;
}

mhc_status mhc_pre_backward(const mhc_context *context, const mhc_spec *spec, const mhc_site_params *params,
                            int64_t tokens, mhc_streams x, const float *carried, const float *coefficients,
                            const float *saved, mhc_rows du, float *d_coefficients, float *d_carried, mhc_streams dout,
                            mhc_streams dx, const mhc_site_params *gradients, void *workspace, size_t workspace_size,
                            mhc_error *error) {
    const char *call = "mhc_pre_backward";
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    MHC__TRY(mhc__pre_check(&s, params, tokens, x, carried, coefficients, call, "params", error));
    MHC__TRY(check(&s, tokens, carried, saved, du, d_coefficients, d_carried, dx, gradients, error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, tokens, workspace, call, error);
        MHC__TRY(mhc__cuda_need_workspace(&cuda, workspace_size));
        return mhc__cuda->pre_back(&cuda, &(mhc__cuda_pre_back){mhc__cuda_params(params), x, carried, coefficients,
                                                                saved, du, d_coefficients, d_carried, dout, dx,
                                                                mhc__cuda_params(gradients)});
    }
    int ranges = mhc__ranges(tokens), threads = (int)mhc__max(1, mhc__min(context->threads, ranges));
    size_t needed = (size_t)mhc__pre_scratch_floats(&s, ranges) * sizeof(float);
    MHC__TRY(mhc__need_workspace(workspace, workspace_size, needed, call, error));
    float *scratch = workspace;
    mhc__pre pre = mhc__pre_of(spec, &s, params, x, coefficients, carried, (float *)saved);
    const float ones[3] = {1.0f, 1.0f, 1.0f}; /* the residual's */
    mhc__merging merging = {.n = s.n, .channels = s.channels, .coefficients = s.plain ? ones : coefficients};
    merging.stride = s.dynamic ? s.coefficients : 0;
    merging.around = mhc__goes_around(&s, tokens, dout, dx);
    const mhc__merging *undo = dout.data ? &merging : NULL;
    mhc__pre_gradients g = {du, d_coefficients, d_carried, undo, dout, dx, {0}, tokens, gradients};
#pragma omp parallel for num_threads(threads) schedule(static) if (ranges > 1)
    for (int range = 0; range < ranges; range++) {
        mhc__pre_scratch own = mhc__pre_scratch_of(&s, scratch, ranges, range, mhc__thread_index());
        int64_t end = mhc__range_first(tokens, range + 1);
        mhc__pre_back_begin(&pre, &g, ranges, &own);
        for (int64_t first = mhc__range_first(tokens, range); first < end; first += MHC__CHUNK)
            mhc__pre_back_chunk(&pre, &g, first, mhc__min(end, first + MHC__CHUNK), own);
    }
    mhc__pre_back_end(&pre, &g, context->threads, ranges, scratch);
    return MHC_OK;
}
