/* bf16 and fp16: widening of all 65,536 values and rounding, by mhc/type.h and by every instruction set that is here,
 * against the definition of rounding in double. MHC_EXHAUSTIVE=1 rounds all 2^32 floats. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "narrow.h"
#include "simd/isa.h"
#include "simd/math.h"

enum { BLOCK = 4096 };

extern const mhc__narrow_kernels mhc__narrow_kernels_scalar;
#if defined(MHC__HAVE_NEON)
extern const mhc__narrow_kernels mhc__narrow_kernels_neon;
#endif
#if defined(MHC__HAVE_AVX2)
extern const mhc__narrow_kernels mhc__narrow_kernels_avx2;
#endif
#if defined(MHC__HAVE_AVX512)
extern const mhc__narrow_kernels mhc__narrow_kernels_avx512;
#endif

static const mhc__narrow_kernels *const KERNELS[MHC__ISA_COUNT] = {
    [MHC__ISA_SCALAR] = &mhc__narrow_kernels_scalar,
#if defined(MHC__HAVE_NEON)
    [MHC__ISA_NEON] = &mhc__narrow_kernels_neon,
#endif
#if defined(MHC__HAVE_AVX2)
    [MHC__ISA_AVX2] = &mhc__narrow_kernels_avx2,
#endif
#if defined(MHC__HAVE_AVX512)
    [MHC__ISA_AVX512] = &mhc__narrow_kernels_avx512,
#endif
};

typedef struct format {
    const char *name;
    mhc_type type;
    uint16_t (*of)(float);
    float (*value)(uint16_t);
    int fraction, bias;       /* bits; of the exponent */
    uint32_t infinity, nan;   /* the NaN that is stored */
    uint32_t quiet;           /* set in a NaN that is widened */
    double magnitude[0x8000]; /* of the bits without their sign; past infinity and there what would come next */
} format;

static format formats[] = {
    {.name = "bf16", .type = MHC_BF16, mhc_bf16_of, mhc_bf16_value, 7, 127, 0x7f80, 0x7fc0, 0, {0}},
    {.name = "fp16", .type = MHC_FP16, mhc_fp16_of, mhc_fp16_value, 10, 15, 0x7c00, 0x7e00, 0x400000, {0}},
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

static int fill_magnitudes(void **state) {
    (void)state;
    for (int f = 0; f < FORMATS; f++)
        for (int bits = 0; bits < 0x8000; bits++) {
            int fraction = formats[f].fraction, unit = 1 << fraction, exponent = bits >> fraction;
            int digits = bits % unit + (exponent ? unit : 0), least = 1 - formats[f].bias - fraction;
            formats[f].magnitude[bits] = ldexp(digits, least + (exponent ? exponent - 1 : 0));
        }
    return 0;
}

/* The bits of the largest magnitude that is not above; infinity's for what is further. */
static uint32_t below(const format *f, double exact) {
    uint32_t low = 0, high = f->infinity + 1;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (f->magnitude[middle] <= exact)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The nearer of the two neighbours; the one with an even last bit where both are as near. */
static uint32_t nearest(const format *f, float value) {
    if (isnan(value))
        return f->nan;
    double exact = fabs((double)value);
    uint32_t at = below(f, exact), sign = signbit(value) ? 0x8000 : 0;
    if (at < f->infinity) {
        double down = exact - f->magnitude[at], up = f->magnitude[at + 1] - exact;
        at += down < up || (down == up && at % 2 == 0) ? 0 : 1;
    }
    return sign | at;
}

static uint32_t widened(const format *f, uint32_t bits) {
    uint32_t sign = (bits & 0x8000) << 16, rest = bits & 0x7fff;
    if (rest < f->infinity)
        return sign | mhc__float_bits((float)f->magnitude[rest]);
    return sign | 0x7f800000 | (rest - f->infinity) << (23 - f->fraction) | (rest > f->infinity ? f->quiet : 0);
}

static void widening_of(const format *f) {
    static uint16_t from[65536];
    static float to[65536 + 1];
    for (int i = 0; i < 65536; i++) {
        from[i] = (uint16_t)i;
        float value = f->value(from[i]);
        assert_int_equal(mhc__float_bits(value), widened(f, (uint32_t)i));
        assert_int_equal(f->of(value), isnan(value) ? f->nan : (uint32_t)i);
    }
    for (int isa = 0; isa < MHC__ISA_COUNT; isa++) {
        if (!mhc__isa_available((mhc__isa)isa))
            continue;
        for (int less = 0; less < 16; less++) { /* ends at each lane of a register */
            int count = 65536 - less;
            memset(to, 0, sizeof to);
            to[count] = 7.0f;
            KERNELS[isa]->widen(f->type, from, count, to);
            for (int i = 0; i < count; i++)
                if (mhc__float_bits(to[i]) != widened(f, (uint32_t)i))
                    fail_msg("%s, %s: %#x became %#x", f->name, mhc__isa_name((mhc__isa)isa), i,
                             mhc__float_bits(to[i]));
            assert_true(to[count] == 7.0f);
        }
    }
}

static void expect_rounded(const format *f, const float *from, int count) {
    uint16_t want[BLOCK], got[BLOCK + 1];
    for (int i = 0; i < count; i++) {
        want[i] = f->of(from[i]);
        if (want[i] != nearest(f, from[i]))
            fail_msg("%s: %#x rounded to %#x, expected %#x", f->name, mhc__float_bits(from[i]), want[i],
                     nearest(f, from[i]));
    }
    for (int isa = 0; isa < MHC__ISA_COUNT; isa++) {
        if (!mhc__isa_available((mhc__isa)isa))
            continue;
        got[count] = 0x1234;
        KERNELS[isa]->narrow(f->type, from, count, got);
        for (int i = 0; i < count; i++)
            if (got[i] != want[i])
                fail_msg("%s, %s: %#x became %#x, expected %#x", f->name, mhc__isa_name((mhc__isa)isa),
                         mhc__float_bits(from[i]), got[i], want[i]);
        assert_int_equal(got[count], 0x1234);
    }
}

/* Every value and every tie between two, with the floats beside them; and a stride over all floats. */
static void rounding_of(const format *f) {
    static float from[BLOCK];
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        uint32_t rest = bits & 0x7fff;
        if (rest >= f->infinity)
            continue;
        float sign = bits & 0x8000 ? -1.0f : 1.0f, value = (float)f->magnitude[rest];
        float tie = (float)((f->magnitude[rest] + f->magnitude[rest + 1]) / 2);
        const float near[] = {value, nextafterf(value, INFINITY), nextafterf(value, -INFINITY),
                              tie,   nextafterf(tie, INFINITY),   nextafterf(tie, -INFINITY)};
        for (int k = 0; k < 24; k++)
            from[k] = sign * near[(k + (int)bits) % 6];
        expect_rounded(f, from, 24 - (int)(bits % 16)); /* ends at each lane of a register */
    }
    const char *exhaustive = getenv("MHC_EXHAUSTIVE");
    uint64_t stride = exhaustive && *exhaustive == '1' ? 1 : 2503;
    for (uint64_t start = 0; start < (UINT64_C(1) << 32); start += stride * BLOCK) {
        for (int i = 0; i < BLOCK; i++)
            from[i] = mhc__bits_float((uint32_t)(start + (uint64_t)i * stride));
        expect_rounded(f, from, BLOCK);
    }
}

static void widening(void **state) {
    (void)state;
    for (int f = 0; f < FORMATS; f++)
        widening_of(&formats[f]);
}

static void rounding(void **state) {
    (void)state;
    for (int f = 0; f < FORMATS; f++)
        rounding_of(&formats[f]);
}

typedef struct hand {
    float value;
    uint16_t bits;
} hand;

static void by_hand(void **state) {
    (void)state;
    static const hand BF16[] = {{1.0f, 0x3f80},
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
    static const hand FP16[] = {{1.0f, 0x3c00},
                                {-2.5f, 0xc100},
                                {1.0f + 0x1p-11f, 0x3c00},    /* a tie: down to even */
                                {1.0f + 0x1.8p-10f, 0x3c02},  /* a tie: up to even */
                                {1.0f + 0x1.02p-11f, 0x3c01}, /* just above one */
                                {65504.0f, 0x7bff},           /* the largest */
                                {65519.996f, 0x7bff},         /* the last that is not infinity */
                                {65520.0f, 0x7c00},           /* the first that is */
                                {-0x1.fffffep127f, 0xfc00},   /* the largest fp32 */
                                {0x1p-14f, 0x0400},           /* the smallest with all its digits */
                                {0x1.ff8p-15f, 0x03ff},       /* the largest without */
                                {0x1.ffcp-15f, 0x0400},       /* a tie between them */
                                {0x1p-24f, 0x0001},           /* the smallest */
                                {0x1p-25f, 0x0000},           /* a tie */
                                {-0x1.000002p-25f, 0x8001},   /* just above one */
                                {0x1p-149f, 0x0000},
                                {0.0f, 0x0000},
                                {-0.0f, 0x8000},
                                {INFINITY, 0x7c00},
                                {-INFINITY, 0xfc00}};
    for (size_t i = 0; i < sizeof BF16 / sizeof BF16[0]; i++)
        assert_int_equal(mhc_bf16_of(BF16[i].value), BF16[i].bits);
    for (size_t i = 0; i < sizeof FP16 / sizeof FP16[0]; i++)
        assert_int_equal(mhc_fp16_of(FP16[i].value), FP16[i].bits);
    static float nans[] = {0, 0, 0, 0, 0, 0};
    const uint32_t bits[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xff80ffff, 0x7fffffff, 0xffffffff};
    for (int f = 0; f < FORMATS; f++) {
        for (int i = 0; i < 6; i++) {
            nans[i] = mhc__bits_float(bits[i]);
            assert_int_equal(formats[f].of(nans[i]), formats[f].nan);
        }
        expect_rounded(&formats[f], nans, 6);
        assert_int_equal(mhc_type_size(formats[f].type), 2);
    }
    assert_int_equal(mhc_type_size(MHC_FP32), 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(widening),
                                       cmocka_unit_test(rounding)};
    return cmocka_run_group_tests(tests, fill_magnitudes, NULL);
}
