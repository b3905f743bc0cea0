/* bf16 over all its values, and the rounding of floats against the definition: the nearest, ties to the even one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bf16.h"

static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void values_come_back(void **state) {
    (void)state;
    for (uint32_t half = 0; half <= 0xffff; half++) {
        float x = mhc__bf16_value((uint16_t)half);
        if (isnan(x))
            assert_true(isnan(mhc__bf16_value(mhc__bf16_of(x))));
        else
            assert_int_equal(mhc__bf16_of(x), half);
    }
}

/* Finite floats, every 4093rd and the ties; the largest bf16 is 2^127 (2 - 2^-7), what would round past it is Inf. */
static void check_rounding(uint32_t bits) {
    const float x = float_of(bits);
    const uint16_t got = mhc__bf16_of(x), low = (uint16_t)(bits >> 16);
    const uint32_t rest = bits & 0xffff;
    const uint16_t expected = rest > 0x8000 || (rest == 0x8000 && low & 1) ? low + 1 : low;
    assert_int_equal(got, expected);
    if (isfinite(mhc__bf16_value(got)) && fabsf(x) >= 0x1p-126f)
        assert_true(fabs((double)mhc__bf16_value(got) - (double)x) <= fabs((double)x) * 0x1p-8);
}

static void floats_round_to_nearest_even(void **state) {
    (void)state;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 4093)
        if (isfinite(float_of((uint32_t)bits)))
            check_rounding((uint32_t)bits);
    for (uint32_t half = 0; half < 0xffff; half++)
        for (int near = -1; near <= 1; near++) {
            uint32_t bits = (half << 16) + 0x8000 + (uint32_t)near;
            if (isfinite(float_of(bits)))
                check_rounding(bits);
        }
    assert_true(isinf(mhc__bf16_value(mhc__bf16_of(3.4e38f))));
    assert_true(isnan(mhc__bf16_value(mhc__bf16_of(float_of(0x7f800001)))));
    assert_true(isnan(mhc__bf16_value(mhc__bf16_of(float_of(0xffffffff)))));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_come_back),
                                       cmocka_unit_test(floats_round_to_nearest_even)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
