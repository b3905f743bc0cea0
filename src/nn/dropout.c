#include "nn/dropout.h"

#include <math.h>

#include "base/compiler.h"
#include "base/philox.h"
#include "base/threads.h"
#include "simd/math.h"

#define LANES MHC__LANES
#define GROUP (8 * LANES) /* elements of one vectorised turn: 16 counters of four words of two halves */
#define BLOCK 4096        /* elements of one piece of parallel work */

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
MHC__INLINE void group_mask(uint64_t key, uint64_t high, uint64_t group, int32_t least, float scale, float *keep) {
    uint64_t first = group * LANES;
    uint32_t first_low = (uint32_t)first, first_high = (uint32_t)(first >> 32);
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

/* Bit 31 of the place sets dropout apart from the numbers that initialise parameters. */
static uint64_t counter_high(const mhc__dropout *dropout) {
    return mhc__philox_place(dropout->place | 0x80000000u, (uint32_t)dropout->step);
}

static uint64_t key_of(const mhc__dropout *dropout) {
    return dropout->seed + (dropout->step >> 32) * UINT64_C(0x9E3779B97F4A7C15);
}

MHC__CLONES static void mask(uint64_t key, uint64_t high, float rate, uint64_t first, int64_t count, float *keep) {
    float spare[GROUP];
    int32_t least = (int32_t)fminf(rintf(rate * 0x1p16f), 0xFFFF); /* of 16 uniform bits, to be kept */
    float scale = 1.0f / (1.0f - (float)least * 0x1p-16f);         /* of the rate as rounded: no bias */
    int64_t i = 0;
    while (i < count) {
        uint64_t element = first + (uint64_t)i;
        int64_t skip = (int64_t)(element % GROUP), here = mhc__min(GROUP - skip, count - i);
        if (here == GROUP) {
            group_mask(key, high, element / GROUP, least, scale, keep + i);
        } else {
            group_mask(key, high, element / GROUP, least, scale, spare);
            memcpy(keep + i, spare + skip, (size_t)here * sizeof *keep);
        }
        i += here;
    }
}

void mhc__dropout_mask(const mhc__dropout *dropout, int64_t first, int64_t count, float *keep) {
    mask(key_of(dropout), counter_high(dropout), dropout->rate, (uint64_t)first, count, keep);
}

MHC__CLONES static void multiply(int64_t count, const float *keep, float *x) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        x[i] *= keep[i];
}

void mhc__dropout_apply(int threads, const mhc__dropout *dropout, int64_t first, int64_t count, float *x) {
    if (!(dropout->rate > 0.0f))
        return;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(count, BLOCK); block++) {
        float keep[BLOCK];
        int64_t start = block * BLOCK, here = mhc__min(BLOCK, count - start);
        mhc__dropout_mask(dropout, first + start, here, keep);
        multiply(here, keep, x + start);
    }
}
