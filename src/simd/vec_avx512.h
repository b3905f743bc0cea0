/* AVX-512: sixteen lanes. */
#ifndef MHC_SIMD_VEC_AVX512_H
#define MHC_SIMD_VEC_AVX512_H

#include <immintrin.h>

#include "simd/vec_tree256.h"

#define MHC__VEC 16

typedef __m512 mhc__vec;

MHC__INLINE __mmask16 mhc__vec_mask(int count) {
    return (__mmask16)((1u << count) - 1u);
}

MHC__INLINE mhc__vec mhc__vec_all(float x) {
    return _mm512_set1_ps(x);
}
MHC__INLINE mhc__vec mhc__vec_load(const float *p) {
    return _mm512_loadu_ps(p);
}
MHC__INLINE void mhc__vec_store(float *p, mhc__vec v) {
    _mm512_storeu_ps(p, v);
}
MHC__INLINE mhc__vec mhc__vec_load_some(const float *p, int count) {
    return _mm512_maskz_loadu_ps(mhc__vec_mask(count), p);
}
MHC__INLINE void mhc__vec_store_some(float *p, mhc__vec v, int count) {
    _mm512_mask_storeu_ps(p, mhc__vec_mask(count), v);
}
MHC__INLINE mhc__vec mhc__vec_mul(mhc__vec a, mhc__vec b) {
    return _mm512_mul_ps(a, b);
}
MHC__INLINE mhc__vec mhc__vec_add(mhc__vec a, mhc__vec b) {
    return _mm512_add_ps(a, b);
}
MHC__INLINE mhc__vec mhc__vec_fma(mhc__vec a, mhc__vec b, mhc__vec c) {
    return _mm512_fmadd_ps(a, b, c);
}

#endif
