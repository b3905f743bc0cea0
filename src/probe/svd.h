/* Singular values of small matrices by one-sided Jacobi rotations, in double. Vectors are kept apart from their
 * lengths, whose logarithms are stored: a matrix whose columns differ by hundreds of decades, as products of many
 * mixers do, has all its singular values computed to high relative accuracy, and none underflows. (Demmel and Veselic,
 * SIAM J. Matrix Anal. Appl. 13, 1992, show why Jacobi's method keeps the small ones of a graded matrix.) */
#ifndef MHC_PROBE_SVD_H
#define MHC_PROBE_SVD_H

/* Natural logarithms of the singular values, falling, of the m x m matrix whose k-th column is exp(scale[k]) times row
 * k of `vectors`; both are used up. A scale of -Inf means a column of zeros. 1 <= m <= MHC_MAX_STREAMS. A value that is
 * 0 to within rounding of its column gives -Inf. All are NaN when any vector or scale is NaN or +Inf. */
void mhc__graded_log_values(int m, double *vectors, double *scale, double *logs);

/* Singular values, falling, of the m x m matrix a, row by row. NaN or Inf in a: all NaN. */
void mhc__singular_values(int m, const double *a, double *values);

#endif
