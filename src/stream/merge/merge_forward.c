/* X'_i = sum_j res_ij X_j + post_i z: one pass over the streams. */
#include "stream/cuda.h"
#include "stream/kernels.h"
#include "stream/shape.h"

mhc_status mhc_merge_forward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x,
                             mhc_rows z, const float *coefficients, mhc_streams out, mhc_error *error) {
    const char *call = "mhc_merge_forward";
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    if (tokens == 0)
        return MHC_OK;
    MHC__TRY(mhc__need(x.data, call, "x", error));
    MHC__TRY(mhc__need(z.data, call, "z", error));
    MHC__TRY(mhc__need(out.data, call, "out", error));
    if (!s.plain)
        MHC__TRY(mhc__need(coefficients, call, "coefficients", error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, tokens, NULL, call, error);
        return mhc__cuda->merge(&cuda, &(mhc__cuda_merge){x, z, coefficients, out});
    }
    const float ones[3] = {1.0f, 1.0f, 1.0f};
    if (s.plain)
        coefficients = ones;
    const mhc__stream_kernels *kernels = mhc__stream_kernels_chosen(s.type);
    mhc__merging m = {s.n, s.channels, x, z, coefficients, s.dynamic ? s.coefficients : 0, false, false};
    m.around = mhc__goes_around(&s, tokens, x, out);
    int64_t blocks = mhc__blocks(tokens, MHC__TOKEN_BLOCK);
#pragma omp parallel for num_threads(context->threads) schedule(static) if (blocks > 1)
    for (int64_t block = 0; block < blocks; block++)
        kernels->merge(&m, block * MHC__TOKEN_BLOCK, mhc__min(tokens, (block + 1) * MHC__TOKEN_BLOCK), out);
    return MHC_OK;
}
