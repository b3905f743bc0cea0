/* Sums over the lanes of a warp, of one shape. */
#ifndef MHC_STREAM_CUDA_SUMS_H
#define MHC_STREAM_CUDA_SUMS_H

#include "stream/cuda/device.h"

/* COUNT values v of each lane, at most 32, summed over the lanes, all at once: with each exchange a lane gives away
 * half of the sums that it still has a part in. Returns sum number *number, which is -1 in lanes that are left with
 * none. MASK: the caller's is 16. */
template <int COUNT, int MASK = 16> MHC__DEVICE float mhc__warp_sums(float *v, int *number) {
    if constexpr (COUNT == 1) {
        for (int mask = MASK; mask > 0; mask /= 2)
            v[0] += mhc__shuffle_xor(v[0], mask);
        *number = threadIdx.x & (MASK ? 2 * MASK - 1 : 0) ? -1 : 0;
        return v[0];
    } else {
        constexpr int HALF = (COUNT + 1) / 2;
        const bool upper = threadIdx.x & MASK;
        for (int k = 0; k < HALF; k++) {
            const float other = HALF + k < COUNT ? v[HALF + k] : 0.0f;
            const float given = mhc__shuffle_xor(upper ? v[k] : other, MASK);
            v[k] = (upper ? other : v[k]) + given;
        }
        const float sum = mhc__warp_sums<HALF, MASK / 2>(v, number);
        if (upper && *number >= 0)
            *number = *number + HALF < COUNT ? *number + HALF : -1;
        return sum;
    }
}

#endif
