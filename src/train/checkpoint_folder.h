/* The folder of a run's checkpoints: step-00000100, step-00000200, … A folder with that name is whole: it was renamed
 * into place. */
#ifndef MHC_TRAIN_CHECKPOINT_FOLDER_H
#define MHC_TRAIN_CHECKPOINT_FOLDER_H

#include <stdint.h>

#include "base/error.h"

/* malloc'd RUN/checkpoints/step-NNNNNNNN; NULL when memory is out. */
char *mhc__checkpoint_path(const char *run, int64_t step);
/* Removes the oldest until `keep` are left (0: keeps all), and what killed writers left behind. Never the one of step
 * `newest`, just written: a run resumed from an old checkpoint still has those of higher steps beside it. */
mhc_status mhc__checkpoint_prune(const char *run, int keep, int64_t newest, mhc_error *error);

#endif
