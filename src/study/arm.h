/* An arm: one model, trained with one seed, measured at every step. It has a folder of its own and can be stopped,
 * killed and gone on with at any time. */
#ifndef MHC_STUDY_ARM_H
#define MHC_STUDY_ARM_H

#include "config/config.h"
#include "study/held_out.h"
#include "study/measurement.h"
#include "study/profile.h"
#include "study/study.h"
#include "study/variant.h"
#include "train/train.h"

typedef struct mhc__arm mhc__arm;

/* What a study measures of an arm beside the series. It keeps what it measured in files of the arm's folder, one record
 * for each step, so that it can be taken up at any step. */
typedef struct mhc__arm_watch {
    void *self;
    /* Takes up its records of the first `steps` steps and drops others: before training goes on, or, with all finite
     * steps, where the arm was done before. */
    mhc_status (*take_up)(void *self, const mhc__arm *arm, int64_t steps, mhc_error *error);
    /* As mhc__train_observer's: after backward, and after a step. */
    mhc_status (*before_update)(void *self, mhc__model *model, mhc__train_record *record, mhc_error *error);
    mhc_status (*after_step)(void *self, mhc__model *model, const mhc__train_record *record, mhc_error *error);
} mhc__arm_watch;

struct mhc__arm {
    char folder[1200]; /* OUT/NAME */
    char label[64];    /* in the progress line */
    mhc__config config;
    mhc__series series;          /* after a run: one measurement per step */
    mhc__profile before, after;  /* training */
    mhc__held_out held_out;      /* after training; tokens 0 where nothing is held out */
    int64_t not_finite_at;       /* the step at which loss or gradients were NaN or Inf and training ended; -1: none */
    int64_t train_tokens;        /* of the corpus; of a bag its questions */
    double seconds;              /* of all steps, whenever they ran */
    const mhc__arm_watch *watch; /* may be NULL */
};

/* Makes arm the model of a choice, of `config` and this seed, in the folder OUT/PREFIX<choice>-seed<seed>. */
mhc_status mhc__arm_choose(mhc__arm *arm, const mhc__choice *choice, const mhc__config *config, uint64_t seed,
                           const char *out, const char *prefix, mhc_error *error);
/* Trains what is not trained yet. A run that becomes NaN or Inf is a result, not an error: its last measurement has a
 * loss of NaN, and not_finite_at says when. Errors: MHC_MISMATCH when the folder holds a run with other settings,
 * MHC_INTERRUPTED, and what the trainer and the data say. */
mhc_status mhc__arm_run(mhc__arm *arm, const mhc__study_options *options, mhc_error *error);
void mhc__arm_free(mhc__arm *arm);

/* `count` arms, to be chosen and run; for mhc__arms_free, which takes NULL too. */
mhc_status mhc__arms_make(int count, mhc__arm **arms, mhc_error *error);
void mhc__arms_free(mhc__arm *arms, int count);
/* Of training, all of them. */
double mhc__arms_seconds(const mhc__arm *arms, int count);
/* Chooses and runs arms [count of choices, seeds], the seeds from options->seed on, in `out`: seed by seed, so that a
 * study that was stopped has whole comparisons. */
mhc_status mhc__arms_run(mhc__arm *arms, const mhc__choice *choices, int count, int seeds, const mhc__config *config,
                         const char *out, const mhc__study_options *options, mhc_error *error);
/* The held-out loss; NaN where the run was not finite. */
double mhc__arm_held_out(const mhc__arm *arm);
/* Fails where an arm that was run has no held-out loss: where no text was held out. */
mhc_status mhc__arm_needs_held_out(const mhc__arm *arm, mhc_error *error);

#endif
