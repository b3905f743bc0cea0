/* fp32 numbers as sums of bf16 numbers, for products on tensor cores that are as exact as fp32's own: a number is the
 * sum of three parts of 8 bits each up to 2^-24 of it, a bf16 number is one part. Of the products of parts those count
 * whose numbers add up to less than PARTS: what is left out is below 2^-23 with 3, 2^-16 with 2, 2^-8 with 1.
 *
 * Parts come in words of two, the first number in the lower half, as mma takes them. */
#ifndef MHC_STREAM_CUDA_TENSOR_H
#define MHC_STREAM_CUDA_TENSOR_H

#include "stream/cuda/elements.h"

/* What is left of a value when its part is taken away. Of a part that is not finite nothing is left: the value is in
 * the products once, as infinity or NaN. */
MHC__DEVICE float mhc__rest(float value, float part) {
    float rest = value - part;
    return rest == rest ? rest : 0.0f;
}

/* `parts` words of (low, high). */
MHC__DEVICE void mhc__split(float low, float high, int parts, uint32_t *word) {
    for (int k = 0; k < parts; k++) {
        word[k] = mhc__bf16_pair(low, high);
        low = mhc__rest(low, mhc__bits_value(word[k] << 16));
        high = mhc__rest(high, mhc__bits_value(word[k] & 0xffff0000u));
    }
}

#endif
