/* exp, log, sigmoid, tanh and erf in fp32, for loops that the compiler vectorises.
 *
 * No branches, no tables, no library calls: only IEEE add, multiply, divide, fused multiply-add, integer operations and
 * selections. So a result is the same bits on every instruction set, in vector and in scalar code.
 * Bounds of the error against the exact value, in units of the last place (tests/simd/test_math.c measures it):
 *   mhc__expf 1.1   mhc__logf 1.0   mhc__sigmoidf 2.5   mhc__tanhf 2.75   mhc__erff 1.5
 * Limits are those of the functions; NaN gives NaN; subnormal results are rounded, not flushed. Polynomials are
 * interpolations at Chebyshev nodes of the reduced interval. */
#ifndef MHC_SIMD_MATH_H
#define MHC_SIMD_MATH_H

#include <stdint.h>
#include <string.h>

#if defined(__CUDACC__)
#define MHC__INLINE static __device__ __forceinline__
#elif defined(__GNUC__)
#define MHC__INLINE static inline __attribute__((always_inline))
#else
#define MHC__INLINE static inline
#endif

MHC__INLINE uint32_t mhc__float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

MHC__INLINE float mhc__bits_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

MHC__INLINE float mhc__with_sign(float magnitude, float sign) {
    return mhc__bits_float((mhc__float_bits(magnitude) & 0x7fffffffu) | (mhc__float_bits(sign) & 0x80000000u));
}

/* x = n ln 2 + r, |r| <= ln 2 / 2. Returns e^r - 1 and n. x in (-2^22, 2^22). */
MHC__INLINE float mhc__exp_reduce(float x, int32_t *n) {
    const float round = 0x1.8p23f; /* adding it leaves the nearest integer in the low bits */
    float t = __builtin_fmaf(x, 0x1.715476p0f, round);
    float whole = t - round;
    float r = __builtin_fmaf(whole, -0x1.62e43p-1f, x);
    r = __builtin_fmaf(whole, 0x1.05c61p-29f, r);
    float p = 0x1.6d1606p-10f;
    p = __builtin_fmaf(p, r, 0x1.12106cp-7f);
    p = __builtin_fmaf(p, r, 0x1.555516p-5f);
    p = __builtin_fmaf(p, r, 0x1.5554d8p-3f);
    p = __builtin_fmaf(p, r, 0.5f);
    *n = (int32_t)(mhc__float_bits(t) - 0x4B400000u);
    return __builtin_fmaf(r * r, p, r);
}

/* 2^n, n in -126..127. */
MHC__INLINE float mhc__power_of_two(int32_t n) {
    return mhc__bits_float(((uint32_t)n + 127u) << 23);
}

/* e^x for x in [-87, 88]; anything outside is garbage. */
MHC__INLINE float mhc__expf_near(float x) {
    int32_t n;
    float q = mhc__exp_reduce(x, &n);
    return (1.0f + q) * mhc__power_of_two(n);
}

MHC__INLINE float mhc__expf(float x) {
    /* e^89 rounds to infinity and e^-104 to zero; a NaN passes both comparisons. */
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    int32_t n;
    float q = mhc__exp_reduce(x, &n);
    /* In two factors, so that 2^128 and subnormal powers need no special case. */
    int32_t half = n >> 1;
    int32_t rest = (int32_t)((uint32_t)n - (uint32_t)half);
    return (1.0f + q) * mhc__power_of_two(half) * mhc__power_of_two(rest);
}

/* 1 / (1 + e^-x), by e^-|x| so that neither end cancels or overflows. */
MHC__INLINE float mhc__sigmoidf(float x) {
    float e = mhc__expf(-__builtin_fabsf(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* t = e^(-2|x|) - 1 keeps its relative accuracy near 0; tanh |x| = -t / (2 + t). */
MHC__INLINE float mhc__tanhf(float x) {
    float a = __builtin_fabsf(x);
    a = a > 10.0f ? 10.0f : a;
    int32_t n;
    float q = mhc__exp_reduce(-2.0f * a, &n);
    float scale = mhc__power_of_two(n);
    float t = __builtin_fmaf(scale, q, scale - 1.0f);
    return mhc__with_sign(-t / (2.0f + t), x);
}

MHC__INLINE float mhc__erff(float x) {
    float a = __builtin_fabsf(x);
    a = a > 4.0f ? 4.0f : a;
    float s = a * a;
    /* erf a = a + a Q(a^2) below 0.92 */
    float q = 0x1.5fe044p-14f;
    q = __builtin_fmaf(q, s, -0x1.ab2b84p-11f);
    q = __builtin_fmaf(q, s, 0x1.54e2bep-8f);
    q = __builtin_fmaf(q, s, -0x1.b8115cp-6f);
    q = __builtin_fmaf(q, s, 0x1.ce2e2ap-4f);
    q = __builtin_fmaf(q, s, -0x1.812744p-2f);
    q = __builtin_fmaf(q, s, 0x1.06eba8p-3f);
    float low = __builtin_fmaf(a, q, a);
    /* erf a = 1 - e^-(a + a H(a)) from there to 4, where it rounds to 1 */
    float h = 0x1.164fdcp-16f;
    h = __builtin_fmaf(h, a, -0x1.8796a2p-12f);
    h = __builtin_fmaf(h, a, 0x1.f637fcp-9f);
    h = __builtin_fmaf(h, a, -0x1.8b201ep-6f);
    h = __builtin_fmaf(h, a, 0x1.b49228p-4f);
    h = __builtin_fmaf(h, a, 0x1.451caep-1f);
    h = __builtin_fmaf(h, a, 0x1.07887p-3f);
    float high = 1.0f - mhc__expf_near(-__builtin_fmaf(a, h, a));
    return mhc__with_sign(a < 0.92f ? low : high, x);
}

/* Natural logarithm. log 0 = -inf, of a negative number NaN. */
MHC__INLINE float mhc__logf(float x) {
    const float smallest = 0x1p-126f, infinity = __builtin_inff();
    float scaled = x < smallest ? x * 0x1p23f : x;
    float shift = x < smallest ? -23.0f : 0.0f;
    /* scaled = 2^e m, m in [sqrt 1/2, sqrt 2) */
    uint32_t bits = mhc__float_bits(scaled);
    int32_t e = (int32_t)(bits - 0x3F3504F3u) >> 23;
    float f = mhc__bits_float(bits - ((uint32_t)e << 23)) - 1.0f;
    float p = 0x1.1d8ea6p-4f;
    p = __builtin_fmaf(p, f, -0x1.d635bcp-4f);
    p = __builtin_fmaf(p, f, 0x1.dea282p-4f);
    p = __builtin_fmaf(p, f, -0x1.fcf4c6p-4f);
    p = __builtin_fmaf(p, f, 0x1.23d21ap-3f);
    p = __builtin_fmaf(p, f, -0x1.555b4ap-3f);
    p = __builtin_fmaf(p, f, 0x1.999d5ap-3f);
    p = __builtin_fmaf(p, f, -0x1.fffffcp-3f);
    p = __builtin_fmaf(p, f, 0x1.555554p-2f);
    float n = (float)e + shift, square = f * f;
    float tail = __builtin_fmaf(square * f, p, __builtin_fmaf(n, -0x1.05c61p-29f, -0.5f * square));
    float log = __builtin_fmaf(n, 0x1.62e43p-1f, f + tail);
    log = x < infinity ? log : x; /* infinity and NaN */
    log = x < 0.0f ? __builtin_nanf("") : log;
    return x == 0.0f ? -infinity : log;
}

#endif
