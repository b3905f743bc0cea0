/* Matrix products, row-major fp32: C [m, n] = alpha op(A) [m, k] op(B) [k, n] + beta C.
 * One provider is chosen at build: oneDNN, else CBLAS. op(A) = A, stored [m, k], or its transpose, stored [k, m];
 * likewise B. */
#ifndef MHC_GEMM_GEMM_H
#define MHC_GEMM_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* threads: how many the product may use. m, n or k = 0 is fine (k = 0 scales C by beta). beta = 0 does not read C. */
mhc_status mhc__gemm(int threads, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                     const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc,
                     mhc_error *error);

/* e.g. "oneDNN 2.6.3 (OpenMP)" or "CBLAS (OpenBLAS 0.3.21, Zen)". Static storage. */
const char *mhc__gemm_provider(void);
/* A warning about the environment (a preset OPENBLAS_CORETYPE, say), or NULL. */
const char *mhc__gemm_warning(void);

#endif
