/* What the findings of all studies share: how seeds are summed up, and when something may be said. */
#ifndef MHC_STUDY_SUMMARY_H
#define MHC_STUDY_SUMMARY_H

#include <stddef.h>

#include "base/text.h"
#include "probe/range.h"
#include "report/table.h"
#include "study/arm.h"

/* Streams whose spread never exceeds this differ by rounding alone. */
#define MHC__ONE_STREAM 1e-5
/* A gain this near to 1 is said to be 1: what a finite Sinkhorn iteration leaves. */
#define MHC__GAIN_OF_ONE 1e-3

/* Mean and sample standard deviation (0 for one value). */
void mhc__mean_spread(const double *values, int count, double *mean, double *spread);

/* A cell: mean of the held-out losses of arms [seeds] ± standard deviation, where there are several; NaN where one was
 * not finite. */
void mhc__held_out_cell(const mhc__arm *arms, int seeds, mhc__table *table);

/* Of the seeds of one connection: how many were not finite, and the earliest step at which one was (-1: none). */
typedef struct mhc__failures {
    int count;
    int64_t first;
} mhc__failures;
mhc__failures mhc__failures_of(const mhc__arm *arms, int seeds);

/* A member of mhc__gains, by its offset, over all steps and both profiles of all seeds. */
mhc__range mhc__gain_range(const mhc__arm *arms, int seeds, size_t offset);

/* The three composite gains: forward, backward, smallest column sum. */
typedef struct mhc__composite {
    mhc__range forward, backward, column_min;
} mhc__composite;
mhc__composite mhc__composite_of(const mhc__arm *arms, int seeds);
/* The largest distance of any of the three from 1; NaN when one was NaN. */
double mhc__composite_off(const mhc__composite *composite);

/* "1 within 2e-06" where it is 1, else "0.41 to 1.5". */
void mhc__range_say(mhc__range range, mhc__text *text);
/* "1 within 2e-06 forward, 0.98 to 1.5 backward, with smallest column sums of 0.41 to 1". */
void mhc__composite_say(const mhc__composite *composite, mhc__text *text);

/* Whether a difference between two connections counts. A seed is one observation; the steps of one run are not
 * independent. */
typedef enum mhc__significance {
    MHC__TOO_FEW_SEEDS, /* fewer than three seeds */
    MHC__NOT_SEEN,
    MHC__SEEN /* the same sign in all seeds, and the mean is more than twice its standard error */
} mhc__significance;
mhc__significance mhc__significance_of(const double *differences, int seeds, double *mean, double *standard_error);

#endif
