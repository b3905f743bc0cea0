/* The weights of the learned head. */
#ifndef MHC_STREAM_KERNEL_HEAD_H
#define MHC_STREAM_KERNEL_HEAD_H

#include "simd/math.h"

static void mhc__head_weights_run(int n, float scale, const float *mix, const float *base, float eps, float *weights) {
    for (int i = 0; i < n; i++)
        weights[i] = mhc__sigmoidf(scale * mix[i] + base[i]) + eps;
}

#endif
