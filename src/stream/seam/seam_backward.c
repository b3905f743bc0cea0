#include <string.h>

#include "mhc/seam.h"
#include "stream/cuda.h"
#include "stream/pre/pre.h"

static mhc_status check(const mhc__shape *s, int64_t tokens, const mhc_seam_next *next, mhc_streams dx_next,
                        mhc_streams x, mhc_rows z, const float *coefficients, mhc_rows dz, const float *d_coefficients,
                        mhc_error *error) {
    const char *call = "mhc_seam_backward";
    MHC__TRY(mhc__need(next, call, "next", error));
    MHC__TRY(mhc__pre_check(s, next->params, tokens, next->x, NULL, next->coefficients, call, "next->params", error));
    MHC__TRY(mhc__need_params(s, next->gradients, call, "next->gradients", error));
    if (tokens > 0) {
        MHC__TRY(mhc__need(next->du.data, call, "next->du", error));
        MHC__TRY(mhc__need(next->dout.data, call, "next->dout", error));
        MHC__TRY(mhc__need(dx_next.data, call, "dx_next", error));
        MHC__TRY(mhc__need(dz.data, call, "dz", error));
        if (s->dynamic)
            MHC__TRY(mhc__need(next->saved, call, "next->saved", error));
        if (!s->plain) {
            MHC__TRY(mhc__need(x.data, call, "x", error));
            MHC__TRY(mhc__need(z.data, call, "z", error));
        }
    }
    if (s->plain || (s->dynamic && tokens == 0))
        return MHC_OK;
    MHC__TRY(mhc__need(next->d_coefficients, call, "next->d_coefficients", error));
    MHC__TRY(mhc__need(coefficients, call, "coefficients", error));
    return mhc__need(d_coefficients, call, "d_coefficients", error);
}

/* The residual's dz is the gradient that arrives. */
static void copy_rows(const mhc__shape *s, int64_t first, int64_t end, mhc_streams from, mhc_rows to) {
    for (int64_t t = first; t < end; t++)
        memmove(mhc__rows_from(to, s->type, t).data, mhc__streams_from(from, s->type, t, 0).data,
                (size_t)(s->channels * mhc_type_size(s->type)));
}

/* The merge of tokens first..end; the sums of coefficients that all tokens share go to totals. */
static void merge_chunk(const mhc__pre *pre, const mhc__merging *m, int64_t first, int64_t end, mhc_streams dout,
                        mhc_rows dz, float *d_coefficients, double *totals) {
    float sums[MHC__MERGE_SUMS(MHC_MAX_STREAMS)];
    if (pre->shape->plain) {
        copy_rows(pre->shape, first, end, dout, dz);
        return;
    }
    pre->streams->merge_back(m, first, end, dout, (mhc_streams){0}, dz, d_coefficients, sums);
    for (int k = 0; k < MHC__MERGE_SUMS(m->n) && m->stride == 0; k++)
        totals[k] += (double)sums[k];
}

mhc_status mhc_seam_backward(const mhc_context *context, const mhc_spec *spec, int64_t tokens,
                             const mhc_seam_next *next, mhc_streams dx_next, mhc_streams x, mhc_rows z,
                             const float *coefficients, mhc_rows dz, float *d_coefficients, void *workspace,
                             size_t workspace_size, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    MHC__TRY(check(&s, tokens, next, dx_next, x, z, coefficients, dz, d_coefficients, error));
    if (mhc__on_cuda(context)) {
        const float *carried = s.shifted ? coefficients : NULL;
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, tokens, workspace, "mhc_seam_backward", error);
        MHC__TRY(mhc__cuda_need_workspace(&cuda, workspace_size));
        mhc__cuda_pre_back pre = {mhc__cuda_params(next->params),
                                  next->x,
                                  carried,
                                  next->coefficients,
                                  next->saved,
                                  next->du,
                                  next->d_coefficients,
                                  s.shifted ? d_coefficients : NULL,
                                  next->dout,
                                  dx_next,
                                  mhc__cuda_params(next->gradients)};
        mhc__cuda_merge_back merge = {x, z, coefficients, dx_next, {0}, dz, d_coefficients};
        return mhc__cuda->seam_back(&cuda, &pre, &merge);
    }
    int ranges = mhc__ranges(tokens), threads = (int)mhc__max(1, mhc__min(context->threads, ranges));
    size_t needed = (size_t)mhc__pre_scratch_floats(&s, ranges) * sizeof(float);
    MHC__TRY(mhc__need_workspace(workspace, workspace_size, needed, "mhc_seam_backward", error));
    float *scratch = workspace;
    const float ones[3] = {1.0f, 1.0f, 1.0f}; /* the residual's */
    int64_t stride = s.dynamic ? s.coefficients : 0;
    const float *carried = s.shifted ? coefficients : NULL;
    mhc__pre pre = mhc__pre_of(spec, &s, next->params, next->x, next->coefficients, carried, (float *)next->saved);
    mhc__merging above = {.n = s.n, .channels = s.channels, .coefficients = s.plain ? ones : next->coefficients};
    above.stride = stride;
    mhc__merging here = {s.n, s.channels, x, z, coefficients, stride, false, false};
    mhc__pre_gradients g = {next->du, next->d_coefficients, s.shifted ? d_coefficients : NULL, &above, next->dout,
                            dx_next,  next->gradients,      s.plain ? (mhc_streams){0} : x};
    mhc__pre_back_begin(&pre, context->threads, ranges, scratch);
#pragma omp parallel for num_threads(threads) schedule(static) if (ranges > 1)
    for (int range = 0; range < ranges; range++) {
        mhc__pre_scratch own = mhc__pre_scratch_of(&s, scratch, ranges, range, mhc__thread_index());
        int64_t end = mhc__range_first(tokens, range + 1);
        mhc__pre_back_range(&pre, &g, ranges, &own);
        for (int64_t first = mhc__range_first(tokens, range); first < end; first += MHC__CHUNK) {
            int64_t last = mhc__min(end, first + MHC__CHUNK);
            mhc__pre_back_chunk(&pre, &g, first, last, &own);
            merge_chunk(&pre, &here, first, last, dx_next, dz, d_coefficients, own.merged);
        }
    }
    mhc__pre_back_end(&pre, &g, context->threads, ranges, scratch);
    for (int k = 0; k < MHC__MERGE_SUMS(s.n) && !s.plain && !s.dynamic; k++) {
        double sum = 0.0;
        for (int range = 0; range < ranges; range++)
            sum += mhc__pre_scratch_of(&s, scratch, ranges, range, 0).merged[k];
        d_coefficients[s.n + k] = (float)sum;
    }
    return MHC_OK;
}
