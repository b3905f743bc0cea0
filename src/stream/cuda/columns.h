/* Kernels that look at each column of a token by itself: a few columns of a token to a block, one stretch of them to a
 * thread. */
#ifndef MHC_STREAM_CUDA_COLUMNS_H
#define MHC_STREAM_CUDA_COLUMNS_H

#include "stream/cuda/elements.h"

enum { MHC__CUT_THREADS = 256 }; /* at most */

/* How tokens are cut into blocks: item number t * parts + part is part `part` of token t. */
struct mhc__cut {
    int64_t items, parts;
    int threads;
};

/* count: columns of a thread. Whole warps, and as few idle threads as parts of one size leave. */
static inline mhc__cut mhc__cut_of(int64_t tokens, int64_t channels, int count) {
    int64_t stretches = mhc__blocks(channels, count), parts = mhc__blocks(stretches, MHC__CUT_THREADS);
    int threads = (int)mhc__blocks(mhc__blocks(stretches, parts), 32) * 32;
    mhc__cut cut = {tokens * parts, parts, threads};
    return cut;
}

/* The first column of this thread in an item. */
MHC__DEVICE int64_t mhc__cut_column(mhc__cut cut, int64_t item, int count) {
    return (item % cut.parts * blockDim.x + threadIdx.x) * count;
}

/* COUNT elements: one, or the 16 bytes of a pack, which begin at a multiple of 16. */
template <int COUNT, typename E> MHC__DEVICE void mhc__read(const E *from, float *v) {
    if constexpr (COUNT == 1)
        v[0] = mhc__value(*from);
    else
        mhc__unpack(mhc__load_once(from), v, from);
}

template <int COUNT, typename E> MHC__DEVICE void mhc__write(const float *v, E *to) {
    if constexpr (COUNT == 1)
        mhc__round(v[0], to);
    else
        mhc__store(to, mhc__packed(v, to));
}

/* Bits, those of a NaN included. */
template <int COUNT, typename E> MHC__DEVICE void mhc__copy(const E *from, E *to) {
    if constexpr (COUNT == 1)
        *to = *from;
    else
        mhc__store(to, mhc__load(from));
}

/* RUN(E, COUNT): the elements' type, and packs where `packed` holds, else one by one. */
#define MHC__BY_COLUMNS(type, packed, RUN)                                                                             \
    do {                                                                                                               \
        if ((type) == MHC_BF16 && (packed)) {                                                                          \
            RUN(mhc__bf16, mhc__pack<mhc__bf16>::COUNT);                                                               \
        } else if ((type) == MHC_BF16) {                                                                               \
            RUN(mhc__bf16, 1);                                                                                         \
        } else if ((type) == MHC_FP16 && (packed)) {                                                                   \
            RUN(mhc__fp16, mhc__pack<mhc__fp16>::COUNT);                                                               \
        } else if ((type) == MHC_FP16) {                                                                               \
            RUN(mhc__fp16, 1);                                                                                         \
        } else if (packed) {                                                                                           \
            RUN(float, mhc__pack<float>::COUNT);                                                                       \
        } else {                                                                                                       \
            RUN(float, 1);                                                                                             \
        }                                                                                                              \
    } while (0)

#endif
