#include "bf16.h"

#include "simd/vec.h"

static void widen(const uint16_t *from, int count, float *to) {
    int c = 0;
    for (; c + MHC__VEC <= count; c += MHC__VEC)
        mhc__vec_store(to + c, mhc__vec_load_bf16(from + c));
    if (c < count)
        mhc__vec_store_some(to + c, mhc__vec_load_some_bf16(from + c, count - c), count - c);
}

static void narrow(const float *from, int count, uint16_t *to) {
    int c = 0;
    for (; c + MHC__VEC <= count; c += MHC__VEC)
        mhc__vec_store_bf16(to + c, mhc__vec_load(from + c));
    if (c < count)
        mhc__vec_store_some_bf16(to + c, mhc__vec_load_some(from + c, count - c), count - c);
}

extern const mhc__bf16_kernels MHC__KERNELS;

const mhc__bf16_kernels MHC__KERNELS = {widen, narrow};
