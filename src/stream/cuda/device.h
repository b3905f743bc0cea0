/* The vocabulary of the CUDA kernels: what they need of the device, in words that a compiler for the GPU and the
 * emulator of the tests (tests/stream/emulator.h: the same kernels on a CPU, thread by thread) both understand. A
 * kernel takes one structure, MHC__GIVEN, by value and uses no static shared memory. */
#ifndef MHC_STREAM_CUDA_DEVICE_H
#define MHC_STREAM_CUDA_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#if defined(MHC__CUDA_EMULATED)
#include "stream/emulator.h"
#else
#include <cuda_runtime.h>

#define MHC__KERNEL static __global__ void
#define MHC__DEVICE static __device__ __forceinline__
/* In front of the structure: it stays where the launch has put it, and no thread has a copy. */
#define MHC__GIVEN  const __grid_constant__
/* In front of a loop whose index selects registers: unrolled, or they become memory. */
#define MHC__UNROLL _Pragma("unroll")
/* In front of one whose rounds side by side would need more registers than there are. */
#define MHC__ROLLED _Pragma("unroll 1")

typedef cudaStream_t mhc__queue;

/* Dynamic shared memory of the block, aligned to 128 bytes. */
MHC__DEVICE char *mhc__shared(void) {
    extern __shared__ __align__(128) char memory[];
    return memory;
}

/* threadIdx.x, asked for anew: what is made of it is not kept in registers around a loop that has none to spare. */
MHC__DEVICE int mhc__thread(void) {
    int number;
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(number));
    return number & 1023; /* there are no more: divisions are shifts */
}

/* blockIdx.x, likewise. */
MHC__DEVICE int mhc__block_number(void) {
    int number;
    asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(number));
    return number;
}

MHC__DEVICE void mhc__sync_block(void) {
    __syncthreads();
}

MHC__DEVICE void mhc__sync_warp(void) {
    __syncwarp();
}

/* value of the lane whose number differs by `mask`; all lanes of the warp call it. */
MHC__DEVICE float mhc__shuffle_xor(float value, int mask) {
    return __shfl_xor_sync(0xffffffffu, value, mask);
}

/* d += a b on a tensor core, 16 x 8 x 16, bf16 with fp32 sums: the fragments of PTX's mma.m16n8k16. */
MHC__DEVICE void mhc__mma(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* The same, 16 x 8 x 8: mma.m16n8k8. */
MHC__DEVICE void mhc__mma8(float d[4], const uint32_t a[2], uint32_t b) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b));
}

/* The transpose of 8 x 8 numbers of 16 bits: a lane has row lane / 4, columns lane % 4 * 2 and the one after. */
MHC__DEVICE uint32_t mhc__transposed(uint32_t word) {
    uint32_t other;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(other) : "r"(word));
    return other;
}

/* Two bf16 numbers in a word, to nearest, ties to even; NaN becomes 0x7fff. */
MHC__DEVICE uint32_t mhc__bf16_pair(float low, float high) {
    uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}

/* The same of fp16, and back. */
MHC__DEVICE uint32_t mhc__fp16_pair(float low, float high) {
    uint32_t word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}
MHC__DEVICE void mhc__fp16_values(uint32_t word, float *low, float *high) {
    asm("{.reg .b16 a, b; mov.b32 {a, b}, %2; cvt.f32.f16 %0, a; cvt.f32.f16 %1, b;}"
        : "=f"(*low), "=f"(*high)
        : "r"(word));
}

/* What this thread wrote before is seen by whoever acquires the value. */
MHC__DEVICE void mhc__release_add(int *counter, int value) {
    asm volatile("red.release.gpu.global.add.s32 [%0], %1;" ::"l"(__cvta_generic_to_global(counter)), "r"(value)
                 : "memory");
}

/* Waits, with nothing to do, until the counter is at least `value`. Who adds to it must already run. */
MHC__DEVICE void mhc__acquire_wait(const int *counter, int value) {
    int seen;
    do { /* an acquire would empty the cache each time */
        asm volatile("ld.relaxed.gpu.global.s32 %0, [%1];" : "=r"(seen) : "l"(__cvta_generic_to_global(counter)));
    } while (seen < value);
    asm volatile("fence.acq_rel.gpu;" ::: "memory");
}

/* Blocks of a cluster run at the same time and see each other's shared memory. All their threads meet here; what they
 * wrote before, to any memory, all of them see afterwards. */
MHC__DEVICE void mhc__sync_cluster(void) {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.release;\n\tbarrier.cluster.wait.acquire;" ::: "memory");
#else
    __trap(); /* no host launches it there */
#endif
}

/* What another block of the cluster, number `block` in it, has in the place of *own. It may neither write there nor
 * leave before the cluster meets again. */
MHC__DEVICE float mhc__of_block(const float *own, int block) {
    float value = 0.0f;
#if __CUDA_ARCH__ >= 900
    asm volatile("{\n\t.reg .u32 at;\n\tmapa.shared::cluster.u32 at, %1, %2;\n\tld.shared::cluster.f32 %0, [at];\n\t}"
                 : "=f"(value)
                 : "r"((uint32_t)__cvta_generic_to_shared(own)), "r"(block));
#endif
    return value;
}

/* 16 bytes that are read once: they need not stay in a cache. */
MHC__DEVICE uint4 mhc__load_once(const void *from) {
    return __ldcs((const uint4 *)from);
}

/* MHC__SECTOR bytes that somebody will load soon: on their way to the L2 cache. */
enum { MHC__SECTOR = 32 };
MHC__DEVICE void mhc__soon(const void *from) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(__cvta_generic_to_global(from)));
}

MHC__DEVICE uint4 mhc__load(const void *from) {
    return *(const uint4 *)from;
}

MHC__DEVICE void mhc__store(void *to, uint4 value) {
    *(uint4 *)to = value;
}

static inline mhc_status mhc__cuda_status(cudaError_t result, const char *name, mhc_error *error) {
    if (result == cudaSuccess)
        return MHC_OK;
    return mhc__fail(error, MHC_DEVICE_FAILED, "%s: CUDA: %s", name, cudaGetErrorString(result));
}

/* More shared memory than 48 KB is asked for by name, and a processor's memory is cut for as many such blocks as it can
 * have. */
template <typename P>
static mhc_status mhc__allow_shared(void (*kernel)(P), size_t shared, const char *name, mhc_error *error) {
    const void *its = (const void *)kernel;
    if (shared <= 48 * 1024)
        return MHC_OK;
    MHC__TRY(mhc__cuda_status(cudaFuncSetAttribute(its, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared), name,
                              error));
    return mhc__cuda_status(
        cudaFuncSetAttribute(its, cudaFuncAttributePreferredSharedMemoryCarveout, cudaSharedmemCarveoutMaxShared), name,
        error);
}

/* Shared memory that a block can have: kernels that need more than a small GPU has are not chosen there. */
static inline size_t mhc__most_shared(void) {
    int device = 0, bytes = 0;
    bool known = cudaGetDevice(&device) == cudaSuccess &&
                 cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) == cudaSuccess;
    return known ? (size_t)bytes : 0;
}

/* The number of blocks of a kernel that the device runs at a time: 0 where it can't promise that. */
template <typename P>
static mhc_status mhc__resident(void (*kernel)(P), int threads, size_t shared, const char *name, int *blocks,
                                mhc_error *error) {
    int device = 0, processors = 0, each = 0, together = 0;
    MHC__TRY(mhc__allow_shared(kernel, shared, name, error));
    MHC__TRY(mhc__cuda_status(cudaGetDevice(&device), name, error));
    MHC__TRY(
        mhc__cuda_status(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), name, error));
    MHC__TRY(mhc__cuda_status(
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, (const void *)kernel, threads, shared), name, error));
    MHC__TRY(mhc__cuda_status(cudaDeviceGetAttribute(&together, cudaDevAttrCooperativeLaunch, device), name, error));
    *blocks = together ? processors * each : 0;
    return MHC_OK;
}

/* kernel<<<blocks, threads, shared, queue>>>(params); blocks of 0 are no launch. */
template <typename P>
static mhc_status mhc__launch(void (*kernel)(P), int64_t blocks, int threads, size_t shared, void *queue,
                              const P &params, const char *name, mhc_error *error) {
    if (blocks == 0)
        return MHC_OK;
    if (blocks > 0x7fffffff)
        return mhc__fail(error, MHC_UNSUPPORTED, "%s: expected at most %d blocks of a CUDA kernel, found %lld", name,
                         0x7fffffff, (long long)blocks);
    MHC__TRY(mhc__allow_shared(kernel, shared, name, error));
    void *arguments[] = {(void *)&params};
    return mhc__cuda_status(cudaLaunchKernel((const void *)kernel, dim3((unsigned)blocks), dim3((unsigned)threads),
                                             arguments, shared, (mhc__queue)queue),
                            name, error);
}

/* As mhc__launch, of not more blocks than are mhc__resident: they all run at the same time, and may wait for each
 * other. */
template <typename P>
static mhc_status mhc__launch_together(void (*kernel)(P), int64_t blocks, int threads, size_t shared, void *queue,
                                       const P &params, const char *name, mhc_error *error) {
    MHC__TRY(mhc__allow_shared(kernel, shared, name, error));
    void *arguments[] = {(void *)&params};
    return mhc__cuda_status(cudaLaunchCooperativeKernel((const void *)kernel, dim3((unsigned)blocks),
                                                        dim3((unsigned)threads), arguments, shared, (mhc__queue)queue),
                            name, error);
}

/* Sizes of clusters to try, one half of the other. Every device with clusters has 8; 16 is asked for by name. */
enum { MHC__CLUSTER_MOST = 16, MHC__CLUSTER_LEAST = 8 };

static inline cudaLaunchConfig_t mhc__cluster_config(int64_t clusters, int blocks, int threads, size_t shared,
                                                     void *queue, cudaLaunchAttribute *attribute) {
    cudaLaunchConfig_t config = {};
    attribute->id = cudaLaunchAttributeClusterDimension;
    attribute->val.clusterDim.x = (unsigned)blocks;
    attribute->val.clusterDim.y = attribute->val.clusterDim.z = 1;
    config.gridDim = dim3((unsigned)(clusters * blocks));
    config.blockDim = dim3((unsigned)threads);
    config.dynamicSmemBytes = shared;
    config.stream = (mhc__queue)queue;
    config.attrs = attribute;
    config.numAttrs = 1;
    return config;
}

/* Whether the device runs clusters of so many blocks of this kernel: all of them at a time or, of the least, any. */
template <typename P>
static bool mhc__has_clusters(void (*kernel)(P), int64_t clusters, int blocks, int threads, size_t shared) {
    int device = 0, has = 0, count = 0;
    if (cudaGetDevice(&device) != cudaSuccess || shared > mhc__most_shared() ||
        cudaDeviceGetAttribute(&has, cudaDevAttrClusterLaunch, device) != cudaSuccess || !has)
        return false;
    cudaLaunchAttribute attribute;
    const cudaLaunchConfig_t config = mhc__cluster_config(1, blocks, threads, shared, NULL, &attribute);
    const void *its = (const void *)kernel;
    bool fits =
        cudaFuncSetAttribute(its, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared) == cudaSuccess &&
        (blocks <= 8 || cudaFuncSetAttribute(its, cudaFuncAttributeNonPortableClusterSizeAllowed, 1) == cudaSuccess) &&
        cudaOccupancyMaxActiveClusters(&count, its, &config) == cudaSuccess &&
        count >= (blocks > MHC__CLUSTER_LEAST ? clusters : 1);
    if (!fits)
        cudaGetLastError(); /* it was a question */
    return fits;
}

/* As mhc__launch, in clusters of blocks for which mhc__has_clusters. */
template <typename P>
static mhc_status mhc__launch_clusters(void (*kernel)(P), int64_t clusters, int blocks, int threads, size_t shared,
                                       void *queue, const P &params, const char *name, mhc_error *error) {
    cudaLaunchAttribute attribute;
    const cudaLaunchConfig_t config = mhc__cluster_config(clusters, blocks, threads, shared, queue, &attribute);
    void *arguments[] = {(void *)&params};
    return mhc__cuda_status(cudaLaunchKernelExC(&config, (const void *)kernel, arguments), name, error);
}

/* Zeros `bytes` in the order of the queue. */
static inline mhc_status mhc__clear(void *memory, size_t bytes, void *queue, const char *name, mhc_error *error) {
    return mhc__cuda_status(cudaMemsetAsync(memory, 0, bytes, (mhc__queue)queue), name, error);
}
#endif

#endif
