/* Rotations from logits, in double: the Cayley map of a skew matrix of any order, and unit quaternions.
 *
 *     A skew, a_ij (i < j) the logits row by row;   M = (I + A)^-1;   Q = M (I - A) = 2 M - I
 *     back:  dA = -2 M' dQ M';   da_ij = dA_ij - dA_ji
 *
 * Every Schur complement of I + A has the symmetric part I or more, so that elimination needs no exchange of rows and
 * no pivot is below one. Logits beyond MHC__CAYLEY_MOST, where Q is within 1e-3 of its limit, count as that bound. */
#ifndef MHC_STREAM_CONSTRAINT_CAYLEY_H
#define MHC_STREAM_CONSTRAINT_CAYLEY_H

#include "stream/constraint/lanes.h"

#define MHC__CAYLEY_MOST 1e4f

/* Logits of a rotation of that order. */
#define MHC__CAYLEY_LOGITS(order) ((order) * ((order)-1) / 2)

/* m [order][order][w] = (I + A)^-1. */
MHC__INLINE void mhc__cayley_inverse(int order, int w, const float *a, double *m) {
    for (int i = 0; i < order; i++)
        for (int l = 0; l < w; l++)
            m[(i * order + i) * w + l] = 1.0;
    for (int i = 0; i < order; i++)
        for (int j = i + 1; j < order; j++, a += w)
            for (int l = 0; l < w; l++) {
                float v = a[l] > MHC__CAYLEY_MOST ? MHC__CAYLEY_MOST : a[l];
                v = v < -MHC__CAYLEY_MOST ? -MHC__CAYLEY_MOST : v;
                m[(i * order + j) * w + l] = (double)v;
                m[(j * order + i) * w + l] = -(double)v;
            }
    for (int p = 0; p < order; p++) {
        double *row = m + p * order * w, inverse[MHC__LANES], factor[MHC__LANES];
        for (int l = 0; l < w; l++) {
            double pivot = row[p * w + l];
            inverse[l] = 1.0 / (pivot < 1.0 ? 1.0 : pivot);
            row[p * w + l] = 1.0;
        }
        for (int j = 0; j < order; j++)
            for (int l = 0; l < w; l++)
                row[j * w + l] *= inverse[l];
        for (int i = 0; i < order; i++) {
            if (i == p)
                continue;
            for (int l = 0; l < w; l++) {
                factor[l] = m[(i * order + p) * w + l];
                m[(i * order + p) * w + l] = 0.0;
            }
            for (int j = 0; j < order; j++)
                for (int l = 0; l < w; l++)
                    m[(i * order + j) * w + l] -= factor[l] * row[j * w + l];
        }
    }
}

/* Q = 2 m - I; may be m itself. */
MHC__INLINE void mhc__cayley_rotation(int order, int w, const double *m, double *q) {
    for (int e = 0; e < order * order; e++)
        for (int l = 0; l < w; l++)
            q[e * w + l] = 2.0 * m[e * w + l] - (e / order == e % order ? 1.0 : 0.0);
}

/* d_a from the gradient of Q. */
MHC__INLINE void mhc__cayley_back(int order, int w, const float *a, const double *m, const double *d_q, float *d_a) {
    double half[MHC__MATRIX_FLOATS], d[MHC__MATRIX_FLOATS];
    for (int i = 0; i < order; i++) /* half = m' d_q */
        for (int j = 0; j < order; j++) {
            double *out = half + (i * order + j) * w;
            for (int l = 0; l < w; l++)
                out[l] = 0.0;
            for (int k = 0; k < order; k++)
                for (int l = 0; l < w; l++)
                    out[l] += m[(k * order + i) * w + l] * d_q[(k * order + j) * w + l];
        }
    for (int i = 0; i < order; i++) /* d = half m' */
        for (int j = 0; j < order; j++) {
            double *out = d + (i * order + j) * w;
            for (int l = 0; l < w; l++)
                out[l] = 0.0;
            for (int k = 0; k < order; k++)
                for (int l = 0; l < w; l++)
                    out[l] += half[(i * order + k) * w + l] * m[(j * order + k) * w + l];
        }
    for (int i = 0; i < order; i++)
        for (int j = i + 1; j < order; j++, a += w, d_a += w)
            for (int l = 0; l < w; l++) {
                double back = 2.0 * (d[(j * order + i) * w + l] - d[(i * order + j) * w + l]);
                d_a[l] = __builtin_fabsf(a[l]) > MHC__CAYLEY_MOST ? 0.0f : (float)back;
            }
}

/* u = the unit vector of (1 + v_0, v_1, v_2, v_3), inverse = 1 / its length before; where there is no direction u is
 * (1, 0, 0, 0) and inverse 0, and with it the gradient. */
MHC__INLINE void mhc__quaternion(int w, const float *v, double *u, double *inverse) {
    double square[MHC__LANES];
    for (int l = 0; l < w; l++)
        square[l] = 0.0;
    for (int k = 0; k < 4; k++)
        for (int l = 0; l < w; l++) {
            u[k * w + l] = (double)v[k * w + l] + (k == 0 ? 1.0 : 0.0);
            square[l] += u[k * w + l] * u[k * w + l];
        }
    for (int l = 0; l < w; l++)
        inverse[l] = square[l] < 1e-30 ? 0.0 : 1.0 / __builtin_sqrt(square[l]);
    for (int k = 0; k < 4; k++)
        for (int l = 0; l < w; l++)
            u[k * w + l] = inverse[l] == 0.0 ? (k == 0 ? 1.0 : 0.0) : u[k * w + l] * inverse[l];
}

MHC__INLINE void mhc__quaternion_back(int w, const double *u, const double *inverse, const double *d_u, float *d_v) {
    double along[MHC__LANES];
    for (int l = 0; l < w; l++)
        along[l] = 0.0;
    for (int k = 0; k < 4; k++)
        for (int l = 0; l < w; l++)
            along[l] += u[k * w + l] * d_u[k * w + l];
    for (int k = 0; k < 4; k++)
        for (int l = 0; l < w; l++)
            d_v[k * w + l] = (float)((d_u[k * w + l] - u[k * w + l] * along[l]) * inverse[l]);
}

#endif
