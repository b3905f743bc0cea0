/* A trained model from its folder: configuration, weights and tokenizer. */
#ifndef MHC_CONFIG_TRAINED_H
#define MHC_CONFIG_TRAINED_H

#include "config/config.h"
#include "data/tokenizer.h"
#include "train/checkpoint.h"

/* Ready to use. */
typedef struct mhc__trained {
    char *checkpoint; /* the folder that was loaded */
    mhc__config config;
    mhc__tokenizer *tokenizer;
    mhc__model *model;
    mhc__checkpoint_state state;
} mhc__trained;

/* path: a run's folder, its checkpoints folder or a checkpoint. */
mhc_status mhc__trained_open(const char *path, mhc__trained *trained, mhc_error *error);
/* The same without a tokenizer, which the arms of a study don't have. */
mhc_status mhc__trained_open_model(const char *path, mhc__trained *trained, mhc_error *error);
/* To measure it: dropout is 0 whatever the run had, and the tokenizer is NULL where the folder has none. */
mhc_status mhc__trained_open_to_measure(const char *path, mhc__trained *trained, mhc_error *error);
void mhc__trained_close(mhc__trained *trained);
/* The run's own text, or `text`, a file or folder (NULL: none), all of which is held out then. */
mhc_status mhc__trained_open_text(const mhc__trained *trained, const char *text, mhc__corpus **corpus,
                                  mhc_error *error);

/* The configuration of a checkpoint folder, from its config.json. */
mhc_status mhc__checkpoint_config(const char *checkpoint, mhc__config *config, mhc_error *error);

#endif
