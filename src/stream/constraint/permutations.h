/* Softmax over a set of permutations: a = softmax(logits), res[i, pi_k(i)] += a_k. Exactly doubly stochastic whatever
 * the logits.
 *
 *     permutations   all n!, in lexicographic order (mhc-lite, arXiv 2601.05732)
 *     circulant      the n cyclic shifts, pi_k(i) = (i + k) mod n */
#ifndef MHC_STREAM_CONSTRAINT_PERMUTATIONS_H
#define MHC_STREAM_CONSTRAINT_PERMUTATIONS_H

#include "stream/constraint/lanes.h"

#define MHC__PERMUTATIONS_MAX 120 /* 5! */

/* The lexicographic successor of p; p stays after the last. */
MHC__INLINE void mhc__next_permutation(int n, int *p) {
    int i = n - 2;
    while (i >= 0 && p[i] > p[i + 1])
        i--;
    if (i < 0)
        return;
    int j = n - 1;
    while (p[j] < p[i])
        j--;
    int swap = p[i];
    p[i] = p[j];
    p[j] = swap;
    for (int a = i + 1, b = n - 1; a < b; a++, b--) {
        swap = p[a];
        p[a] = p[b];
        p[b] = swap;
    }
}

MHC__INLINE void mhc__next_shift(int n, int *p) {
    for (int i = 0; i < n; i++)
        p[i] = p[i] + 1 < n ? p[i] + 1 : 0;
}

MHC__INLINE int mhc__permutation_count(bool cyclic, int n) {
    int count = n;
    for (int k = 2; k < n && !cyclic; k++)
        count *= k;
    return count;
}

MHC__INLINE void mhc__permutations_forward(bool cyclic, int n, int w, const float *x, float *res) {
    float a[MHC__PERMUTATIONS_MAX * MHC__LANES];
    int order[MHC_MAX_STREAMS], count = mhc__permutation_count(cyclic, n);
    for (int i = 0; i < n; i++)
        order[i] = i;
    mhc__lanes_softmax(count, w, x, a);
    for (int e = 0; e < n * n * w; e++)
        res[e] = 0.0f;
    for (int k = 0; k < count; k++) {
        for (int i = 0; i < n; i++)
            for (int l = 0; l < w; l++)
                res[(i * n + order[i]) * w + l] += a[k * w + l];
        if (cyclic)
            mhc__next_shift(n, order);
        else
            mhc__next_permutation(n, order);
    }
}

MHC__INLINE void mhc__permutations_backward(bool cyclic, int n, int w, const float *x, const float *d_res, float *d_x) {
    float a[MHC__PERMUTATIONS_MAX * MHC__LANES];
    int order[MHC_MAX_STREAMS], count = mhc__permutation_count(cyclic, n);
    for (int i = 0; i < n; i++)
        order[i] = i;
    mhc__lanes_softmax(count, w, x, a);
    for (int k = 0; k < count; k++) {
        for (int l = 0; l < w; l++)
            d_x[k * w + l] = 0.0f;
        for (int i = 0; i < n; i++)
            for (int l = 0; l < w; l++)
                d_x[k * w + l] += d_res[(i * n + order[i]) * w + l];
        if (cyclic)
            mhc__next_shift(n, order);
        else
            mhc__next_permutation(n, order);
    }
    mhc__lanes_softmax_back(count, w, a, d_x);
}

MHC__LANE_FUNCTION mhc__permutations_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    bool cyclic = spec->constraint == MHC_CONSTRAINT_CIRCULANT;
#define RUN(streams, lanes) mhc__permutations_forward(cyclic, streams, lanes, x, res)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

MHC__LANE_FUNCTION mhc__permutations_lanes_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                                float *d_x) {
    bool cyclic = spec->constraint == MHC_CONSTRAINT_CIRCULANT;
#define RUN(streams, lanes) mhc__permutations_backward(cyclic, streams, lanes, x, d_res, d_x)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

#endif
