/* X'_i = sum_j res_ij X_j + post_i z: one pass over the streams. */
#include "stream/lanes.h"
#include "stream/shape.h"

/* All streams of a column group are read before any is written: out may be x. */
MHC__INLINE void merge_lanes(int n, int w, const float *x, int64_t x_stride, const float *z, const float *post,
                             const float *res, float *out, int64_t out_stride) {
    float sum[MHC_MAX_STREAMS][MHC__LANES];
    for (int i = 0; i < n; i++) {
        for (int l = 0; l < w; l++)
            sum[i][l] = res[i * n] * x[l];
        for (int j = 1; j < n; j++)
            for (int l = 0; l < w; l++)
                sum[i][l] = __builtin_fmaf(res[i * n + j], x[j * x_stride + l], sum[i][l]);
    }
    for (int i = 0; i < n; i++)
        for (int l = 0; l < w; l++)
            out[i * out_stride + l] = __builtin_fmaf(post[i], z[l], sum[i][l]);
}

MHC__INLINE void merge_row(int n, int64_t channels, const float *x, int64_t x_stride, const float *z,
                           const float *coefficients, float *out, int64_t out_stride) {
    const float *post = coefficients + n, *res = coefficients + 2 * n;
    int64_t c = 0;
    for (; c + MHC__LANES <= channels; c += MHC__LANES)
        merge_lanes(n, MHC__LANES, x + c, x_stride, z + c, post, res, out + c, out_stride);
    if (c < channels)
        merge_lanes(n, (int)(channels - c), x + c, x_stride, z + c, post, res, out + c, out_stride);
}

MHC__CLONES static void merge_block(int n, int64_t channels, int64_t first, int64_t end, mhc_streams x, mhc_rows z,
                                    const float *coefficients, int64_t stride, mhc_streams out) {
    for (int64_t t = first; t < end; t++) {
        const float *row = x.data + t * x.token_stride, *add = z.data + t * z.stride, *c = coefficients + t * stride;
        float *to = out.data + t * out.token_stride;
        if (n == 1)
            merge_row(1, channels, row, x.stream_stride, add, c, to, out.stream_stride);
        else if (n == 2)
            merge_row(2, channels, row, x.stream_stride, add, c, to, out.stream_stride);
        else if (n == 4)
            merge_row(4, channels, row, x.stream_stride, add, c, to, out.stream_stride);
        else
            merge_row(n, channels, row, x.stream_stride, add, c, to, out.stream_stride);
    }
}

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
    const float ones[3] = {1.0f, 1.0f, 1.0f};
    if (s.logits == 0)
        coefficients = ones;
    MHC__TRY(mhc__need(coefficients, call, "coefficients", error));
    int64_t stride = s.dynamic ? s.coefficients : 0, blocks = mhc__blocks(tokens, MHC__TOKEN_BLOCK);
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        merge_block(s.n, s.channels, block * MHC__TOKEN_BLOCK, mhc__min(tokens, (block + 1) * MHC__TOKEN_BLOCK), x, z,
                    coefficients, stride, out);
    return MHC_OK;
}
