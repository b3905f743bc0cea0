/* bf16: the upper half of an fp32. */
#ifndef MHC_BASE_BF16_H
#define MHC_BASE_BF16_H

#include <stdint.h>
#include <string.h>

/* Nearest, ties to even; what is too large becomes Inf, NaN stays NaN. */
static inline uint16_t mhc__bf16_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded >> 16);
}

static inline float mhc__bf16_value(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
