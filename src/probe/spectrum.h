/* Singular values of a long product of small matrices, as logarithms: a product of 60 mixers has some below 1e-17 of
 * the largest, of 500 below what a double holds. The product is kept as orthogonal * triangular, one QR decomposition
 * for each factor, and the rows of the triangular part as logarithm of length and direction (docs/metrics.md). */
#ifndef MHC_PROBE_SPECTRUM_H
#define MHC_PROBE_SPECTRUM_H

#include "mhc/spec.h"

typedef struct mhc__spectrum {
    int m;
    double q[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    double rows[MHC_MAX_STREAMS * MHC_MAX_STREAMS]; /* of the triangular part, unit vectors */
    double scale[MHC_MAX_STREAMS];                  /* logarithms of their lengths; -Inf: a row of zeros */
} mhc__spectrum;

/* The product of no factors: I. 0 <= m <= MHC_MAX_STREAMS. */
void mhc__spectrum_start(mhc__spectrum *spectrum, int m);
/* product = factor product; factor [m, m]. */
void mhc__spectrum_push(mhc__spectrum *spectrum, const double *factor);
/* ln of the m singular values of the product, falling. -Inf for one that is 0; all NaN after a factor with NaN or Inf.
 */
void mhc__spectrum_logs(const mhc__spectrum *spectrum, double *logs);

#endif
