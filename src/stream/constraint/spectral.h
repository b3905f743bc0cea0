/* res = J + U D U', J = 1 1' / n, U [n, n - 1] an orthonormal basis of the differences between streams: both sums are
 * exact for every D, entries may be negative.
 *
 *     spectral   D = P diag(s) V', P and V by Cayley, s = tanh: |D| < 1 (sHC, arXiv 2603.20896). Logits P | V | s
 *     rotation   D a rotation of the differences: the mean is kept and nothing contracts. Four streams: one unit
 *                quaternion of (1 + x_0, x_1, x_2, x_3); otherwise Cayley
 *
 * U is Hadamard's at n = 4, so that D = I gives exactly the identity, and Helmert's otherwise. */
#ifndef MHC_STREAM_CONSTRAINT_SPECTRAL_H
#define MHC_STREAM_CONSTRAINT_SPECTRAL_H

#include "stream/constraint/cayley.h"

/* u [n][n - 1]. */
MHC__INLINE void mhc__difference_basis(int n, double *u) {
    const int m = n - 1;
    for (int j = 0; j < m && n != 4; j++) {
        double share = 1.0 / __builtin_sqrt((double)((j + 1) * (j + 2)));
        for (int i = 0; i < n; i++)
            u[i * m + j] = i <= j ? share : i == j + 1 ? -(double)(j + 1) * share : 0.0;
    }
    for (int i = 0; i < n && n == 4; i++) {
        u[i * m] = i < 2 ? 0.5 : -0.5;
        u[i * m + 1] = i % 2 == 0 ? 0.5 : -0.5;
        u[i * m + 2] = i == 0 || i == 3 ? 0.5 : -0.5;
    }
}

MHC__INLINE void mhc__embed(int n, int w, const double *d, float *res) {
    const int m = n - 1;
    double u[MHC__MATRIX_FLOATS], row[MHC__ROW_FLOATS];
    mhc__difference_basis(n, u);
    for (int i = 0; i < n; i++) {
        for (int e = 0; e < m * w; e++)
            row[e] = 0.0;
        for (int p = 0; p < m; p++)
            for (int e = 0; e < m * w; e++)
                row[e] += u[i * m + p] * d[p * m * w + e];
        for (int j = 0; j < n; j++) {
            double sum[MHC__LANES];
            for (int l = 0; l < w; l++)
                sum[l] = 1.0 / n;
            for (int q = 0; q < m; q++)
                for (int l = 0; l < w; l++)
                    sum[l] += row[q * w + l] * u[j * m + q];
            for (int l = 0; l < w; l++)
                res[(i * n + j) * w + l] = (float)sum[l];
        }
    }
}

/* d = U' G U, of G relative to the first entry of each row: constant rows give exactly zero. */
MHC__INLINE void mhc__embed_back(int n, int w, const float *d_res, double *d) {
    const int m = n - 1;
    double u[MHC__MATRIX_FLOATS], row[MHC__ROW_FLOATS];
    mhc__difference_basis(n, u);
    for (int e = 0; e < m * m * w; e++)
        d[e] = 0.0;
    for (int i = 0; i < n; i++) {
        for (int e = 0; e < m * w; e++)
            row[e] = 0.0;
        for (int j = 1; j < n; j++)
            for (int q = 0; q < m; q++)
                for (int l = 0; l < w; l++)
                    row[q * w + l] +=
                        ((double)d_res[(i * n + j) * w + l] - (double)d_res[i * n * w + l]) * u[j * m + q];
        for (int p = 0; p < m; p++)
            for (int e = 0; e < m * w; e++)
                d[p * m * w + e] += u[i * m + p] * row[e];
    }
}

/* ---- rotation ---- */

/* D [3][3][w] of the unit quaternion (w, x, y, z). */
MHC__INLINE void mhc__quaternion_rotation(int w, const double *u, double *d) {
    for (int l = 0; l < w; l++) {
        double a = u[l], x = u[w + l], y = u[2 * w + l], z = u[3 * w + l];
        d[l] = 1.0 - 2.0 * (y * y + z * z);
        d[w + l] = 2.0 * (x * y - a * z);
        d[2 * w + l] = 2.0 * (x * z + a * y);
        d[3 * w + l] = 2.0 * (x * y + a * z);
        d[4 * w + l] = 1.0 - 2.0 * (x * x + z * z);
        d[5 * w + l] = 2.0 * (y * z - a * x);
        d[6 * w + l] = 2.0 * (x * z - a * y);
        d[7 * w + l] = 2.0 * (y * z + a * x);
        d[8 * w + l] = 1.0 - 2.0 * (x * x + y * y);
    }
}

MHC__INLINE void mhc__quaternion_rotation_back(int w, const double *u, const double *d, double *d_u) {
    for (int l = 0; l < w; l++) {
        double a = u[l], x = u[w + l], y = u[2 * w + l], z = u[3 * w + l];
        double d11 = d[l], d12 = d[w + l], d13 = d[2 * w + l], d21 = d[3 * w + l], d22 = d[4 * w + l];
        double d23 = d[5 * w + l], d31 = d[6 * w + l], d32 = d[7 * w + l], d33 = d[8 * w + l];
        d_u[l] = 2.0 * (x * (d32 - d23) + y * (d13 - d31) + z * (d21 - d12));
        d_u[w + l] = 2.0 * (a * (d32 - d23) + y * (d12 + d21) + z * (d13 + d31)) - 4.0 * x * (d22 + d33);
        d_u[2 * w + l] = 2.0 * (a * (d13 - d31) + x * (d12 + d21) + z * (d23 + d32)) - 4.0 * y * (d11 + d33);
        d_u[3 * w + l] = 2.0 * (a * (d21 - d12) + x * (d13 + d31) + y * (d23 + d32)) - 4.0 * z * (d11 + d22);
    }
}

MHC__INLINE void mhc__rotation_forward(int n, int w, const float *x, float *res) {
    double d[MHC__MATRIX_FLOATS], u[4 * MHC__LANES], inverse[MHC__LANES];
    if (n == 4) {
        mhc__quaternion(w, x, u, inverse);
        mhc__quaternion_rotation(w, u, d);
    } else {
        mhc__cayley_inverse(n - 1, w, x, d);
        mhc__cayley_rotation(n - 1, w, d, d);
    }
    mhc__embed(n, w, d, res);
}

MHC__INLINE void mhc__rotation_backward(int n, int w, const float *x, const float *d_res, float *d_x) {
    double d[MHC__MATRIX_FLOATS], m[MHC__MATRIX_FLOATS], u[4 * MHC__LANES], inverse[MHC__LANES];
    mhc__embed_back(n, w, d_res, d);
    if (n == 4) {
        mhc__quaternion(w, x, u, inverse);
        mhc__quaternion_rotation_back(w, u, d, m);
        mhc__quaternion_back(w, u, inverse, m, d_x);
    } else {
        mhc__cayley_inverse(n - 1, w, x, m);
        mhc__cayley_back(n - 1, w, x, m, d, d_x);
    }
}

/* ---- spectral ---- */

/* The two factors of D and s, of x; the inverses of Cayley's map as well, for the way back. */
typedef struct mhc__sphere {
    double p_inverse[MHC__MATRIX_FLOATS], v_inverse[MHC__MATRIX_FLOATS];
    double p[MHC__MATRIX_FLOATS], v[MHC__MATRIX_FLOATS], s[MHC__ROW_FLOATS];
} mhc__sphere;

MHC__INLINE void mhc__sphere_of(int m, int w, const float *x, mhc__sphere *f) {
    const int angles = MHC__CAYLEY_LOGITS(m) * w;
    mhc__cayley_inverse(m, w, x, f->p_inverse);
    mhc__cayley_inverse(m, w, x + angles, f->v_inverse);
    mhc__cayley_rotation(m, w, f->p_inverse, f->p);
    mhc__cayley_rotation(m, w, f->v_inverse, f->v);
    for (int e = 0; e < m * w; e++)
        f->s[e] = (double)mhc__tanhf(x[2 * angles + e]);
}

MHC__INLINE void mhc__spectral_forward(int n, int w, const float *x, float *res) {
    const int m = n - 1;
    mhc__sphere f;
    double d[MHC__MATRIX_FLOATS];
    mhc__sphere_of(m, w, x, &f);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) {
            double *out = d + (i * m + j) * w;
            for (int l = 0; l < w; l++)
                out[l] = 0.0;
            for (int q = 0; q < m; q++)
                for (int l = 0; l < w; l++)
                    out[l] += f.p[(i * m + q) * w + l] * f.s[q * w + l] * f.v[(j * m + q) * w + l];
        }
    mhc__embed(n, w, d, res);
}

/* dP = dD V diag(s), dV = dD' P diag(s), ds_q = (P' dD V)_qq. */
MHC__INLINE void mhc__spectral_backward(int n, int w, const float *x, const float *d_res, float *d_x) {
    const int m = n - 1, angles = MHC__CAYLEY_LOGITS(m) * w;
    mhc__sphere f;
    double d[MHC__MATRIX_FLOATS], d_p[MHC__MATRIX_FLOATS], d_v[MHC__MATRIX_FLOATS], d_s[MHC__ROW_FLOATS];
    mhc__sphere_of(m, w, x, &f);
    mhc__embed_back(n, w, d_res, d);
    for (int e = 0; e < m * m * w; e++)
        d_p[e] = d_v[e] = 0.0;
    for (int e = 0; e < m * w; e++)
        d_s[e] = 0.0;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++)
            for (int q = 0; q < m; q++)
                for (int l = 0; l < w; l++) {
                    double g = d[(i * m + j) * w + l];
                    d_p[(i * m + q) * w + l] += g * f.v[(j * m + q) * w + l];
                    d_v[(j * m + q) * w + l] += g * f.p[(i * m + q) * w + l];
                }
    for (int i = 0; i < m; i++)
        for (int q = 0; q < m; q++)
            for (int l = 0; l < w; l++) {
                int e = (i * m + q) * w + l;
                d_s[q * w + l] += f.p[e] * d_p[e];
                d_p[e] *= f.s[q * w + l];
                d_v[e] *= f.s[q * w + l];
            }
    mhc__cayley_back(m, w, x, f.p_inverse, d_p, d_x);
    mhc__cayley_back(m, w, x + angles, f.v_inverse, d_v, d_x + angles);
    for (int e = 0; e < m * w; e++) { /* 1 - tanh^2 without cancellation */
        float b = x[2 * angles + e];
        float slope = 4.0f * mhc__sigmoidf(2.0f * b) * mhc__sigmoidf(-2.0f * b);
        d_x[2 * angles + e] = (float)(d_s[e] * (double)slope);
    }
}

MHC__LANE_FUNCTION mhc__rotation_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    (void)spec;
#define RUN(streams, lanes) mhc__rotation_forward(streams, lanes, x, res)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

MHC__LANE_FUNCTION mhc__rotation_lanes_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                            float *d_x) {
    (void)spec;
#define RUN(streams, lanes) mhc__rotation_backward(streams, lanes, x, d_res, d_x)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

MHC__LANE_FUNCTION mhc__spectral_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    (void)spec;
#define RUN(streams, lanes) mhc__spectral_forward(streams, lanes, x, res)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

MHC__LANE_FUNCTION mhc__spectral_lanes_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                            float *d_x) {
    (void)spec;
#define RUN(streams, lanes) mhc__spectral_backward(streams, lanes, x, d_res, d_x)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

#endif
