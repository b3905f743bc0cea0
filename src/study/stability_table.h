/* The arithmetic of reproducing-mhc's summary: what its table computes from its records. */
#ifndef MHC_STUDY_STABILITY_TABLE_H
#define MHC_STUDY_STABILITY_TABLE_H

#include "study/measurement.h"

enum {
    MHC__FINAL_LOSS,
    MHC__MIN_LOSS,
    MHC__AVG_GRAD,
    MHC__MAX_GRAD,
    MHC__AVG_AMAX,
    MHC__MAX_AMAX,
    MHC__STABILITY_COLUMNS
};

extern const char *const mhc__stability_heads[MHC__STABILITY_COLUMNS];

/* One row, from the records of steps 0, 20, 40, … as reproducing-mhc logs them: final = the last record, min over the
 * records, mean and maximum of the gradient norm and of the activation gain. A record that isn't finite makes its
 * columns NaN, as it does there. */
void mhc__stability_row(const mhc__series *series, int64_t every, double row[MHC__STABILITY_COLUMNS]);

/* The published row of a connection preset (README of reproducing-mhc, enwik8, 2,000 iterations), NULL when there is
 * none. */
const double *mhc__stability_published(const char *connection);

#endif
