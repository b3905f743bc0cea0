/* An arm: one model, trained with one seed, measured at every step. It has a folder of its own and can be stopped,
 * killed and gone on with at any time. */
#ifndef MHC_STUDY_ARM_H
#define MHC_STUDY_ARM_H

#include "config/config.h"
#include "study/measurement.h"
#include "study/profile.h"
#include "study/study.h"

typedef struct mhc__arm {
    char folder[1200]; /* OUT/NAME */
    char label[64];    /* in the progress line */
    mhc__config config;
    mhc__series series;         /* after a run: one measurement per step */
    mhc__profile before, after; /* training */
    int64_t not_finite_at;      /* the step at which loss or gradients were NaN or Inf and training ended; -1: none */
    int64_t train_tokens;       /* of the corpus */
    double seconds;             /* of all steps, whenever they ran */
} mhc__arm;

/* Trains what is not trained yet. A run that becomes NaN or Inf is a result, not an error: its last measurement has a
 * loss of NaN, and not_finite_at says when. Errors: MHC_MISMATCH when the folder holds a run with other settings,
 * MHC_INTERRUPTED, and what the trainer and the data say. */
mhc_status mhc__arm_run(mhc__arm *arm, const mhc__study_options *options, mhc_error *error);
void mhc__arm_free(mhc__arm *arm);

#endif
