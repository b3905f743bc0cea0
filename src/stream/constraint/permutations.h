/* mhc-lite: a = softmax over the logits of all n! permutations, in lexicographic order; res[i, pi_k(i)] += a_k. Exactly
 * doubly stochastic whatever the logits (arXiv 2601.05732). */
#ifndef MHC_STREAM_CONSTRAINT_PERMUTATIONS_H
#define MHC_STREAM_CONSTRAINT_PERMUTATIONS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "simd/math.h"

#define MHC__PERMUTATIONS_MAX 120 /* 5! */

/* The lexicographic successor of p; false after the last. */
MHC__INLINE bool mhc__next_permutation(int n, int *p) {
    int i = n - 2;
    while (i >= 0 && p[i] > p[i + 1])
        i--;
    if (i < 0)
        return false;
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
    return true;
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

MHC__INLINE void mhc__permutations_forward(int n, int w, bool transposed, const float *logits, float *res) {
    float a[MHC__PERMUTATIONS_MAX * MHC__LANES];
    int order[5] = {0, 1, 2, 3, 4}, count = 1;
    for (int k = 2; k <= n; k++)
        count *= k;
    mhc__lanes_softmax(count, w, logits, a);
    for (int e = 0; e < n * n * w; e++)
        res[e] = 0.0f;
    for (int k = 0; k < count; k++) {
        for (int i = 0; i < n; i++) {
            int e = transposed ? order[i] * n + i : i * n + order[i];
            for (int l = 0; l < w; l++)
                res[e * w + l] += a[k * w + l];
        }
        mhc__next_permutation(n, order);
    }
}

MHC__INLINE void mhc__permutations_backward(int n, int w, bool transposed, const float *logits, const float *d_res,
                                            float *d_logits) {
    float a[MHC__PERMUTATIONS_MAX * MHC__LANES];
    int order[5] = {0, 1, 2, 3, 4}, count = 1;
    for (int k = 2; k <= n; k++)
        count *= k;
    mhc__lanes_softmax(count, w, logits, a);
    for (int k = 0; k < count; k++) {
        for (int l = 0; l < w; l++)
            d_logits[k * w + l] = 0.0f;
        for (int i = 0; i < n; i++) {
            int e = transposed ? order[i] * n + i : i * n + order[i];
            for (int l = 0; l < w; l++)
                d_logits[k * w + l] += d_res[e * w + l];
        }
        mhc__next_permutation(n, order);
    }
    mhc__lanes_softmax_back(count, w, a, d_logits);
}

#endif
