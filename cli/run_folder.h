/* A run's folder: config.yaml (as resolved), tokenizer.json, metrics.jsonl, checkpoints/, lock (empty). */
#ifndef MHC_CLI_RUN_FOLDER_H
#define MHC_CLI_RUN_FOLDER_H

#include "config/config.h"
#include "data/tokenizer.h"
#include "train/checkpoint.h"

/* A trained model, ready to use. */
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

/* The configuration of a checkpoint folder, from its config.json. */
mhc_status mhc__checkpoint_config(const char *checkpoint, mhc__config *config, mhc_error *error);

/* Takes FOLDER/lock for the life of the process, or until *lock is closed: two runs in one folder would write over each
 * other. MHC_IO when another process has it. */
mhc_status mhc__run_lock(const char *folder, int *lock, mhc_error *error);

/* Whether FOLDER/NAME is there. */
mhc_status mhc__folder_has(const char *folder, const char *name, bool *has, mhc_error *error);
/* What --data may be; NULL, when it isn't given, as well. Messages name the option. */
mhc_status mhc__check_data_option(const char *text, mhc_error *error);
/* FOLDER/NAME, malloc'd. */
mhc_status mhc__join(const char *folder, const char *name, char **path, mhc_error *error);

#endif
