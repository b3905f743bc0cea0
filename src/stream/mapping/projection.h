/* The product of the normalised streams with fn, and its gradient.
 *
 *     s = mean over the row of x^2;   r = 1 / sqrt(s + eps)  or  1 / (sqrt(s) + eps);   mix_k = r sum_c fn_kc x_c
 *
 * A row is a token (all nC values) or, with the per-stream norm, one stream of a token (C values). */
#ifndef MHC_STREAM_MAPPING_PROJECTION_H
#define MHC_STREAM_MAPPING_PROJECTION_H

#include "mhc/site.h"
#include "mhc/spec.h"

typedef struct mhc__projection {
    int n;            /* streams of a token */
    int groups;       /* rows of one token: 1 or n */
    int width;        /* rows of fn */
    int64_t channels; /* of one stream */
    mhc_eps_place eps_place;
    float eps;
} mhc__projection;

/* mix [T, groups * width], r and g [T, groups]; token t's at + t * stride in each. g = (sqrt(s) + eps) / sqrt(s) with
 * eps outside the root, else 1: backward needs it. r = 0 below MHC__SMALLEST_RMS. */
void mhc__projection_forward(int threads, const mhc__projection *p, int64_t tokens, mhc_streams x, const float *fn,
                             float *mix, float *r, float *g, int64_t stride);

/* Adds to dx and to d_fn. d_mix [T, groups * width], token t's at + t * d_stride; slope: scratch [T * groups]. */
void mhc__projection_backward(int threads, const mhc__projection *p, int64_t tokens, mhc_streams x, const float *fn,
                              const float *mix, const float *r, const float *g, int64_t stride, const float *d_mix,
                              int64_t d_stride, float *slope, mhc_streams dx, float *d_fn);

#endif
