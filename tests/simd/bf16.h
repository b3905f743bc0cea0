/* What src/simd/vec.h does with bf16, for one instruction set (bf16.isa.c). */
#ifndef MHC_TESTS_SIMD_BF16_H
#define MHC_TESTS_SIMD_BF16_H

#include <stdint.h>

typedef struct mhc__bf16_kernels {
    /* By whole registers, then by the load and the store of a part of one. */
    void (*widen)(const uint16_t *from, int count, float *to);
    void (*narrow)(const float *from, int count, uint16_t *to);
} mhc__bf16_kernels;

#endif
