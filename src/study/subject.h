/* What the studies of trained models have in common: they look at one model of each connection, which they train, or at
 * checkpoints from elsewhere. */
#ifndef MHC_STUDY_SUBJECT_H
#define MHC_STUDY_SUBJECT_H

#include "study/settings.h"
#include "study/variant.h"

/* --seeds above 1 is an error. */
mhc_status mhc__subject_one_seed(const mhc__study_options *options, const char *study, mhc_error *error);
/* Beside study.FIELD, which names checkpoints: --steps, and --set of anything but the study's own fields, are errors.
 */
mhc_status mhc__subject_alone(const mhc__study_options *options, const char *field, mhc_error *error);
/* A residual among them is an error: it has no `what`. */
mhc_status mhc__subject_no_residual(const mhc__choice *choices, int count, const char *what, mhc_error *error);

typedef struct mhc__subject_run {
    char folder[1200]; /* of the run, as mhc__trained_open takes it */
    bool finite;       /* all steps were */
    double seconds;    /* of training */
} mhc__subject_run;

/* Trains a choice with the first seed, in a folder of OUT; takes it from there when it was done before. */
mhc_status mhc__subject_train(const mhc__study_options *options, const mhc__choice *choice, const mhc__config *config,
                              const char *out, mhc__subject_run *run, mhc_error *error);

#endif
