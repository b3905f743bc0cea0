/* Eight fp32 lanes for the loops that the compiler can't vectorise by itself: those that carry sums in registers. Plain
 * element-by-element loops need none of this. A lane's arithmetic is IEEE's on every instruction set; where there is no
 * vector register the compiler splits the lanes. */
#ifndef MHC_SIMD_VECTOR_H
#define MHC_SIMD_VECTOR_H

#include <string.h>

#include "simd/math.h"

#define MHC__V8 8

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi" /* how such values pass between functions: these are all inlined */
#endif

typedef float mhc__v8 __attribute__((vector_size(32)));
typedef int32_t mhc__v8_bits __attribute__((vector_size(32)));

MHC__INLINE mhc__v8 mhc__v8_load(const float *x) {
    mhc__v8 v;
    memcpy(&v, x, sizeof v);
    return v;
}

MHC__INLINE void mhc__v8_store(float *x, mhc__v8 v) {
    memcpy(x, &v, sizeof v);
}

MHC__INLINE mhc__v8 mhc__v8_all(float x) {
    return (mhc__v8){x, x, x, x, x, x, x, x};
}

/* a b + c, rounded once */
MHC__INLINE mhc__v8 mhc__v8_fma(mhc__v8 a, mhc__v8 b, mhc__v8 c) {
    mhc__v8 v;
    for (int l = 0; l < MHC__V8; l++)
        v[l] = __builtin_fmaf(a[l], b[l], c[l]);
    return v;
}

/* a where a > b, else b */
MHC__INLINE mhc__v8 mhc__v8_max(mhc__v8 a, mhc__v8 b) {
    mhc__v8_bits above = a > b, x, y;
    mhc__v8 v;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = (x & above) | (y & ~above);
    memcpy(&v, &x, sizeof v);
    return v;
}

/* The lanes of two vectors added by one fixed tree. */
MHC__INLINE float mhc__v8_sum(mhc__v8 low, mhc__v8 high) {
    mhc__v8 s = low + high;
    float a = s[0] + s[4], b = s[1] + s[5], c = s[2] + s[6], d = s[3] + s[7];
    return (a + c) + (b + d);
}

MHC__INLINE float mhc__v8_largest(mhc__v8 v) {
    float largest = v[0];
    for (int l = 1; l < MHC__V8; l++)
        largest = v[l] > largest ? v[l] : largest;
    return largest;
}

#endif
