/* Elements of streams and rows on the device: how they are read and rounded, one by one or 16 bytes at a time. */
#ifndef MHC_STREAM_CUDA_ELEMENTS_H
#define MHC_STREAM_CUDA_ELEMENTS_H

#include <string.h>

#include "stream/cuda/device.h"
#include "stream/shape.h"

struct mhc__bf16 {
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

MHC__DEVICE float mhc__value(float e) {
    return e;
}

MHC__DEVICE float mhc__value(mhc__bf16 e) {
    return mhc__bits_value((uint32_t)e.bits << 16);
}

/* As mhc_bf16_of, NaN included. */
MHC__DEVICE uint32_t mhc__bf16_bits(float value) {
    uint32_t bits = mhc__value_bits(value);
    return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

MHC__DEVICE void mhc__round(float value, float *e) {
    *e = value;
}

MHC__DEVICE void mhc__round(float value, mhc__bf16 *e) {
    e->bits = (uint16_t)mhc__bf16_bits(value);
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

MHC__DEVICE void mhc__unpack(uint4 raw, float v[8], const mhc__bf16 *) {
    const uint32_t word[4] = {raw.x, raw.y, raw.z, raw.w};
    for (int k = 0; k < 4; k++) {
        v[2 * k] = mhc__bits_value(word[k] << 16);
        v[2 * k + 1] = mhc__bits_value(word[k] & 0xffff0000u);
    }
}

MHC__DEVICE uint4 mhc__packed(const float v[4], const float *) {
    return make_uint4(mhc__value_bits(v[0]), mhc__value_bits(v[1]), mhc__value_bits(v[2]), mhc__value_bits(v[3]));
}

MHC__DEVICE uint4 mhc__packed(const float v[8], const mhc__bf16 *) {
    uint32_t word[4];
    for (int k = 0; k < 4; k++) {
        word[k] = mhc__bf16_pair(v[2 * k], v[2 * k + 1]);
        word[k] = v[2 * k] == v[2 * k] ? word[k] : (word[k] & 0xffff0000u) | 0x7fc0u;
        word[k] = v[2 * k + 1] == v[2 * k + 1] ? word[k] : (word[k] & 0xffffu) | 0x7fc00000u;
    }
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
        else                                                                                                           \
            CALL(float);                                                                                               \
    } while (0)

#endif
