#include "mhc/seam.h"

#include "stream/pre/pre.h"

mhc_status mhc_seam_forward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x, mhc_rows z,
                            const float *coefficients, mhc_streams out, const mhc_site_params *next,
                            float *next_coefficients, float *next_saved, mhc_rows next_u, void *workspace,
                            size_t workspace_size, mhc_error *error) {
    const char *call = "mhc_seam_forward";
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    const float ones[3] = {1.0f, 1.0f, 1.0f};
    if (s.plain)
        coefficients = ones;
    if (tokens > 0) {
        MHC__TRY(mhc__need(x.data, call, "x", error));
        MHC__TRY(mhc__need(z.data, call, "z", error));
        MHC__TRY(mhc__need(coefficients, call, "coefficients", error));
    }
    const float *carried = s.shifted ? coefficients : NULL;
    MHC__TRY(mhc__pre_check(&s, next, tokens, out, carried, next_coefficients, call, "next", error));
    mhc__pre pre = mhc__pre_of(spec, &s, next, out, next_coefficients, carried, next_saved);
    mhc__merging merging = {s.n, s.channels, x, z, coefficients, s.dynamic ? s.coefficients : 0, false};
    MHC__TRY(mhc__pre_begin(&pre, context->threads, tokens, next_coefficients, workspace, workspace_size, call, error));
    int64_t step = mhc__pre_block_tokens(&pre), blocks = mhc__blocks(tokens, step);
#pragma omp parallel for num_threads(context->threads) schedule(static) if (blocks > 1)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t first = block * step, end = mhc__min(tokens, first + step);
        pre.streams->merge(&merging, first, end, out);
        mhc__pre_block(&pre, first, end, next_coefficients, next_u);
    }
    return MHC_OK;
}
