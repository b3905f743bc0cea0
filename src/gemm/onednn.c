/* dnnl_sgemm is the same in oneDNN 2 and 3, and takes row-major matrices. */
#ifdef MHC_GEMM_ONEDNN

#include <stdio.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <oneapi/dnnl/dnnl.h>

#include "gemm/gemm.h"
#include "gemm/provider.h"

int mhc__provider_one_thread(void) {
#ifdef _OPENMP
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    return threads;
#else
    return 1;
#endif
}

void mhc__provider_restore(int threads) {
#ifdef _OPENMP
    omp_set_num_threads(threads);
#else
    (void)threads;
#endif
}

bool mhc__provider_product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                           const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                           int64_t ldc) {
    return dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) ==
           dnnl_success;
}

const char *mhc__gemm_provider(void) {
    static const char *const runtimes[] = {"sequential", "OpenMP", "TBB", "thread pool"};
    static _Thread_local char name[64];
    const dnnl_version_t *version = dnnl_version();
    const char *runtime = version->cpu_runtime == DNNL_RUNTIME_OMP   ? runtimes[1]
                          : version->cpu_runtime == DNNL_RUNTIME_SEQ ? runtimes[0]
                          : version->cpu_runtime == DNNL_RUNTIME_TBB ? runtimes[2]
                                                                     : runtimes[3];
    snprintf(name, sizeof name, "oneDNN %d.%d.%d (%s)", version->major, version->minor, version->patch, runtime);
    return name;
}

const char *mhc__gemm_warning(void) {
    return getenv("ONEDNN_MAX_CPU_ISA") || getenv("DNNL_MAX_CPU_ISA")
               ? "ONEDNN_MAX_CPU_ISA is set: matrix products may not use the widest instructions"
               : NULL;
}

#else
typedef int mhc__onednn_is_not_built;
#endif
