/* The training loop: it owns the optimizer's state and the step counter, and tells observers what happens. */
#ifndef MHC_TRAIN_TRAIN_H
#define MHC_TRAIN_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "mhc/context.h"
#include "model/model.h"
#include "train/config.h"
#include "train/source.h"

/* What an observer measured, under its name in docs/metrics.md. */
typedef struct mhc__train_number {
    const char *name; /* stays the observer's */
    double value;     /* NaN where there is none */
} mhc__train_number;

enum { MHC__TRAIN_NUMBERS = 64 };

typedef struct mhc__train_record {
    int64_t step;     /* of the update that was just made, 0, 1, … */
    double loss;      /* mean over micro-batches, before the update */
    double grad_norm; /* global L2, before clipping */
    double lr;
    double seconds; /* wall time of this step */
    double tokens_per_second;
    bool evaluated;   /* an evaluation followed this step */
    double eval_loss; /* its loss, which may be NaN; NaN without one */
    double remaining; /* estimated seconds to the end; NaN at the start */
    int64_t steps;    /* of the whole run */
    int64_t tokens;   /* seen since step 0 */
    int number_count; /* measured in this step, 0 in most */
    mhc__train_number numbers[MHC__TRAIN_NUMBERS];
} mhc__train_record;

/* Parts of a step's time. Where observers measured, their seconds are numbers of the record as well. */
typedef enum mhc__train_part {
    MHC__PART_OF_DATA, /* reading the batch */
    MHC__PART_OF_FORWARD,
    MHC__PART_OF_BACKWARD,
    MHC__PART_OF_UPDATE, /* norm of the gradient, clipping, AdamW */
    MHC__PART_OF_PROBES, /* observers before the update, which the step's `seconds` leave out */
    MHC__PART_IN_MODEL,  /* from here on what forward and backward are made of: mhc__model_part */
    MHC__TRAIN_PARTS = MHC__PART_IN_MODEL + MHC__MODEL_PARTS
} mhc__train_part;
const char *mhc__train_part_name(mhc__train_part part); /* "seconds_data", … */

/* Adds a number to the record of a step; one too many is left out. */
void mhc__train_record_add(mhc__train_record *record, const char *name, double value);

/* Told after backward (gradients and activations are there, weights not yet updated; the record has step, loss and
 * gradient norm, and takes what the observer measures) and after each step, with the whole record. Any member may be
 * NULL. A status other than MHC_OK stops the run with it. */
typedef struct mhc__train_observer {
    void *self;
    mhc_status (*before_update)(void *self, mhc__model *model, mhc__train_record *record, mhc_error *error);
    mhc_status (*after_step)(void *self, mhc__model *model, const mhc__train_record *record, mhc_error *error);
    mhc_status (*note)(void *self, const char *text, mhc_error *error); /* checkpoints written, rollbacks, … */
} mhc__train_observer;

typedef struct mhc__trainer mhc__trainer;

/* model stays the caller's and must outlive the trainer. folder: where checkpoints go
 * (FOLDER/checkpoints/step-NNNNNNNN; mhc__checkpoint_find gives the newest), NULL for none. config_json: text
 * saved as config.json in each checkpoint (NULL: the model's configuration alone). eval may be NULL. observers are
 * copied. */
typedef struct mhc__trainer_options {
    mhc__model *model;
    const mhc__train_config *config;
    mhc__source train, eval;
    const char *folder;
    const char *config_json;
    const mhc__train_observer *observers;
    int observer_count;
    /* Not 0: finish the step, save, return MHC_INTERRUPTED. Read with __atomic_load_n, so that another thread may set
     * it with __atomic_store_n, or a signal handler. May be NULL. */
    const volatile int *stop;
    mhc__data_mark data; /* of the training tokens: kept in checkpoints, compared on resuming */
    bool other_data;     /* resuming with other data is meant */
} mhc__trainer_options;

mhc_status mhc__trainer_create(const mhc__trainer_options *options, mhc__trainer **out, mhc_error *error);
void mhc__trainer_destroy(mhc__trainer *trainer);

/* Loads weights, moments and step from a checkpoint folder: the run goes on bit-identically. MHC_MISMATCH for another
 * seed than config's, and for other data than the checkpoint's where both are known: nothing is loaded then. */
mhc_status mhc__trainer_resume(mhc__trainer *trainer, const char *checkpoint, mhc_error *error);
/* One update. MHC_NOT_FINITE when loss or gradient norm isn't finite: weights are as before the step. */
mhc_status mhc__trainer_step(mhc__trainer *trainer, mhc__train_record *record, mhc_error *error);
/* Steps until config.steps, evaluating, saving and guarding as configured. */
mhc_status mhc__trainer_run(mhc__trainer *trainer, mhc_error *error);
/* A checkpoint now; nothing without a folder. MHC_NOT_FINITE, and nothing written, when a weight isn't finite. */
mhc_status mhc__trainer_save(mhc__trainer *trainer, mhc_error *error);
int64_t mhc__trainer_steps_done(const mhc__trainer *trainer);

#endif
