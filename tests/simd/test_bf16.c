/* bf16: widening of all 65,536 values and rounding, by mhc_bf16_of and by every instruction set that is here, against
 * the definition of rounding in double. MHC_EXHAUSTIVE=1 rounds all 2^32 floats. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bf16.h"
#include "mhc/type.h"
#include "simd/isa.h"

enum { BLOCK = 4096 };

extern const mhc__bf16_kernels mhc__bf16_kernels_scalar;
#if defined(MHC__HAVE_NEON)
extern const mhc__bf16_kernels mhc__bf16_kernels_neon;
#endif
#if defined(MHC__HAVE_AVX2)
extern const mhc__bf16_kernels mhc__bf16_kernels_avx2;
#endif
#if defined(MHC__HAVE_AVX512)
extern const mhc__bf16_kernels mhc__bf16_kernels_avx512;
#endif

static const mhc__bf16_kernels *const KERNELS[MHC__ISA_COUNT] = {
    [MHC__ISA_SCALAR] = &mhc__bf16_kernels_scalar,
#if defined(MHC__HAVE_NEON)
    [MHC__ISA_NEON] = &mhc__bf16_kernels_neon,
#endif
#if defined(MHC__HAVE_AVX2)
    [MHC__ISA_AVX2] = &mhc__bf16_kernels_avx2,
#endif
#if defined(MHC__HAVE_AVX512)
    [MHC__ISA_AVX512] = &mhc__bf16_kernels_avx512,
#endif
};

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The magnitude of a bf16 in double; of infinity what would come next if the format went on. */
static double magnitude(uint32_t bf16) {
    bf16 &= 0x7fff;
    return bf16 == 0x7f80 ? 0x1p128 : (double)float_of(bf16 << 16);
}

/* The nearer of the two neighbours; the one with an even last bit where both are as near. */
static uint16_t nearest(float value) {
    if (isnan(value))
        return 0x7fc0;
    uint32_t below = bits_of(value) >> 16;
    if (isinf(value))
        return (uint16_t)below;
    double exact = fabs((double)value), down = exact - magnitude(below), up = magnitude(below + 1) - exact;
    return (uint16_t)(down < up || (down == up && below % 2 == 0) ? below : below + 1);
}

static void widening(void **state) {
    (void)state;
    static uint16_t from[65536];
    static float to[65536 + 1];
    for (int i = 0; i < 65536; i++) {
        from[i] = (uint16_t)i;
        float value = mhc_bf16_value(from[i]);
        assert_true(bits_of(value) == (uint32_t)i << 16);
        assert_int_equal(mhc_bf16_of(value), isnan(value) ? 0x7fc0 : i);
    }
    for (int isa = 0; isa < MHC__ISA_COUNT; isa++) {
        if (!mhc__isa_available((mhc__isa)isa))
            continue;
        for (int less = 0; less < 16; less++) { /* ends at each lane of a register */
            int count = 65536 - less;
            memset(to, 0, sizeof to);
            to[count] = 7.0f;
            KERNELS[isa]->widen(from, count, to);
            for (int i = 0; i < count; i++)
                if (bits_of(to[i]) != (uint32_t)i << 16)
                    fail_msg("%s: %#x became %#x", mhc__isa_name((mhc__isa)isa), i, bits_of(to[i]));
            assert_true(to[count] == 7.0f);
        }
    }
}

static void expect_rounded(const float *from, int count) {
    uint16_t want[BLOCK], got[BLOCK + 1];
    for (int i = 0; i < count; i++) {
        want[i] = mhc_bf16_of(from[i]);
        if (want[i] != nearest(from[i]))
            fail_msg("%#x: rounded to %#x, expected %#x", bits_of(from[i]), want[i], nearest(from[i]));
    }
    for (int isa = 0; isa < MHC__ISA_COUNT; isa++) {
        if (!mhc__isa_available((mhc__isa)isa))
            continue;
        got[count] = 0x1234;
        KERNELS[isa]->narrow(from, count, got);
        for (int i = 0; i < count; i++)
            if (got[i] != want[i])
                fail_msg("%s: %#x became %#x, expected %#x", mhc__isa_name((mhc__isa)isa), bits_of(from[i]), got[i],
                         want[i]);
        assert_int_equal(got[count], 0x1234);
    }
}

/* Each upper half with lower halves at and beside the borders of rounding; and a stride over everything. */
static void rounding(void **state) {
    (void)state;
    static const uint32_t LOW[] = {0, 1, 2, 0x3fff, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0x8002, 0xbfff, 0xfffe, 0xffff};
    enum { LOWS = sizeof LOW / sizeof LOW[0] };
    static float from[BLOCK];
    for (uint32_t high = 0; high < 65536; high++) {
        for (int k = 0; k < LOWS; k++)
            from[k] = float_of(high << 16 | LOW[k]);
        expect_rounded(from, LOWS - (int)(high % 7));
    }
    const char *exhaustive = getenv("MHC_EXHAUSTIVE");
    uint64_t stride = exhaustive && *exhaustive == '1' ? 1 : 2503;
    for (uint64_t start = 0; start < (UINT64_C(1) << 32); start += stride * BLOCK) {
        for (int i = 0; i < BLOCK; i++)
            from[i] = float_of((uint32_t)(start + (uint64_t)i * stride));
        expect_rounded(from, BLOCK);
    }
}

static void by_hand(void **state) {
    (void)state;
    static const struct {
        float value;
        uint16_t bf16;
    } CASES[] = {{1.0f, 0x3f80},
                 {-2.5f, 0xc020},
                 {1.0f + 0x1p-8f, 0x3f80},    /* a tie: down to even */
                 {1.0f + 0x1.8p-7f, 0x3f82},  /* a tie: up to even */
                 {1.0f + 0x1.02p-8f, 0x3f81}, /* just above one */
                 {0x1.fep127f, 0x7f7f},       /* the largest */
                 {0x1.fefffep127f, 0x7f7f},   /* the last that is not infinity */
                 {0x1.ffp127f, 0x7f80},       /* the first that is */
                 {-0x1.fffffep127f, 0xff80},  /* the largest fp32 */
                 {0x1p-133f, 0x0001},         /* the smallest */
                 {0x1p-134f, 0x0000},         /* a tie */
                 {-0x1.8p-134f, 0x8001},
                 {0.0f, 0x0000},
                 {-0.0f, 0x8000},
                 {INFINITY, 0x7f80},
                 {-INFINITY, 0xff80}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_int_equal(mhc_bf16_of(CASES[i].value), CASES[i].bf16);
    const uint32_t nans[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xff80ffff, 0x7fffffff, 0xffffffff};
    for (int i = 0; i < 6; i++)
        assert_int_equal(mhc_bf16_of(float_of(nans[i])), 0x7fc0);
    assert_int_equal(mhc_type_size(MHC_FP32), 4);
    assert_int_equal(mhc_type_size(MHC_BF16), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(widening),
                                       cmocka_unit_test(rounding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
