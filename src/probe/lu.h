/* Elimination with row exchanges on a small matrix, in double: its determinant, as a logarithm because products of many
 * mixers underflow where their logarithms add up, and linear equations. 1 <= m <= MHC_MAX_STREAMS. */
#ifndef MHC_PROBE_LU_H
#define MHC_PROBE_LU_H

#include <stdbool.h>

/* log|det a| of the m x m matrix a; -Inf when a pivot is exactly 0. NaN or Inf in a: NaN. */
double mhc__log_determinant(int m, const double *a);
/* x = a^-1 x; a is used up. False, and x undefined, when a pivot is 0 or not finite. */
bool mhc__solve(int m, double *a, double *x);

#endif
