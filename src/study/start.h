/* Whether models start as the same function: their logits before training, against each other. */
#ifndef MHC_STUDY_START_H
#define MHC_STUDY_START_H

#include "study/arm.h"

typedef struct mhc__start_difference {
    double off; /* the largest difference of a logit */
    double rms; /* of the reference's logits, for scale */
} mhc__start_difference;

/* Of each arm to the reference, on the first rows (up to 4) of its batch 0; each arm with its own seed, after
 * mhc__arm_run, which gives it the vocabulary. found [count] is written. */
mhc_status mhc__starts_compare(const mhc__arm *reference, const mhc__arm *const *arms, int count,
                               mhc__start_difference *found, mhc_error *error);

#endif
