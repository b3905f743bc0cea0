/* res in SO(n). Four streams: res x = q x r~ as quaternions (arXiv 2609.02672), q and r the units of (1 + x_0, x_1,
 * x_2, x_3) and (1 + x_4, ..., x_7): res = L(q) R(r). Any other number: the Cayley map of n (n - 1) / 2 logits. */
#ifndef MHC_STREAM_CONSTRAINT_ORTHOGONAL_H
#define MHC_STREAM_CONSTRAINT_ORTHOGONAL_H

#include "stream/constraint/cayley.h"

/* Entry e of L(q) is sign * q[component], and of R(r): rows of [[w,-x,-y,-z],[x,w,-z,y],[y,z,w,-x],[z,-y,x,w]] and of
 * [[w,x,y,z],[-x,w,-z,y],[-y,z,w,-x],[-z,-y,x,w]]. */
static const signed char MHC__LEFT[16] = {1, -2, -3, -4, 2, 1, -4, 3, 3, 4, 1, -2, 4, -3, 2, 1};
static const signed char MHC__RIGHT[16] = {1, 2, 3, 4, -2, 1, -4, 3, -3, 4, 1, -2, -4, -3, 2, 1};

MHC__INLINE double mhc__quaternion_entry(const signed char *table, const double *u, int w, int e, int l) {
    int at = table[e];
    return at > 0 ? u[(at - 1) * w + l] : -u[(-at - 1) * w + l];
}

MHC__INLINE void mhc__quaternions_forward(int w, const float *x, float *res) {
    double q[4 * MHC__LANES], r[4 * MHC__LANES], inverse[MHC__LANES], sum[MHC__LANES];
    mhc__quaternion(w, x, q, inverse);
    mhc__quaternion(w, x + 4 * w, r, inverse);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            for (int l = 0; l < w; l++)
                sum[l] = 0.0;
            for (int k = 0; k < 4; k++)
                for (int l = 0; l < w; l++)
                    sum[l] += mhc__quaternion_entry(MHC__LEFT, q, w, i * 4 + k, l) *
                              mhc__quaternion_entry(MHC__RIGHT, r, w, k * 4 + j, l);
            for (int l = 0; l < w; l++)
                res[(i * 4 + j) * w + l] = (float)sum[l];
        }
}

/* dL = G R', dR = L' G, each added to the component that it holds. */
MHC__INLINE void mhc__quaternions_backward(int w, const float *x, const float *d_res, float *d_x) {
    double q[4 * MHC__LANES], r[4 * MHC__LANES], q_inverse[MHC__LANES], r_inverse[MHC__LANES];
    double d_q[4 * MHC__LANES], d_r[4 * MHC__LANES], left[MHC__LANES], right[MHC__LANES];
    mhc__quaternion(w, x, q, q_inverse);
    mhc__quaternion(w, x + 4 * w, r, r_inverse);
    for (int e = 0; e < 4 * w; e++)
        d_q[e] = d_r[e] = 0.0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            for (int l = 0; l < w; l++)
                left[l] = right[l] = 0.0;
            for (int k = 0; k < 4; k++)
                for (int l = 0; l < w; l++) {
                    left[l] +=
                        (double)d_res[(i * 4 + k) * w + l] * mhc__quaternion_entry(MHC__RIGHT, r, w, j * 4 + k, l);
                    right[l] +=
                        mhc__quaternion_entry(MHC__LEFT, q, w, k * 4 + i, l) * (double)d_res[(k * 4 + j) * w + l];
                }
            int of_q = MHC__LEFT[i * 4 + j], of_r = MHC__RIGHT[i * 4 + j];
            for (int l = 0; l < w; l++) {
                d_q[((of_q > 0 ? of_q : -of_q) - 1) * w + l] += of_q > 0 ? left[l] : -left[l];
                d_r[((of_r > 0 ? of_r : -of_r) - 1) * w + l] += of_r > 0 ? right[l] : -right[l];
            }
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
