#include "narrow.h"

#include "simd/elem.h"

static void widen(mhc_type type, const uint16_t *from, int count, float *to) {
    int c = 0;
    for (; c + MHC__VEC <= count; c += MHC__VEC)
        mhc__vec_store(to + c, mhc__vec_from(type, mhc__vec16_load(from + c)));
    if (c < count)
        mhc__vec_store_some(to + c, mhc__vec_from(type, mhc__vec16_load_some(from + c, count - c)), count - c);
}

static void narrow(mhc_type type, const float *from, int count, uint16_t *to) {
    int c = 0;
    for (; c + MHC__VEC <= count; c += MHC__VEC)
        mhc__vec16_store(to + c, mhc__vec_to(type, mhc__vec_load(from + c)));
    if (c < count)
        mhc__vec16_store_some(to + c, mhc__vec_to(type, mhc__vec_load_some(from + c, count - c)), count - c);
}

extern const mhc__narrow_kernels MHC__KERNELS;

const mhc__narrow_kernels MHC__KERNELS = {widen, narrow};
