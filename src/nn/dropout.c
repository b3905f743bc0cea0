#include "nn/dropout.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"
#include "base/philox.h"
#include "base/threads.h"
#include "nn/mask.h"

#define GROUP MHC__MASK_GROUP
#define BLOCK 4096 /* elements of one piece of parallel work */

static mhc__mask mask_of(const mhc__dropout *dropout) {
    mhc__mask mask;
    mask.key = dropout->seed + (dropout->step >> 32) * UINT64_C(0x9E3779B97F4A7C15);
    /* Bit 31 of the place sets dropout apart from the numbers that initialise parameters. */
    mask.high = mhc__philox_place(dropout->place | 0x80000000u, (uint32_t)dropout->step);
    mask.least = (int32_t)fminf(rintf(dropout->rate * 0x1p16f), 0xFFFF);
    mask.scale = 1.0f / (1.0f - (float)mask.least * 0x1p-16f); /* of the rate as rounded: no bias */
    return mask;
}

/* Cuts `count` elements from `first` on at the borders of groups: where the piece at *done lies in its group. */
static int64_t piece(int64_t first, int64_t count, int64_t done, int64_t *skip) {
    *skip = (first + done) % GROUP;
    return mhc__min(GROUP - *skip, count - done);
}

void mhc__dropout_mask(const mhc__dropout *dropout, int64_t first, int64_t count, float *keep) {
    mhc__mask mask = mask_of(dropout);
    float group[GROUP];
    for (int64_t done = 0, skip, here; done < count; done += here) {
        here = piece(first, count, done, &skip);
        bool whole = here == GROUP;
        mhc__mask_group(&mask, (uint64_t)(first + done) / GROUP, whole ? keep + done : group);
        if (!whole)
            memcpy(keep + done, group + skip, (size_t)here * sizeof *keep);
    }
}

MHC__CLONES static void multiply(int64_t count, const float *keep, float *x) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        x[i] *= keep[i];
}

static void apply(const mhc__mask *mask, int64_t first, int64_t count, float *x) {
    float group[GROUP];
    for (int64_t done = 0, skip, here; done < count; done += here) {
        here = piece(first, count, done, &skip);
        mhc__mask_group(mask, (uint64_t)(first + done) / GROUP, group);
        multiply(here, group + skip, x + done);
    }
}

void mhc__dropout_apply(int threads, const mhc__dropout *dropout, int64_t first, int64_t count, float *x) {
    if (!(dropout->rate > 0.0f))
        return;
    mhc__mask mask = mask_of(dropout);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(count, BLOCK); block++)
        apply(&mask, first + block * BLOCK, mhc__min(BLOCK, count - block * BLOCK), x + block * BLOCK);
}
