/* AVX2 and FMA: eight lanes. */
#ifndef MHC_SIMD_VEC_AVX2_H
#define MHC_SIMD_VEC_AVX2_H

#include <immintrin.h>
#include <string.h>

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
MHC__INLINE void mhc__vec_store_around(float *p, mhc__vec v) {
    _mm256_stream_ps(p, v);
}
MHC__INLINE void mhc__vec_around_end(void) {
    _mm_sfence();
}
MHC__INLINE mhc__vec mhc__vec_load_some(const float *p, int count) {
    return _mm256_maskload_ps(p, mhc__vec_mask(count));
}
MHC__INLINE void mhc__vec_store_some(float *p, mhc__vec v, int count) {
    _mm256_maskstore_ps(p, mhc__vec_mask(count), v);
}

MHC__INLINE mhc__vec mhc__vec_load_bf16(const uint16_t *p) {
    __m128i bf16 = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bf16), 16));
}
MHC__INLINE void mhc__vec_store_bf16(uint16_t *p, mhc__vec v) {
    __m256i bits = _mm256_castps_si256(v);
    __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    bits = _mm256_add_epi32(bits, _mm256_add_epi32(_mm256_set1_epi32(0x7fff), even));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    bits = _mm256_blendv_epi8(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x7fc0), nan);
    bits = _mm256_permute4x64_epi64(_mm256_packus_epi32(bits, bits), 0x08); /* packs each half by itself */
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(bits));
}
MHC__INLINE mhc__vec mhc__vec_load_some_bf16(const uint16_t *p, int count) {
    uint16_t lanes[MHC__VEC] = {0};
    memcpy(lanes, p, (size_t)count * sizeof *lanes);
    return mhc__vec_load_bf16(lanes);
}
MHC__INLINE void mhc__vec_store_some_bf16(uint16_t *p, mhc__vec v, int count) {
    uint16_t lanes[MHC__VEC];
    mhc__vec_store_bf16(lanes, v);
    memcpy(p, lanes, (size_t)count * sizeof *lanes);
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
