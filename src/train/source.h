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

/* What tells the training tokens of one run from others: their number and CRC-32. tokens 0: not known, or endless. */
typedef struct mhc__data_mark {
    int64_t tokens;
    uint32_t checksum;
} mhc__data_mark;

#endif
