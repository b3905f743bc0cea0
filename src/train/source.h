/* Where batches come from. A batch depends on its number alone, so that resuming needs no reader state. Sources are in
 * data/. */
#ifndef MHC_TRAIN_SOURCE_H
#define MHC_TRAIN_SOURCE_H

#include <stdint.h>

#include "base/error.h"

typedef struct mhc__source {
    void *self;
    /* Fills tokens [batch, sequence + 1] with batch number `index` (0, 1, …; micro-batches are numbered through). */
    mhc_status (*fill)(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error);
} mhc__source;

#endif
