/* Matrix products, row-major: C [m, n] = alpha op(A) [m, k] op(B) [k, n] + beta C, all in fp32.
 * One provider is chosen at build: oneDNN, else CBLAS. op(A) = A, stored [m, k], or its transpose, stored [k, m];
 * likewise B. */
#ifndef MHC_GEMM_GEMM_H
#define MHC_GEMM_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* BF16 rounds the elements of A and B to bf16, nearest even; their products, exact in fp32, are added up in fp32. Where
 * the provider has such products for this processor it does them; elsewhere the rounded operands are multiplied as
 * FP32, which is no faster, and differs in the order of the sums alone. */
typedef enum mhc__precision { MHC__PRECISION_FP32 = 0, MHC__PRECISION_BF16 } mhc__precision;

typedef struct mhc__gemm_how {
    int threads; /* how many the product may use */
    mhc__precision precision;
} mhc__gemm_how;

static inline mhc__gemm_how mhc__gemm_fp32(int threads) {
    return (mhc__gemm_how){threads, MHC__PRECISION_FP32};
}

/* m, n or k = 0 is fine (k = 0 scales C by beta). beta = 0 does not read C. */
mhc_status mhc__gemm(mhc__gemm_how how, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                     float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                     int64_t ldc, mhc_error *error);

/* e.g. "oneDNN 2.6.3 (OpenMP)" or "CBLAS (OpenBLAS 0.3.21, Zen)". Static storage. */
const char *mhc__gemm_provider(void);
/* How BF16 is done here, as a line for a person. Static storage. */
const char *mhc__gemm_bf16(void);
/* A warning about the environment (a preset OPENBLAS_CORETYPE, say), or NULL. */
const char *mhc__gemm_warning(void);

#endif
