/* Sums over the slices of a token's channels, from what the blocks of a crew (cuda/crew.h) have left in memory. */
#ifndef MHC_STREAM_CUDA_CREW_SUMS_H
#define MHC_STREAM_CUDA_CREW_SUMS_H

#include "stream/cuda/elements.h"

/* Slices are added in four chains, every fourth slice in order, which then come together. */
enum { MHC__CHAINS = 4 };

MHC__DEVICE float mhc__add_chains(const float chain[MHC__CHAINS]) {
    return (chain[0] + chain[1]) + (chain[2] + chain[3]);
}

/* A sum of tokens 4 quad to 4 quad + 3 over the slices: number `row` of partial [slices, ROWS, TOKENS], where `has`.
 * Four threads side by side, one to a chain, have it. All threads of a warp. */
template <int ROWS, int TOKENS>
MHC__DEVICE void mhc__crew_sum(const float *partial, int slices, bool has, int row, int quad, float sum[4]) {
    constexpr int TOGETHER = 8; /* loads under way */
    const float *from = partial + row * TOKENS + quad * 4;
    float v[TOGETHER][4];
    MHC__UNROLL
    for (int e = 0; e < 4; e++)
        sum[e] = 0.0f;
    for (int begin = mhc__thread() % MHC__CHAINS; begin < slices && has; begin += MHC__CHAINS * TOGETHER) {
        MHC__UNROLL
        for (int k = 0; k < TOGETHER; k++) {
            const int slice = begin + MHC__CHAINS * k;
            mhc__unpack(slice < slices ? mhc__load(from + slice * ROWS * TOKENS) : make_uint4(0, 0, 0, 0), v[k], from);
        }
        MHC__UNROLL
        for (int k = 0; k < TOGETHER; k++)
            MHC__UNROLL
        for (int e = 0; e < 4; e++)
            sum[e] += v[k][e];
    }
    MHC__UNROLL
    for (int e = 0; e < 4; e++) { /* as mhc__add_chains */
        sum[e] += mhc__shuffle_xor(sum[e], 1);
        sum[e] += mhc__shuffle_xor(sum[e], 2);
    }
}

/* That of the token of this thread's chain. */
MHC__DEVICE float mhc__crew_sum_own(const float sum[4]) {
    const int chain = mhc__thread() % MHC__CHAINS;
    return chain < 2 ? chain == 0 ? sum[0] : sum[1] : chain == 2 ? sum[2] : sum[3];
}

#endif
