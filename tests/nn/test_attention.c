#include "check.h"

#include "nn/attention.h"

typedef struct reference {
    const mhc__attention *attention;
    double *qkv, *dout, *out, *lse;
} reference;

/* keep / (1 - rate) of one probability, from the definition in attention.h alone */
static double kept(const mhc__attention *a, int64_t batch, int64_t head, int64_t row, int64_t column) {
    if (a->dropout.rate == 0)
        return 1;
    float keep;
    mhc__dropout_mask(&a->dropout, ((batch * a->heads + head) * a->sequence + row) * a->sequence + column, 1, &keep);
    return keep;
}

/* One row of one head into o; returns its lse. */
static double row_forward(const reference *r, int64_t batch, int64_t head, int64_t row, double *o) {
    const mhc__attention *a = r->attention;
    int64_t d = a->width, stride = (a->heads + 2 * a->kv_heads) * d, group = head / (a->heads / a->kv_heads);
    const double *first = r->qkv + batch * a->sequence * stride, *q = first + row * stride + head * d;
    const double *k = first + (a->heads + group) * d, *v = k + a->kv_heads * d;
    double *scores = doubles(row + 1), largest = -INFINITY, sum = 0;
    for (int64_t c = 0; c <= row; c++) {
        for (int64_t i = 0; i < d; i++)
            scores[c] += q[i] * k[c * stride + i] / sqrt((double)d);
        largest = fmax(largest, scores[c]);
    }
    for (int64_t c = 0; c <= row; c++)
        sum += exp(scores[c] - largest);
    for (int64_t i = 0; i < d; i++)
        o[i] = 0;
    for (int64_t c = 0; c <= row; c++)
        for (int64_t i = 0; i < d; i++)
            o[i] += exp(scores[c] - largest) / sum * kept(a, batch, head, row, c) * v[c * stride + i];
    free(scores);
    return largest + log(sum);
}

static double forward(void *context) {
    reference *r = context;
    const mhc__attention *a = r->attention;
    double sum = 0;
    for (int64_t batch = 0; batch < a->batch; batch++)
        for (int64_t head = 0; head < a->heads; head++)
            for (int64_t row = 0; row < a->sequence; row++) {
                int64_t at = ((batch * a->sequence + row) * a->heads + head) * a->width;
                r->lse[(batch * a->heads + head) * a->sequence + row] = row_forward(r, batch, head, row, r->out + at);
                for (int64_t i = 0; i < a->width; i++)
                    sum += r->out[at + i] * r->dout[at + i];
            }
    return sum;
}

static int64_t tokens_of(const mhc__attention *a) {
    return a->batch * a->sequence;
}

static int64_t in_of(const mhc__attention *a) {
    return tokens_of(a) * (a->heads + 2 * a->kv_heads) * a->width;
}

static int64_t out_of(const mhc__attention *a) {
    return tokens_of(a) * a->heads * a->width;
}

static void check(mhc__attention a) {
    float *qkv = floats(in_of(&a), 1, 2), *dout = floats(out_of(&a), 2, 1), *out = filled(out_of(&a), NAN);
    float *lse = filled(tokens_of(&a) * a.heads, NAN), *dqkv = filled(in_of(&a), NAN);
    float *scratch = filled(mhc__attention_scratch(2, &a), NAN);
    assert_int_equal(mhc__attention_forward(2, &a, qkv, out, lse, scratch, NULL), MHC_OK);
    assert_int_equal(mhc__attention_backward(2, &a, qkv, out, lse, dout, dqkv, scratch, NULL), MHC_OK);
    reference r = {&a, widened(in_of(&a), qkv), widened(out_of(&a), dout), doubles(out_of(&a)),
                   doubles(tokens_of(&a) * a.heads)};
    forward(&r);
    assert_close("out", out_of(&a), out, r.out, 3e-6);
    assert_close("lse", tokens_of(&a) * a.heads, lse, r.lse, 3e-6);
    double *want = numeric_gradient(forward, &r, in_of(&a), r.qkv);
    assert_close("dqkv", in_of(&a), dqkv, want, 2e-5);
    RELEASE(qkv, dout, out, lse, dqkv, scratch, want, r.qkv, r.dout, r.out, r.lse);
}

static void values_and_gradients_match_double(void **state) {
    (void)state;
    check((mhc__attention){.batch = 1, .sequence = 1, .heads = 1, .kv_heads = 1, .width = 1});
    check((mhc__attention){.batch = 2, .sequence = 5, .heads = 2, .kv_heads = 2, .width = 4});
    check((mhc__attention){.batch = 1, .sequence = 17, .heads = 4, .kv_heads = 2, .width = 3});
    check((mhc__attention){.batch = 2, .sequence = 9, .heads = 3, .kv_heads = 1, .width = 7});
    check((mhc__attention){.batch = 1, .sequence = 35, .heads = 2, .kv_heads = 1, .width = 5});
    check((mhc__attention){.batch = 1, .sequence = 33, .heads = 1, .kv_heads = 1, .width = 18});
}

static void dropout_matches_double(void **state) {
    (void)state;
    mhc__dropout dropout = {.rate = 0.3f, .seed = 5, .step = 7, .place = 2};
    check((mhc__attention){.batch = 2, .sequence = 11, .heads = 2, .kv_heads = 1, .width = 4, .dropout = dropout});
    check((mhc__attention){.batch = 1, .sequence = 34, .heads = 1, .kv_heads = 1, .width = 3, .dropout = dropout});
}

static void nothing_is_fine(void **state) {
    (void)state;
    mhc__attention a = {.batch = 0, .sequence = 4, .heads = 2, .kv_heads = 1, .width = 3};
    check(a);
    a.batch = 3;
    a.sequence = 0;
    check(a);
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    mhc__attention a = {.batch = 2, .sequence = 70, .heads = 6, .kv_heads = 3, .width = 20, .dropout = {.rate = 0.1f}};
    float *qkv = floats(in_of(&a), 1, 2), *dout = floats(out_of(&a), 2, 1), *out = NULL, *dqkv = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        float *lse = filled(tokens_of(&a) * a.heads, NAN), *o = filled(out_of(&a), NAN), *d = filled(in_of(&a), NAN);
        float *scratch = filled(mhc__attention_scratch(threads, &a), NAN);
        assert_int_equal(mhc__attention_forward(threads, &a, qkv, o, lse, scratch, NULL), MHC_OK);
        assert_int_equal(mhc__attention_backward(threads, &a, qkv, o, lse, dout, d, scratch, NULL), MHC_OK);
        if (threads > 1) {
            assert_same_bits("out", out_of(&a), out, o);
            assert_same_bits("dqkv", in_of(&a), dqkv, d);
            RELEASE(out, dqkv);
        }
        out = o;
        dqkv = d;
        RELEASE(lse, scratch);
    }
    RELEASE(qkv, dout, out, dqkv);
}

/* Scores of ±1e4: the probabilities are 0 or 1 and everything stays finite. */
static void huge_scores_stay_finite(void **state) {
    (void)state;
    mhc__attention a = {.batch = 1, .sequence = 40, .heads = 1, .kv_heads = 1, .width = 4};
    float *qkv = floats(in_of(&a), 1, 100), *dout = floats(out_of(&a), 2, 1), *out = filled(out_of(&a), NAN);
    float *lse = filled(40, NAN), *dqkv = filled(in_of(&a), NAN), *scratch = filled(mhc__attention_scratch(1, &a), NAN);
    assert_int_equal(mhc__attention_forward(1, &a, qkv, out, lse, scratch, NULL), MHC_OK);
    assert_int_equal(mhc__attention_backward(1, &a, qkv, out, lse, dout, dqkv, scratch, NULL), MHC_OK);
    for (int64_t i = 0; i < out_of(&a); i++)
        assert_true(fabsf(out[i]) <= 100);
    for (int64_t i = 0; i < in_of(&a); i++)
        assert_true(isfinite(dqkv[i]));
    RELEASE(qkv, dout, out, lse, dqkv, scratch);
}

/* A NaN in the query of token 3 spoils that token; one in another sequence spoils nothing here. */
static void nan_stays_in_its_sequence(void **state) {
    (void)state;
    mhc__attention a = {.batch = 2, .sequence = 8, .heads = 1, .kv_heads = 1, .width = 4};
    float *qkv = floats(in_of(&a), 1, 1), *out = filled(out_of(&a), 0), *lse = filled(16, 0),
          *dqkv = filled(in_of(&a), 0);
    float *scratch = filled(mhc__attention_scratch(1, &a), NAN);
    qkv[3 * 12 + 1] = NAN;
    assert_int_equal(mhc__attention_forward(1, &a, qkv, out, lse, scratch, NULL), MHC_OK);
    assert_int_equal(mhc__attention_backward(1, &a, qkv, out, lse, out, dqkv, scratch, NULL), MHC_OK);
    for (int i = 0; i < 64; i++)
        assert_true(!!isnan(out[i]) == (i / 4 == 3));
    assert_true(isnan(lse[3]) && isnan(dqkv[3 * 12]) && isfinite(dqkv[8 * 12]));
    RELEASE(qkv, out, lse, dqkv, scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_gradients_match_double),
        cmocka_unit_test(dropout_matches_double),
        cmocka_unit_test(nothing_is_fine),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(huge_scores_stay_finite),
        cmocka_unit_test(nan_stays_in_its_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
