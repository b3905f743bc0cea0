/* res in SO(n). Four streams: res x = q x r~ as quaternions (arXiv 2609.02672), q and r the units of (1 + x_0, x_1,
 * x_2, x_3) and (1 + x_4, ..., x_7): res = L(q) R(r). Any other number: the Cayley map of n (n - 1) / 2 logits. */
#ifndef MHC_STREAM_CONSTRAINT_ORTHOGONAL_H
#define MHC_STREAM_CONSTRAINT_ORTHOGONAL_H

#include "stream/constraint/cayley.h"

/* Entry e of L(q) is sign * q[component], and of R(r): rows of [[w,-x,-y,-z],[x,w,-z,y],[y,z,w,-x],[z,-y,x,w]] and of
 * [[w,x,y,z],[-x,w,-z,y],[-y,z,w,-x],[-z,-y,x,w]]. */
MHC__SHARED_DATA static const signed char MHC__LEFT[16] = {1, -2, -3, -4, 2, 1, -4, 3, 3, 4, 1, -2, 4, -3, 2, 1};
MHC__SHARED_DATA static const signed char MHC__RIGHT[16] = {1, 2, 3, 4, -2, 1, -4, 3, -3, 4, 1, -2, -4, -3, 2, 1};

MHC__INLINE void mhc__quaternion_matrix(const signed char *table, int w, const double *u, double *m) {
    for (int e = 0; e < 16; e++) {
        const int at = table[e];
        const double sign = at > 0 ? 1.0 : -1.0, *component = u + ((at > 0 ? at : -at) - 1) * w;
        for (int l = 0; l < w; l++)
            m[e * w + l] = sign * component[l];
    }
}

MHC__INLINE void mhc__quaternions_forward(int w, const float *x, float *res) {
    double u[4 * MHC__LANES], left[16 * MHC__LANES], right[16 * MHC__LANES], inverse[MHC__LANES], sum[MHC__LANES];
    mhc__quaternion(w, x, u, inverse);
    mhc__quaternion_matrix(MHC__LEFT, w, u, left);
    mhc__quaternion(w, x + 4 * w, u, inverse);
    mhc__quaternion_matrix(MHC__RIGHT, w, u, right);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            for (int l = 0; l < w; l++)
                sum[l] = 0.0;
            for (int k = 0; k < 4; k++)
                for (int l = 0; l < w; l++)
                    sum[l] += left[(i * 4 + k) * w + l] * right[(k * 4 + j) * w + l];
            for (int l = 0; l < w; l++)
                res[(i * 4 + j) * w + l] = (float)sum[l];
        }
}

/* d of an entry of L(q) or R(r), added to the component that it holds. */
MHC__INLINE void mhc__quaternion_entry_back(int at, int w, const double *d, double *d_u) {
    const double sign = at > 0 ? 1.0 : -1.0;
    double *component = d_u + ((at > 0 ? at : -at) - 1) * w;
    for (int l = 0; l < w; l++)
        component[l] += sign * d[l];
}

/* dL = G R', dR = L' G. */
MHC__INLINE void mhc__quaternions_backward(int w, const float *x, const float *d_res, float *d_x) {
    double q[4 * MHC__LANES], r[4 * MHC__LANES], q_inverse[MHC__LANES], r_inverse[MHC__LANES];
    double left[16 * MHC__LANES], right[16 * MHC__LANES], d_q[4 * MHC__LANES], d_r[4 * MHC__LANES];
    mhc__quaternion(w, x, q, q_inverse);
    mhc__quaternion_matrix(MHC__LEFT, w, q, left);
    mhc__quaternion(w, x + 4 * w, r, r_inverse);
    mhc__quaternion_matrix(MHC__RIGHT, w, r, right);
    for (int e = 0; e < 4 * w; e++)
        d_q[e] = d_r[e] = 0.0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            double d_left[MHC__LANES], d_right[MHC__LANES];
            for (int l = 0; l < w; l++)
                d_left[l] = d_right[l] = 0.0;
            for (int k = 0; k < 4; k++)
                for (int l = 0; l < w; l++) {
                    d_left[l] += (double)d_res[(i * 4 + k) * w + l] * right[(j * 4 + k) * w + l];
                    d_right[l] += left[(k * 4 + i) * w + l] * (double)d_res[(k * 4 + j) * w + l];
                }
            mhc__quaternion_entry_back(MHC__LEFT[i * 4 + j], w, d_left, d_q);
            mhc__quaternion_entry_back(MHC__RIGHT[i * 4 + j], w, d_right, d_r);
        }
    mhc__quaternion_back(w, q, q_inverse, d_q, d_x);
    mhc__quaternion_back(w, r, r_inverse, d_r, d_x + 4 * w);
}

MHC__INLINE void mhc__orthogonal_forward(int n, int w, const float *x, float *res) {
    double m[MHC__MATRIX_FLOATS];
    if (n == 4) {
        mhc__quaternions_forward(w, x, res);
        return;
    }
    mhc__cayley_inverse(n, w, x, m);
    mhc__cayley_rotation(n, w, m, m);
    for (int e = 0; e < n * n * w; e++)
        res[e] = (float)m[e];
}

MHC__INLINE void mhc__orthogonal_backward(int n, int w, const float *x, const float *d_res, float *d_x) {
    double m[MHC__MATRIX_FLOATS], d_q[MHC__MATRIX_FLOATS];
    if (n == 4) {
        mhc__quaternions_backward(w, x, d_res, d_x);
        return;
    }
    mhc__cayley_inverse(n, w, x, m);
    for (int e = 0; e < n * n * w; e++)
        d_q[e] = (double)d_res[e];
    mhc__cayley_back(n, w, x, m, d_q, d_x);
}

MHC__LANE_FUNCTION mhc__orthogonal_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    (void)spec;
#define RUN(streams, lanes) mhc__orthogonal_forward(streams, lanes, x, res)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

MHC__LANE_FUNCTION mhc__orthogonal_lanes_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                              float *d_x) {
    (void)spec;
#define RUN(streams, lanes) mhc__orthogonal_backward(streams, lanes, x, d_res, d_x)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

#endif
