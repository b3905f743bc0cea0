/* The type of the elements of streams and rows: X, X', z, u and their gradients. Coefficients, parameters, their
 * gradients, and what pre_forward saves are fp32 whatever it is, and so is all arithmetic.
 *
 * A call on bf16 or fp16 has the bits of the same call in fp32 on the widened values, with each value that it stores
 * into streams or rows rounded to that type. Where that is not once, the comment of the function says so. A call that
 * does several operations (seam.h, recompute.h) is those calls one after the other: each begins with what the one
 * before stored.
 *
 * fp16 ends at 65504: what would round to more is stored as infinity, where bf16 goes as far as fp32. Streams may pass
 * that: every site adds post z, and weights that add up streams need not sum to 1. So X' (merge, seam, recompute), u
 * (pre, seam, recompute), y of contract (unless it is the mean), and the gradients dx and dz can be infinite although
 * all that was given is finite; gradients also where a loss was scaled up, and because that of a norm is as large as
 * what it divides by is small. Nobody looks for infinities: what is computed from one is infinite or NaN, parameter
 * gradients included. A caller of fp16 watches its streams. Small values lose digits: below 2^-14 they lie 2^-24
 * apart. */
#ifndef MHC_TYPE_H
#define MHC_TYPE_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mhc_type {
    MHC_FP32 = 0,
    MHC_BF16, /* the upper 16 bits of an fp32: its range, 8 significant bits */
    MHC_FP16  /* IEEE binary16: up to 65504, 11 significant bits */
} mhc_type;

/* Bytes of an element. */
static inline int64_t mhc_type_size(mhc_type type) {
    return type == MHC_FP32 ? 4 : 2;
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

/* To nearest, ties to even: at most 2^-11 |value| off, or 2^-25 where that is more. From 65520 on infinity. Every NaN
 * becomes the one quiet NaN 0x7e00. */
static inline uint16_t mhc_fp16_of(float value) {
    uint32_t bits, sign;
    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits >= 0x477ff000u) /* 65520 */
        return (uint16_t)(bits > 0x7f800000u ? 0x7e00u : sign | 0x7c00u);
    if (bits < 0x38800000u) { /* 2^-14: beside 0.5 floats are 2^-24 apart, as these are */
        memcpy(&value, &bits, sizeof value);
        value += 0.5f;
        memcpy(&bits, &value, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000u));
    }
    return (uint16_t)(sign | (bits - 0x38000000u + 0xfffu + (bits >> 13 & 1u)) >> 13); /* bias 15 in place of 127 */
}

/* Exact. A NaN is quiet and keeps its bits. */
static inline float mhc_fp16_value(uint16_t fp16) {
    uint32_t rest = fp16 & 0x7fffu, bits;
    float value = (float)rest * 0x1p-24f; /* what it is below 2^-14 */
    memcpy(&bits, &value, sizeof bits);
    if (rest >= 0x400u)
        bits = (rest << 13) + (rest < 0x7c00u ? 0x38000000u : 0x70000000u);
    bits |= (rest > 0x7c00u ? 0x400000u : 0u) | (uint32_t)(fp16 & 0x8000u) << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#ifdef __cplusplus
}
#endif

#endif
