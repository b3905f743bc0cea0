/* mhc__tree_sums with 256-bit shuffles, for AVX2 and AVX-512: eight trees at once, the same additions in the same
 * order as one. */
#ifndef MHC_SIMD_VEC_TREE256_H
#define MHC_SIMD_VEC_TREE256_H

#include <immintrin.h>

/* 16 lanes -> 8 */
MHC__INLINE __m256 mhc__tree_half(const float *lanes) {
    return _mm256_add_ps(_mm256_loadu_ps(lanes), _mm256_loadu_ps(lanes + 8));
}

/* 8 lanes of a and of b -> 4 of a | 4 of b */
MHC__INLINE __m256 mhc__tree_quarter(__m256 a, __m256 b) {
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

/* Rows 0..3 in the low half, 4..7 in the high one. */
MHC__INLINE void mhc__tree_eight(const float (*lanes)[MHC__LANES], float *sums) {
    __m256 q01 = mhc__tree_quarter(mhc__tree_half(lanes[0]), mhc__tree_half(lanes[4]));
    __m256 q23 = mhc__tree_quarter(mhc__tree_half(lanes[1]), mhc__tree_half(lanes[5]));
    __m256 q45 = mhc__tree_quarter(mhc__tree_half(lanes[2]), mhc__tree_half(lanes[6]));
    __m256 q67 = mhc__tree_quarter(mhc__tree_half(lanes[3]), mhc__tree_half(lanes[7]));
    /* in each 128-bit half: 4 lanes of two rows -> 2 of each, then 2 lanes of four rows -> 1 of each */
    __m256 p0 = _mm256_add_ps(_mm256_shuffle_ps(q01, q23, 0x44), _mm256_shuffle_ps(q01, q23, 0xEE));
    __m256 p1 = _mm256_add_ps(_mm256_shuffle_ps(q45, q67, 0x44), _mm256_shuffle_ps(q45, q67, 0xEE));
    _mm256_storeu_ps(sums, _mm256_add_ps(_mm256_shuffle_ps(p0, p1, 0x88), _mm256_shuffle_ps(p0, p1, 0xDD)));
}

MHC__INLINE float mhc__tree_one(const float *lanes) {
    __m256 h = mhc__tree_half(lanes);
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

MHC__INLINE void mhc__tree_sums(int count, const float (*lanes)[MHC__LANES], float *sums) {
    int k = 0;
    for (; k + 8 <= count; k += 8)
        mhc__tree_eight(lanes + k, sums + k);
    for (; k < count; k++)
        sums[k] = mhc__tree_one(lanes[k]);
}

#endif
