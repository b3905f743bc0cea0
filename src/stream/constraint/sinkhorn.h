/* Sinkhorn normalisation of w matrices at once, element e of matrix l at [e * w + l], and its gradient.
 *
 * Half step t divides each line (row or column, in turn) by its sum, as a product with the reciprocal. Backward walks
 * the same half steps with logarithmic gradients G = Y o dY, for which a half step Y = X / (sum + eps) is
 *
 *     GX = GY - Y sum_line(GY)
 *
 * whatever the eps: no division, so nothing overflows however small a sum was, and no sum of X, but where it may have
 * been clamped. Only the last half step starts from dY itself, relative to one entry of the line, so that a constant dY
 * gives a gradient of exactly zero. The states are replayed from checkpoints: MHC__SINKHORN_STATES floats hold as many
 * as fit, longer runs are split in halves. */
#ifndef MHC_STREAM_CONSTRAINT_SINKHORN_H
#define MHC_STREAM_CONSTRAINT_SINKHORN_H

#include "stream/constraint/lanes.h"

#if !defined(MHC__SINKHORN_STATES)
#define MHC__SINKHORN_STATES 16384
#endif

/* What stands between a sum and what is divided by it: the sum + add, at least `least`. */
typedef struct mhc__guard {
    float add, least;
} mhc__guard;

MHC__INLINE mhc__guard mhc__guard_of(const mhc_sinkhorn *s) {
    return (mhc__guard){s->eps_mode == MHC_EPS_ADD ? s->eps : 0.0f, s->eps_mode == MHC_EPS_CLAMP ? s->eps : 0.0f};
}

/* A line of zeros stays zero instead of becoming NaN. NaN passes every comparison. */
MHC__INLINE float mhc__divisor(float sum, mhc__guard guard) {
    float d = sum + guard.add;
    d = d < guard.least ? guard.least : d;
    return d == 0.0f ? 1.0f : d;
}

/* Lines whose reciprocals are taken together: one, in registers, or, for one matrix in a thread of a GPU, all. */
#if MHC__LANES == 1
#define MHC__LINES(n)      (n)
#define MHC__SHARES_FLOATS MHC__ROW_FLOATS
#else
#define MHC__LINES(n)      1
#define MHC__SHARES_FLOATS MHC__LANES
#endif

/* x / divisor as (x scale) reciprocal: one division for a line instead of one for each entry. A divisor whose
 * reciprocal would not be finite is scaled, and x, which is no larger, with it, by a power of two. */
typedef struct mhc__shares {
    float scale[MHC__SHARES_FLOATS], reciprocal[MHC__SHARES_FLOATS];
} mhc__shares;

MHC__INLINE void mhc__shares_of(int count, const float *divisor, mhc__shares *shares) {
    for (int l = 0; l < count; l++) {
        shares->scale[l] = divisor[l] < 0x1p-100f ? 0x1p64f : 1.0f;
        shares->reciprocal[l] = divisor[l] * shares->scale[l];
    }
    mhc__reciprocals(count, shares->reciprocal);
}

/* y may be x. */
MHC__INLINE void mhc__half_step(mhc__guard guard, mhc_axis axis, int n, int w, const float *x, float *y) {
    MHC__CPU_UNROLL(4)
    for (int first = 0; first < n; first += MHC__LINES(n)) {
        float divisor[MHC__SHARES_FLOATS];
        mhc__shares shares;
        for (int line = 0; line < MHC__LINES(n); line++) {
            mhc__line_sums(x, mhc__line_of(axis, n, first + line), n, w, divisor + line * w);
            for (int l = line * w; l < (line + 1) * w; l++)
                divisor[l] = mhc__divisor(divisor[l], guard);
        }
        mhc__shares_of(MHC__LINES(n) * w, divisor, &shares);
        for (int line = 0; line < MHC__LINES(n); line++) {
            const mhc__line at = mhc__line_of(axis, n, first + line);
            MHC__CPU_UNROLL(4)
            for (int k = 0; k < n; k++)
                for (int l = 0; l < w; l++) {
                    const int e = (at.first + k * at.step) * w + l, from = line * w + l;
                    y[e] = x[e] * shares.scale[from] * shares.reciprocal[from];
                }
        }
    }
}

/* g: GY -> GX in place; x, y: the states before and after the half step. A sum that was clamped is a constant. */
MHC__INLINE void mhc__half_step_back(mhc__guard guard, mhc_axis axis, int n, int w, const float *x, const float *y,
                                     float *g) {
    MHC__CPU_UNROLL(4)
    for (int line = 0; line < n; line++) {
        const mhc__line at = mhc__line_of(axis, n, line);
        float total[MHC__LANES], sum[MHC__LANES];
        mhc__line_sums(g, at, n, w, total);
        if (guard.least > 0.0f) {
            mhc__line_sums(x, at, n, w, sum);
            for (int l = 0; l < w; l++)
                total[l] = sum[l] < guard.least ? 0.0f : total[l];
        }
        MHC__CPU_UNROLL(4)
        for (int k = 0; k < n; k++)
            for (int l = 0; l < w; l++) {
                const int e = (at.first + k * at.step) * w + l;
                g[e] = __builtin_fmaf(-y[e], total[l], g[e]);
            }
    }
}

/* The last half step: g = GX from dy, y the result. With d = dy - dy_0 of a line:
 * GX = Y (d - sum(Y d) + dy_0 (divisor - sum) / divisor). */
MHC__INLINE void mhc__last_step_back(mhc__guard guard, mhc_axis axis, int n, int w, const float *x, const float *dy,
                                     float *y, float *g) {
    mhc__half_step(guard, axis, n, w, x, y);
    for (int line = 0; line < n; line++) {
        const mhc__line at = mhc__line_of(axis, n, line);
        const float *first = dy + at.first * w;
        float sum[MHC__LANES], mean[MHC__LANES];
        mhc__line_sums(x, at, n, w, sum);
        for (int l = 0; l < w; l++)
            mean[l] = 0.0f;
        for (int k = 1; k < n; k++)
            for (int l = 0; l < w; l++) {
                const int e = (at.first + k * at.step) * w + l;
                mean[l] = __builtin_fmaf(y[e], dy[e] - first[l], mean[l]);
            }
        for (int l = 0; l < w; l++) {
            const float divisor = mhc__divisor(sum[l], guard);
            mean[l] = sum[l] < guard.least ? -first[l] : mean[l] - first[l] * ((divisor - sum[l]) / divisor);
        }
        for (int k = 0; k < n; k++)
            for (int l = 0; l < w; l++) {
                const int e = (at.first + k * at.step) * w + l;
                g[e] = y[e] * ((dy[e] - first[l]) - mean[l]);
            }
    }
}

MHC__INLINE void mhc__sinkhorn_start(const mhc_sinkhorn *s, int n, int w, const float *logits, float *y) {
    if (s->start == MHC_START_EXP) {
        for (int e = 0; e < n * n * w; e++)
            y[e] = mhc__expf(logits[e]);
        return;
    }
    mhc__line_softmax(s->first, n, w, s->start == MHC_START_SOFTMAX_EPS, logits, y);
    if (s->start == MHC_START_SOFTMAX_EPS)
        for (int e = 0; e < n * n * w; e++)
            y[e] += s->eps;
}

/* Half steps after the start, and the axis of the first of them. */
MHC__INLINE int mhc__sinkhorn_halves(const mhc_sinkhorn *s) {
    return 2 * s->iterations - (s->start == MHC_START_SOFTMAX_EPS);
}
MHC__INLINE mhc_axis mhc__sinkhorn_axis(const mhc_sinkhorn *s, int half) {
    bool odd = (half + (s->start == MHC_START_SOFTMAX_EPS)) % 2 != 0;
    return odd ? mhc__other_axis(s->first) : s->first;
}

/* In pairs, the first along `axis`. */
MHC__INLINE void mhc__half_steps(mhc__guard guard, mhc_axis axis, int n, int w, int halves, float *y) {
    for (int half = 0; half + 1 < halves; half += 2) {
        mhc__half_step(guard, axis, n, w, y, y);
        mhc__half_step(guard, mhc__other_axis(axis), n, w, y, y);
    }
    if (halves % 2 != 0)
        mhc__half_step(guard, axis, n, w, y, y);
}

/* Twice, so that the compiler knows the axes: where n and w are known as well and a matrix is small, as in a thread of
 * a GPU, the state is in registers. */
MHC__INLINE void mhc__sinkhorn_forward(const mhc_sinkhorn *its, int n, int w, const float *logits, float *res) {
    const mhc_sinkhorn s = *its;
    const int halves = mhc__sinkhorn_halves(&s);
    const mhc__guard guard = mhc__guard_of(&s);
    mhc__sinkhorn_start(&s, n, w, logits, res);
    if (mhc__sinkhorn_axis(&s, 0) == MHC_AXIS_SRC)
        mhc__half_steps(guard, MHC_AXIS_SRC, n, w, halves, res);
    else
        mhc__half_steps(guard, MHC_AXIS_DST, n, w, halves, res);
}

/* From the gradient with respect to log of the start state to that of the logits, in place. */
MHC__INLINE void mhc__sinkhorn_start_back(const mhc_sinkhorn *s, int n, int w, const float *logits, float *p,
                                          float *g) {
    if (s->start != MHC_START_SOFTMAX_EPS)
        return; /* d exp(x) / dx = exp(x): the logarithmic gradient is the gradient; the shift drops out */
    mhc__line_softmax(s->first, n, w, true, logits, p);
    for (int e = 0; e < n * n * w; e++)
        g[e] *= s->eps > 0.0f ? p[e] / (p[e] + s->eps) : 1.0f;
    for (int line = 0; line < n; line++) {
        mhc__line at = mhc__line_of(s->first, n, line);
        float total[MHC__LANES];
        mhc__line_sums(g, at, n, w, total);
        for (int k = 0; k < n; k++)
            for (int l = 0; l < w; l++) {
                int e = (at.first + k * at.step) * w + l;
                g[e] = __builtin_fmaf(-p[e], total[l], g[e]);
            }
    }
}

/* One half step, there or back; the compiler knows the axis in each. */
MHC__INLINE void mhc__half_step_on(mhc__guard guard, mhc_axis axis, int n, int w, const float *x, float *y) {
    if (axis == MHC_AXIS_SRC)
        mhc__half_step(guard, MHC_AXIS_SRC, n, w, x, y);
    else
        mhc__half_step(guard, MHC_AXIS_DST, n, w, x, y);
}
MHC__INLINE void mhc__half_step_back_on(mhc__guard guard, mhc_axis axis, int n, int w, const float *x, const float *y,
                                        float *g) {
    if (axis == MHC_AXIS_SRC)
        mhc__half_step_back(guard, MHC_AXIS_SRC, n, w, x, y, g);
    else
        mhc__half_step_back(guard, MHC_AXIS_DST, n, w, x, y, g);
}

/* d_logits from d_res. states: MHC__SINKHORN_STATES floats. Segments of half steps still to walk back are kept on a
 * stack, each with the state at its beginning; the deepest is replayed whole as soon as its states fit. */
MHC__INLINE void mhc__sinkhorn_backward(const mhc_sinkhorn *s, int n, int w, const float *logits, const float *d_res,
                                        float *d_logits, float *states) {
    const int size = n * n * w, slots = MHC__SINKHORN_STATES / size, halves = mhc__sinkhorn_halves(s);
    const mhc__guard guard = mhc__guard_of(s);
    int begin[16], depth = 0, end = halves;
    begin[0] = 0;
    mhc__sinkhorn_start(s, n, w, logits, states);
    while (depth >= 0) {
        const int first = begin[depth], steps = end - first;
        float *state = states + depth * size;
        if (steps + 1 > slots - depth) { /* put the middle on the stack */
            const int middle = first + steps / 2;
            float *next = state + size;
            for (int half = first; half < middle; half++)
                mhc__half_step_on(guard, mhc__sinkhorn_axis(s, half), n, w, half == first ? state : next, next);
            begin[++depth] = middle;
            continue;
        }
        const int replayed = end < halves ? steps : steps - 1;
        for (int k = 0; k < replayed; k++)
            mhc__half_step_on(guard, mhc__sinkhorn_axis(s, first + k), n, w, state + k * size, state + (k + 1) * size);
        for (int k = steps - 1; k >= 0; k--) {
            const mhc_axis axis = mhc__sinkhorn_axis(s, first + k);
            float *x = state + k * size, *y = x + size;
            if (first + k == halves - 1)
                mhc__last_step_back(guard, axis, n, w, x, d_res, y, d_logits);
            else
                mhc__half_step_back_on(guard, axis, n, w, x, y, d_logits);
        }
        end = begin[depth--];
    }
    mhc__sinkhorn_start_back(s, n, w, logits, states, d_logits);
}

MHC__LANE_FUNCTION mhc__sinkhorn_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
#define RUN(streams, lanes) mhc__sinkhorn_forward(&spec->sinkhorn, streams, lanes, x, res)
    MHC__LANE_SIZES(RUN);
#undef RUN
}

MHC__LANE_FUNCTION mhc__sinkhorn_lanes_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                            float *d_x) {
    float states[MHC__SINKHORN_STATES];
#define RUN(streams, lanes) mhc__sinkhorn_backward(&spec->sinkhorn, streams, lanes, x, d_res, d_x, states)
    MHC__LANE_SIZES(RUN);
#undef RUN
}

#endif
