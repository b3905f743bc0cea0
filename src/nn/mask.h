/* Dropout masks in bulk: whole groups of 128 elements, as dropout.h defines them. */
#ifndef MHC_NN_MASK_H
#define MHC_NN_MASK_H

#include <stdint.h>

#define MHC__MASK_GROUP 128

typedef struct mhc__mask {
    uint64_t key, high; /* of Philox: its key, and the high half of its counters */
    int32_t least;      /* of 16 uniform bits, to be kept: 0..2^16 - 1 */
    float scale;        /* what a kept element is multiplied by */
} mhc__mask;

/* keep[0..128) = 0 or scale, of the elements 128 group + 0, 1, … */
void mhc__mask_group(const mhc__mask *mask, uint64_t group, float *keep);
/* The same without instructions of one processor: where there are none, and to test against. */
void mhc__mask_group_portable(const mhc__mask *mask, uint64_t group, float *keep);

#endif
