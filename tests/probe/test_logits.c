/* Ranges of logits, against the matrices that the model made of them. */
#include "model/support.h"

#include "mhc/constraint.h"
#include "probe/logits.h"
#include "probe/site_parameters.h"
#include "random_matrices.h"

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

static mhc__logit_ranges measured(mhc__model *model) {
    mhc__mixing_options options = {2, 0, true};
    mhc__logit_ranges ranges;
    mhc_error error = {0};
    if (mhc__logits_measure(model, &options, &ranges, &error) != MHC_OK)
        fail_msg("%s", error.message);
    return ranges;
}

/* exp is a constraint whose logarithm is the logits: what the model computed in fp32 gives their range. */
static void of_every_mapping(void **state) {
    (void)state;
    const char *connections[] = {"paper", "deepseek-v4",     "deepseek-v4.1", "megatron",
                                 "hc",    "reproducing-mhc", "mhc-poc-hc"};
    for (int i = 0; i < 7; i++) {
        mhc__model_config config = small(connections[i]);
        config.constraint = MHC_CONSTRAINT_EXP + 1;
        config.dropout_output = 0.1f;
        mhc__model *model = passed(&config, true);
        mhc__logit_ranges ranges = measured(model);
        assert_int_equal(ranges.sites, mhc__model_sites(model));
        const int n = 3;
        for (int site = 0; site < ranges.sites; site++) {
            const float *coefficients = mhc__model_coefficients(model, site);
            double sum = 0, most = 0, in_bins = 0;
            for (int64_t t = 0; t < ranges.tokens; t++) {
                const float *res = coefficients + t * n * (n + 2) + 2 * n;
                double low = INFINITY, high = 0;
                for (int k = 0; k < n * n; k++) {
                    low = fmin(low, (double)res[k]);
                    high = fmax(high, (double)res[k]);
                }
                sum += log10(high / low) / (double)ranges.tokens;
                most = fmax(most, log10(high / low));
            }
            assert_near(ranges.range[site].mean, sum, 1e-5);
            assert_near(ranges.range[site].high, most, 1e-5);
            for (int bin = 0; bin < MHC__LOGIT_BINS; bin++)
                in_bins += ranges.histogram[site * MHC__LOGIT_BINS + bin];
            assert_near(in_bins, 1, 1e-12);
        }
        mhc__logits_free(&ranges);
        mhc__model_destroy(model);
    }
}

/* The constraint changes nothing about the logits before the first merge. */
static void of_every_exponential(void **state) {
    (void)state;
    const mhc_constraint_kind kinds[] = {MHC_CONSTRAINT_SINKHORN, MHC_CONSTRAINT_BIRKHOFF,
                                         MHC_CONSTRAINT_ROW_STOCHASTIC};
    double first = 0;
    for (int i = 0; i < 3; i++) {
        mhc__model_config config = small("paper");
        config.constraint = kinds[i] + 1;
        config.finish = i == 0 ? MHC_FINISH_ROUNDING : MHC_FINISH_NONE;
        mhc__model *model = passed(&config, true);
        mhc__logit_ranges ranges = measured(model);
        first = i ? first : ranges.range[0].mean;
        assert_true(first > 0 && ranges.range[0].mean == first);
        mhc__logits_free(&ranges);
        mhc__model_destroy(model);
    }
    const char *none[] = {"residual", "hc", "mhc-lite"};
    for (int i = 0; i < 3; i++) {
        mhc__model_config config = small(none[i]);
        mhc__model *model = passed(&config, true);
        mhc__logit_ranges ranges = measured(model);
        assert_true(ranges.sites == 0 && !ranges.range);
        mhc__logits_free(&ranges);
        mhc__model_destroy(model);
    }
}

static void known(void **state) {
    (void)state;
    mhc__model_config config = small("mhc-poc"); /* 2 I - J: 1 and -1 */
    config.wrap = MHC__WRAP_BLOCK;
    mhc__model *model = passed(&config, false);
    mhc__logit_ranges ranges = measured(model);
    assert_int_equal(ranges.tokens, 1);
    assert_near(ranges.range[1].mean, 2 / log(10), 1e-12);
    assert_true(ranges.histogram[0] == 1 && ranges.saturated[0] == 0);
    mhc__logits_free(&ranges);
    const mhc__parameter *base = mhc__site_base(model, 1);
    mhc__model_weights(model)[base->offset + base->count - 1] = 31; /* 32 / ln 10 = 13.9 decades */
    mhc__model_weights(model)[mhc__site_base(model, 0)->offset + base->count - 1] = 60;
    ranges = measured(model);
    assert_true(ranges.histogram[MHC__LOGIT_BINS + 13] == 1 && ranges.histogram[MHC__LOGIT_BINS - 1] == 1);
    assert_true(ranges.saturated[0] == 1 && ranges.saturated[1] == 1);
    mhc__logits_free(&ranges);
    mhc__model_weights(model)[base->offset + base->count - 1] = NAN;
    ranges = measured(model);
    assert_true(isnan(ranges.range[1].mean) && ranges.saturated[1] == 0);
    mhc__logits_free(&ranges);
    mhc__model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_every_mapping),
        cmocka_unit_test(of_every_exponential),
        cmocka_unit_test(known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
