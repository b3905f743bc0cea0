#include "check.h"

#include "nn/norm.h"

typedef struct reference {
    mhc__norm_kind kind;
    double eps;
    int64_t tokens, channels;
    double *x, *weight, *bias, *dy, *y; /* bias NULL: none */
} reference;

/* y, and sum y dy */
static double forward(void *context) {
    reference *r = context;
    double sum = 0;
    for (int64_t t = 0; t < r->tokens; t++) {
        const double *x = r->x + t * r->channels;
        double mean = 0, square = 0;
        for (int64_t c = 0; r->kind == MHC__LAYERNORM && c < r->channels; c++)
            mean += x[c] / (double)r->channels;
        for (int64_t c = 0; c < r->channels; c++)
            square += (x[c] - mean) * (x[c] - mean) / (double)r->channels;
        for (int64_t c = 0; c < r->channels; c++) {
            double y = (x[c] - mean) / sqrt(square + r->eps) * r->weight[c] + (r->bias ? r->bias[c] : 0);
            r->y[t * r->channels + c] = y;
            sum += y * r->dy[t * r->channels + c];
        }
    }
    return sum;
}

static void check(mhc__norm_kind kind, int64_t tokens, int64_t channels, bool with_bias) {
    int64_t count = tokens * channels;
    float *x = floats(count, 1, 2), *weight = floats(channels, 2, 1), *bias = floats(channels, 3, 1);
    float *dy = floats(count, 4, 1), *y = filled(count, NAN), *mean = filled(tokens, NAN), *rstd = filled(tokens, NAN);
    float *dweight = filled(channels, 1), *dbias = filled(channels, 2);
    float *scratch = filled(mhc__norm_backward_scratch(tokens, channels), NAN);
    const float eps = 1e-5f;
    mhc__norm_forward(2, kind, eps, tokens, channels, x, weight, with_bias ? bias : NULL, y,
                      kind == MHC__LAYERNORM ? mean : NULL, rstd);
    reference r = {kind,
                   eps,
                   tokens,
                   channels,
                   widened(count, x),
                   widened(channels, weight),
                   widened(channels, bias),
                   widened(count, dy),
                   doubles(count)};
    double *wide_bias = r.bias;
    if (!with_bias)
        r.bias = NULL;
    forward(&r);
    assert_close("y", count, y, r.y, 2e-6);
    float *dx = floats(count, 4, 1); /* in place of dy */
    mhc__norm_backward(2, kind, tokens, channels, x, weight, kind == MHC__LAYERNORM ? mean : NULL, rstd, dx, dx,
                       dweight, with_bias ? dbias : NULL, scratch);
    double *want = numeric_gradient(forward, &r, count, r.x),
           *want_weight = numeric_gradient(forward, &r, channels, r.weight);
    double *want_bias = with_bias ? numeric_gradient(forward, &r, channels, r.bias) : doubles(channels);
    for (int64_t c = 0; c < channels; c++) {
        want_weight[c] += 1;
        want_bias[c] += 2;
    }
    /* one or two channels: xhat is ±1 or 0 whatever x, and its derivative a difference of large numbers */
    assert_close("dx", count, dx, want, channels < 3 ? 2e-3 : 2e-5);
    assert_close("dweight", channels, dweight, want_weight, 1e-5);
    assert_close("dbias", channels, dbias, want_bias, 1e-5);
    RELEASE(x, weight, bias, dy, y, mean, rstd, dweight, dbias, scratch, dx, want, want_weight, want_bias, r.x,
            r.weight, wide_bias, r.dy, r.y);
}

static void values_and_gradients_match_double(void **state) {
    (void)state;
    static const int64_t sizes[][2] = {{0, 5}, {1, 1}, {3, 2}, {2, 7}, {3, 16}, {2, 33}, {70, 8}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        check(MHC__LAYERNORM, sizes[s][0], sizes[s][1], true);
        check(MHC__LAYERNORM, sizes[s][0], sizes[s][1], false);
        check(MHC__RMSNORM, sizes[s][0], sizes[s][1], false);
        check(MHC__RMSNORM, sizes[s][0], sizes[s][1], true);
    }
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    enum { T = 333, C = 77, N = T * C };
    float *x = floats(N, 1, 2), *weight = floats(C, 2, 1), *dy = floats(N, 4, 1);
    float *scratch = filled(mhc__norm_backward_scratch(T, C), NAN), *first[4] = {0};
    for (int threads = 1; threads <= 3; threads++) {
        float *y = filled(N, NAN), *dx = filled(N, NAN), *dweight = filled(C, 0), *dbias = filled(C, 0), mean[T],
              rstd[T];
        mhc__norm_forward(threads, MHC__LAYERNORM, 1e-5f, T, C, x, weight, weight, y, mean, rstd);
        mhc__norm_backward(threads, MHC__LAYERNORM, T, C, x, weight, mean, rstd, dy, dx, dweight, dbias, scratch);
        float *now[4] = {y, dx, dweight, dbias};
        const int64_t counts[4] = {N, N, C, C};
        for (int i = 0; i < 4; i++) {
            if (threads > 1) {
                assert_same_bits("norm", counts[i], first[i], now[i]);
                free(now[i]);
            } else {
                first[i] = now[i];
            }
        }
    }
    RELEASE(x, weight, dy, scratch, first[0], first[1], first[2], first[3]);
}

static void large_rows_and_nan(void **state) {
    (void)state;
    float x[3 * 5] = {1e18f, -1e18f, 1e18f, 1e17f, 0, 0, 0, 0, 0, 0, 1, NAN, 2, 3, 4}, y[15], mean[3], rstd[3];
    const float weight[5] = {1, 1, 1, 1, 1};
    for (int kind = 0; kind < 2; kind++) {
        mhc__norm_forward(1, kind ? MHC__RMSNORM : MHC__LAYERNORM, 1e-5f, 3, 5, x, weight, NULL, y, mean, rstd);
        for (int i = 0; i < 10; i++)
            assert_true(isfinite(y[i]));
        for (int i = 10; i < 15; i++)
            assert_true(isnan(y[i]));
    }
}

/* A row of 2^70 times another has the same y, where eps does not matter; the other kinds give what their models give.
 */
static void rows_that_overflow(void **state) {
    (void)state;
    enum { T = 3, C = 37 };
    const mhc__norm_kind kinds[] = {MHC__LAYERNORM, MHC__RMSNORM, MHC__LAYERNORM_PYTORCH, MHC__LAYERNORM_MLX};
    float *x = floats(T * C, 1, 2), *weight = floats(C, 2, 1), *bias = floats(C, 3, 1), *dy = floats(T * C, 4, 1);
    float *large = filled(T * C, 0), *scratch = filled(mhc__norm_backward_scratch(T, C), NAN);
    for (int i = 0; i < T * C; i++)
        large[i] = i / C == 1 ? x[i] * 0x1p100f : x[i]; /* the row in the middle */
    for (int k = 0; k < 4; k++) {
        float *y = filled(T * C, NAN), *want = filled(T * C, NAN), *dx = filled(T * C, NAN),
              *dwant = filled(T * C, NAN);
        float mean[T], rstd[T], *dweight = filled(C, 0), *dbias = filled(C, 0);
        mhc__norm_forward(1, kinds[k], 1e-12f, T, C, x, weight, bias, want, mean, rstd);
        mhc__norm_backward(1, kinds[k], T, C, x, weight, mean, rstd, dy, dwant, dweight, dbias, scratch);
        mhc__norm_forward(1, kinds[k], 1e-12f, T, C, large, weight, bias, y, mean, rstd);
        mhc__norm_backward(1, kinds[k], T, C, large, weight, mean, rstd, dy, dx, dweight, dbias, scratch);
        for (int i = 0; i < T * C; i++) {
            bool overflows = i / C == 1;
            if (!overflows)
                assert_true(y[i] == want[i] && dx[i] == dwant[i]);
            else if (kinds[k] == MHC__LAYERNORM_PYTORCH)
                assert_true(isnan(y[i]));
            else if (kinds[k] == MHC__LAYERNORM_MLX)
                assert_true(y[i] == bias[i % C] && dx[i] == 0);
            else
                assert_true(fabsf(y[i] - want[i]) < 4e-6f && fabsf(dx[i] * 0x1p100f - dwant[i]) < 4e-6f);
        }
        RELEASE(y, want, dx, dwant, dweight, dbias);
    }
    RELEASE(x, weight, bias, dy, large, scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_gradients_match_double),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(large_rows_and_nan),
        cmocka_unit_test(rows_that_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
