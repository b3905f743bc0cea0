/* How far Sinkhorn's iteration is from done. */
#ifndef MHC_PROBE_CYCLES_H
#define MHC_PROBE_CYCLES_H

/* The column or row error down to which cycles are counted. */
#define MHC__CYCLES_TOLERANCE 1e-6

/* Further cycles until all row and column sums of h [n, n], which some cycles have led to, are within
 * MHC__CYCLES_TOLERANCE of 1: ceil(ln(error / tolerance) / (-2 ln sigma)), error the present one, sigma the largest
 * singular value on stream differences of the limit, since near it each cycle makes the error sigma^2 times smaller
 * (Knight, SIAM J. Matrix Anal. Appl. 30, 2008). The limit is found by Newton's method; where that fails, sigma is that
 * of h itself. 0 when there is nothing to do, Inf when it never ends, NaN for a matrix with an entry that is negative,
 * NaN or Inf. */
double mhc__cycles_to_go(const double *h, int n, double sigma);

#endif
