/* What src/simd does with elements of 16 bits, for one instruction set (narrow.isa.c). */
#ifndef MHC_TESTS_SIMD_NARROW_H
#define MHC_TESTS_SIMD_NARROW_H

#include "mhc/type.h"

typedef struct mhc__narrow_kernels {
    /* By whole registers, then by the load and the store of a part of one. */
    void (*widen)(mhc_type type, const uint16_t *from, int count, float *to);
    void (*narrow)(mhc_type type, const float *from, int count, uint16_t *to);
} mhc__narrow_kernels;

#endif
