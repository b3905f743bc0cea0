/* AVX2, FMA and F16C: eight lanes. */
#ifndef MHC_SIMD_VEC_AVX2_H
#define MHC_SIMD_VEC_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "simd/vec_tree256.h"

#define MHC__VEC 8

typedef __m256 mhc__vec;
typedef __m128i mhc__vec16;

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

MHC__INLINE mhc__vec16 mhc__vec16_load(const uint16_t *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
MHC__INLINE void mhc__vec16_store(uint16_t *p, mhc__vec16 h) {
    _mm_storeu_si128((__m128i *)(void *)p, h);
}
MHC__INLINE mhc__vec16 mhc__vec16_load_some(const uint16_t *p, int count) {
    uint16_t lanes[MHC__VEC] = {0};
    memcpy(lanes, p, (size_t)count * sizeof *lanes);
    return mhc__vec16_load(lanes);
}
MHC__INLINE void mhc__vec16_store_some(uint16_t *p, mhc__vec16 h, int count) {
    uint16_t lanes[MHC__VEC];
    mhc__vec16_store(lanes, h);
    memcpy(p, lanes, (size_t)count * sizeof *lanes);
}

MHC__INLINE mhc__vec mhc__vec_from_bf16(mhc__vec16 bf16) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bf16), 16));
}
MHC__INLINE mhc__vec16 mhc__vec_to_bf16(mhc__vec v) {
    __m256i bits = _mm256_castps_si256(v);
    __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    bits = _mm256_add_epi32(bits, _mm256_add_epi32(_mm256_set1_epi32(0x7fff), even));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    bits = _mm256_blendv_epi8(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x7fc0), nan);
    bits = _mm256_permute4x64_epi64(_mm256_packus_epi32(bits, bits), 0x08); /* packs each half by itself */
    return _mm256_castsi256_si128(bits);
}
MHC__INLINE mhc__vec mhc__vec_from_fp16(mhc__vec16 fp16) {
    return _mm256_cvtph_ps(fp16);
}
/* A NaN would keep its payload: it becomes the one that is converted to 0x7e00. */
MHC__INLINE mhc__vec16 mhc__vec_to_fp16(mhc__vec v) {
    v = _mm256_blendv_ps(v, _mm256_set1_ps(__builtin_nanf("")), _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
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
