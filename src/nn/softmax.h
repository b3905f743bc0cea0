/* The terms of a softmax, from scores less the largest of them, or less the logarithm of their sum. */
#ifndef MHC_NN_SOFTMAX_H
#define MHC_NN_SOFTMAX_H

#include "simd/math.h"

/* e^x for x up to 0, and 0 below 2^-80. No fp32 sum of terms that has the largest in it sees the difference; but what
 * is left of e^-90 is subnormal, and products with it take some processors many times as long as others
 * (docs/measurements/2026-11-27-backward-xeon.md). NaN stays NaN. */
MHC__INLINE float mhc__softmax_term(float x) {
    const float e = mhc__expf(x);
    return e < 0x1p-80f ? 0.0f : e;
}

#endif
