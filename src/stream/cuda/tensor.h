/* fp32 numbers as sums of bf16 numbers, for products on tensor cores that are as exact as fp32's own: a number is the
 * sum of three parts of 8 bits each up to 2^-24 of it, a bf16 number is one part, an fp16 number, whose 11 bits are
 * within bf16's range, is two. Of the products of parts those count whose numbers add up to less than PARTS: what is
 * left out is below 2^-23 with 3, 2^-16 with 2, 2^-8 with 1.
 *
 * Parts come in words of two, the first number in the lower half, as mma takes them. */
#ifndef MHC_STREAM_CUDA_TENSOR_H
#define MHC_STREAM_CUDA_TENSOR_H

#include "stream/cuda/elements.h"

/* Parts that a precision asks for. */
MHC__DEVICE int mhc__parts_of(mhc_precision precision) {
    return 3 - (int)precision;
}

/* What is left of a value when its part is taken away. Of a part that is not finite nothing is left: the value is in
 * the products once, as infinity or NaN. */
MHC__DEVICE float mhc__rest(float value, float part) {
    return part - part == 0.0f ? value - part : 0.0f;
}

/* `parts` words of (low, high). TAME: both are at most 2^126, and no rest needs to be looked at. */
template <bool TAME = false> MHC__DEVICE void mhc__split(float low, float high, int parts, uint32_t *word) {
    for (int k = 0; k < parts; k++) {
        word[k] = mhc__bf16_pair(low, high);
        const float part[2] = {mhc__bits_value(word[k] << 16), mhc__bits_value(word[k] & 0xffff0000u)};
        low = TAME ? low - part[0] : mhc__rest(low, part[0]);
        high = TAME ? high - part[1] : mhc__rest(high, part[1]);
    }
}

/* Parts of an element that are not zero: see mhc__split. */
MHC__DEVICE constexpr int mhc__parts_of(const float *) {
    return 3;
}
MHC__DEVICE constexpr int mhc__parts_of(const mhc__bf16 *) {
    return 1;
}
MHC__DEVICE constexpr int mhc__parts_of(const mhc__fp16 *) {
    return 2;
}

/* Eight elements as they are loaded: half the registers of eight values where they have 16 bits. */
template <typename E> struct mhc__eight { uint4 raw[sizeof(E) / 2]; };

/* ONCE: nobody will want them again. */
template <typename E, bool ONCE = false> MHC__DEVICE mhc__eight<E> mhc__load_eight(const E *from) {
    mhc__eight<E> eight;
    MHC__UNROLL
    for (int k = 0; k < (int)sizeof(E) / 2; k++)
        eight.raw[k] = ONCE ? mhc__load_once((const char *)from + 16 * k) : mhc__load((const char *)from + 16 * k);
    return eight;
}

template <typename E> MHC__DEVICE void mhc__store_eight(E *to, const mhc__eight<E> &eight) {
    MHC__UNROLL
    for (int k = 0; k < (int)sizeof(E) / 2; k++)
        mhc__store((char *)to + 16 * k, eight.raw[k]);
}

template <typename E> MHC__DEVICE mhc__eight<E> mhc__zero_eight() {
    mhc__eight<E> eight;
    MHC__UNROLL
    for (int k = 0; k < (int)sizeof(E) / 2; k++)
        eight.raw[k] = make_uint4(0, 0, 0, 0);
    return eight;
}

template <typename E> MHC__DEVICE void mhc__values(const mhc__eight<E> &eight, float v[8]) {
    MHC__UNROLL
    for (int k = 0; k < (int)sizeof(E) / 2; k++)
        mhc__unpack(eight.raw[k], v + 16 / (int)sizeof(E) * k, (const E *)0);
}

/* Rounded. */
template <typename E> MHC__DEVICE mhc__eight<E> mhc__eight_of(const float v[8], const E *type) {
    mhc__eight<E> eight;
    MHC__UNROLL
    for (int k = 0; k < (int)sizeof(E) / 2; k++)
        eight.raw[k] = mhc__packed(v + 16 / (int)sizeof(E) * k, type);
    return eight;
}

/* Elements 2 k and 2 k + 1, k known when it is compiled; and their places. */
MHC__DEVICE void mhc__eight_pair(const mhc__eight<float> &eight, int k, float *low, float *high) {
    const uint4 raw = eight.raw[k / 2];
    *low = mhc__bits_value(k % 2 == 0 ? raw.x : raw.z);
    *high = mhc__bits_value(k % 2 == 0 ? raw.y : raw.w);
}
template <typename E> MHC__DEVICE void mhc__eight_pair(const mhc__eight<E> &eight, int k, float *low, float *high) {
    const uint4 raw = eight.raw[0];
    mhc__word_values(k == 0 ? raw.x : k == 1 ? raw.y : k == 2 ? raw.z : raw.w, low, high, (const E *)0);
}

MHC__DEVICE void mhc__eight_set(mhc__eight<float> *eight, int k, float low, float high) {
    uint4 *raw = &eight->raw[k / 2];
    (k % 2 == 0 ? raw->x : raw->z) = mhc__value_bits(low);
    (k % 2 == 0 ? raw->y : raw->w) = mhc__value_bits(high);
}
template <typename E> MHC__DEVICE void mhc__eight_set(mhc__eight<E> *eight, int k, float low, float high) {
    uint4 *raw = &eight->raw[0];
    (k == 0 ? raw->x : k == 1 ? raw->y : k == 2 ? raw->z : raw->w) = mhc__word(low, high, (const E *)0);
}

/* Their parts, in words of two. */
MHC__DEVICE void mhc__eight_parts(const mhc__eight<float> &eight, uint32_t word[4][3]) {
    float v[8];
    mhc__values(eight, v);
    MHC__UNROLL
    for (int k = 0; k < 4; k++)
        mhc__split(v[2 * k], v[2 * k + 1], 3, word[k]);
}
MHC__DEVICE void mhc__eight_parts(const mhc__eight<mhc__bf16> &eight, uint32_t word[4][1]) {
    word[0][0] = eight.raw[0].x;
    word[1][0] = eight.raw[0].y;
    word[2][0] = eight.raw[0].z;
    word[3][0] = eight.raw[0].w;
}
MHC__DEVICE void mhc__eight_parts(const mhc__eight<mhc__fp16> &eight, uint32_t word[4][2]) {
    float v[8];
    mhc__values(eight, v);
    MHC__UNROLL
    for (int k = 0; k < 4; k++)
        mhc__split(v[2 * k], v[2 * k + 1], 2, word[k]);
}

/* Eight elements. */
template <typename E> MHC__DEVICE void mhc__load8(const E *from, float v[8]) {
    mhc__values(mhc__load_eight(from), v);
}
template <typename E> MHC__DEVICE void mhc__store8(E *to, const float v[8]) {
    mhc__store_eight(to, mhc__eight_of(v, (const E *)0));
}

#endif
