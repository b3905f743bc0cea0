#include "machine_kernels.h"

#include <stddef.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define FOR_AVX2   __attribute__((target("avx2,fma")))
#define FOR_AVX512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Keeps a loop a loop: without it the compiler would call memcpy or memset. */
#define BARRIER() __asm__ volatile("" ::: "memory")

#define ISA scalar
#define TARGET
#define WIDTH 16
#include "machine_moves.h"
#if defined(__x86_64__)
#define ISA    avx2
#define TARGET FOR_AVX2
#define WIDTH  32
#include "machine_moves.h"
#define ISA    avx512
#define TARGET FOR_AVX512
#define WIDTH  64
#include "machine_moves.h"
#endif

#if defined(__x86_64__)
/* The store buffer joins the four parts of a line: 16-byte stores reach what wider ones do. */
static uint64_t copy_around(const void *from, void *to, int64_t lines) {
    const __m128i *x = from;
    __m128i *y = to;
    for (int64_t i = 0; i < 4 * lines; i += 4)
        for (int part = 0; part < 4; part++)
            _mm_stream_si128(y + i + part, _mm_load_si128(x + i + part));
    _mm_sfence();
    return 0;
}
static uint64_t fill_around(void *to, int64_t lines) {
    __m128i *y = to;
    for (int64_t i = 0; i < 4 * lines; i += 4)
        for (int part = 0; part < 4; part++)
            _mm_stream_si128(y + i + part, _mm_set1_epi32(1));
    _mm_sfence();
    return 0;
}
#else
#define copy_around NULL
#define fill_around NULL
#endif

/* Twelve chains that do not wait for each other: enough to hide the latency of two units, few enough for 16 registers.
 * Written out, so that they stay in registers. The values stay near 1: neither infinities nor denormals. */
#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
enum { CHAINS = 12 };
#define FACTOR 0.999f
#define TERM   0.001f

#if !defined(__aarch64__)
/* Without a fused instruction in the baseline: a multiplication and an addition. */
static float fma_scalar(int64_t steps) {
    typedef float quad __attribute__((vector_size(16)));
    quad sum[CHAINS], factor = {FACTOR, FACTOR, FACTOR, FACTOR}, term = {TERM, TERM, TERM, TERM};
#define START(i) sum[i] = factor * (float)i;
    EACH(START)
#undef START
    for (int64_t step = 0; step < steps; step++) {
#define STEP(i) sum[i] = sum[i] * factor + term;
        EACH(STEP)
#undef STEP
    }
    quad total = {0};
#define ADD(i) total += sum[i];
    EACH(ADD)
#undef ADD
    return total[0] + total[1] + total[2] + total[3];
}
#endif

#if defined(__x86_64__)
FOR_AVX2 static float fma_avx2(int64_t steps) {
    __m256 sum[CHAINS], factor = _mm256_set1_ps(FACTOR), term = _mm256_set1_ps(TERM);
#define START(i) sum[i] = _mm256_set1_ps((float)i);
    EACH(START)
#undef START
    for (int64_t step = 0; step < steps; step++) {
#define STEP(i) sum[i] = _mm256_fmadd_ps(sum[i], factor, term);
        EACH(STEP)
#undef STEP
    }
    __m256 total = term;
#define ADD(i) total = _mm256_add_ps(total, sum[i]);
    EACH(ADD)
#undef ADD
    return _mm256_cvtss_f32(total);
}

FOR_AVX512 static float fma_avx512(int64_t steps) {
    __m512 sum[CHAINS], factor = _mm512_set1_ps(FACTOR), term = _mm512_set1_ps(TERM);
#define START(i) sum[i] = _mm512_set1_ps((float)i);
    EACH(START)
#undef START
    for (int64_t step = 0; step < steps; step++) {
#define STEP(i) sum[i] = _mm512_fmadd_ps(sum[i], factor, term);
        EACH(STEP)
#undef STEP
    }
    __m512 total = term;
#define ADD(i) total = _mm512_add_ps(total, sum[i]);
    EACH(ADD)
#undef ADD
    return _mm512_cvtss_f32(total);
}
#elif defined(__aarch64__)
static float fma_neon(int64_t steps) {
    float32x4_t sum[CHAINS], factor = vdupq_n_f32(FACTOR), term = vdupq_n_f32(TERM);
#define START(i) sum[i] = vdupq_n_f32((float)i);
    EACH(START)
#undef START
    for (int64_t step = 0; step < steps; step++) {
#define STEP(i) sum[i] = vfmaq_f32(term, sum[i], factor);
        EACH(STEP)
#undef STEP
    }
    float32x4_t total = term;
#define ADD(i) total = vaddq_f32(total, sum[i]);
    EACH(ADD)
#undef ADD
    return vaddvq_f32(total);
}
#endif

#define TABLE(isa, move, floats)                                                                                       \
    { #isa, read_##move, copy_##move, fill_##move, copy_around, fill_around, fma_##isa, CHAINS *(floats)*2 }

const mhc__machine_kernels *mhc__machine_kernels_best(void) {
#if defined(__aarch64__)
    static const mhc__machine_kernels neon = TABLE(neon, scalar, 4); /* the baseline has its vectors */
    return &neon;
#else
#if defined(__x86_64__)
    static const mhc__machine_kernels avx2 = TABLE(avx2, avx2, 8);
    static const mhc__machine_kernels avx512 = TABLE(avx512, avx512, 16);
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &avx2;
#endif
    static const mhc__machine_kernels scalar = TABLE(scalar, scalar, 4);
    return &scalar;
#endif
}
