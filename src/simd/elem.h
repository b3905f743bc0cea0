/* The elements of streams and rows, for the type that this file is compiled for (-DMHC__TYPE_IS_BF16; fp32 otherwise).
 * They are widened where they are loaded and rounded where they are stored: what lies between is fp32 for every type,
 * the same operations on the same lanes. A further type is a further branch here and its loads and stores in vec_*.h.
 */
#ifndef MHC_SIMD_ELEM_H
#define MHC_SIMD_ELEM_H

#include "simd/vec.h"

#if defined(MHC__TYPE_IS_BF16)

#define MHC__TYPE MHC_BF16
typedef uint16_t mhc__elem;

MHC__INLINE float mhc__elem_value(const mhc__elem *p) {
    return mhc_bf16_value(*p);
}
MHC__INLINE mhc__vec mhc__elem_load(const mhc__elem *p) {
    return mhc__vec_load_bf16(p);
}
MHC__INLINE void mhc__elem_store(mhc__elem *p, mhc__vec v) {
    mhc__vec_store_bf16(p, v);
}
MHC__INLINE void mhc__elem_store_around(mhc__elem *p, mhc__vec v) {
    mhc__vec_store_bf16(p, v); /* half a register: through the caches */
}
MHC__INLINE mhc__vec mhc__elem_load_some(const mhc__elem *p, int count) {
    return mhc__vec_load_some_bf16(p, count);
}
MHC__INLINE void mhc__elem_store_some(mhc__elem *p, mhc__vec v, int count) {
    mhc__vec_store_some_bf16(p, v, count);
}

#else

#define MHC__TYPE MHC_FP32
typedef float mhc__elem;

MHC__INLINE float mhc__elem_value(const mhc__elem *p) {
    return *p;
}
MHC__INLINE mhc__vec mhc__elem_load(const mhc__elem *p) {
    return mhc__vec_load(p);
}
MHC__INLINE void mhc__elem_store(mhc__elem *p, mhc__vec v) {
    mhc__vec_store(p, v);
}
MHC__INLINE void mhc__elem_store_around(mhc__elem *p, mhc__vec v) {
    mhc__vec_store_around(p, v);
}
MHC__INLINE mhc__vec mhc__elem_load_some(const mhc__elem *p, int count) {
    return mhc__vec_load_some(p, count);
}
MHC__INLINE void mhc__elem_store_some(mhc__elem *p, mhc__vec v, int count) {
    mhc__vec_store_some(p, v, count);
}

#endif

/* Elements of streams, or of parameters, which are always fp32: `type` is a constant wherever these are inlined. */

/* The register of elements from number c on. */
MHC__INLINE mhc__vec mhc__load_as(mhc_type type, const void *from, int64_t c) {
    return type == MHC_BF16 ? mhc__vec_load_bf16((const uint16_t *)from + c) : mhc__vec_load((const float *)from + c);
}

/* Elements from number `first` on, to fp32. */
MHC__INLINE void mhc__widen(mhc_type type, const void *from, int64_t first, int count, float *to) {
    if (type == MHC_FP32) {
        memcpy(to, (const float *)from + first, (size_t)count * sizeof *to);
        return;
    }
    int c = 0;
    for (; c + MHC__VEC <= count; c += MHC__VEC)
        mhc__vec_store(to + c, mhc__load_as(type, from, first + c));
    for (; c < count; c++)
        to[c] = mhc_bf16_value(((const uint16_t *)from)[first + c]);
}

#endif
