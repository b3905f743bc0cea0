/* The elements of streams and rows, for the type that this file is compiled for (-DMHC__TYPE_IS_BF16, _FP16; fp32
 * otherwise). They are widened where they are loaded and rounded where they are stored: what lies between is fp32 for
 * every type, the same operations on the same lanes. A further type of 16 bits is a further name here and its two
 * conversions in vec_*.h.
 */
#ifndef MHC_SIMD_ELEM_H
#define MHC_SIMD_ELEM_H

#include "simd/vec.h"

#if defined(MHC__TYPE_IS_BF16)
#define MHC__TYPE MHC_BF16
#elif defined(MHC__TYPE_IS_FP16)
#define MHC__TYPE MHC_FP16
#else
#define MHC__TYPE MHC_FP32
#define MHC__ELEM_IS_FLOAT
#endif

/* Types of 16 bits. `type` is a constant wherever these are inlined. */
MHC__INLINE float mhc__value_from(mhc_type type, uint16_t bits) {
    return type == MHC_FP16 ? mhc_fp16_value(bits) : mhc_bf16_value(bits);
}
MHC__INLINE mhc__vec mhc__vec_from(mhc_type type, mhc__vec16 h) {
    return type == MHC_FP16 ? mhc__vec_from_fp16(h) : mhc__vec_from_bf16(h);
}
MHC__INLINE mhc__vec16 mhc__vec_to(mhc_type type, mhc__vec v) {
    return type == MHC_FP16 ? mhc__vec_to_fp16(v) : mhc__vec_to_bf16(v);
}

#if !defined(MHC__ELEM_IS_FLOAT)

typedef uint16_t mhc__elem;

MHC__INLINE float mhc__elem_value(const mhc__elem *p) {
    return mhc__value_from(MHC__TYPE, *p);
}
MHC__INLINE mhc__vec mhc__elem_load(const mhc__elem *p) {
    return mhc__vec_from(MHC__TYPE, mhc__vec16_load(p));
}
MHC__INLINE void mhc__elem_store(mhc__elem *p, mhc__vec v) {
    mhc__vec16_store(p, mhc__vec_to(MHC__TYPE, v));
}
MHC__INLINE void mhc__elem_store_around(mhc__elem *p, mhc__vec v) {
    mhc__elem_store(p, v); /* half a register: through the caches */
}
MHC__INLINE mhc__vec mhc__elem_load_some(const mhc__elem *p, int count) {
    return mhc__vec_from(MHC__TYPE, mhc__vec16_load_some(p, count));
}
MHC__INLINE void mhc__elem_store_some(mhc__elem *p, mhc__vec v, int count) {
    mhc__vec16_store_some(p, mhc__vec_to(MHC__TYPE, v), count);
}

#else

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
    return type == MHC_FP32 ? mhc__vec_load((const float *)from + c)
                            : mhc__vec_from(type, mhc__vec16_load((const uint16_t *)from + c));
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
        to[c] = mhc__value_from(type, ((const uint16_t *)from)[first + c]);
}

#endif
