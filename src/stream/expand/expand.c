/* One stream to n and its gradient. */
#include <string.h>

#include "mhc/ends.h"
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
    size_t bytes = (size_t)s.channels * sizeof(float);
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (int64_t t = 0; t < tokens; t++)
        for (int i = 0; i < s.n; i++)
            memcpy(out.data + t * out.token_stride + i * out.stream_stride, x.data + t * x.stride, bytes);
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
    const mhc__kernels *kernels = mhc__kernels_chosen();
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (int64_t t = 0; t < tokens; t++)
        kernels->sum_rows(s.n, s.channels, dout.data + t * dout.token_stride, dout.stream_stride,
                          dx.data + t * dx.stride);
    return MHC_OK;
}
