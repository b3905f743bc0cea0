/* X'_i = sum_j res_ij X_j + post_i z: one pass over the streams. */
#include "stream/lanes.h"
#include "stream/shape.h"

/* All streams of a column group are read before any is written: out may be x. Every value goes through a local array,
 * so that the compiler sees no aliasing between what it loads and stores. */
MHC__INLINE void merge_lanes(int n, int w, const float *x, int64_t x_stride, const float *z, const float *post,
                             const float *res, float *out, int64_t out_stride) {
    float sum[MHC_MAX_STREAMS][MHC__LANES], source[MHC__LANES];
    for (int l = 0; l < w; l++)
        source[l] = x[l];
    for (int i = 0; i < n; i++)
        for (int l = 0; l < w; l++)
            sum[i][l] = res[i * n] * source[l];
    for (int j = 1; j < n; j++) {
        for (int l = 0; l < w; l++)
            source[l] = x[j * x_stride + l];
        for (int i = 0; i < n; i++)
            for (int l = 0; l < w; l++)
                sum[i][l] = __builtin_fmaf(res[i * n + j], source[l], sum[i][l]);
    }
    for (int l = 0; l < w; l++)
        source[l] = z[l];
    for (int i = 0; i < n; i++)
        for (int l = 0; l < w; l++)
            sum[i][l] = __builtin_fmaf(post[i], source[l], sum[i][l]);
    for (int i = 0; i < n; i++)
        for (int l = 0; l < w; l++)
            out[i * out_stride + l] = sum[i][l];
}

MHC__INLINE void merge_row(int n, int64_t channels, const float *x, int64_t x_stride, const float *z, const float *post,
                           const float *res, float *out, int64_t out_stride) {
    int64_t c = 0;
    for (; c + MHC__LANES <= channels; c += MHC__LANES)
        merge_lanes(n, MHC__LANES, x + c, x_stride, z + c, post, res, out + c, out_stride);
    if (c < channels)
        merge_lanes(n, (int)(channels - c), x + c, x_stride, z + c, post, res, out + c, out_stride);
}

MHC__INLINE float merge_four(const float *res, float post, float x0, float x1, float x2, float x3, float z) {
    float sum = __builtin_fmaf(res[1], x1, res[0] * x0);
    sum = __builtin_fmaf(res[3], x3, __builtin_fmaf(res[2], x2, sum));
    return __builtin_fmaf(post, z, sum);
}

/* The same arithmetic for the usual n = 4. Element c of every output depends on element c of the inputs alone, so out
 * may be x, and the loop may be vectorised. */
MHC__INLINE void merge_row_four(int64_t channels, const float *x, int64_t x_stride, const float *z, const float *post,
                                const float *res, float *out, int64_t out_stride) {
    const float *x0 = x, *x1 = x + x_stride, *x2 = x1 + x_stride, *x3 = x2 + x_stride;
    float *o0 = out, *o1 = out + out_stride, *o2 = o1 + out_stride, *o3 = o2 + out_stride;
    MHC__INDEPENDENT
    for (int64_t c = 0; c < channels; c++) {
        float a = x0[c], b = x1[c], d = x2[c], e = x3[c], y = z[c];
        o0[c] = merge_four(res, post[0], a, b, d, e, y);
        o1[c] = merge_four(res + 4, post[1], a, b, d, e, y);
        o2[c] = merge_four(res + 8, post[2], a, b, d, e, y);
        o3[c] = merge_four(res + 12, post[3], a, b, d, e, y);
    }
}

MHC__CLONES static void merge_block(int n, int64_t channels, int64_t first, int64_t end, mhc_streams x, mhc_rows z,
                                    const float *coefficients, int64_t stride, mhc_streams out) {
    float post[MHC_MAX_STREAMS], res[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    for (int64_t t = first; t < end; t++) {
        const float *row = x.data + t * x.token_stride, *add = z.data + t * z.stride, *c = coefficients + t * stride;
        float *to = out.data + t * out.token_stride;
        for (int i = 0; i < n; i++)
            post[i] = c[n + i];
        for (int e = 0; e < n * n; e++)
            res[e] = c[2 * n + e];
        if (n == 4)
            merge_row_four(channels, row, x.stream_stride, add, post, res, to, out.stream_stride);
        else if (n == 1)
            merge_row(1, channels, row, x.stream_stride, add, post, res, to, out.stream_stride);
        else
            merge_row(n, channels, row, x.stream_stride, add, post, res, to, out.stream_stride);
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
