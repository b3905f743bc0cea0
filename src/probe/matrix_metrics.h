/* All that is measured of one mixing matrix, or of a product of some. Formulas and sources: docs/metrics.md. */
#ifndef MHC_PROBE_MATRIX_METRICS_H
#define MHC_PROBE_MATRIX_METRICS_H

#include "mhc/spec.h"

/* The gains come first: they are also taken of matrices averaged over tokens. */
typedef enum mhc__matrix_metric {
    MHC__FORWARD_MAX, /* of |sums of rows|; BACKWARD: of columns */
    MHC__FORWARD_MIN,
    MHC__BACKWARD_MAX,
    MHC__BACKWARD_MIN,
    MHC__FORWARD_ABS_MAX, /* of the sums of absolute values */
    MHC__FORWARD_ABS_MIN,
    MHC__BACKWARD_ABS_MAX,
    MHC__BACKWARD_ABS_MIN,
    MHC__MATRIX_GAINS,
    MHC__RESIDUAL_ROWS = MHC__MATRIX_GAINS,
    MHC__RESIDUAL_COLUMNS,
    MHC__ENTRY_MIN,
    MHC__ENTRY_MAX, /* of absolute values */
    MHC__LOG_VOLUME,
    MHC__OFF_DIAGONAL,
    MHC__DIFFERENCE_MAX, /* singular values on stream differences */
    MHC__DIFFERENCE_MIN,
    MHC__EFFECTIVE_RANK,
    MHC__FROM_IDENTITY,
    MHC__FROM_UNIFORM,
    MHC__FROM_PERMUTATION,
    MHC__ENTROPY,
    MHC__DOBRUSHIN,
    MHC__ROTATION_MAX, /* angles of an orthogonal matrix, radians in 0..pi; NaN for others */
    MHC__ROTATION_MIN,
    MHC__CYCLES, /* of Sinkhorn still to go: cycles.h */
    MHC__MATRIX_METRICS
} mhc__matrix_metric;

/* "forward_max", …: the names in files and tables. */
const char *mhc__matrix_metric_name(mhc__matrix_metric metric);

/* h [n, n] -> values [MHC__MATRIX_METRICS]. A NaN in h makes all of them NaN; Inf makes Inf or NaN of what it enters
 * into. What isn't defined is NaN: the differences of n = 1, the entropy of a matrix with a negative entry, the angles
 * of a matrix that turns nothing. */
void mhc__matrix_measure(const double *h, int n, double *values);
void mhc__matrix_gains(const double *h, int n, double *values); /* the first MHC__MATRIX_GAINS */

#endif
