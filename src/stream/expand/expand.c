/* One stream to n and its gradient. */
#include <string.h>

#include "mhc/ends.h"
#include "stream/cuda.h"
#include "stream/kernels.h"
#include "stream/shape.h"

mhc_status mhc_expand_forward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_rows x,
                              mhc_streams out, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    if (tokens == 0)
        return MHC_OK;
    MHC__TRY(mhc__need(x.data, "mhc_expand_forward", "x", error));
    MHC__TRY(mhc__need(out.data, "mhc_expand_forward", "out", error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, tokens, NULL, "mhc_expand_forward", error);
        return mhc__cuda->expand(&cuda, x, out);
    }
    size_t bytes = (size_t)(s.channels * mhc_type_size(s.type));
#pragma omp parallel for num_threads(context->threads) schedule(static) if (tokens > 1)
    for (int64_t t = 0; t < tokens; t++)
        for (int i = 0; i < s.n; i++)
            memcpy(mhc__streams_from(out, s.type, t, i).data, mhc__rows_from(x, s.type, t).data, bytes);
    return MHC_OK;
}

mhc_status mhc_expand_backward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams dout,
                               mhc_rows dx, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    if (tokens == 0)
        return MHC_OK;
    MHC__TRY(mhc__need(dout.data, "mhc_expand_backward", "dout", error));
    MHC__TRY(mhc__need(dx.data, "mhc_expand_backward", "dx", error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, tokens, NULL, "mhc_expand_backward", error);
        return mhc__cuda->expand_back(&cuda, dout, dx);
    }
    const mhc__stream_kernels *kernels = mhc__stream_kernels_chosen(s.type);
    int64_t blocks = mhc__blocks(tokens, MHC__TOKEN_BLOCK);
#pragma omp parallel for num_threads(context->threads) schedule(static) if (blocks > 1)
    for (int64_t block = 0; block < blocks; block++)
        kernels->sum_streams(s.n, s.channels, block * MHC__TOKEN_BLOCK,
                             mhc__min(tokens, (block + 1) * MHC__TOKEN_BLOCK), dout, dx);
    return MHC_OK;
}
