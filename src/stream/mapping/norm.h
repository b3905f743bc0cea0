/* r and g of a row from its sum of squares: see mapping/projection.h. The same text on the CPU and on the device. */
#ifndef MHC_STREAM_MAPPING_NORM_H
#define MHC_STREAM_MAPPING_NORM_H

#include <math.h>

#include "stream/shape.h"

MHC__SHARED_CODE static inline void mhc__norm(int64_t columns, mhc_eps_place eps_place, float norm_eps, double sum,
                                              float *r, float *g) {
    double mean = sum / (double)columns, root = sqrt(mean), eps = (double)norm_eps;
    double under = eps_place == MHC_EPS_INSIDE ? sqrt(mean + eps) : root + eps;
    *r = under < MHC__SMALLEST_RMS ? 0.0f : (float)(1.0 / under);
    *g = eps_place == MHC_EPS_INSIDE ? 1.0f : root < MHC__SMALLEST_RMS ? 0.0f : (float)(under / root);
}

#endif
