/* Any CBLAS. OpenBLAS needs two special cases: its thread count is global, and its kernels may be preset by the
 * environment. */
#ifdef MHC_GEMM_CBLAS

#include <stdio.h>
#include <stdlib.h>

#include <cblas.h>

#include "gemm/gemm.h"
#include "gemm/provider.h"

/* OpenBLAS keeps one thread count for the whole process: a product sets it to 1 and restores it at its end. Products of
 * other code in the same process may run on one thread meanwhile. */
int mhc__provider_one_thread(void) {
#ifdef MHC_GEMM_OPENBLAS
    int threads = openblas_get_num_threads();
    if (threads != 1)
        openblas_set_num_threads(1);
    return threads;
#else
    return 1;
#endif
}

void mhc__provider_restore(int threads) {
#ifdef MHC_GEMM_OPENBLAS
    if (threads != 1)
        openblas_set_num_threads(threads);
#else
    (void)threads;
#endif
}

bool mhc__provider_product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                           const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                           int64_t ldc) {
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, (int)m,
                (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
    return true;
}

bool mhc__provider_has_bf16(void) {
    return false;
}

bool mhc__provider_product_bf16(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const uint16_t *a,
                                int64_t lda, const uint16_t *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    (void)transpose_a, (void)transpose_b, (void)m, (void)n, (void)k, (void)a, (void)lda, (void)b, (void)ldb;
    (void)beta, (void)c, (void)ldc;
    return false;
}

const char *mhc__gemm_provider(void) {
#ifdef MHC_GEMM_OPENBLAS
    static _Thread_local char name[128];
    snprintf(name, sizeof name, "CBLAS (%.80s, %.30s)", openblas_get_config(), openblas_get_corename());
    return name;
#else
    return "CBLAS";
#endif
}

const char *mhc__gemm_warning(void) {
    return getenv("OPENBLAS_CORETYPE")
               ? "OPENBLAS_CORETYPE is set: OpenBLAS may not use this machine's kernels; unset it"
               : NULL;
}

#else
typedef int mhc__cblas_is_not_built;
#endif
