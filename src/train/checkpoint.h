/* Checkpoints are folders: model.safetensors, optimizer.safetensors, config.json, state.json. Written beside, flushed,
 * renamed: a kill at any moment leaves the last one whole. */
#ifndef MHC_TRAIN_CHECKPOINT_H
#define MHC_TRAIN_CHECKPOINT_H

#include <stdint.h>

#include "model/model.h"
#include "train/source.h"

typedef struct mhc__checkpoint_state {
    int64_t step;      /* updates done; also AdamW's t */
    int64_t shift;     /* batches skipped by rollbacks: batch number = step * accumulate + micro + shift */
    int64_t rollbacks; /* made so far */
    uint64_t seed;     /* of the run */
    mhc__data_mark data;
} mhc__checkpoint_state;

/* first, second: AdamW's moments, laid out like the weights. config_json NULL writes {}. An existing folder is
 * replaced. */
mhc_status mhc__checkpoint_save(const char *folder, const mhc__model *model, const float *first, const float *second,
                                const mhc__checkpoint_state *state, const char *config_json, mhc_error *error);
/* Loads into a model of the same shape. first and second NULL: weights alone (evaluation, sampling). Everything is
 * checked before anything is changed. */
mhc_status mhc__checkpoint_load(const char *folder, mhc__model *model, float *first, float *second,
                                mhc__checkpoint_state *state, mhc_error *error);
/* The state alone, without a look at the other files. */
mhc_status mhc__checkpoint_state_read(const char *folder, mhc__checkpoint_state *state, mhc_error *error);
/* Weights alone, from any safetensors file with the model's names and no others. */
mhc_status mhc__model_load(mhc__model *model, const char *path, mhc_error *error);
/* Resolves a run folder ("runs/x"), its "checkpoints" folder or a checkpoint folder to the newest whole checkpoint.
 * malloc'd. */
mhc_status mhc__checkpoint_find(const char *path, char **folder, mhc_error *error);
/* The same, but a place without a checkpoint gives NULL and MHC_OK: an error means that nobody could look. */
mhc_status mhc__checkpoint_newest(const char *path, char **folder, mhc_error *error);

#endif
