/* The doubly stochastic matrix diag(e^a) e^logits diag(e^b), the limit of Sinkhorn's iteration, by Newton's method on
 * the dual (after arXiv 2606.07574). Rows are exact for every b, so that n - 1 unknowns are left (b_n = 0):
 *
 *     T(b) = softmax over j of (x_ij + b_j),   c_j = sum_i T_ij
 *     f(b) = sum_i lse_j(x_ij + b_j) - sum_j b_j        convex, gradient c - 1, Hessian diag(c) - T'T
 *
 * With c = 1 the Hessian is the Laplacian of the graph whose edges weigh w_jk = sum_i T_ij T_ik. It is solved as one,
 * by eliminating nodes: sums of positive numbers only, so that it keeps its relative accuracy near a permutation, where
 * diag(c) - T'T cancels to nothing. The gradient is that of the limit, with the same Laplacian, and of T alone:
 *
 *     S = SM(T, G),  L v = column sums of S,  d_x = SM(T, G - 1 v')       SM: softmax's way back, row by row
 *
 * Exponentials and T are fp32; b, sums and the Laplacian are double. Every lane has its own steps: one that is done
 * stays as it is while others go on. */
#ifndef MHC_STREAM_CONSTRAINT_BIRKHOFF_H
#define MHC_STREAM_CONSTRAINT_BIRKHOFF_H

#include "stream/constraint/finish.h"
#include "stream/constraint/lanes.h"

/* Steps of Newton, and halvings of one. Logits of standard deviation 10 take at most 20 steps. */
enum { MHC__NEWTON_STEPS = 60, MHC__NEWTON_HALVINGS = 12 };

/* Column sums are this close to one, or rounded to it; fp32 sums of n entries are no better. */
#define MHC__BIRKHOFF_TOLERANCE 5e-7

typedef struct mhc__dual {
    double b[MHC__ROW_FLOATS], columns[MHC__ROW_FLOATS];
    double value[MHC__LANES];
} mhc__dual;

MHC__INLINE void mhc__dual_evaluate(int n, int w, const float *x, mhc__dual *at, float *t) {
    for (int l = 0; l < w; l++)
        at->value[l] = 0.0;
    for (int e = 0; e < n * w; e++)
        at->columns[e] = 0.0;
    for (int i = 0; i < n; i++) {
        const float *row = x + i * n * w;
        float *out = t + i * n * w, sum[MHC__LANES];
        double most[MHC__LANES];
        for (int l = 0; l < w; l++) {
            most[l] = (double)row[l] + at->b[l];
            sum[l] = 0.0f;
        }
        for (int j = 1; j < n; j++)
            for (int l = 0; l < w; l++) {
                double y = (double)row[j * w + l] + at->b[j * w + l];
                most[l] = y > most[l] ? y : most[l];
            }
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++) {
                out[j * w + l] = mhc__expf((float)((double)row[j * w + l] + at->b[j * w + l] - most[l]));
                sum[l] += out[j * w + l];
            }
        for (int l = 0; l < w; l++)
            at->value[l] += most[l] + (double)mhc__logf(sum[l]);
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++) {
                out[j * w + l] /= sum[l];
                at->columns[j * w + l] += (double)out[j * w + l];
            }
    }
    for (int j = 0; j < n; j++)
        for (int l = 0; l < w; l++)
            at->value[l] -= at->b[j * w + l];
}

/* Weights of the edges j < k, [n][n][w]; the others are not written. */
MHC__INLINE void mhc__laplacian(int n, int w, const float *t, double *weight) {
    for (int j = 0; j < n; j++)
        for (int k = j + 1; k < n; k++) {
            double *edge = weight + (j * n + k) * w;
            for (int l = 0; l < w; l++)
                edge[l] = 0.0;
            for (int i = 0; i < n; i++)
                for (int l = 0; l < w; l++)
                    edge[l] += (double)t[(i * n + j) * w + l] * (double)t[(i * n + k) * w + l];
        }
}

/* L v = q with v = 0 at the last node; weight is used up, q becomes v. A node without edges (a column that underflow
 * has cut off) gets 0. */
MHC__INLINE void mhc__laplacian_solve(int n, int w, double *weight, double *q) {
    double degree[MHC__ROW_FLOATS], inverse[MHC__LANES], factor[MHC__LANES];
    for (int p = 0; p + 1 < n; p++) {
        double *of = degree + p * w;
        for (int l = 0; l < w; l++)
            of[l] = 0.0;
        for (int k = p + 1; k < n; k++)
            for (int l = 0; l < w; l++)
                of[l] += weight[(p * n + k) * w + l];
        for (int l = 0; l < w; l++) {
            inverse[l] = of[l] < 0x1p-200 ? 0.0 : 1.0 / of[l];
            of[l] = inverse[l];
        }
        for (int i = p + 1; i < n; i++) {
            for (int l = 0; l < w; l++) {
                factor[l] = weight[(p * n + i) * w + l] * inverse[l];
                q[i * w + l] += factor[l] * q[p * w + l];
            }
            for (int k = i + 1; k < n; k++)
                for (int l = 0; l < w; l++)
                    weight[(i * n + k) * w + l] += factor[l] * weight[(p * n + k) * w + l];
        }
    }
    for (int l = 0; l < w; l++)
        q[(n - 1) * w + l] = 0.0;
    for (int p = n - 2; p >= 0; p--) {
        for (int k = p + 1; k < n; k++)
            for (int l = 0; l < w; l++)
                q[p * w + l] += weight[(p * n + k) * w + l] * q[k * w + l];
        for (int l = 0; l < w; l++)
            q[p * w + l] *= degree[p * w + l];
    }
}

/* How far the column sums are from one; NaN counts as done. */
MHC__INLINE bool mhc__dual_errors(int n, int w, const mhc__dual *at, double *error) {
    bool all = true;
    for (int l = 0; l < w; l++)
        error[l] = 0.0;
    for (int j = 0; j < n; j++)
        for (int l = 0; l < w; l++) {
            double e = __builtin_fabs(at->columns[j * w + l] - 1.0);
            error[l] = e > error[l] ? e : error[l];
        }
    for (int l = 0; l < w; l++)
        all = all && !(error[l] > MHC__BIRKHOFF_TOLERANCE);
    return all;
}

/* d: Newton's step from `at`, which is to be subtracted; slope = g d. Lanes that are done get no step. A ridge that
 * vanishes with the gradient, an edge to the last node, keeps far steps in bounds. */
MHC__INLINE void mhc__newton_step(int n, int w, const mhc__dual *at, const float *t, const double *error, double *d,
                                  double *slope) {
    double weight[MHC__MATRIX_FLOATS], ridge[MHC__LANES];
    mhc__laplacian(n, w, t, weight);
    for (int l = 0; l < w; l++)
        ridge[l] = slope[l] = 0.0;
    for (int j = 0; j + 1 < n; j++)
        for (int l = 0; l < w; l++) {
            double g = at->columns[j * w + l] - 1.0;
            d[j * w + l] = error[l] > MHC__BIRKHOFF_TOLERANCE ? g : 0.0;
            ridge[l] += g * g;
        }
    for (int j = 0; j + 1 < n; j++)
        for (int l = 0; l < w; l++)
            weight[(j * n + n - 1) * w + l] += 0.01 * (ridge[l] < 1e-3 ? ridge[l] : 1e-3);
    for (int l = 0; l < w; l++)
        d[(n - 1) * w + l] = 0.0;
    mhc__laplacian_solve(n, w, weight, d);
    for (int j = 0; j + 1 < n; j++)
        for (int l = 0; l < w; l++)
            slope[l] += (at->columns[j * w + l] - 1.0) * d[j * w + l];
}

/* Sinkhorn's step for the columns, b_j - log c_j: it goes down wherever Newton's is of no use. */
MHC__INLINE void mhc__sinkhorn_step(int n, int w, const mhc__dual *at, int lane, double *d) {
    double last = 0.0;
    for (int j = n - 1; j >= 0; j--) {
        float c = (float)at->columns[j * w + lane];
        double log = (double)mhc__logf(c < 0x1p-100f ? 0x1p-100f : c);
        last = j == n - 1 ? log : last;
        d[j * w + lane] = log - last;
    }
}

/* One step of every lane, from `at` to `next`, whose T is t. */
MHC__INLINE void mhc__dual_descend(int n, int w, const float *x, const mhc__dual *at, const double *error, double *d,
                                   const double *slope, mhc__dual *next, float *t) {
    double step[MHC__LANES];
    for (int l = 0; l < w; l++)
        step[l] = 1.0;
    for (int halving = 0;; halving++) {
        bool all = true;
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++)
                next->b[j * w + l] = at->b[j * w + l] - step[l] * d[j * w + l];
        mhc__dual_evaluate(n, w, x, next, t);
        for (int l = 0; l < w; l++) {
            /* fp32 logarithms leave about this much noise in f */
            double bound = at->value[l] - 1e-4 * step[l] * slope[l] + 2e-7 * n;
            bool high = next->value[l] > bound && error[l] > MHC__BIRKHOFF_TOLERANCE;
            step[l] = high ? 0.5 * step[l] : step[l];
            if (high && halving == MHC__NEWTON_HALVINGS) {
                mhc__sinkhorn_step(n, w, at, l, d);
                step[l] = 1.0;
            }
            all = all && !high;
        }
        if (all || halving > MHC__NEWTON_HALVINGS)
            return;
    }
}

/* t: the matrix before it is rounded; error: of its column sums. */
MHC__INLINE void mhc__birkhoff_solve(int n, int w, const float *x, float *t, double *error) {
    mhc__dual at, next;
    double d[MHC__ROW_FLOATS], slope[MHC__LANES];
    for (int e = 0; e < n * w; e++)
        at.b[e] = 0.0;
    mhc__dual_evaluate(n, w, x, &at, t);
    for (int k = 0; k < MHC__NEWTON_STEPS && !mhc__dual_errors(n, w, &at, error); k++) {
        mhc__newton_step(n, w, &at, t, error, d, slope);
        mhc__dual_descend(n, w, x, &at, error, d, slope, &next, t);
        at = next;
    }
    mhc__dual_errors(n, w, &at, error);
}

/* Logits whose limit fp32 can't reach, because exponentials have underflowed to a pattern that no doubly stochastic
 * matrix has, are rounded to the polytope. */
MHC__INLINE void mhc__birkhoff_forward(int n, int w, const float *x, float *res) {
    double error[MHC__LANES];
    float rounded[MHC__MATRIX_FLOATS];
    bool all = true;
    mhc__birkhoff_solve(n, w, x, res, error);
    for (int l = 0; l < w; l++)
        all = all && !(error[l] > MHC__BIRKHOFF_TOLERANCE);
    if (all)
        return;
    mhc__round(n, w, res, rounded);
    for (int e = 0; e < n * n; e++)
        for (int l = 0; l < w; l++)
            res[e * w + l] = error[l] > MHC__BIRKHOFF_TOLERANCE ? rounded[e * w + l] : res[e * w + l];
}

MHC__INLINE void mhc__birkhoff_backward(int n, int w, const float *x, const float *d_res, float *d_x) {
    float t[MHC__MATRIX_FLOATS];
    double error[MHC__LANES], weight[MHC__MATRIX_FLOATS], v[MHC__ROW_FLOATS], g[MHC__ROW_FLOATS], s[MHC__ROW_FLOATS];
    mhc__birkhoff_solve(n, w, x, t, error);
    for (int e = 0; e < n * w; e++)
        v[e] = 0.0;
    for (int i = 0; i < n; i++) {
        for (int e = 0; e < n * w; e++)
            g[e] = (double)d_res[i * n * w + e];
        mhc__row_softmax_back(n, w, t + i * n * w, g, s);
        for (int e = 0; e < n * w; e++)
            v[e] += s[e];
    }
    mhc__laplacian(n, w, t, weight);
    mhc__laplacian_solve(n, w, weight, v);
    for (int i = 0; i < n; i++) {
        for (int e = 0; e < n * w; e++)
            g[e] = (double)d_res[i * n * w + e] - v[e];
        mhc__row_softmax_back(n, w, t + i * n * w, g, s);
        for (int e = 0; e < n * w; e++)
            d_x[i * n * w + e] = (float)s[e];
    }
}

MHC__LANE_FUNCTION mhc__birkhoff_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    (void)spec;
#define RUN(streams, lanes) mhc__birkhoff_forward(streams, lanes, x, res)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

MHC__LANE_FUNCTION mhc__birkhoff_lanes_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                            float *d_x) {
    (void)spec;
#define RUN(streams, lanes) mhc__birkhoff_backward(streams, lanes, x, d_res, d_x)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

#endif
