#include "check.h"

#include "nn/loss.h"

typedef struct reference {
    int64_t tokens, channels, vocabulary;
    double *h, *weight;
    const int32_t *targets;
} reference;

static double forward(void *context) {
    const reference *r = context;
    double sum = 0, counted = 0, *logits = doubles(r->vocabulary);
    for (int64_t t = 0; t < r->tokens; t++) {
        double largest = -INFINITY, total = 0;
        if (r->targets[t] < 0)
            continue;
        for (int64_t v = 0; v < r->vocabulary; v++) {
            logits[v] = 0;
            for (int64_t c = 0; c < r->channels; c++)
                logits[v] += r->h[t * r->channels + c] * r->weight[v * r->channels + c];
            largest = fmax(largest, logits[v]);
        }
        for (int64_t v = 0; v < r->vocabulary; v++)
            total += exp(logits[v] - largest);
        sum += largest + log(total) - logits[r->targets[t]];
        counted++;
    }
    free(logits);
    return counted > 0 ? sum / counted : 0;
}

static void check(int64_t tokens, int64_t channels, int64_t vocabulary, int ignored_of_ten) {
    float *h = floats(tokens * channels, 1, 2), *weight = floats(vocabulary * channels, 2, 1);
    float *dh = filled(tokens * channels, NAN), *dweight = filled(vocabulary * channels, 1);
    float *scratch = filled(mhc__head_loss_scratch(tokens, vocabulary), NAN);
    int32_t *targets = calloc((size_t)tokens + 1, sizeof *targets);
    for (int64_t t = 0; t < tokens; t++)
        targets[t] =
            t % 10 < ignored_of_ten ? -1 : (int32_t)(mhc__philox_at(1, (uint64_t)t, 0).v[0] % (uint64_t)vocabulary);
    reference r = {tokens, channels, vocabulary, widened(tokens * channels, h), widened(vocabulary * channels, weight),
                   targets};
    double loss = NAN, evaluated = NAN, scale = 0.5, want = forward(&r);
    assert_int_equal(mhc__head_loss(mhc__gemm_fp32(2), tokens, channels, vocabulary, h, weight, targets, (float)scale,
                                    &loss, dh, dweight, scratch, NULL),
                     MHC_OK);
    assert_int_equal(mhc__head_loss(mhc__gemm_fp32(1), tokens, channels, vocabulary, h, weight, targets, 1, &evaluated,
                                    NULL, NULL, scratch, NULL),
                     MHC_OK);
    assert_true(loss == evaluated);
    assert_true(fabs(loss - want) <= 1e-6 * (1 + fabs(want)));
    double *want_h = numeric_gradient(forward, &r, tokens * channels, r.h);
    double *want_weight = numeric_gradient(forward, &r, vocabulary * channels, r.weight);
    for (int64_t i = 0; i < tokens * channels; i++)
        want_h[i] *= scale;
    for (int64_t i = 0; i < vocabulary * channels; i++)
        want_weight[i] = 1 + scale * want_weight[i];
    assert_close("dh", tokens * channels, dh, want_h, 1e-6);
    assert_close("dweight", vocabulary * channels, dweight, want_weight, 1e-6);
    RELEASE(h, weight, dh, dweight, scratch, targets, want_h, want_weight, r.h, r.weight);
}

static void values_and_gradients_match_double(void **state) {
    (void)state;
    check(0, 3, 4, 0);
    check(1, 1, 1, 0);
    check(5, 3, 1, 0);
    check(7, 5, 19, 0);
    check(23, 4, 40, 3);
    check(3, 4, 6, 10); /* none counts */
}

/* More rows than one chunk; bits don't depend on threads. */
static void chunks_and_threads(void **state) {
    (void)state;
    enum { T = 1500, C = 8, V = 2100 };
    float *h = floats(T * C, 1, 2), *weight = floats(V * C, 2, 1), *first_h = NULL, *first_weight = NULL;
    float *scratch = filled(mhc__head_loss_scratch(T, V), NAN);
    int32_t *targets = calloc(T, sizeof *targets);
    double first = 0, *wide_h = widened(T * C, h), *wide_weight = widened(V * C, weight);
    assert_true(mhc__head_loss_scratch(T, V) < T * V);
    for (int t = 0; t < T; t++)
        targets[t] = t * 7 % V;
    for (int threads = 1; threads <= 3; threads++) {
        float *dh = filled(T * C, NAN), *dweight = filled(V * C, 0);
        double loss;
        assert_int_equal(
            mhc__head_loss(mhc__gemm_fp32(threads), T, C, V, h, weight, targets, 1, &loss, dh, dweight, scratch, NULL),
            MHC_OK);
        if (threads > 1) {
            assert_true(loss == first);
            assert_same_bits("dh", T * C, first_h, dh);
            assert_same_bits("dweight", V * C, first_weight, dweight);
            RELEASE(first_h, first_weight);
        }
        first = loss;
        first_h = dh;
        first_weight = dweight;
    }
    reference r = {T, C, V, wide_h, wide_weight, targets};
    assert_true(fabs(first - forward(&r)) < 1e-5);
    RELEASE(h, weight, scratch, targets, first_h, first_weight, wide_h, wide_weight);
}

/* A loss that doesn't count has no gradient; it is no evaluation, which leaves exponentials behind. */
static void scale_of_zero(void **state) {
    (void)state;
    float h[4] = {1, -2, 0.5f, 3}, weight[6] = {1, 0, -1, 2, 0.5f, 0}, dh[4] = {NAN, NAN, NAN, NAN};
    float dweight[6] = {1, 1, 1, 1, 1, 1}, scratch[6];
    int32_t targets[2] = {1, 2};
    double loss;
    assert_int_equal(
        mhc__head_loss(mhc__gemm_fp32(1), 2, 2, 3, h, weight, targets, 0, &loss, dh, dweight, scratch, NULL), MHC_OK);
    assert_true(loss > 0 && isfinite(loss));
    for (int i = 0; i < 4; i++)
        assert_true(dh[i] == 0);
    for (int i = 0; i < 6; i++)
        assert_true(dweight[i] == 1);
}

static void huge_logits_nan_and_bad_targets(void **state) {
    (void)state;
    float h[4] = {1e4f, -1e4f, 1, NAN}, weight[6] = {1, 0, -1, 0, 0.5f, 0}, dh[4], dweight[6] = {0}, scratch[6 * 2];
    int32_t targets[2] = {1, -1};
    double loss;
    mhc_error error = {MHC_OK, ""};
    assert_int_equal(
        mhc__head_loss(mhc__gemm_fp32(1), 2, 2, 3, h, weight, targets, 1, &loss, dh, dweight, scratch, NULL), MHC_OK);
    assert_true(fabs(loss - 2e4) < 1e-2 && isfinite(dh[0]) && isfinite(dh[1]));
    targets[1] = 2;
    assert_int_equal(
        mhc__head_loss(mhc__gemm_fp32(1), 2, 2, 3, h, weight, targets, 1, &loss, dh, dweight, scratch, NULL), MHC_OK);
    assert_true(isnan(loss) && isnan(dh[2]) && isfinite(dh[0]));
    targets[0] = 3;
    assert_int_equal(
        mhc__head_loss(mhc__gemm_fp32(1), 2, 2, 3, h, weight, targets, 1, &loss, dh, dweight, scratch, &error),
        MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "target 3"));
}

/* Logits 0, -2, .. -118: terms of a softmax down to subnormal ones, which must not reach the products. */
static void no_subnormals(void **state) {
    (void)state;
    enum { VOCABULARY = 60 };
    const int32_t target = 0;
    float h = 1, weight[VOCABULARY], dh, dweight[VOCABULARY] = {0}, *scratch = filled(VOCABULARY, NAN);
    for (int v = 0; v < VOCABULARY; v++)
        weight[v] = -2.0f * (float)v;
    double loss;
    assert_int_equal(
        mhc__head_loss(mhc__gemm_fp32(1), 1, 1, VOCABULARY, &h, weight, &target, 1, &loss, &dh, dweight, scratch, NULL),
        MHC_OK);
    double sum = 1 / (1 - exp(-2));
    for (int v = 0; v < VOCABULARY; v++) {
        double want = exp(-2.0 * v) / sum - (v == 0);
        assert_true(dweight[v] == 0 || fabsf(dweight[v]) >= 0x1p-126f);
        assert_true(fabs(dweight[v] - want) <= 1e-6 * fabs(want) + 0x1p-80);
    }
    assert_true(dweight[20] != 0 && dweight[VOCABULARY - 1] == 0);
    free(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_gradients_match_double),
        cmocka_unit_test(chunks_and_threads),
        cmocka_unit_test(scale_of_zero),
        cmocka_unit_test(huge_logits_nan_and_bad_targets),
        cmocka_unit_test(no_subnormals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
