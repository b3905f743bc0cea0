/* Error of src/simd/math.h in units of the last place, against the system's double functions. A stride over all bit
 * patterns by default; MHC_EXHAUSTIVE=1 takes each of the 2^32 (a few minutes). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "simd/math.h"

#define BLOCK 4096

typedef void (*vector_function)(const float *x, float *y);

#define VECTOR(name)                                                                                                   \
    MHC__CLONES static void vector_##name(const float *x, float *y) {                                                  \
        for (int i = 0; i < BLOCK; i++)                                                                                \
            y[i] = mhc__##name(x[i]);                                                                                  \
    }                                                                                                                  \
    static float scalar_##name(float x) {                                                                              \
        return mhc__##name(x);                                                                                         \
    }
VECTOR(expf)
VECTOR(logf)
VECTOR(sigmoidf)
VECTOR(tanhf)
VECTOR(erff)

static double exact_sigmoid(double x) {
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

/* |y - exact| in units of the last place of exact; both infinite or both NaN count as equal. */
static double error_in_ulp(float y, double exact) {
    if (isnan(exact))
        return isnan(y) ? 0 : INFINITY;
    if ((float)exact == y)
        return fabs((double)y) <= 0x1.fffffep127 ? fabs(y - exact) / ldexp(1, fmax(ilogb(exact), -126) - 23) : 0;
    if (isinf(y)) /* rounding to infinity: as if the format went on */
        return fabs(0x1p128 - fabs(exact)) / 0x1p104;
    if (!isfinite(exact) || isnan(y))
        return INFINITY;
    int exponent = exact == 0 ? -126 : (int)fmax(ilogb(exact), -126);
    return fabs(y - exact) / ldexp(1, exponent - 23);
}

static double sweep(const char *name, vector_function function, float (*scalar)(float), double (*exact)(double)) {
    static float x[BLOCK], y[BLOCK];
    const char *exhaustive = getenv("MHC_EXHAUSTIVE");
    uint64_t stride = exhaustive && *exhaustive == '1' ? 1 : 251;
    double worst = 0;
    float worst_at = 0;
    for (uint64_t start = 0; start < (UINT64_C(1) << 32); start += stride * BLOCK) {
        for (int i = 0; i < BLOCK; i++)
            x[i] = mhc__bits_float((uint32_t)(start + (uint64_t)i * stride));
        function(x, y);
        for (int i = 0; i < BLOCK; i++) {
            double error = error_in_ulp(y[i], exact(x[i]));
            if (error > worst) {
                worst = error;
                worst_at = x[i];
            }
        }
        float alone = scalar(x[7]);
        assert_true(alone == y[7] ? mhc__float_bits(alone) == mhc__float_bits(y[7]) : isnan(alone) && isnan(y[7]));
    }
    printf("%s: %.3f ulp at %a\n", name, worst, (double)worst_at);
    return worst;
}

static void errors_stay_below_the_stated_bounds(void **state) {
    (void)state;
    assert_true(sweep("exp", vector_expf, scalar_expf, exp) <= 1.1);
    assert_true(sweep("log", vector_logf, scalar_logf, log) <= 1.0);
    assert_true(sweep("sigmoid", vector_sigmoidf, scalar_sigmoidf, exact_sigmoid) <= 2.5);
    assert_true(sweep("tanh", vector_tanhf, scalar_tanhf, tanh) <= 2.75);
    assert_true(sweep("erf", vector_erff, scalar_erff, erf) <= 1.5);
}

static void limits_are_those_of_the_functions(void **state) {
    (void)state;
    assert_true(scalar_expf(INFINITY) == INFINITY && scalar_expf(-INFINITY) == 0 && scalar_expf(0) == 1);
    assert_true(scalar_expf(88.73f) == INFINITY && scalar_expf(88.72f) < INFINITY);
    assert_true(scalar_expf(-103.0f) > 0 && scalar_expf(-1e30f) == 0 && isnan(scalar_expf(NAN)));
    assert_true(scalar_sigmoidf(INFINITY) == 1 && scalar_sigmoidf(-INFINITY) == 0 && scalar_sigmoidf(0) == 0.5f);
    assert_true(scalar_sigmoidf(-100.0f) > 0 && isnan(scalar_sigmoidf(NAN)));
    assert_true(scalar_tanhf(INFINITY) == 1 && scalar_tanhf(-INFINITY) == -1 && isnan(scalar_tanhf(NAN)));
    assert_true(scalar_erff(INFINITY) == 1 && scalar_erff(-INFINITY) == -1 && isnan(scalar_erff(NAN)));
    assert_true(signbit(scalar_tanhf(-0.0f)) && signbit(scalar_erff(-0.0f)));
    assert_true(!signbit(scalar_tanhf(0.0f)) && !signbit(scalar_erff(0.0f)));
    assert_true(scalar_logf(0) == -INFINITY && scalar_logf(-0.0f) == -INFINITY && scalar_logf(1) == 0);
    assert_true(scalar_logf(INFINITY) == INFINITY && isnan(scalar_logf(-1)) && isnan(scalar_logf(NAN)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_stay_below_the_stated_bounds),
        cmocka_unit_test(limits_are_those_of_the_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
