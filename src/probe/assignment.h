/* The linear assignment problem: the permutation that picks the largest sum of entries. */
#ifndef MHC_PROBE_ASSIGNMENT_H
#define MHC_PROBE_ASSIGNMENT_H

/* Writes the permutation with the largest sum_i a[i, column_of[i]] of the m x m matrix a (the identity when an entry is
 * NaN or Inf). The Hungarian method by shortest augmenting paths, O(m^3). 1 <= m <= MHC_MAX_STREAMS. */
void mhc__assign(int m, const double *a, int *column_of);

#endif
