/* The type of the elements of streams and rows: X, X', z, u and their gradients. Coefficients, parameters, their
 * gradients, and what pre_forward saves are fp32 whatever it is, and so is all arithmetic.
 *
 * A call on bf16 has the bits of the same call in fp32 on the widened values, with each value that it stores into
 * streams or rows rounded to bf16. Where that is not once, the comment of the function says so. A call that does
 * several operations (seam.h, recompute.h) is those calls one after the other: each begins with what the one before
 * stored. */
#ifndef MHC_TYPE_H
#define MHC_TYPE_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mhc_type {
    MHC_FP32 = 0,
    MHC_BF16 /* the upper 16 bits of an fp32: its range, 8 significant bits */
} mhc_type;

/* Bytes of an element. */
static inline int64_t mhc_type_size(mhc_type type) {
    return type == MHC_BF16 ? 2 : 4;
}

/* To nearest, ties to even: at most 2^-8 |value| off, or 2^-134 where that is more. From 2^128 - 2^119 on infinity.
 * Every NaN becomes the one quiet NaN 0x7fc0: processors differ in the bits of a NaN that they make. */
static inline uint16_t mhc_bf16_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* Exact. */
static inline float mhc_bf16_value(uint16_t bf16) {
    uint32_t bits = (uint32_t)bf16 << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#ifdef __cplusplus
}
#endif

#endif
