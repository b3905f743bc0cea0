#include "check.h"

#include "nn/activation.h"

static double gelu(double x) {
    return 0.5 * x * (1 + erf(x / sqrt(2)));
}

static double swiglu(double gate, double up) {
    return gate / (1 + exp(-gate)) * up;
}

static void values_and_slopes_match_double(void **state) {
    (void)state;
    for (int64_t count = 0; count < 10000; count = count * 7 + 1) {
        float *x = floats(count, 1, 6), *up = floats(count, 2, 2), *dy = floats(count, 3, 1);
        float *y = filled(count, NAN), *dx = filled(count, NAN), *dup = filled(count, NAN);
        double *want = doubles(count), *slope = doubles(count), *slope_up = doubles(count);
        const double h = 1e-5;
        for (int64_t i = 0; i < count; i++) {
            want[i] = gelu(x[i]);
            slope[i] = dy[i] * (gelu(x[i] + h) - gelu(x[i] - h)) / (2 * h);
        }
        float *same = filled(count, NAN), *dy_dx = floats(count, 1, 6);
        mhc__gelu_forward(2, count, x, y);
        mhc__gelu_slopes(2, count, dy_dx, same, dy_dx);
        assert_same_bits("gelu", count, y, same);
        mhc__gelu_backward(2, count, dy_dx, dy, dx);
        assert_close("gelu", count, y, want, 4e-7);
        assert_close("dgelu", count, dx, slope, 4e-7);
        for (int64_t i = 0; i < count; i++) {
            want[i] = swiglu(x[i], up[i]);
            slope[i] = dy[i] * (swiglu(x[i] + h, up[i]) - swiglu(x[i] - h, up[i])) / (2 * h);
            slope_up[i] = dy[i] * swiglu(x[i], 1);
        }
        mhc__swiglu_forward(2, count, x, up, y);
        mhc__swiglu_backward(2, count, x, up, dy, dx, dup);
        assert_close("swiglu", count, y, want, 4e-7);
        assert_close("dgate", count, dx, slope, 6e-7);
        assert_close("dup", count, dup, slope_up, 4e-7);
        RELEASE(x, up, dy, y, dx, dup, want, slope, slope_up, same, dy_dx);
    }
}

static void gradients_may_replace_dy(void **state) {
    (void)state;
    enum { COUNT = 9001 };
    float *x = floats(COUNT, 1, 6), *up = floats(COUNT, 2, 2), *dy = floats(COUNT, 3, 1), *place = floats(COUNT, 3, 1);
    float *dx = filled(COUNT, NAN), *dup = filled(COUNT, NAN);
    mhc__gelu_backward(1, COUNT, x, dy, dx);
    mhc__gelu_backward(3, COUNT, x, place, place);
    assert_same_bits("gelu in place", COUNT, dx, place);
    mhc__swiglu_backward(1, COUNT, x, up, dy, dx, dup);
    memcpy(place, dy, COUNT * sizeof *dy);
    float *other = filled(COUNT, NAN);
    mhc__swiglu_backward(2, COUNT, x, up, place, place, other);
    assert_same_bits("dgate in place", COUNT, dx, place);
    assert_same_bits("dup beside", COUNT, dup, other);
    memcpy(place, dy, COUNT * sizeof *dy);
    mhc__swiglu_backward(3, COUNT, x, up, place, other, place);
    assert_same_bits("dgate beside", COUNT, dx, other);
    assert_same_bits("dup in place", COUNT, dup, place);
    RELEASE(x, up, dy, place, dx, dup, other);
}

static void ends_stay_finite(void **state) {
    (void)state;
    float x[8] = {-3e38f, 3e38f, -1e5f, 1e5f, -100, 100, 0, NAN}, ones[8], y[8], dx[8], dup[8], slope[8];
    for (int i = 0; i < 8; i++)
        ones[i] = 1;
    mhc__gelu_slopes(1, 8, x, y, slope);
    mhc__gelu_backward(1, 8, slope, ones, dx);
    for (int i = 0; i < 7; i++) {
        assert_true(y[i] == (x[i] > 0 ? x[i] : 0));
        assert_true(dx[i] == (x[i] > 0 ? 1 : x[i] < 0 ? 0 : 0.5f));
    }
    assert_true(isnan(y[7]) && isnan(dx[7]));
    mhc__swiglu_forward(1, 8, x, ones, y);
    mhc__swiglu_backward(1, 8, x, ones, ones, dx, dup);
    for (int i = 0; i < 7; i++) {
        assert_true(fabsf(y[i] - (x[i] > 0 ? x[i] : 0)) < 1e-30f);
        assert_true(fabsf(dx[i] - (x[i] > 0 ? 1 : x[i] < 0 ? 0 : 0.5f)) < 1e-30f);
    }
    assert_true(isnan(y[7]) && isnan(dx[7]) && isnan(dup[7]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_slopes_match_double),
        cmocka_unit_test(gradients_may_replace_dy),
        cmocka_unit_test(ends_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
