/* Runs the CUDA kernels of the library on a CPU, thread by thread, so that their results can be tested where there is
 * no GPU: stream/cuda/device.h includes this file instead of cuda_runtime.h. Memory is the host's, launches run at
 * once.
 *
 * Every thread of a block is a coroutine with a stack of its own; a few blocks are under way at a time, as on a GPU,
 * and a launch runs them in an order of its own making: upwards and downwards by turns, so that a missing barrier or
 * wait shows, and with MHC__RACES whether it shows or not (races.cc). What it does not show: speed, memory that is not
 * coalesced, and whatever only hardware does. */
#ifndef MHC_TESTS_CUDA_EMULATOR_H
#define MHC_TESTS_CUDA_EMULATOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "mhc/status.h"

#include "stream/races.h"

#define MHC__KERNEL static void
#define MHC__DEVICE static inline __attribute__((unused))
#define MHC__GIVEN  const
#define MHC__UNROLL
#define MHC__ROLLED
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__ __restrict

typedef void *mhc__queue;

struct uint4 {
    uint32_t x, y, z, w;
};
static inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) {
    return uint4{x, y, z, w};
}

struct mhc__place {
    unsigned x;
};
/* Of the thread that runs. */
extern mhc__place threadIdx, blockIdx, blockDim, gridDim;

static inline int mhc__thread(void) {
    return (int)threadIdx.x;
}
static inline int mhc__block_number(void) {
    return (int)blockIdx.x;
}
char *mhc__shared(void);
void mhc__sync_block(void);
void mhc__sync_warp(void);
float mhc__shuffle_xor(float value, int mask);
void mhc__mma(float d[4], const uint32_t a[4], const uint32_t b[2]);
/* The same with the columns of b, and rows of a, that are 8 further left out. */
static inline void mhc__mma8(float d[4], const uint32_t a[2], uint32_t b) {
    const uint32_t far_a[4] = {a[0], a[1], 0, 0}, far_b[2] = {b, 0};
    mhc__mma(d, far_a, far_b);
}
uint32_t mhc__transposed(uint32_t word);
uint32_t mhc__bf16_pair(float low, float high);
uint32_t mhc__fp16_pair(float low, float high);
void mhc__fp16_values(uint32_t word, float *low, float *high);
int mhc__atomic_add(int *counter, int value); /* no kernel's word: what races_catches.cc says instead of a release */
void mhc__release_add(int *counter, int value);
void mhc__acquire_wait(const int *counter, int value);
void mhc__sync_cluster(void);
float mhc__of_block(const float *own, int block);

MHC__RACES_NOT_TOLD static inline uint4 mhc__load(const void *from) {
    uint4 value;
    if ((uintptr_t)from % 16 != 0)
        __builtin_trap(); /* as the device would */
    mhc__races_read(from, sizeof value, __builtin_return_address(0));
    memcpy(&value, from, sizeof value);
    return value;
}
MHC__RACES_NOT_TOLD static inline uint4 mhc__load_once(const void *from) {
    return mhc__load(from);
}
enum { MHC__SECTOR = 32 };
/* No access: whoever loads later gets what is there by then. */
MHC__RACES_NOT_TOLD static inline void mhc__soon(const void *from) {
    (void)*(const volatile char *)from; /* it has to be there */
}
MHC__RACES_NOT_TOLD static inline void mhc__store(void *to, uint4 value) {
    if ((uintptr_t)to % 16 != 0)
        __builtin_trap();
    mhc__races_write(to, sizeof value, __builtin_return_address(0));
    memcpy(to, &value, sizeof value);
}
/* run(kernel, params) is called once by every thread; `cluster` blocks that follow each other are a cluster, of which
 * `at_a_time` are under way. name: of the operation. */
void mhc__emulate(const char *name, void (*run)(void (*kernel)(void), const void *params), void (*kernel)(void),
                  const void *params, int64_t blocks, int cluster, int at_a_time, int threads, size_t shared);

enum { MHC__AT_A_TIME = 3, MHC__RESIDENT = 10 };

template <typename P>
static mhc_status mhc__launch(void (*kernel)(P), int64_t blocks, int threads, size_t shared, void *, const P &params,
                              const char *name, mhc_error *) {
    mhc__emulate(
        name, [](void (*k)(void), const void *p) { ((void (*)(P))k)(*(const P *)p); }, (void (*)(void))kernel, &params,
        blocks, 1, MHC__AT_A_TIME, threads, shared);
    return MHC_OK;
}

template <typename P>
static mhc_status mhc__launch_together(void (*kernel)(P), int64_t blocks, int threads, size_t shared, void *,
                                       const P &params, const char *name, mhc_error *) {
    if (blocks > MHC__RESIDENT)
        __builtin_trap();
    mhc__emulate(
        name, [](void (*k)(void), const void *p) { ((void (*)(P))k)(*(const P *)p); }, (void (*)(void))kernel, &params,
        blocks, 1, MHC__RESIDENT, threads, shared);
    return MHC_OK;
}

/* One size, which divides little. */
enum { MHC__CLUSTER_MOST = 3, MHC__CLUSTER_LEAST = 3 };

template <typename P> static bool mhc__has_clusters(void (*)(P), int64_t, int, int, size_t shared) {
    return shared <= 227 * 1024;
}

template <typename P>
static mhc_status mhc__launch_clusters(void (*kernel)(P), int64_t clusters, int blocks, int threads, size_t shared,
                                       void *, const P &params, const char *name, mhc_error *) {
    mhc__emulate(
        name, [](void (*k)(void), const void *p) { ((void (*)(P))k)(*(const P *)p); }, (void (*)(void))kernel, &params,
        clusters * blocks, blocks, 2, threads, shared);
    return MHC_OK;
}

static inline size_t mhc__most_shared(void) {
    return 227 * 1024;
}

/* Few, so that work which is shared out among blocks is, and crews come round. */
template <typename P>
static mhc_status mhc__resident(void (*)(P), int, size_t, const char *, int *blocks, mhc_error *) {
    *blocks = MHC__RESIDENT;
    return MHC_OK;
}

static inline mhc_status mhc__clear(void *memory, size_t bytes, void *, const char *, mhc_error *) {
    memset(memory, 0, bytes);
    return MHC_OK;
}

#endif
