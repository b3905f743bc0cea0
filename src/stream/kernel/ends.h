/* What only the ends of the streams need. */
#ifndef MHC_STREAM_KERNEL_ENDS_H
#define MHC_STREAM_KERNEL_ENDS_H

#include "simd/math.h"
#include "stream/kernels.h"

static void mhc__head_weights_run(int n, float scale, const float *mix, const float *base, float eps, float *weights) {
    for (int i = 0; i < n; i++)
        weights[i] = mhc__sigmoidf(scale * mix[i] + base[i]) + eps;
}

static void mhc__sum_rows_run(int n, int64_t channels, const float *x, int64_t stride, float *y) {
    for (int64_t c = 0; c < channels; c++)
        y[c] = x[c];
    for (int i = 1; i < n; i++)
        for (int64_t c = 0; c < channels; c++)
            y[c] += x[i * stride + c];
}

#endif
