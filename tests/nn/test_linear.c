#include "check.h"

#include "nn/linear.h"

typedef struct reference {
    int64_t tokens, in, out;
    double *x, *weight, *bias, *dy, *y;
} reference;

static double forward(void *context) {
    reference *r = context;
    double sum = 0;
    for (int64_t t = 0; t < r->tokens; t++)
        for (int64_t o = 0; o < r->out; o++) {
            double y = r->bias[o];
            for (int64_t i = 0; i < r->in; i++)
                y += r->x[t * r->in + i] * r->weight[o * r->in + i];
            r->y[t * r->out + o] = y;
            sum += y * r->dy[t * r->out + o];
        }
    return sum;
}

static void check(int64_t tokens, int64_t in, int64_t out, bool add_dx) {
    float *x = floats(tokens * in, 1, 1), *weight = floats(out * in, 2, 1), *bias = floats(out, 3, 1);
    float *dy = floats(tokens * out, 4, 1), *y = filled(tokens * out, NAN), *dx = filled(tokens * in, add_dx ? 1 : NAN);
    float *dweight = filled(out * in, 2), *dbias = filled(out, 3);
    float *scratch = filled(mhc__linear_backward_scratch(tokens, out), NAN);
    reference r = {tokens,
                   in,
                   out,
                   widened(tokens * in, x),
                   widened(out * in, weight),
                   widened(out, bias),
                   widened(tokens * out, dy),
                   doubles(tokens * out)};
    assert_int_equal(mhc__linear_forward(mhc__gemm_fp32(2), tokens, in, out, x, weight, bias, y, NULL), MHC_OK);
    forward(&r);
    assert_close("y", tokens * out, y, r.y, 2e-6);
    assert_int_equal(mhc__linear_backward(mhc__gemm_fp32(2), tokens, in, out, x, weight, dy, dx, add_dx, dweight, dbias,
                                          scratch, NULL),
                     MHC_OK);
    double *want_x = numeric_gradient(forward, &r, tokens * in, r.x);
    double *want_weight = numeric_gradient(forward, &r, out * in, r.weight),
           *want_bias = numeric_gradient(forward, &r, out, r.bias);
    for (int64_t i = 0; i < tokens * in; i++)
        want_x[i] += add_dx;
    for (int64_t i = 0; i < out * in; i++)
        want_weight[i] += 2;
    for (int64_t i = 0; i < out; i++)
        want_bias[i] += 3;
    assert_close("dx", tokens * in, dx, want_x, 1e-5);
    assert_close("dweight", out * in, dweight, want_weight, 1e-5);
    assert_close("dbias", out, dbias, want_bias, 1e-5);
    /* without bias and dx */
    float *again = filled(out * in, 2);
    assert_int_equal(
        mhc__linear_backward(mhc__gemm_fp32(1), tokens, in, out, x, weight, dy, NULL, false, again, NULL, NULL, NULL),
        MHC_OK);
    assert_same_bits("dweight alone", out * in, dweight, again);
    RELEASE(x, weight, bias, dy, y, dx, dweight, dbias, scratch, want_x, want_weight, want_bias, again, r.x, r.weight,
            r.bias, r.dy, r.y);
}

static void values_and_gradients_match_double(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {{0, 3, 4}, {1, 1, 1}, {5, 3, 7}, {70, 5, 3}, {9, 17, 16}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        check(sizes[s][0], sizes[s][1], sizes[s][2], false);
        check(sizes[s][0], sizes[s][1], sizes[s][2], true);
    }
}

static void nan_reaches_its_row_alone(void **state) {
    (void)state;
    float *x = floats(3 * 4, 1, 1), *weight = floats(5 * 4, 2, 1), y[15];
    x[4] = NAN;
    assert_int_equal(mhc__linear_forward(mhc__gemm_fp32(2), 3, 4, 5, x, weight, NULL, y, NULL), MHC_OK);
    for (int i = 0; i < 15; i++)
        assert_true((i >= 5 && i < 10) == !!isnan(y[i]));
    RELEASE(x, weight);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_gradients_match_double),
        cmocka_unit_test(nan_reaches_its_row_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
