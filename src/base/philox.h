/* Philox 4x32-10, the counter-based generator of Salmon et al. (SC 2011, "Parallel random numbers: as easy as 1, 2,
 * 3"). A number depends on (key, counter) alone: there is no state to carry, to save or to share between threads. */
#ifndef MHC_BASE_PHILOX_H
#define MHC_BASE_PHILOX_H

#include <stdint.h>

typedef struct mhc__philox {
    uint32_t v[4];
} mhc__philox;

static inline mhc__philox mhc__philox_at(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = (uint32_t)counter_low, c1 = (uint32_t)(counter_low >> 32);
    uint32_t c2 = (uint32_t)counter_high, c3 = (uint32_t)(counter_high >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(b >> 32) ^ c1 ^ k0, n2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    mhc__philox out = {{c0, c1, c2, c3}};
    return out;
}

/* Uniform in [0, 1), 24 bits. */
static inline float mhc__uniform(uint32_t bits) {
    return (float)(bits >> 8) * 0x1p-24f;
}

/* Values whose counter_high keeps independent streams of numbers apart: place = a small tag, index = whatever else
 * identifies it. */
static inline uint64_t mhc__philox_place(uint32_t place, uint32_t index) {
    return (uint64_t)place << 32 | index;
}

/* fills out[0..count) with N(0, deviation) by Box-Muller from counters 0.. of (key, place): element i depends on i
 * alone. */
void mhc__normal_fill(uint64_t key, uint64_t place, float deviation, float *out, int64_t count);
/* The same, uniform in [-bound, bound). */
void mhc__uniform_fill(uint64_t key, uint64_t place, float bound, float *out, int64_t count);

#endif
