/* AVX2 and FMA: eight lanes. */
#ifndef MHC_SIMD_VEC_AVX2_H
#define MHC_SIMD_VEC_AVX2_H

#include <immintrin.h>

#include "simd/vec_tree256.h"

#define MHC__VEC 8

typedef __m256 mhc__vec;

/* All ones in the first count lanes. */
MHC__INLINE __m256i mhc__vec_mask(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

MHC__INLINE mhc__vec mhc__vec_all(float x) {
    return _mm256_set1_ps(x);
}
MHC__INLINE mhc__vec mhc__vec_load(const float *p) {
    return _mm256_loadu_ps(p);
}
MHC__INLINE void mhc__vec_store(float *p, mhc__vec v) {
    _mm256_storeu_ps(p, v);
}
MHC__INLINE mhc__vec mhc__vec_load_some(const float *p, int count) {
    return _mm256_maskload_ps(p, mhc__vec_mask(count));
}
MHC__INLINE void mhc__vec_store_some(float *p, mhc__vec v, int count) {
    _mm256_maskstore_ps(p, mhc__vec_mask(count), v);
}
MHC__INLINE mhc__vec mhc__vec_mul(mhc__vec a, mhc__vec b) {
    return _mm256_mul_ps(a, b);
}
MHC__INLINE mhc__vec mhc__vec_add(mhc__vec a, mhc__vec b) {
    return _mm256_add_ps(a, b);
}
MHC__INLINE mhc__vec mhc__vec_fma(mhc__vec a, mhc__vec b, mhc__vec c) {
    return _mm256_fmadd_ps(a, b, c);
}

#endif
