#include "nn/norm.h"

#include <float.h>
#include <math.h>

#include "base/compiler.h"
#include "base/threads.h"
#include "simd/vector.h"

#define FORWARD_ROWS  16
#define TINY_RSTD     0x1p-60f
#define BACKWARD_ROWS 64 /* rows whose parameter gradients are summed before blocks are added up */

/* Sums of a row: element c in lane c % 16, the tail by itself. */
MHC__INLINE float sum_of(const float *x, int64_t channels) {
    mhc__v8 low = {0}, high = {0};
    float rest = 0;
    int64_t c = 0;
    for (; c + 16 <= channels; c += 16) {
        low += mhc__v8_load(x + c);
        high += mhc__v8_load(x + c + 8);
    }
    for (; c < channels; c++)
        rest += x[c];
    return mhc__v8_sum(low, high) + rest;
}

/* sum (x - mean)^2 */
MHC__INLINE float squares_about(const float *x, float mean, int64_t channels) {
    mhc__v8 low = {0}, high = {0}, m = mhc__v8_all(mean);
    float rest = 0;
    int64_t c = 0;
    for (; c + 16 <= channels; c += 16) {
        mhc__v8 a = mhc__v8_load(x + c) - m, b = mhc__v8_load(x + c + 8) - m;
        low = mhc__v8_fma(a, a, low);
        high = mhc__v8_fma(b, b, high);
    }
    for (; c < channels; c++)
        rest = __builtin_fmaf(x[c] - mean, x[c] - mean, rest);
    return mhc__v8_sum(low, high) + rest;
}

/* Of a row that overflows: its mean and 1 / standard deviation, from 2^-100 times the row. Beside its variance eps
 * vanishes, unless there is none. NaN and Inf in the row give NaN. */
static void scaled_moments(mhc__norm_kind kind, float eps, const float *x, int64_t channels, float *mean, float *rstd) {
    const float down = 0x1p-100f;
    float sum = 0, squares = 0;
    for (int64_t c = 0; mhc__norm_has_mean(kind) && c < channels; c++)
        sum += x[c] * down;
    float m = sum / (float)channels;
    for (int64_t c = 0; c < channels; c++)
        squares = __builtin_fmaf(x[c] * down - m, x[c] * down - m, squares);
    *mean = m / down;
    *rstd = squares == 0 ? 1.0f / sqrtf(eps) : down / sqrtf(squares / (float)channels);
}

/* What kind makes of a row whose sums in fp32 are not finite. */
static void overflowing_moments(mhc__norm_kind kind, float eps, const float *x, int64_t channels, float *mean,
                                float *rstd) {
    if (kind == MHC__LAYERNORM_PYTORCH)
        *rstd = NAN;
    else if (kind != MHC__LAYERNORM_MLX)
        scaled_moments(kind, eps, x, channels, mean, rstd);
}

MHC__CLONES static void forward_rows(mhc__norm_kind kind, float eps, int64_t rows, int64_t channels, const float *x,
                                     const float *weight, const float *bias, float *y, float *mean, float *rstd) {
    for (int64_t t = 0; t < rows; t++, x += channels, y += channels) {
        float m = mhc__norm_has_mean(kind) ? sum_of(x, channels) / (float)channels : 0.0f;
        float square = squares_about(x, m, channels);
        float r = 1.0f / sqrtf(square / (float)channels + eps);
        if (!(square <= FLT_MAX))
            overflowing_moments(kind, eps, x, channels, &m, &r);
        if (mhc__norm_has_mean(kind))
            mean[t] = m;
        rstd[t] = r;
        if (bias) {
#pragma omp simd
            for (int64_t c = 0; c < channels; c++)
                y[c] = __builtin_fmaf((x[c] - m) * r, weight[c], bias[c]);
        } else {
#pragma omp simd
            for (int64_t c = 0; c < channels; c++)
                y[c] = (x[c] - m) * r * weight[c];
        }
    }
}

void mhc__norm_forward(int threads, mhc__norm_kind kind, float eps, int64_t tokens, int64_t channels, const float *x,
                       const float *weight, const float *bias, float *y, float *mean, float *rstd) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(tokens, FORWARD_ROWS); block++) {
        int64_t t = block * FORWARD_ROWS;
        forward_rows(kind, eps, mhc__min(FORWARD_ROWS, tokens - t), channels, x + t * channels, weight, bias,
                     y + t * channels, mean ? mean + t : NULL, rstd + t);
    }
}

/* sums[0] = sum g, sums[1] = sum g xhat,  g = dy weight, xhat = (x - mean) rstd */
MHC__INLINE void backward_sums(const float *x, const float *weight, const float *dy, float mean, float rstd,
                               int64_t channels, float *sums) {
    mhc__v8 g_low = {0}, g_high = {0}, p_low = {0}, p_high = {0}, m = mhc__v8_all(mean);
    float g_rest = 0, p_rest = 0;
    int64_t c = 0;
    for (; c + 16 <= channels; c += 16) {
        mhc__v8 a = mhc__v8_load(dy + c) * mhc__v8_load(weight + c);
        mhc__v8 b = mhc__v8_load(dy + c + 8) * mhc__v8_load(weight + c + 8);
        g_low += a;
        g_high += b;
        p_low = mhc__v8_fma(a, mhc__v8_load(x + c) - m, p_low);
        p_high = mhc__v8_fma(b, mhc__v8_load(x + c + 8) - m, p_high);
    }
    for (; c < channels; c++) {
        float g = dy[c] * weight[c];
        g_rest += g;
        p_rest = __builtin_fmaf(g, x[c] - mean, p_rest);
    }
    if (rstd < TINY_RSTD) { /* x - mean is so large that the products with it may overflow */
        p_low = p_high = (mhc__v8){0};
        p_rest = 0;
        for (c = 0; c < channels; c++)
            p_rest = __builtin_fmaf(dy[c] * weight[c], (x[c] - mean) * rstd, p_rest);
        rstd = 1;
    }
    sums[0] = mhc__v8_sum(g_low, g_high) + g_rest;
    sums[1] = (mhc__v8_sum(p_low, p_high) + p_rest) * rstd;
}

/* dx = rstd (g - mean(g) - xhat mean(g xhat)); rmsnorm has no mean(g). partial [2 C]: dweight | dbias of these rows. */
MHC__CLONES static void backward_rows(mhc__norm_kind kind, int64_t rows, int64_t channels, const float *x,
                                      const float *weight, const float *mean, const float *rstd, const float *dy,
                                      float *dx, float *partial) {
    float *dweight = partial, *dbias = partial + channels;
    for (int64_t c = 0; c < 2 * channels; c++)
        partial[c] = 0.0f;
    for (int64_t t = 0; t < rows; t++, x += channels, dy += channels, dx += channels) {
        float m = mhc__norm_has_mean(kind) ? mean[t] : 0.0f, r = rstd[t], sums[2];
        backward_sums(x, weight, dy, m, r, channels, sums);
        float shift = mhc__norm_has_mean(kind) ? sums[0] / (float)channels : 0.0f;
        float along = sums[1] / (float)channels;
#pragma omp simd
        for (int64_t c = 0; c < channels; c++) {
            float d = dy[c], normal = (x[c] - m) * r;
            dweight[c] = __builtin_fmaf(d, normal, dweight[c]);
            dbias[c] += d;
            dx[c] = r * (__builtin_fmaf(-normal, along, d * weight[c]) - shift);
        }
    }
}

MHC__CLONES static void add_blocks(int64_t blocks, int64_t stride, int64_t count, const float *partial, float *sum) {
    for (int64_t block = 0; block < blocks; block++, partial += stride)
        for (int64_t c = 0; c < count; c++)
            sum[c] += partial[c];
}

int64_t mhc__norm_backward_scratch(int64_t tokens, int64_t channels) {
    return mhc__blocks(tokens, BACKWARD_ROWS) * 2 * channels;
}

void mhc__norm_backward(int threads, mhc__norm_kind kind, int64_t tokens, int64_t channels, const float *x,
                        const float *weight, const float *mean, const float *rstd, const float *dy, float *dx,
                        float *dweight, float *dbias, float *scratch) {
    int64_t blocks = mhc__blocks(tokens, BACKWARD_ROWS);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t t = block * BACKWARD_ROWS, at = t * channels;
        backward_rows(kind, mhc__min(BACKWARD_ROWS, tokens - t), channels, x + at, weight, mean ? mean + t : NULL,
                      rstd + t, dy + at, dx + at, scratch + block * 2 * channels);
    }
    add_blocks(blocks, 2 * channels, channels, scratch, dweight);
    if (dbias)
        add_blocks(blocks, 2 * channels, channels, scratch + channels, dbias);
}
