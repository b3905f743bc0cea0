/* What the tests of layers share: random inputs, comparison with a reference in double, and gradients of that reference
 * by central differences. */
#ifndef MHC_TESTS_NN_CHECK_H
#define MHC_TESTS_NN_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"

static inline float *floats(int64_t count, uint32_t place, float bound) {
    float *x = malloc((size_t)(count > 0 ? count : 1) * sizeof *x);
    assert_non_null(x);
    mhc__uniform_fill(11, mhc__philox_place(3, place), bound, x, count);
    return x;
}

static inline float *filled(int64_t count, float value) {
    float *x = malloc((size_t)(count > 0 ? count : 1) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < count; i++)
        x[i] = value;
    return x;
}

static inline double *doubles(int64_t count) {
    double *x = calloc((size_t)(count > 0 ? count : 1), sizeof *x);
    assert_non_null(x);
    return x;
}

static inline double *widened(int64_t count, const float *x) {
    double *y = doubles(count);
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i];
    return y;
}

/* |got - want| <= tolerance * (1 + |want|) for each element. */
static inline void assert_close(const char *what, int64_t count, const float *got, const double *want,
                                double tolerance) {
    for (int64_t i = 0; i < count; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * (1 + fabs(want[i]))))
            fail_msg("%s[%lld]: %.9g, expected %.9g", what, (long long)i, (double)got[i], want[i]);
}

static inline void assert_same_bits(const char *what, int64_t count, const float *a, const float *b) {
    for (int64_t i = 0; i < count; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0)
            fail_msg("%s[%lld]: %.9g and %.9g differ", what, (long long)i, (double)a[i], (double)b[i]);
}

/* Gradient of function(context) with respect to x, which the context refers to. */
static inline double *numeric_gradient(double (*function)(void *context), void *context, int64_t count, double *x) {
    double *gradient = doubles(count);
    const double step = 1e-5;
    for (int64_t i = 0; i < count; i++) {
        double before = x[i];
        x[i] = before + step;
        double above = function(context);
        x[i] = before - step;
        double below = function(context);
        x[i] = before;
        gradient[i] = (above - below) / (2 * step);
    }
    return gradient;
}

/* free() of everything listed */
#define RELEASE(...)                                                                                                   \
    do {                                                                                                               \
        void *all_[] = {__VA_ARGS__};                                                                                  \
        for (size_t i_ = 0; i_ < sizeof all_ / sizeof *all_; i_++)                                                     \
            free(all_[i_]);                                                                                            \
    } while (0)

#endif
