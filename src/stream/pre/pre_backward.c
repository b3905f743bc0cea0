#include <string.h>

#include "stream/cuda.h"
#include "stream/pre/pre.h"

/* For base and scale; of a static mapping they are those of pre first. */
static int64_t sums_of(const mhc__shape *s) {
    return mhc__max(s->logits, s->n) + 3;
}

static int64_t sums_floats(const mhc__shape *s) {
    return mhc__whole_lines(2 * (MHC__MERGE_SUMS(s->n) + sums_of(s)));
}
static int64_t mix_floats(const mhc__shape *s) {
    return mhc__whole_lines(MHC__CHUNK * (int64_t)s->logits);
}
/* fn in slabs, where ranges have parts of its gradient. */
static int64_t fn_floats(const mhc__shape *s, int ranges) {
    return s->dynamic && ranges > 1 ? mhc__fn_slab_floats(s->width, s->groups == 1 ? s->n : 1, s->channels) : 0;
}
static int64_t range_floats(const mhc__shape *s, int ranges) {
    return sums_floats(s) + (s->dynamic ? mix_floats(s) + fn_floats(s, ranges) : 0);
}
static int64_t slab_floats(const mhc__shape *s) {
    return s->dynamic ? mhc__slab_floats(s->n, s->channels) : 0;
}

int64_t mhc__pre_scratch_floats(const mhc__shape *s, int ranges) {
    int64_t floats = ranges * (range_floats(s, ranges) + slab_floats(s)) + fn_floats(s, ranges);
    return floats ? floats + MHC__LINE_FLOATS : 0;
}

mhc__pre_scratch mhc__pre_scratch_of(const mhc__shape *s, float *scratch, int ranges, int range, int thread) {
    float *fn = mhc__first_line(scratch), *slabs = fn + fn_floats(s, ranges), *first = slabs + ranges * slab_floats(s);
    float *at = first + range * range_floats(s, ranges), *d_mix = at + sums_floats(s);
    double *merged = (double *)(void *)at;
    return (mhc__pre_scratch){.merged = merged,
                              .sums = merged + MHC__MERGE_SUMS(s->n),
                              .d_mix = d_mix,
                              .slabs = {s->n, s->channels, slabs + thread * slab_floats(s)},
                              .fn = {fn, d_mix + mix_floats(s), true, true}};
}

void mhc__pre_back_begin(const mhc__pre *pre, int threads, int ranges, float *scratch) {
    if (fn_floats(pre->shape, ranges))
        mhc__projection_slabs(threads, &pre->projection, pre->params->fn, mhc__first_line(scratch));
}

void mhc__pre_back_range(const mhc__pre *pre, const mhc__pre_gradients *g, int ranges, mhc__pre_scratch *scratch) {
    const mhc__shape *s = pre->shape;
    memset(scratch->merged, 0, (size_t)MHC__MERGE_SUMS(s->n) * sizeof *scratch->merged);
    memset(scratch->sums, 0, (size_t)sums_of(s) * sizeof *scratch->sums);
    if (s->dynamic && ranges == 1)
        scratch->fn = (mhc__fn_back){pre->params->fn, g->params->fn, false, false};
}

/* Static: <du, X_j>, the gradient of the weights of the collapse, and dx. */
static void static_chunk(const mhc__pre *pre, const mhc__pre_gradients *g, int64_t first, int64_t end,
                         const mhc__pre_scratch *scratch, const mhc__spreading *spreading) {
    const mhc__shape *s = pre->shape;
    float sums[MHC_MAX_STREAMS], *d_weights = s->shifted ? g->d_carried : g->d_coefficients;
    if (!s->plain && d_weights) {
        pre->streams->collapse_dots(s->n, s->channels, first, end, pre->x, g->du, sums, 0);
        for (int j = 0; j < s->n; j++)
            scratch->sums[j] += (double)sums[j];
    }
    pre->streams->spread(spreading, (mhc__slabs){0}, first, end);
}

static mhc_streams from(mhc_streams view, mhc_type type, int64_t first) {
    return view.data ? mhc__streams_from(view, type, first, 0) : view;
}

/* From the gradients of the coefficients to d_mix, a few tokens at a time, and through the projection to d_fn and to
 * the shares of dx. */
static void mapping_back(const mhc__pre *pre, const mhc__pre_gradients *g, int64_t first, int64_t end,
                         const mhc__pre_scratch *scratch) {
    const mhc__shape *s = pre->shape;
    float *row = pre->saved + first * s->saved;
    mhc__mixes saved = {row, row + s->logits, row + s->logits + s->groups, s->saved};
    int64_t step = mhc__lanes_of(s->n);
    for (int64_t t = first; t < end; t += step)
        pre->logits->coefficients_back(pre->spec, s, (int)mhc__min(step, end - t), pre->saved + t * s->saved, s->saved,
                                       pre->params->scale, pre->params->base, g->d_coefficients + t * s->coefficients,
                                       scratch->d_mix + (t - first) * s->logits, s->logits, scratch->sums);
    const mhc_streams soon[MHC__SOON] = {from(g->dout, s->type, first), from(pre->x, s->type, end),
                                         from(g->beside, s->type, first)};
    mhc__projection_backward(pre->streams, &pre->projection, end - first, scratch->slabs, soon, saved, scratch->d_mix,
                             s->logits, &scratch->fn);
}

void mhc__pre_back_chunk(const mhc__pre *pre, const mhc__pre_gradients *g, int64_t first, int64_t end,
                         mhc__pre_scratch *scratch) {
    const mhc__shape *s = pre->shape;
    const mhc__spreading spreading = {s->n, s->channels, g->merging, true, pre->weights, g->dout, g->du, g->dx};
    if (!s->dynamic) {
        static_chunk(pre, g, first, end, scratch, &spreading);
        return;
    }
    pre->streams->gather(scratch->slabs, first, end, pre->x, g->du, s->shifted ? g->d_carried : g->d_coefficients,
                         s->coefficients);
    mapping_back(pre, g, first, end, scratch);
    scratch->fn.begins = false;
    pre->streams->spread(&spreading, scratch->slabs, first, end);
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
                                      mhc__pre_scratch_of(s, scratch, ranges, 0, 0).fn.d_fn, range_floats(s, ranges),
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
    mhc__pre_gradients g = {du, d_coefficients, d_carried, undo, dout, dx, gradients, {0}};
    mhc__pre_back_begin(&pre, context->threads, ranges, scratch);
#pragma omp parallel for num_threads(threads) schedule(static) if (ranges > 1)
    for (int range = 0; range < ranges; range++) {
        mhc__pre_scratch own = mhc__pre_scratch_of(&s, scratch, ranges, range, mhc__thread_index());
        int64_t end = mhc__range_first(tokens, range + 1);
        mhc__pre_back_range(&pre, &g, ranges, &own);
        for (int64_t first = mhc__range_first(tokens, range); first < end; first += MHC__CHUNK)
            mhc__pre_back_chunk(&pre, &g, first, mhc__min(end, first + MHC__CHUNK), &own);
    }
    mhc__pre_back_end(&pre, &g, context->threads, ranges, scratch);
    return MHC_OK;
}
