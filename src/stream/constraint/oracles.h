/* The constraints in double, as constraint_oracle.c puts them together: each the textbook's formulas on an n x n array,
 * its logits turned to [dst, src] where they are a matrix. Independent of the fp32 code, sizes excepted. */
#ifndef MHC_STREAM_CONSTRAINT_ORACLES_H
#define MHC_STREAM_CONSTRAINT_ORACLES_H

#include <stdbool.h>

#include "stream/constraint/properties.h"
#include "stream/oracle.h"

/* history: mhc__oracle_sinkhorn_history doubles. */
int64_t mhc__oracle_sinkhorn_history(const mhc_spec *spec);
void mhc__oracle_sinkhorn(const mhc_spec *spec, const double *logits, double *res, double *history);
void mhc__oracle_sinkhorn_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits,
                               double *history);
void mhc__oracle_permutations(const mhc_spec *spec, const double *logits, double *res);
void mhc__oracle_permutations_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits);
void mhc__oracle_kronecker(const mhc_spec *spec, const double *logits, double *res);
void mhc__oracle_kronecker_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits);
void mhc__oracle_row_stochastic(const mhc_spec *spec, const double *logits, double *res);
void mhc__oracle_row_stochastic_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits);
void mhc__oracle_birkhoff(const mhc_spec *spec, const double *logits, double *res);
void mhc__oracle_birkhoff_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits);
void mhc__oracle_orthogonal(const mhc_spec *spec, const double *logits, double *res);
void mhc__oracle_orthogonal_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits);
void mhc__oracle_spectral(const mhc_spec *spec, const double *logits, double *res);
void mhc__oracle_spectral_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits);
/* finish and leak of K, in place; and from d_res to the gradient of K. */
void mhc__oracle_finish(const mhc_spec *spec, double *k);
void mhc__oracle_finish_back(const mhc_spec *spec, const double *k, const double *d_res, double *d_k);

/* a [n, n] x = b [n, columns], in place: elimination with exchange of rows. A pivot of zero leaves its unknown 0. */
void mhc__oracle_solve(int n, double *a, int columns, double *b);

#endif
