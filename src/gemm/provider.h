/* What gemm.c asks of a provider of matrix products. onednn.c and cblas.c implement it; the build chooses. */
#ifndef MHC_GEMM_PROVIDER_H
#define MHC_GEMM_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

/* Makes mhc__provider_product run on one thread, in the caller and in the parallel region it opens next, until
 * mhc__provider_restore(what it returned). */
int mhc__provider_one_thread(void);
void mhc__provider_restore(int threads);

/* Row-major C = alpha op(A) op(B) + beta C, all sizes positive. false when the provider failed (out of memory). */
bool mhc__provider_product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                           const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/* The same for bf16 operands with alpha = 1, C in fp32. Only where mhc__provider_has_bf16 says so: the provider has
 * such products for this processor, and a few of them were tried and are right. */
bool mhc__provider_has_bf16(void);
bool mhc__provider_product_bf16(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const uint16_t *a,
                                int64_t lda, const uint16_t *b, int64_t ldb, float beta, float *c, int64_t ldc);

#endif
