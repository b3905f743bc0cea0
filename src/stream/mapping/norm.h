/* The norm of a row and its way back: see mapping/projection.h. The same text on the CPU and on the device. */
#ifndef MHC_STREAM_MAPPING_NORM_H
#define MHC_STREAM_MAPPING_NORM_H

#include <math.h>

#include "stream/shape.h"

/* r and g from the sum of squares. */
MHC__SHARED_CODE static inline void mhc__norm(int64_t columns, mhc_eps_place eps_place, float norm_eps, double sum,
                                              float *r, float *g) {
    double mean = sum / (double)columns, root = sqrt(mean), eps = (double)norm_eps;
    double under = eps_place == MHC_EPS_INSIDE ? sqrt(mean + eps) : root + eps;
    *r = under < MHC__SMALLEST_RMS ? 0.0f : (float)(1.0 / under);
    *g = eps_place == MHC_EPS_INSIDE ? 1.0f : root < MHC__SMALLEST_RMS ? 0.0f : (float)(under / root);
}

/* Whether a sum of squares in fp32 lost nothing to its range; else it is taken again in double. */
MHC__SHARED_CODE static inline bool mhc__squares_in_range(float sum) {
    return sum > 1e-30f && sum < 1e38f;
}

/* (g / columns) sum_k d_mix_k mix_k. */
MHC__SHARED_CODE static inline float mhc__slope(int width, int64_t columns, const float *d_mix, const float *mix,
                                                float g) {
    double sum = 0.0;
    for (int k = 0; k < width; k++)
        sum += (double)d_mix[k] * (double)mix[k];
    return (float)(sum * (double)g / (double)columns);
}

#endif
