/* Gradient of merge: x, z and dout are read once; dx, dz and all n (n + 1) dot products come from the same pass. */
#include <string.h>

#include "stream/cuda.h"
#include "stream/kernels.h"
#include "stream/ranges.h"
#include "stream/shape.h"

/* Of coefficients that all tokens share: the sums of a range, chunk by chunk. */
static void range_back(const mhc__stream_kernels *kernels, const mhc__merging *m, int64_t tokens, int range,
                       mhc_streams dout, mhc_streams dx, mhc_rows dz, double *totals) {
    float sums[MHC__MERGE_SUMS(MHC_MAX_STREAMS)];
    memset(totals, 0, (size_t)MHC__MERGE_SUMS(m->n) * sizeof *totals);
    int64_t end = mhc__range_first(tokens, range + 1);
    for (int64_t first = mhc__range_first(tokens, range); first < end; first += MHC__CHUNK) {
        kernels->merge_back(m, first, mhc__min(end, first + MHC__CHUNK), dout, dx, dz, NULL, sums);
        for (int k = 0; k < MHC__MERGE_SUMS(m->n); k++)
            totals[k] += (double)sums[k];
    }
}

/* The plain residual: dx = dz = dout. */
static void pass_on(const mhc_context *context, const mhc__shape *s, int64_t tokens, mhc_streams dout, mhc_streams dx,
                    mhc_rows dz) {
    size_t bytes = (size_t)(s->channels * mhc_type_size(s->type));
#pragma omp parallel for num_threads(context->threads) schedule(static) if (tokens > 1)
    for (int64_t t = 0; t < tokens; t++) {
        const void *from = mhc__streams_from(dout, s->type, t, 0).data;
        memcpy(mhc__rows_from(dz, s->type, t).data, from, bytes);
        if (dx.data && dx.data != dout.data)
            memcpy(mhc__streams_from(dx, s->type, t, 0).data, from, bytes);
    }
}

static mhc_status check(const mhc__shape *s, int64_t tokens, mhc_streams x, mhc_rows z, const float *coefficients,
                        mhc_streams dout, mhc_rows dz, const float *d_coefficients, mhc_error *error) {
    const char *call = "mhc_merge_backward";
    if (tokens > 0) {
        MHC__TRY(mhc__need(dout.data, call, "dout", error));
        MHC__TRY(mhc__need(dz.data, call, "dz", error));
    }
    if (s->plain)
        return MHC_OK;
    if (tokens > 0) {
        MHC__TRY(mhc__need(x.data, call, "x", error));
        MHC__TRY(mhc__need(z.data, call, "z", error));
    }
    if (tokens > 0 || !s->dynamic) {
        MHC__TRY(mhc__need(coefficients, call, "coefficients", error));
        MHC__TRY(mhc__need(d_coefficients, call, "d_coefficients", error));
    }
    return MHC_OK;
}

mhc_status mhc_merge_backward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x,
                              mhc_rows z, const float *coefficients, mhc_streams dout, mhc_streams dx, mhc_rows dz,
                              float *d_coefficients, void *workspace, size_t workspace_size, mhc_error *error) {
    const char *call = "mhc_merge_backward";
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    MHC__TRY(check(&s, tokens, x, z, coefficients, dout, dz, d_coefficients, error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, tokens, workspace, call, error);
        MHC__TRY(mhc__cuda_need_workspace(&cuda, workspace_size));
        return mhc__cuda->merge_back(&cuda, &(mhc__cuda_merge_back){x, z, coefficients, dout, dx, dz, d_coefficients});
    }
    if (s.plain) {
        pass_on(context, &s, tokens, dout, dx, dz);
        return MHC_OK;
    }
    int64_t sums = MHC__MERGE_SUMS(s.n);
    int ranges = mhc__ranges(tokens);
    if (!s.dynamic)
        MHC__TRY(mhc__need_workspace(workspace, workspace_size, (size_t)(ranges * sums) * sizeof(double), call, error));
    double *totals = workspace;
    const mhc__stream_kernels *kernels = mhc__stream_kernels_chosen(s.type);
    mhc__merging m = {s.n, s.channels, x, z, coefficients, s.dynamic ? s.coefficients : 0, false, false};
    if (s.dynamic) {
        int64_t blocks = mhc__blocks(tokens, MHC__TOKEN_BLOCK);
#pragma omp parallel for num_threads(context->threads) schedule(static) if (blocks > 1)
        for (int64_t block = 0; block < blocks; block++)
            kernels->merge_back(&m, block * MHC__TOKEN_BLOCK, mhc__min(tokens, (block + 1) * MHC__TOKEN_BLOCK), dout,
                                dx, dz, d_coefficients, NULL);
        return MHC_OK;
    }
#pragma omp parallel for num_threads(context->threads) schedule(static) if (ranges > 1)
    for (int range = 0; range < ranges; range++)
        range_back(kernels, &m, tokens, range, dout, dx, dz, totals + range * sums);
    for (int64_t k = 0; k < sums; k++) {
        double sum = 0.0;
        for (int range = 0; range < ranges; range++)
            sum += totals[range * sums + k];
        d_coefficients[s.n + k] = (float)sum;
    }
    return MHC_OK;
}
