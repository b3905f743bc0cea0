/* Elements of streams and rows on the device: how they are read and rounded, one by one or 16 bytes at a time. */
#ifndef MHC_STREAM_CUDA_ELEMENTS_H
#define MHC_STREAM_CUDA_ELEMENTS_H

#include <string.h>

#include "stream/cuda/device.h"
#include "stream/shape.h"

struct mhc__bf16 {
    uint16_t bits;
};

struct mhc__fp16 {
    uint16_t bits;
};

MHC__DEVICE float mhc__bits_value(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

MHC__DEVICE uint32_t mhc__value_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Types of 16 bits: two elements in a word, the first in the lower half. */
MHC__DEVICE void mhc__word_values(uint32_t word, float *low, float *high, const mhc__bf16 *) {
    *low = mhc__bits_value(word << 16);
    *high = mhc__bits_value(word & 0xffff0000u);
}

MHC__DEVICE void mhc__word_values(uint32_t word, float *low, float *high, const mhc__fp16 *) {
    mhc__fp16_values(word, low, high);
}

MHC__DEVICE uint32_t mhc__pair(float low, float high, const mhc__bf16 *) {
    return mhc__bf16_pair(low, high);
}

MHC__DEVICE uint32_t mhc__pair(float low, float high, const mhc__fp16 *) {
    return mhc__fp16_pair(low, high);
}

MHC__DEVICE constexpr uint32_t mhc__nan_bits(const mhc__bf16 *) {
    return 0x7fc0;
}

MHC__DEVICE constexpr uint32_t mhc__nan_bits(const mhc__fp16 *) {
    return 0x7e00;
}

/* As mhc_bf16_of and mhc_fp16_of, NaN included. */
template <typename E> MHC__DEVICE uint32_t mhc__word(float low, float high, const E *type) {
    const uint32_t word = mhc__pair(low, high, type), nan = mhc__nan_bits(type);
    const uint32_t half = low == low ? word : (word & 0xffff0000u) | nan;
    return high == high ? half : (half & 0xffffu) | nan << 16;
}

MHC__DEVICE float mhc__value(float e) {
    return e;
}

template <typename E> MHC__DEVICE float mhc__value(E e) {
    float value, none;
    mhc__word_values(e.bits, &value, &none, (const E *)0);
    return value;
}

MHC__DEVICE void mhc__round(float value, float *e) {
    *e = value;
}

template <typename E> MHC__DEVICE void mhc__round(float value, E *e) {
    e->bits = (uint16_t)mhc__word(value, 0.0f, e);
}

/* Elements in 16 bytes. */
template <typename E> struct mhc__pack {
    enum { COUNT = 16 / (int)sizeof(E) };
};

MHC__DEVICE void mhc__unpack(uint4 raw, float v[4], const float *) {
    v[0] = mhc__bits_value(raw.x);
    v[1] = mhc__bits_value(raw.y);
    v[2] = mhc__bits_value(raw.z);
    v[3] = mhc__bits_value(raw.w);
}

template <typename E> MHC__DEVICE void mhc__unpack(uint4 raw, float v[8], const E *type) {
    const uint32_t word[4] = {raw.x, raw.y, raw.z, raw.w};
    for (int k = 0; k < 4; k++)
        mhc__word_values(word[k], v + 2 * k, v + 2 * k + 1, type);
}

MHC__DEVICE uint4 mhc__packed(const float v[4], const float *) {
    return make_uint4(mhc__value_bits(v[0]), mhc__value_bits(v[1]), mhc__value_bits(v[2]), mhc__value_bits(v[3]));
}

template <typename E> MHC__DEVICE uint4 mhc__packed(const float v[8], const E *type) {
    uint32_t word[4];
    float none = 0.0f; /* stays so where all are finite: one look for eight numbers */
    for (int k = 0; k < 8; k++)
        none = fmaf(v[k], 0.0f, none);
    if (none == 0.0f)
        for (int k = 0; k < 4; k++)
            word[k] = mhc__pair(v[2 * k], v[2 * k + 1], type);
    else
        for (int k = 0; k < 4; k++)
            word[k] = mhc__word(v[2 * k], v[2 * k + 1], type);
    return make_uint4(word[0], word[1], word[2], word[3]);
}

/* Whether rows of `channels` elements are whole packs. */
static inline bool mhc__whole_packs(int64_t channels, mhc_type type) {
    return channels * mhc_type_size(type) % 16 == 0;
}

/* Whether every token and stream of a view begins at a multiple of 16 bytes; a view without data does. */
static inline bool mhc__aligned_streams(mhc_streams v, mhc_type type) {
    int64_t size = mhc_type_size(type);
    return ((uintptr_t)v.data | (uintptr_t)(v.token_stride * size) | (uintptr_t)(v.stream_stride * size)) % 16 == 0;
}

static inline bool mhc__aligned_rows(mhc_rows v, mhc_type type) {
    return ((uintptr_t)v.data | (uintptr_t)(v.stride * mhc_type_size(type))) % 16 == 0;
}

/* Where a stream, or a row, of a token begins. */
template <typename E> MHC__DEVICE E *mhc__at(mhc_streams v, int64_t token, int stream) {
    return (E *)v.data + token * v.token_stride + stream * v.stream_stride;
}

template <typename E> MHC__DEVICE E *mhc__at(mhc_rows v, int64_t token) {
    return (E *)v.data + token * v.stride;
}

/* CALL(E) with E the type of the elements. */
#define MHC__BY_TYPE(type, CALL)                                                                                       \
    do {                                                                                                               \
        if ((type) == MHC_BF16)                                                                                        \
            CALL(mhc__bf16);                                                                                           \
        else if ((type) == MHC_FP16)                                                                                   \
            CALL(mhc__fp16);                                                                                           \
        else                                                                                                           \
            CALL(float);                                                                                               \
    } while (0)

#endif
