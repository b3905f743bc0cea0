#include "nn/mask.h"

#include "base/compiler.h"
#include "simd/math.h"

#define LANES MHC__LANES

/* One round of Philox on (c0, c1, c2, c3), then its keys move on. Written out rather than looped: then the loop over
 * lanes is the innermost one, and the compiler vectorises it. */
#define ROUND()                                                                                                        \
    do {                                                                                                               \
        uint64_t a_ = (uint64_t)0xD2511F53u * c0, b_ = (uint64_t)0xCD9E8D57u * c2;                                     \
        c0 = (uint32_t)(b_ >> 32) ^ c1 ^ k0;                                                                           \
        c2 = (uint32_t)(a_ >> 32) ^ c3 ^ k1;                                                                           \
        c1 = (uint32_t)b_;                                                                                             \
        c3 = (uint32_t)a_;                                                                                             \
        k0 += 0x9E3779B9u;                                                                                             \
        k1 += 0xBB67AE85u;                                                                                             \
    } while (0)

/* keep[64 h + 16 w + l] for half h of word w of counter 16 * group + l: a multiple of 16 plus a lane never carries into
 * the high half of a counter. */
MHC__CLONES void mhc__mask_group_portable(const mhc__mask *mask, uint64_t group, float *keep) {
    uint64_t first = group * LANES, key = mask->key, high = mask->high;
    uint32_t first_low = (uint32_t)first, first_high = (uint32_t)(first >> 32);
    int32_t least = mask->least;
    float scale = mask->scale;
#pragma omp simd
    for (uint32_t l = 0; l < LANES; l++) {
        uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
        uint32_t c0 = first_low + l, c1 = first_high, c2 = (uint32_t)high, c3 = (uint32_t)(high >> 32);
        ROUND();
        ROUND();
        ROUND();
        ROUND();
        ROUND();
        ROUND();
        ROUND();
        ROUND();
        ROUND();
        ROUND();
        keep[l] = (int32_t)(c0 & 0xFFFF) >= least ? scale : 0.0f;
        keep[LANES + l] = (int32_t)(c1 & 0xFFFF) >= least ? scale : 0.0f;
        keep[2 * LANES + l] = (int32_t)(c2 & 0xFFFF) >= least ? scale : 0.0f;
        keep[3 * LANES + l] = (int32_t)(c3 & 0xFFFF) >= least ? scale : 0.0f;
        keep[4 * LANES + l] = (int32_t)(c0 >> 16) >= least ? scale : 0.0f;
        keep[5 * LANES + l] = (int32_t)(c1 >> 16) >= least ? scale : 0.0f;
        keep[6 * LANES + l] = (int32_t)(c2 >> 16) >= least ? scale : 0.0f;
        keep[7 * LANES + l] = (int32_t)(c3 >> 16) >= least ? scale : 0.0f;
    }
}

/* gcc spends two of three instructions of that loop on moving 32-bit lanes to where the 32 x 32 -> 64 bit product wants
 * them. Here they stay there: four counters in the low halves of 64-bit lanes, the even or the odd ones of eight. What
 * the high halves hold does not matter, since the product does not read them. */
#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

typedef struct counters {
    __m256i c0, c1, c2, c3;
} counters;

AVX2 static inline counters next_round(counters c, __m256i k0, __m256i k1) {
    __m256i a = _mm256_mul_epu32(c.c0, _mm256_set1_epi32((int)0xD2511F53u));
    __m256i b = _mm256_mul_epu32(c.c2, _mm256_set1_epi32((int)0xCD9E8D57u));
    counters next = {_mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(b, 32), c.c1), k0), b,
                     _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(a, 32), c.c3), k1), a};
    return next;
}

/* Word w of eight counters in their order, both halves, at keep + 0 and keep + 64. */
AVX2 static inline void store_word(__m256i even, __m256i odd, __m256i below, __m256i scale, float *keep) {
    __m256i word = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
    __m256i low = _mm256_and_si256(word, _mm256_set1_epi32(0xFFFF)), high = _mm256_srli_epi32(word, 16);
    _mm256_storeu_si256((__m256i *)(void *)keep, _mm256_and_si256(_mm256_cmpgt_epi32(low, below), scale));
    _mm256_storeu_si256((__m256i *)(void *)(keep + 4 * LANES),
                        _mm256_and_si256(_mm256_cmpgt_epi32(high, below), scale));
}

AVX2 static void group_avx2(const mhc__mask *mask, uint64_t group, float *keep) {
    __m256i below = _mm256_set1_epi32(mask->least - 1), scale = _mm256_castps_si256(_mm256_set1_ps(mask->scale));
    __m256i first = _mm256_set1_epi64x((int64_t)(group * LANES));
    for (int eight = 0; eight < LANES; eight += 8, keep += 8) {
        __m256i k0 = _mm256_set1_epi32((int)(uint32_t)mask->key), k1 = _mm256_set1_epi32((int)(mask->key >> 32));
        counters even = {_mm256_add_epi64(first, _mm256_set_epi64x(eight + 6, eight + 4, eight + 2, eight)),
                         _mm256_srli_epi64(first, 32), _mm256_set1_epi64x((int64_t)mask->high),
                         _mm256_set1_epi64x((int64_t)(mask->high >> 32))};
        counters odd = even;
        odd.c0 = _mm256_add_epi64(odd.c0, _mm256_set1_epi64x(1));
        for (int round = 0; round < 10; round++) {
            even = next_round(even, k0, k1);
            odd = next_round(odd, k0, k1);
            k0 = _mm256_add_epi32(k0, _mm256_set1_epi32((int)0x9E3779B9u));
            k1 = _mm256_add_epi32(k1, _mm256_set1_epi32((int)0xBB67AE85u));
        }
        store_word(even.c0, odd.c0, below, scale, keep);
        store_word(even.c1, odd.c1, below, scale, keep + LANES);
        store_word(even.c2, odd.c2, below, scale, keep + 2 * LANES);
        store_word(even.c3, odd.c3, below, scale, keep + 3 * LANES);
    }
}

void mhc__mask_group(const mhc__mask *mask, uint64_t group, float *keep) {
    if (__builtin_cpu_supports("avx2"))
        group_avx2(mask, group, keep);
    else
        mhc__mask_group_portable(mask, group, keep);
}

#else

void mhc__mask_group(const mhc__mask *mask, uint64_t group, float *keep) {
    mhc__mask_group_portable(mask, group, keep);
}

#endif
