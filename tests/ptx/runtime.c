/* The functions of CUDA's runtime that the library and its tests call. What is asked for of a stream is done when
 * somebody waits, and not before: who reads without waiting sees what was there. */
#include "ptx/ptx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cuda_runtime_api.h>

/* Five processors for two blocks each, as the other emulator has ten at a time. */
enum { PROCESSORS = 5, EACH_MOST = 2, SHARED_MOST = 227 * 1024, SHARED_PROCESSOR = 228 * 1024, KERNELS = 1024 };

typedef struct kernel {
    const void *host;
    void **handle; /* of its fat binary: that, and its module when a kernel of it has been asked for */
    const char *name;
    size_t shared_most;
    bool large_clusters;
} kernel;

typedef struct task {
    ptx_launch launch; /* or, without a function: */
    void *memory;
    int value;
    size_t bytes;
    struct task *next;
} task;

static kernel kernels[KERNELS];
static int kernel_count;
static task *first, **last = &first;
static cudaError_t latest = cudaSuccess;

static cudaError_t result(cudaError_t status) {
    if (status != cudaSuccess)
        latest = status;
    return status;
}

/* ------------------------------------------------------------------------------------- what nvcc's own code calls */

void **__cudaRegisterFatBinary(void *wrapper);
void __cudaRegisterFatBinaryEnd(void **handle);
void __cudaUnregisterFatBinary(void **handle);
void __cudaRegisterFunction(void **handle, const char *host, char *device, const char *name, int threads, void *tid,
                            void *bid, void *block, void *grid, int *warp);
void __cudaRegisterVar(void **handle, char *host, char *device, const char *name, int ext, size_t size, int constant,
                       int global);
unsigned __cudaPopCallConfiguration(void *grid, void *block, size_t *shared, void *stream);
cudaError_t __cudaGetKernel(void **out, const void *host);
cudaError_t __cudaLaunchKernel(void *its, dim3 grid, dim3 block, void **arguments, size_t shared, cudaStream_t stream);

void **__cudaRegisterFatBinary(void *wrapper) {
    void **handle = malloc(2 * sizeof *handle);
    if (!handle)
        ptx_give_up("no memory for a module");
    handle[0] = wrapper;
    handle[1] = NULL;
    return handle;
}
void __cudaRegisterFatBinaryEnd(void **handle) {
    (void)handle;
}
void __cudaUnregisterFatBinary(void **handle) {
    (void)handle;
}
void __cudaRegisterFunction(void **handle, const char *host, char *device, const char *name, int threads, void *tid,
                            void *bid, void *block, void *grid, int *warp) {
    (void)device, (void)threads, (void)tid, (void)bid, (void)block, (void)grid, (void)warp;
    if (kernel_count == KERNELS)
        ptx_give_up("more than %d kernels", KERNELS);
    kernels[kernel_count++] = (kernel){host, handle, name, 48 * 1024, false};
}
void __cudaRegisterVar(void **handle, char *host, char *device, const char *name, int ext, size_t size, int constant,
                       int global) {
    (void)handle, (void)host, (void)device, (void)name, (void)ext, (void)size, (void)constant, (void)global;
}
/* Of kernel<<<>>>, by which nothing is launched here. */
unsigned __cudaPopCallConfiguration(void *grid, void *block, size_t *shared, void *stream) {
    (void)grid, (void)block, (void)shared, (void)stream;
    ptx_give_up("a launch by <<<>>>");
}
cudaError_t __cudaGetKernel(void **out, const void *host) {
    (void)out, (void)host;
    ptx_give_up("a launch by <<<>>>");
}
cudaError_t __cudaLaunchKernel(void *its, dim3 grid, dim3 block, void **arguments, size_t shared, cudaStream_t stream) {
    (void)its, (void)grid, (void)block, (void)arguments, (void)shared, (void)stream;
    ptx_give_up("a launch by <<<>>>");
}

static kernel *kernel_of(const void *host) {
    for (int k = 0; k < kernel_count; k++)
        if (kernels[k].host == host)
            return &kernels[k];
    return NULL;
}

static const ptx_function *function_of(const void *host) {
    kernel *its = kernel_of(host);
    if (!its)
        return NULL;
    void **handle = its->handle;
    if (!handle[1])
        handle[1] = ptx_module_open(ptx_of_fatbin(handle[0]));
    const ptx_function *f = ptx_function_of(handle[1], its->name, strlen(its->name));
    return f ? f : (ptx_give_up("no kernel %s", its->name), NULL);
}

/* ---------------------------------------------------------------------------------------------------------- device */

cudaError_t cudaGetDeviceCount(int *count) {
    *count = 1;
    return cudaSuccess;
}
cudaError_t cudaGetDevice(int *device) {
    *device = 0;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
    (void)device;
    switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
        *value = PROCESSORS;
        return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = SHARED_MOST;
        return cudaSuccess;
    case cudaDevAttrCooperativeLaunch:
    case cudaDevAttrClusterLaunch:
        *value = 1;
        return cudaSuccess;
    default:
        ptx_give_up("attribute %d of a device", (int)attribute);
    }
}
const char *cudaGetErrorString(cudaError_t error) {
    static char text[32];
    snprintf(text, sizeof text, "error %d", (int)error);
    return text;
}
cudaError_t cudaGetLastError(void) {
    const cudaError_t its = latest;
    latest = cudaSuccess;
    return its;
}

/* ---------------------------------------------------------------------------------------------------------- memory */

cudaError_t cudaMallocManaged(void **out, size_t bytes, unsigned flags) {
    (void)flags;
    *out = ptx_allocate(bytes);
    return result(*out ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void *memory) {
    cudaDeviceSynchronize();
    return result(!memory || ptx_free(memory) ? cudaSuccess : cudaErrorInvalidValue);
}

static void enqueue(task t) {
    task *its = malloc(sizeof *its);
    if (!its)
        ptx_give_up("no memory for a task");
    *its = t;
    its->next = NULL;
    *last = its;
    last = &its->next;
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream) {
    (void)stream;
    if (bytes > 0 && !ptx_is_allocated(memory, bytes))
        return result(cudaErrorInvalidValue);
    enqueue((task){.memory = memory, .value = value, .bytes = bytes});
    return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize(void) {
    while (first) {
        task *its = first;
        first = its->next;
        if (its->launch.function) {
            ptx_launch_run(&its->launch);
            free(its->launch.params);
        } else {
            memset(its->memory, its->value, its->bytes);
        }
        free(its);
    }
    last = &first;
    return cudaSuccess;
}

/* -------------------------------------------------------------------------------------------------------- launches */

cudaError_t cudaFuncSetAttribute(const void *host, enum cudaFuncAttribute attribute, int value) {
    kernel *its = kernel_of(host);
    if (!its)
        return result(cudaErrorInvalidDeviceFunction);
    if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
        if (value > SHARED_MOST)
            return result(cudaErrorInvalidValue);
        its->shared_most = (size_t)value;
    }
    if (attribute == cudaFuncAttributeNonPortableClusterSizeAllowed)
        its->large_clusters = value != 0;
    return cudaSuccess;
}

static int each_of(const ptx_function *f, int threads, size_t shared) {
    const size_t room = SHARED_PROCESSOR / (shared + 1024);
    int each = EACH_MOST;
    if (f->least_blocks > 0 && f->least_blocks < each)
        each = f->least_blocks;
    if ((size_t)each > room)
        each = (int)room;
    return threads > 1024 || (f->most_threads > 0 && threads > f->most_threads) ? 0 : each;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *host, int threads, size_t shared) {
    *blocks = each_of(function_of(host), threads, shared);
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveClusters(int *clusters, const void *host, const cudaLaunchConfig_t *config) {
    const kernel *its = kernel_of(host);
    const unsigned size = config->attrs[0].val.clusterDim.x;
    if (size > 16 || (size > 8 && !its->large_clusters) || config->dynamicSmemBytes > its->shared_most)
        return result(cudaErrorInvalidValue);
    *clusters = size > 8 ? 1 : 2;
    return cudaSuccess;
}

static cudaError_t launch(const void *host, dim3 grid, dim3 block, void **arguments, size_t shared, int cluster,
                          bool together) {
    const kernel *its = kernel_of(host);
    const ptx_function *f = function_of(host);
    if (!f)
        return result(cudaErrorInvalidDeviceFunction);
    const int threads = (int)block.x;
    if (grid.x == 0 || grid.y != 1 || grid.z != 1 || block.y != 1 || block.z != 1 || threads < 1 || threads > 1024 ||
        shared > its->shared_most || (f->most_threads > 0 && threads > f->most_threads) || (int)grid.x % cluster != 0 ||
        cluster > 16 || (cluster > 8 && !its->large_clusters))
        return result(cudaErrorInvalidConfiguration);
    if (together && (int)grid.x > PROCESSORS * each_of(f, threads, shared))
        return result(cudaErrorCooperativeLaunchTooLarge);
    char *params = calloc((size_t)f->param_bytes + 1, 1);
    if (!params)
        ptx_give_up("no memory for parameters");
    for (int k = 0; k < f->params; k++)
        memcpy(params + f->param[k].offset, arguments[k], (size_t)f->param[k].bytes);
    enqueue((task){.launch = {f, (int)grid.x, threads, cluster, shared, together, params}});
    return cudaSuccess;
}
cudaError_t cudaLaunchKernel(const void *host, dim3 grid, dim3 block, void **arguments, size_t shared,
                             cudaStream_t stream) {
    (void)stream;
    return launch(host, grid, block, arguments, shared, 1, false);
}
cudaError_t cudaLaunchCooperativeKernel(const void *host, dim3 grid, dim3 block, void **arguments, size_t shared,
                                        cudaStream_t stream) {
    (void)stream;
    return launch(host, grid, block, arguments, shared, 1, true);
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *host, void **arguments) {
    const int cluster = config->numAttrs == 1 && config->attrs[0].id == cudaLaunchAttributeClusterDimension
                            ? (int)config->attrs[0].val.clusterDim.x
                            : 1;
    return launch(host, config->gridDim, config->blockDim, arguments, config->dynamicSmemBytes, cluster, false);
}
