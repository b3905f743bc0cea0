/* Where the tests of streams run: on the CPU; with MHC_TEST_EMULATED on the emulator of a GPU, whose memory is the
 * host's; with MHC_TEST_CUDA on the GPU, in memory that both see. */
#ifndef MHC_TESTS_STREAM_DEVICE_H
#define MHC_TESTS_STREAM_DEVICE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mhc/mhc.h"

#if defined(MHC_TEST_CUDA)
#include <cuda_runtime_api.h>

static inline mhc_context device_context(int threads) {
    (void)threads;
    return mhc_context_cuda(NULL);
}

static inline void *device_memory(size_t bytes) {
    void *memory = NULL;
    if (cudaMallocManaged(&memory, bytes, cudaMemAttachGlobal) != cudaSuccess)
        return NULL;
    memset(memory, 0, bytes);
    return memory;
}

static inline void device_free(void *memory) {
    cudaFree(memory);
}

/* Until all that was asked for is done: its failure, or NULL. */
static inline const char *device_wait(void) {
    cudaError_t result = cudaDeviceSynchronize();
    return result == cudaSuccess ? NULL : cudaGetErrorString(result);
}

/* At the beginning of main: leaves with 77, which ctest takes for skipped, where there is no GPU. */
static inline void device_need(void) {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
        printf("no CUDA device here: skipped\n");
        exit(77);
    }
}
#else
static inline mhc_context device_context(int threads) {
#if defined(MHC_TEST_EMULATED)
    (void)threads;
    return mhc_context_cuda(NULL);
#else
    return mhc_context_cpu(threads);
#endif
}

static inline void *device_memory(size_t bytes) {
    return calloc(bytes, 1);
}

static inline void device_free(void *memory) {
    free(memory);
}

static inline const char *device_wait(void) {
    return NULL;
}

static inline void device_need(void) {}
#endif

static inline bool device_is_cpu(void) {
    return device_context(1).device == MHC_DEVICE_CPU;
}

/* Whether it has room for so many streams. */
static inline bool device_takes(int streams) {
    return device_is_cpu() || streams <= 16;
}

#endif
