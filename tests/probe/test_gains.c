/* Measurements against plain recomputation, and against models whose answer is known by hand. */
#include "model/support.h"

#include "probe/gains.h"
#include "probe/gradient_flow.h"
#include "probe/mixer.h"

static int32_t tokens[BATCH * (SEQUENCE + 1)];

static mhc__model *passed(const mhc__model_config *config, bool shaken) {
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__model *model = make(config, 1);
    if (shaken)
        shake(model);
    mhc__pass pass = training(tokens);
    gradients_of(model, &pass, 2);
    return model;
}

static double largest(mhc_streams x, int64_t count) {
    double most = 0;
    for (int64_t k = 0; k < count; k++)
        most = fmax(most, fabs((double)((const float *)x.data)[k]));
    return most;
}

/* Two streams, sites with res = A, B, A, B by hand: the composite is B A B A, in this order. */
static void known_mixers(void **state) {
    (void)state;
    mhc__model_config config = small("hc-static");
    config.streams = 2;
    const float a[4] = {1, 2, 0, 1}, b[4] = {0.5f, 0, 0, -3};
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__model *model = make(&config, 1);
    const char *sites[4] = {"blocks.0.attn.hc.base", "blocks.0.ffn.hc.base", "blocks.1.attn.hc.base",
                            "blocks.1.ffn.hc.base"};
    for (int s = 0; s < 4; s++) {
        const mhc__parameter *p = mhc__model_parameter_find(model, sites[s]);
        assert_non_null(p);
        memcpy(mhc__model_weights(model) + p->offset + 4, s % 2 ? b : a, sizeof a);
    }
    mhc__pass pass = training(tokens);
    loss_of(model, &pass, 2);
    mhc__gains gains;
    assert_int_equal(mhc__gains_measure(model, 2, 0, &gains, NULL), MHC_OK);
    /* B A = [.5 1; 0 -3], its square = [.25 -2.5; 0 9] */
    assert_float_equal(gains.composite_forward, 9.0, 1e-12);
    assert_float_equal(gains.composite_backward, 6.5, 1e-12);
    assert_float_equal(gains.composite_column_min, 0.25, 1e-12);
    assert_float_equal(gains.proxy, log10(9.0), 1e-12);
    assert_float_equal(gains.single_forward, 3.0, 1e-12);
    assert_float_equal(gains.single_backward, 3.0, 1e-12);
    mhc__mixer mixer;
    assert_int_equal(mhc__mixer_measure(model, 1, &mixer, NULL), MHC_OK);
    assert_float_equal(mixer.raw_norm, sqrt(9.25), 1e-6);
    assert_float_equal(mixer.raw_min, -3, 0);
    assert_float_equal(mixer.raw_max, 0.5, 0);
    assert_float_equal(mixer.norm, sqrt(9.25), 1e-6);
    assert_float_equal(mixer.residual, 4, 1e-6);
    assert_float_equal(mixer.entry_min, -3, 0);
    assert_float_equal(mixer.backward, 3, 0);
    mhc__model_destroy(model);
}

static void plain_residual(void **state) {
    (void)state;
    mhc__model_config config = small("residual");
    mhc__model *model = passed(&config, true);
    mhc__gains gains;
    assert_int_equal(mhc__gains_measure(model, 2, 0, &gains, NULL), MHC_OK);
    assert_true(gains.single_forward == 1 && gains.single_backward == 1 && gains.composite_forward == 1 &&
                gains.composite_backward == 1 && gains.composite_column_min == 1);
    assert_true(gains.proxy == 0 && gains.spread == 0);
    int64_t count = BATCH * SEQUENCE * 12;
    assert_float_equal(gains.activation,
                       largest(mhc__model_streams(model, 4), count) / largest(mhc__model_streams(model, 0), count),
                       1e-12);
    mhc__mixer mixer;
    assert_int_equal(mhc__mixer_measure(model, 3, &mixer, NULL), MHC_OK);
    assert_true(mixer.norm == 1 && mixer.residual == 0 && mixer.entry_min == 1 && mixer.raw_norm == 0);
    mhc__model_destroy(model);
}

/* Streams differ and coefficients depend on the token: everything again in plain loops. */
static void dynamic_streams(void **state) {
    (void)state;
    mhc__model_config config = small("paper");
    mhc__model *model = passed(&config, true);
    mhc__gains gains;
    assert_int_equal(mhc__gains_measure(model, 2, 0, &gains, NULL), MHC_OK);
    const int n = 3, channels = 12, rows = BATCH * SEQUENCE;
    double spread = 0, composite = 0;
    for (int s = 0; s <= 4; s++) {
        const float *x = mhc__model_streams(model, s).data;
        double squares = 0, apart = 0;
        for (int t = 0; t < rows; t++)
            for (int c = 0; c < channels; c++) {
                double mean = 0;
                for (int i = 0; i < n; i++)
                    mean += (double)x[(t * n + i) * channels + c] / n;
                for (int i = 0; i < n; i++) {
                    double v = (double)x[(t * n + i) * channels + c];
                    squares += v * v;
                    apart = fmax(apart, fabs(v - mean));
                }
            }
        spread = fmax(spread, apart / sqrt(squares / (rows * n * channels)));
    }
    for (int t = 0; t < rows; t++) {
        double v[3] = {1, 1, 1}; /* column sums of the product, from the left: (1, 1, 1) H_3 H_2 H_1 H_0 */
        for (int s = 3; s >= 0; s--) {
            const float *h = mhc__model_coefficients(model, s) + t * n * (n + 2) + 2 * n;
            double w[3] = {0};
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++)
                    w[j] += v[i] * (double)h[i * n + j];
            memcpy(v, w, sizeof v);
        }
        composite += fmax(fabs(v[0]), fmax(fabs(v[1]), fabs(v[2]))) / rows;
    }
    assert_float_equal(gains.spread, spread, 1e-5 * spread);
    assert_true(gains.spread > 0);
    assert_float_equal(gains.composite_backward, composite, 1e-9);
    assert_float_equal(gains.composite_forward, 1.0, 1e-3);
    mhc__gains few;
    assert_int_equal(mhc__gains_measure(model, 2, 1, &few, NULL), MHC_OK);
    assert_true(few.spread == gains.spread && few.composite_backward != gains.composite_backward);
    double per_stream[5], of_mean[5];
    assert_int_equal(mhc__norms_by_depth(model, 2, per_stream, of_mean, NULL), MHC_OK);
    assert_float_equal(per_stream[0], of_mean[0], 1e-6 * of_mean[0]); /* all streams equal at the start */
    assert_true(per_stream[4] > of_mean[4] * 1.0001);
    mhc__model_destroy(model);
}

/* Copies have a spread of exactly 0 for any number of streams, also where 1/n is not exact. */
static void copies_have_no_spread(void **state) {
    (void)state;
    mhc__model_config config = small("hc-static");
    assert_int_equal(config.streams, 3);
    mhc__model *model = passed(&config, false);
    mhc__gains gains;
    assert_int_equal(mhc__gains_measure(model, 2, 0, &gains, NULL), MHC_OK);
    assert_true(gains.spread == 0);
    mhc__model_destroy(model);
}

static double watched[5];

static void watch(void *self, int site, int64_t count, mhc_streams gradient) {
    (void)self;
    double sum = 0;
    const float *data = gradient.data;
    for (int64_t k = 0; k < count * 3 * 12; k++)
        sum += (double)data[k] * (double)data[k];
    watched[site] = sqrt(sum / (double)count);
}

static void gradient_by_depth(void **state) {
    (void)state;
    mhc__model_config config = small("paper");
    mhc__model *model = passed(&config, true);
    mhc__pass pass = training(tokens);
    mhc__gradient_flow flow;
    assert_int_equal(mhc__gradient_flow_start(&flow, model, 2, NULL), MHC_OK);
    gradients_of(model, &pass, 2);
    mhc__model_watch_gradients(model, watch, NULL);
    gradients_of(model, &pass, 2);
    for (int s = 0; s <= 4; s++) {
        assert_true(flow.norm[s] > 0);
        assert_float_equal(flow.norm[s], watched[s], 1e-9 * watched[s]);
    }
    mhc__gradient_flow_stop(&flow);
    memset(watched, 0, sizeof watched);
    gradients_of(model, &pass, 2);
    assert_true(watched[0] == 0); /* stopping ended all watching */
    mhc__model_destroy(model);
}

static void needs_a_pass(void **state) {
    (void)state;
    mhc__model_config config = small("paper");
    mhc__model *model = make(&config, 1);
    mhc__gains gains;
    mhc__mixer mixer;
    double norms[2][5];
    assert_int_equal(mhc__gains_measure(model, 2, 0, &gains, NULL), MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc__norms_by_depth(model, 2, norms[0], norms[1], NULL), MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc__mixer_measure(model, 0, &mixer, NULL), MHC_INVALID_ARGUMENT);
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__pass pass = training(tokens);
    pass.train = false;
    loss_of(model, &pass, 2);
    assert_int_equal(mhc__gains_measure(model, 2, 0, &gains, NULL), MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc__mixer_measure(model, 0, &mixer, NULL), MHC_OK);
    assert_int_equal(mhc__mixer_measure(model, 4, &mixer, NULL), MHC_INVALID_ARGUMENT);
    mhc__model_destroy(model);
}

/* A NaN must show, not vanish in a maximum. */
static void not_a_number(void **state) {
    (void)state;
    mhc__model_config config = small("paper");
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__model *model = make(&config, 1);
    const mhc__parameter *p = mhc__model_parameter_find(model, "blocks.0.attn.proj.weight");
    mhc__model_weights(model)[p->offset] = NAN;
    mhc__pass pass = training(tokens);
    gradients_of(model, &pass, 2);
    mhc__gains gains;
    assert_int_equal(mhc__gains_measure(model, 2, 0, &gains, NULL), MHC_OK);
    assert_true(isnan(gains.activation) && isnan(gains.spread) && isnan(gains.single_forward) &&
                isnan(gains.composite_forward) && isnan(gains.composite_backward));
    /* One NaN among the logits of res, neither the first nor the last of them. */
    p = mhc__model_parameter_find(model, "blocks.1.attn.hc.base");
    mhc__model_weights(model)[p->offset + p->count - 3] = NAN;
    loss_of(model, &pass, 2);
    mhc__mixer mixer;
    assert_int_equal(mhc__mixer_measure(model, 2, &mixer, NULL), MHC_OK);
    assert_true(isnan(mixer.raw_min) && isnan(mixer.raw_max) && isnan(mixer.raw_norm));
    assert_true(isnan(mixer.entry_min) && isnan(mixer.residual));
    mhc__model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_mixers),      cmocka_unit_test(plain_residual),
                                       cmocka_unit_test(dynamic_streams),   cmocka_unit_test(copies_have_no_spread),
                                       cmocka_unit_test(gradient_by_depth), cmocka_unit_test(needs_a_pass),
                                       cmocka_unit_test(not_a_number)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
