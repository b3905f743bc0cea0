/* Kernels that add up over the channels of a token: a block walks along a row, and each of its threads takes a pack of
 * columns at a time, 16 bytes of the row. Where packs are not aligned they are the same columns, read one by one: so
 * the sums have one shape, whatever the strides. */
#ifndef MHC_STREAM_CUDA_PACKS_H
#define MHC_STREAM_CUDA_PACKS_H

#include "stream/cuda/elements.h"
#include "stream/cuda/sums.h"

/* The pack that begins at column c of a row of `channels`; zeros past its end. */
template <typename E, bool PACKED>
MHC__DEVICE void mhc__pack_read(const E *row, int64_t c, int64_t channels, float *v) {
    if constexpr (PACKED) {
        mhc__unpack(mhc__load(row + c), v, row);
    } else {
        for (int k = 0; k < mhc__pack<E>::COUNT; k++)
            v[k] = c + k < channels ? mhc__value(row[c + k]) : 0.0f;
    }
}

template <typename E, bool PACKED>
MHC__DEVICE void mhc__pack_write(const float *v, E *row, int64_t c, int64_t channels) {
    if constexpr (PACKED) {
        mhc__store(row + c, mhc__packed(v, row));
    } else {
        for (int k = 0; k < mhc__pack<E>::COUNT && c + k < channels; k++)
            mhc__round(v[k], row + c + k);
    }
}

/* The same columns, as many as a pack of E has, of a row of floats. */
template <typename E, bool PACKED>
MHC__DEVICE void mhc__pack_floats(const float *row, int64_t c, int64_t channels, float *v) {
    for (int k = 0; k < mhc__pack<E>::COUNT; k += mhc__pack<float>::COUNT)
        mhc__pack_read<float, PACKED>(row, c + k, channels, v + k);
}

static inline bool mhc__aligned(const void *memory) {
    return (uintptr_t)memory % 16 == 0;
}

/* RUN(E, PACKED) */
#define MHC__BY_PACKS(type, packed, RUN)                                                                               \
    do {                                                                                                               \
        if ((type) == MHC_BF16 && (packed))                                                                            \
            RUN(mhc__bf16, true);                                                                                      \
        else if ((type) == MHC_BF16)                                                                                   \
            RUN(mhc__bf16, false);                                                                                     \
        else if ((type) == MHC_FP16 && (packed))                                                                       \
            RUN(mhc__fp16, true);                                                                                      \
        else if ((type) == MHC_FP16)                                                                                   \
            RUN(mhc__fp16, false);                                                                                     \
        else if (packed)                                                                                               \
            RUN(float, true);                                                                                          \
        else                                                                                                           \
            RUN(float, false);                                                                                         \
    } while (0)

/* Sums over a block: lanes in a tree, then warps in order. First all threads leave their COUNT values, at most 32, in
 * memory; then, after a barrier, any thread may ask for sum number q. */
MHC__SHARED_CODE static inline int mhc__block_floats(int count, int threads) {
    return count * (threads / 32);
}

template <int COUNT> MHC__DEVICE void mhc__block_sums(float *v, float *memory) {
    int number;
    float sum = mhc__warp_sums<COUNT>(v, &number);
    if (number >= 0)
        memory[threadIdx.x / 32 * COUNT + number] = sum;
}

template <int COUNT, int THREADS> MHC__DEVICE float mhc__block_sum(const float *memory, int q) {
    float sum = memory[q];
    for (int w = 1; w < THREADS / 32; w++)
        sum += memory[w * COUNT + q];
    return sum;
}

#endif
