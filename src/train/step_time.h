/* Seconds of whole training steps, forward, backward, clipping and AdamW, of models that take their steps in turns:
 * what slows the machine down slows all of them, and the ratios of steps of one round say what one model costs over
 * another. */
#ifndef MHC_TRAIN_STEP_TIME_H
#define MHC_TRAIN_STEP_TIME_H

#include "base/spread.h"
#include "train/plan.h"
#include "train/train.h"

/* Stays where it is from open to close; zero before open but for model and train. */
typedef struct mhc__step_timer {
    mhc__model_config model;  /* vocabulary set; what follows is for rows of its sequence */
    mhc__train_config train;  /* open sets what it needs: steps, and no evaluation and checkpoints */
    mhc__train_memory memory; /* written: what such a run takes, without evaluation */
    double *seconds;          /* written: of the steps that count, in order */
    double loss;              /* written: of the last one */
    mhc__model *built;
    mhc__trainer *trainer;
} mhc__step_timer;

/* Builds the model of timer->model and ->train, for `warmup` steps and then `steps` that count, on tokens made up on
 * the spot. Nothing is evaluated or saved. Errors: as mhc__model_create and mhc__trainer_create. Close it either way.
 */
mhc_status mhc__step_timer_open(mhc__step_timer *timer, int warmup, int steps, mhc_error *error);
void mhc__step_timer_close(mhc__step_timer *timer);
/* Their steps in turns, each going first in one round of `count`. stop: not 0 ends it with MHC_INTERRUPTED; may be
 * NULL.
 */
mhc_status mhc__step_timers_run(mhc__step_timer *timers, int count, int warmup, int steps, const volatile int *stop,
                                mhc_error *error);

/* Of the steps that count: seconds. steps: as given to open. Errors: MHC_OUT_OF_MEMORY. */
mhc_status mhc__step_seconds(const mhc__step_timer *timer, int steps, mhc__spread *spread, mhc_error *error);
/* Of their ratios, round by round; the same. */
mhc_status mhc__step_ratio(const mhc__step_timer *timer, const mhc__step_timer *over, int steps, mhc__spread *spread,
                           mhc_error *error);

#endif
