/* The memory of a run, by part, before the run takes any of it: what `mhc train --dry-run` prints. */
#ifndef MHC_TRAIN_PLAN_H
#define MHC_TRAIN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"
#include "train/config.h"

/* Bytes. */
typedef struct mhc__train_memory {
    mhc__model_memory model; /* evaluation is 0 for a run that never evaluates */
    int64_t optimizer;       /* AdamW's two moments */
    int64_t batch;           /* token ids of a micro-batch */
    int64_t total;           /* of everything here */
} mhc__train_memory;

/* evaluates: the run has held-out text. Errors as mhc__model_create and mhc__trainer_create. The text itself, the
 * program and its libraries are not in it. */
mhc_status mhc__train_plan(const mhc__model_config *model, const mhc__train_config *train, bool evaluates,
                           mhc__train_memory *memory, mhc_error *error);

#endif
