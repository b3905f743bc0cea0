/* A run's metrics.jsonl as columns of numbers, read as it grows. Any numbers: those of a training run and of a study's
 * arm, and whatever is added to them. */
#ifndef MHC_REPORT_METRICS_H
#define MHC_REPORT_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { MHC__METRICS_COLUMNS = 96 };

typedef struct mhc__metrics {
    char *path;
    int64_t rows, capacity;
    int64_t *step; /* rising */
    struct {
        char name[48];
        double *values; /* [rows]; NaN where a line has none */
    } column[MHC__METRICS_COLUMNS];
    int columns;
    int64_t skipped; /* lines that are not an object with a step */
    /* How far it was read, and of which file. */
    int64_t offset;
    uint64_t device, inode;
    char tail[64]; /* the bytes before offset, to see whether it is still the same content */
    int tail_length;
} mhc__metrics;

/* Nothing is read yet. */
mhc_status mhc__metrics_start(mhc__metrics *metrics, const char *path, mhc_error *error);
/* Reads the lines that were completed since. A file that became another one, or shorter, is read anew; an absent one
 * has no rows. A line whose step is not past the last one's replaces what was there from this step on (a rollback, a
 * resumed run). changed: whether anything is different now; may be NULL. */
mhc_status mhc__metrics_follow(mhc__metrics *metrics, bool *changed, mhc_error *error);
void mhc__metrics_free(mhc__metrics *metrics);

/* The values of a column, NULL where there is none of the name. */
const double *mhc__metrics_column(const mhc__metrics *metrics, const char *name);

#endif
