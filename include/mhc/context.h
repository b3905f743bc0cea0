/* Where an operation runs: the device, its queue, and how many threads it may use.
 *
 * A context is plain data: copy it freely, keep one per thread of yours, there is nothing to destroy. Results do not
 * depend on the number of threads: every reduction has one fixed shape. */
#ifndef MHC_CONTEXT_H
#define MHC_CONTEXT_H

#include "mhc/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mhc_device { MHC_DEVICE_CPU = 0, MHC_DEVICE_CUDA } mhc_device;

typedef struct mhc_context {
    mhc_device device;
    void *queue; /* CUDA: a cudaStream_t. CPU: NULL. */
    int threads; /* CPU: worker threads of one call, 1..4096; 1 runs on the calling thread alone */
} mhc_context;

/* A CUDA context: kernels go to this queue of the device that is current (cudaSetDevice), and a call returns before
 * they have run. All arrays are the device's or managed memory, parameters included; spec and views are plain data of
 * the host's. n is at most 16 there. MHC_UNSUPPORTED from the calls where the library was built without CUDA. */
MHC_API mhc_context mhc_context_cuda(void *queue);

/* A CPU context. threads <= 0 takes the OpenMP default (OMP_NUM_THREADS, else all cores). */
MHC_API mhc_context mhc_context_cpu(int threads);

#ifdef __cplusplus
}
#endif

#endif
