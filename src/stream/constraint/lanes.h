/* What the constraints share: w matrices side by side, element e of matrix l at [e * w + l]. Lanes never meet, so their
 * number changes no result. */
#ifndef MHC_STREAM_CONSTRAINT_LANES_H
#define MHC_STREAM_CONSTRAINT_LANES_H

#include <stdbool.h>

#include "base/compiler.h"
#include "mhc/spec.h"
#include "simd/math.h"

/* Entries of w matrices: 16 of 8 x 8, one of 32 x 32; and of one row of them. */
#if !defined(MHC__MATRIX_FLOATS)
#define MHC__MATRIX_FLOATS 1024
#define MHC__ROW_FLOATS    128
#endif

/* Matrices to compute side by side for so many tokens, at most mhc__lanes_of(n): few tokens, as in decoding, don't pay
 * for sixteen. */
enum { MHC__FEW_LANES = 4 };
MHC__INLINE int mhc__lanes_for(int n, int64_t tokens) {
    return n == 4 && tokens <= MHC__FEW_LANES ? MHC__FEW_LANES : n <= 8 ? MHC__LANES : 1;
}

/* A line of an n x n matrix: its entries are first + k * step, k < n. */
typedef struct mhc__line {
    int first, step;
} mhc__line;

MHC__INLINE mhc__line mhc__line_of(mhc_axis axis, int n, int line) {
    mhc__line at = {axis == MHC_AXIS_SRC ? line * n : line, axis == MHC_AXIS_SRC ? 1 : n};
    return at;
}

MHC__INLINE mhc_axis mhc__other_axis(mhc_axis axis) {
    return axis == MHC_AXIS_SRC ? MHC_AXIS_DST : MHC_AXIS_SRC;
}

#if defined(MHC__LANE_SIZES)
#define MHC__LANE_SIZES_FEW(RUN) MHC__LANE_SIZES(RUN)
#elif defined(MHC__ONE_SIZE)
/* One copy for all sizes: under sanitizers the compiler takes minutes over the others, which are the same text. */
#define MHC__LANE_SIZES(RUN)     RUN(n, w)
#define MHC__LANE_SIZES_FEW(RUN) RUN(n, w)
#else
/* The sizes that people use most, each with loops of known length, then `others`; w as mhc__lanes_for. */
#define MHC__LANE_SIZES_OR(RUN, others)                                                                                \
    do {                                                                                                               \
        if (w == 1)                                                                                                    \
            RUN(n, 1);                                                                                                 \
        else if (w == MHC__FEW_LANES)                                                                                  \
            RUN(4, MHC__FEW_LANES);                                                                                    \
        else if (n == 4)                                                                                               \
            RUN(4, MHC__LANES);                                                                                        \
        else                                                                                                           \
            others;                                                                                                    \
    } while (0)
#define MHC__LANE_SIZES_FEW(RUN) MHC__LANE_SIZES_OR(RUN, RUN(n, MHC__LANES))

/* The same with more copies, for the constraint that is on the way of most presets. */
#define MHC__LANE_SIZES(RUN)                                                                                           \
    MHC__LANE_SIZES_OR(RUN, if (n == 2) RUN(2, MHC__LANES); else if (n == 3) RUN(3, MHC__LANES);                       \
                       else if (n == 8) RUN(8, MHC__LANES); else RUN(n, MHC__LANES))
#endif

/* A function over lanes; not every translation unit uses all of them. */
#if defined(__CUDACC__)
#define MHC__LANE_FUNCTION static __device__ __noinline__ __attribute__((unused)) void
#else
#define MHC__LANE_FUNCTION static __attribute__((noinline, unused)) void
#endif

/* x_l = 1 / x_l, correctly rounded. On a GPU a division has a branch for numbers at the ends of the range, behind which
 * the next one waits; here all are inside, or all go the long way. Inside it is what the compiler makes of a division:
 * an approximation of the hardware and one step of Newton's. */
MHC__INLINE void mhc__reciprocals(int count, float *x) {
#if defined(__CUDA_ARCH__)
    float y[MHC__ROW_FLOATS];
    bool inside = true;
    for (int l = 0; l < count; l++) {
        asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y[l]) : "f"(x[l]));
        y[l] = __builtin_fmaf(y[l], -__builtin_fmaf(x[l], y[l], -1.0f), y[l]);
        inside = inside && x[l] >= 0x1p-100f && x[l] <= 0x1p100f;
    }
    if (inside) {
        for (int l = 0; l < count; l++)
            x[l] = y[l];
        return;
    }
#endif
    for (int l = 0; l < count; l++)
        x[l] = 1.0f / x[l];
}

MHC__INLINE void mhc__transpose(int n, int w, const float *x, float *y) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++)
                y[(i * n + j) * w + l] = x[(j * n + i) * w + l];
}

MHC__INLINE void mhc__line_sums(const float *x, mhc__line at, int n, int w, float *sum) {
    for (int l = 0; l < w; l++)
        sum[l] = 0.0f;
    MHC__CPU_UNROLL(4)
    for (int k = 0; k < n; k++)
        for (int l = 0; l < w; l++)
            sum[l] += x[(at.first + k * at.step) * w + l];
}

/* Softmax along the axis, with the largest of each line as shift; shift only: exp(x - largest). */
MHC__INLINE void mhc__line_softmax(mhc_axis axis, int n, int w, bool divide, const float *x, float *y) {
    for (int line = 0; line < n; line++) {
        mhc__line at = mhc__line_of(axis, n, line);
        float most[MHC__LANES], sum[MHC__LANES];
        for (int l = 0; l < w; l++)
            most[l] = x[at.first * w + l];
        for (int k = 1; k < n; k++)
            for (int l = 0; l < w; l++) {
                float v = x[(at.first + k * at.step) * w + l];
                most[l] = v > most[l] ? v : most[l];
            }
        for (int k = 0; k < n; k++)
            for (int l = 0; l < w; l++)
                y[(at.first + k * at.step) * w + l] = mhc__expf(x[(at.first + k * at.step) * w + l] - most[l]);
        if (!divide)
            continue;
        mhc__line_sums(y, at, n, w, sum);
        for (int k = 0; k < n; k++)
            for (int l = 0; l < w; l++)
                y[(at.first + k * at.step) * w + l] /= sum[l];
    }
}

/* Softmax over `count` logits of each lane. */
MHC__INLINE void mhc__lanes_softmax(int count, int w, const float *logits, float *p) {
    float most[MHC__LANES], sum[MHC__LANES];
    for (int l = 0; l < w; l++) {
        most[l] = logits[l];
        sum[l] = 0.0f;
    }
    for (int k = 1; k < count; k++)
        for (int l = 0; l < w; l++)
            most[l] = logits[k * w + l] > most[l] ? logits[k * w + l] : most[l];
    for (int k = 0; k < count; k++)
        for (int l = 0; l < w; l++) {
            p[k * w + l] = mhc__expf(logits[k * w + l] - most[l]);
            sum[l] += p[k * w + l];
        }
    for (int k = 0; k < count; k++)
        for (int l = 0; l < w; l++)
            p[k * w + l] /= sum[l];
}

/* d: dp -> d_logits in place, d_k = p_k (d_k - sum p d), taken relative to d_0: a constant dp gives exactly zero. */
MHC__INLINE void mhc__lanes_softmax_back(int count, int w, const float *p, float *d) {
    float first[MHC__LANES], mean[MHC__LANES];
    for (int l = 0; l < w; l++) {
        first[l] = d[l];
        mean[l] = 0.0f;
    }
    for (int k = 1; k < count; k++)
        for (int l = 0; l < w; l++)
            mean[l] = __builtin_fmaf(p[k * w + l], d[k * w + l] - first[l], mean[l]);
    for (int k = 0; k < count; k++)
        for (int l = 0; l < w; l++)
            d[k * w + l] = p[k * w + l] * ((d[k * w + l] - first[l]) - mean[l]);
}

/* Softmax's way back in double, d_k = p_k sum_m p_m (g_k - g_m): differences alone, so that nothing cancels where p is
 * nearly one-hot and a constant g gives exactly zero. */
MHC__INLINE void mhc__row_softmax_back(int n, int w, const float *p, const double *g, double *d) {
    for (int k = 0; k < n; k++) {
        double *out = d + k * w;
        for (int l = 0; l < w; l++)
            out[l] = 0.0;
        for (int m = 0; m < n; m++)
            for (int l = 0; l < w; l++)
                out[l] += (double)p[m * w + l] * (g[k * w + l] - g[m * w + l]);
        for (int l = 0; l < w; l++)
            out[l] *= (double)p[k * w + l];
    }
}

#endif
