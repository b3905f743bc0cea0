/* u = sum_j w_j X_j and the gradient of the weights: the pre of a site, and the contraction at the end. */
#ifndef MHC_STREAM_KERNEL_COLLAPSE_H
#define MHC_STREAM_KERNEL_COLLAPSE_H

#include <string.h>

#include "stream/kernel/combine.h"
#include "stream/kernel/dots.h"
#include "stream/kernel/merge.h"

static void mhc__collapse_run(int n, int64_t channels, bool around, int64_t first, int64_t end, mhc_streams x,
                              const float *weights, int64_t stride, mhc_rows u) {
    mhc__elem *from[MHC_MAX_STREAMS];
    for (int64_t t = first; t < end; t++) {
        mhc__stream_rows(x, n, t, 0, from);
        mhc__combine_row(n, around, weights + t * stride, (const mhc__elem *const *)from, mhc__row_at(u, t, 0),
                         channels);
    }
    if (around)
        mhc__vec_around_end();
}

static void mhc__collapse_dots_run(int n, int64_t channels, int64_t first, int64_t end, mhc_streams x, mhc_rows du,
                                   float *d_weights, int64_t d_stride) {
    float acc[MHC_MAX_STREAMS][MHC__LANES];
    mhc__elem *from[MHC_MAX_STREAMS];
    memset(acc, 0, (size_t)n * sizeof acc[0]);
    for (int64_t t = first; t < end; t++) {
        const mhc__elem *row = mhc__row_at(du, t, 0);
        mhc__stream_rows(x, n, t, 0, from);
        mhc__dots d = {&row, (const mhc__elem *const *)from, channels};
        mhc__dots_add(&d, 1, n, acc, n);
        if (d_stride == 0)
            continue;
        mhc__tree_sums(n, (const float(*)[MHC__LANES])acc, d_weights + t * d_stride);
        memset(acc, 0, (size_t)n * sizeof acc[0]);
    }
    if (d_stride == 0)
        mhc__tree_sums(n, (const float(*)[MHC__LANES])acc, d_weights);
}

#endif
