#include "base/threads.h"

#include "mhc/context.h"

#ifdef _OPENMP
#include <omp.h>
#endif

int mhc__default_threads(void) {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

int mhc__thread_index(void) {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

mhc_context mhc_context_cuda(void *queue) {
    mhc_context context = {MHC_DEVICE_CUDA, queue, 1};
    return context;
}

mhc_context mhc_context_cpu(int threads) {
    mhc_context context = {MHC_DEVICE_CPU, 0, threads > 0 ? threads : mhc__default_threads()};
    return context;
}
