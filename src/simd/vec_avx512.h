/* AVX-512: sixteen lanes. */
#ifndef MHC_SIMD_VEC_AVX512_H
#define MHC_SIMD_VEC_AVX512_H

#include <immintrin.h>

#include "simd/vec_tree256.h"

#define MHC__VEC 16

typedef __m512 mhc__vec;
typedef __m256i mhc__vec16;

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
MHC__INLINE void mhc__vec_store_around(float *p, mhc__vec v) {
    _mm512_stream_ps(p, v);
}
MHC__INLINE void mhc__vec_around_end(void) {
    _mm_sfence();
}
MHC__INLINE mhc__vec mhc__vec_load_some(const float *p, int count) {
    return _mm512_maskz_loadu_ps(mhc__vec_mask(count), p);
}
MHC__INLINE void mhc__vec_store_some(float *p, mhc__vec v, int count) {
    _mm512_mask_storeu_ps(p, mhc__vec_mask(count), v);
}

MHC__INLINE mhc__vec16 mhc__vec16_load(const uint16_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
MHC__INLINE void mhc__vec16_store(uint16_t *p, mhc__vec16 h) {
    _mm256_storeu_si256((__m256i *)(void *)p, h);
}
MHC__INLINE mhc__vec16 mhc__vec16_load_some(const uint16_t *p, int count) {
    return _mm256_maskz_loadu_epi16(mhc__vec_mask(count), p);
}
MHC__INLINE void mhc__vec16_store_some(uint16_t *p, mhc__vec16 h, int count) {
    _mm256_mask_storeu_epi16(p, mhc__vec_mask(count), h);
}

MHC__INLINE mhc__vec mhc__vec_from_bf16(mhc__vec16 bf16) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}
MHC__INLINE mhc__vec16 mhc__vec_to_bf16(mhc__vec v) {
    __m512i bits = _mm512_castps_si512(v);
    __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    bits = _mm512_add_epi32(bits, _mm512_add_epi32(_mm512_set1_epi32(0x7fff), even));
    __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    bits = _mm512_mask_mov_epi32(_mm512_srli_epi32(bits, 16), nan, _mm512_set1_epi32(0x7fc0));
    return _mm512_cvtepi32_epi16(bits);
}
MHC__INLINE mhc__vec mhc__vec_from_fp16(mhc__vec16 fp16) {
    return _mm512_cvtph_ps(fp16);
}
/* A NaN would keep its payload: it becomes the one that is converted to 0x7e00. */
MHC__INLINE mhc__vec16 mhc__vec_to_fp16(mhc__vec v) {
    v = _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), _mm512_set1_ps(__builtin_nanf("")));
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
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
