/* A run's folder: config.yaml (as resolved), tokenizer.json, metrics.jsonl, checkpoints/, lock (empty). */
#ifndef MHC_CLI_RUN_FOLDER_H
#define MHC_CLI_RUN_FOLDER_H

#include <stdbool.h>

#include "config/trained.h"

/* Takes FOLDER/lock for the life of the process, or until *lock is closed: two runs in one folder would write over each
 * other. MHC_IO when another process has it. */
mhc_status mhc__run_lock(const char *folder, int *lock, mhc_error *error);

/* Whether FOLDER/NAME is there. */
mhc_status mhc__folder_has(const char *folder, const char *name, bool *has, mhc_error *error);
/* FOLDER/NAME, malloc'd. */
mhc_status mhc__join(const char *folder, const char *name, char **path, mhc_error *error);

#endif
