/* Rows of sequence + 1 tokens out of a token array, each a function of the batch's number alone. */
#ifndef MHC_DATA_SAMPLING_H
#define MHC_DATA_SAMPLING_H

#include "data/token_array.h"

typedef enum mhc__sampling {
    MHC__SAMPLING_WINDOWS,  /* a random start per row, with replacement */
    MHC__SAMPLING_SHUFFLED, /* every offset once an epoch, in keyed pseudo-random order (reproducing-mhc) */
    MHC__SAMPLING_ROWS      /* row after row, wrapping: start = number * sequence mod (count - sequence - 1) */
} mhc__sampling;

/* Start of row number `row` (batch number * rows of a batch + place in it). count > sequence. */
int64_t mhc__sample_start(mhc__sampling sampling, uint64_t seed, int64_t count, int sequence, int64_t row);

#endif
