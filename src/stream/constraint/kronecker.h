/* KromHC (arXiv 2601.21579): res = U_1 x ... x U_K, n = 2^K, each factor [[p, 1 - p], [1 - p, p]] with p = sigmoid(x_0
 * - x_1), two logits for each. With h_x = prod_k (bit k of x ? 1 - p_k : p_k), most significant bit first,
 *
 *     res_ij = h_(i xor j)
 *
 * The factors of h are kept apart: f_k0 = p_k and f_k1 = 1 - p_k, which is a sigmoid too. */
#ifndef MHC_STREAM_CONSTRAINT_KRONECKER_H
#define MHC_STREAM_CONSTRAINT_KRONECKER_H

#include "stream/constraint/lanes.h"

enum { MHC__FACTORS_MAX = 5 }; /* 2^5 streams */

/* Both sides of each factor: f_kb of lane l at [(2 k + b) * w + l]. */
MHC__INLINE int mhc__kronecker_factors(int n, int w, const float *x, float *f) {
    int factors = 0;
    while (1 << factors < n)
        factors++;
    for (int k = 0; k < factors; k++)
        for (int l = 0; l < w; l++) {
            float d = x[2 * k * w + l] - x[(2 * k + 1) * w + l];
            f[2 * k * w + l] = mhc__sigmoidf(d);
            f[(2 * k + 1) * w + l] = mhc__sigmoidf(-d);
        }
    return factors;
}

/* prod_k f_k,bit_k(x), without factor `but` (-1: with all). */
MHC__INLINE void mhc__kronecker_product(int factors, int but, int w, const float *f, int x, float *product) {
    for (int l = 0; l < w; l++)
        product[l] = 1.0f;
    for (int k = 0; k < factors; k++) {
        if (k == but)
            continue;
        for (int l = 0; l < w; l++)
            product[l] *= f[(2 * k + (x >> (factors - 1 - k) & 1)) * w + l];
    }
}

MHC__INLINE void mhc__kronecker_forward(int n, int w, const float *x, float *res) {
    float f[2 * MHC__FACTORS_MAX * MHC__LANES];
    int factors = mhc__kronecker_factors(n, w, x, f);
    for (int y = 0; y < n; y++) {
        float h[MHC__LANES];
        mhc__kronecker_product(factors, -1, w, f, y, h);
        for (int i = 0; i < n; i++)
            for (int l = 0; l < w; l++)
                res[(i * n + (i ^ y)) * w + l] = h[l];
    }
}

/* dh_x = sum_i d_res_(i, i xor x); dp_k = sum over x with bit k 0 of (dh_x - dh_(x with bit k 1)) prod of the others.
 */
MHC__INLINE void mhc__kronecker_backward(int n, int w, const float *x, const float *d_res, float *d_x) {
    float f[2 * MHC__FACTORS_MAX * MHC__LANES], dh[MHC_MAX_STREAMS * MHC__LANES] = {0};
    int factors = mhc__kronecker_factors(n, w, x, f);
    for (int y = 0; y < n; y++)
        for (int i = 0; i < n; i++)
            for (int l = 0; l < w; l++)
                dh[y * w + l] += d_res[(i * n + (i ^ y)) * w + l];
    for (int k = 0; k < factors; k++) {
        float dp[MHC__LANES] = {0};
        int bit = 1 << (factors - 1 - k);
        for (int y = 0; y < n; y++) {
            float others[MHC__LANES];
            if (y & bit)
                continue;
            mhc__kronecker_product(factors, k, w, f, y, others);
            for (int l = 0; l < w; l++)
                dp[l] = __builtin_fmaf(dh[y * w + l] - dh[(y | bit) * w + l], others[l], dp[l]);
        }
        for (int l = 0; l < w; l++) {
            float d = dp[l] * (f[2 * k * w + l] * f[(2 * k + 1) * w + l]);
            d_x[2 * k * w + l] = d;
            d_x[(2 * k + 1) * w + l] = -d;
        }
    }
}

MHC__LANE_FUNCTION mhc__kronecker_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    (void)spec;
#define RUN(streams, lanes) mhc__kronecker_forward(streams, lanes, x, res)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

MHC__LANE_FUNCTION mhc__kronecker_lanes_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                             float *d_x) {
    (void)spec;
#define RUN(streams, lanes) mhc__kronecker_backward(streams, lanes, x, d_res, d_x)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

#endif
