/* QR decomposition of a small square matrix by Householder reflections, in double. */
#ifndef MHC_PROBE_QR_H
#define MHC_PROBE_QR_H

/* a = q r, all m x m and row by row: a becomes r, upper triangular with exact zeros below; q is orthogonal. Works for
 * singular a. 1 <= m <= MHC_MAX_STREAMS. NaN or Inf in a spreads into both. */
void mhc__qr(int m, double *a, double *q);

#endif
