/* The machine's own speed: loops that do nothing but read, copy, fill or multiply and add, in the widest vectors of
 * this processor. What they reach is what a kernel of the library is measured against. */
#ifndef MHC_BENCH_MACHINE_KERNELS_H
#define MHC_BENCH_MACHINE_KERNELS_H

#include <stdint.h>

/* Lines are 64 bytes; from and to are aligned to one, and lines is a multiple of 4. */
typedef struct mhc__machine_kernels {
    const char *name; /* avx512, avx2, neon or scalar */
    uint64_t (*read)(const void *from, int64_t lines);
    uint64_t (*copy)(const void *from, void *to, int64_t lines);
    uint64_t (*fill)(void *to, int64_t lines);
    /* Stores that go around the caches; NULL where the processor has none. */
    uint64_t (*copy_around)(const void *from, void *to, int64_t lines);
    uint64_t (*fill_around)(void *to, int64_t lines);
    /* steps times fma_flops operations of fp32 multiply-add, a product and a sum each counted. */
    float (*fma)(int64_t steps);
    int fma_flops;
} mhc__machine_kernels;

/* Chosen by the processor's feature bits. MHC_ISA has no say: the limit is that of the machine. */
const mhc__machine_kernels *mhc__machine_kernels_best(void);

#endif
