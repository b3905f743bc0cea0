#include "nn/activation.h"

#include "base/compiler.h"
#include "base/threads.h"
#include "simd/math.h"

#define BLOCK 4096

/* #pragma omp simd: outputs may be inputs, element for element, which the compiler would otherwise have to rule out. */

MHC__INLINE float normal_cdf(float x) {
    return __builtin_fmaf(0.5f, mhc__erff(x * 0x1.6a09e6p-1f), 0.5f);
}

MHC__CLONES static void gelu_forward(int64_t count, const float *x, float *y) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] * normal_cdf(x[i]);
}

/* d/dx x Phi(x) = Phi(x) + x phi(x),  phi(x) = e^(-x^2/2) / sqrt(2 pi) */
MHC__CLONES static void gelu_slopes(int64_t count, const float *x, float *y, float *slope) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        float v = x[i], cdf = normal_cdf(v), density = 0x1.988454p-2f * mhc__expf(-0.5f * v * v);
        y[i] = v * cdf;
        slope[i] = __builtin_fmaf(v, density, cdf);
    }
}

MHC__CLONES static void swiglu_forward(int64_t count, const float *gate, const float *up, float *y) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        y[i] = gate[i] * mhc__sigmoidf(gate[i]) * up[i];
}

/* silu'(g) = s (1 + g (1 - s)) = s + g s (1 - s),  s = sigmoid(g) */
MHC__CLONES static void swiglu_backward(int64_t count, const float *gate, const float *up, const float *dy,
                                        float *dgate, float *dup) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        float g = gate[i], d = dy[i], s = mhc__sigmoidf(g), silu = g * s;
        float slope = __builtin_fmaf(silu, 1.0f - s, s), du = d * silu;
        dgate[i] = d * up[i] * slope;
        dup[i] = du;
    }
}

MHC__CLONES static void multiply(int64_t count, const float *x, const float *y, float *product) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        product[i] = x[i] * y[i];
}

void mhc__gelu_forward(int threads, int64_t count, const float *x, float *y) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(count, BLOCK); block++) {
        int64_t i = block * BLOCK;
        gelu_forward(mhc__min(BLOCK, count - i), x + i, y + i);
    }
}

void mhc__gelu_slopes(int threads, int64_t count, const float *x, float *y, float *slope) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(count, BLOCK); block++) {
        int64_t i = block * BLOCK;
        gelu_slopes(mhc__min(BLOCK, count - i), x + i, y + i, slope + i);
    }
}

void mhc__gelu_backward(int threads, int64_t count, const float *slope, const float *dy, float *dx) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(count, BLOCK); block++) {
        int64_t i = block * BLOCK;
        multiply(mhc__min(BLOCK, count - i), slope + i, dy + i, dx + i);
    }
}

void mhc__swiglu_forward(int threads, int64_t count, const float *gate, const float *up, float *y) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(count, BLOCK); block++) {
        int64_t i = block * BLOCK;
        swiglu_forward(mhc__min(BLOCK, count - i), gate + i, up + i, y + i);
    }
}

void mhc__swiglu_backward(int threads, int64_t count, const float *gate, const float *up, const float *dy, float *dgate,
                          float *dup) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(count, BLOCK); block++) {
        int64_t i = block * BLOCK;
        swiglu_backward(mhc__min(BLOCK, count - i), gate + i, up + i, dy + i, dgate + i, dup + i);
    }
}
