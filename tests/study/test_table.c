#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"
#include "study/settings.h"
#include "study/stability_table.h"
#include "study/summary.h"
#include "study/variant.h"

enum { STEPS = 100 };

/* Loss 10 - step / 20, gradient 1 + step / 20, gain 2 (step / 20): only steps 0, 20, 40, 60, 80 are records; every
 * other step is far off, so that a row that looks at it shows. */
static mhc__series synthetic(void) {
    mhc__series series = {calloc(STEPS, sizeof *series.at), STEPS};
    for (int i = 0; i < STEPS; i++) {
        mhc__measurement *m = &series.at[i];
        double record = i % 20 ? 1e6 : i / 20;
        m->step = i;
        m->loss = i % 20 ? -1e6 : 10 - record;
        m->grad_norm = 1 + record;
        m->gains.activation = 2 * record;
    }
    return series;
}

static void test_row(void **state) {
    (void)state;
    mhc__series series = synthetic();
    double row[MHC__STABILITY_COLUMNS];
    series.at[80].loss = 7; /* the last is not the least */
    mhc__stability_row(&series, 20, row);
    const double expected[MHC__STABILITY_COLUMNS] = {7, 7, 3, 5, 4, 8};
    for (int i = 0; i < MHC__STABILITY_COLUMNS; i++)
        assert_true(row[i] == expected[i]);
    series.at[40].loss = 1;
    mhc__stability_row(&series, 20, row);
    assert_true(row[MHC__FINAL_LOSS] == 7 && row[MHC__MIN_LOSS] == 1);
    mhc__series_free(&series);
}

/* reproducing-mhc fills the records after a NaN with NaN, and so the whole row. */
/* What probes measured in a step comes back from the file, where it was measured; a number of every step has one place.
 */
static void test_numbers_come_back(void **state) {
    (void)state;
    const char *path = scratch_path("metrics.jsonl");
    mhc__series series = synthetic(), back;
    mhc__train_record record = {.step = 0};
    int volume = -1, gain = -1;
    for (int i = 0; i < MHC__STUDY_NUMBERS; i++) {
        volume = strcmp(mhc__study_number_name(i), "log_volume") ? volume : i;
        gain = strcmp(mhc__study_number_name(i), "activation_gain") ? gain : i;
    }
    assert_true(volume >= 0 && gain >= 0);
    mhc__train_record_add(&record, "log_volume", 0.1);
    mhc__train_record_add(&record, "activation_gain", 8.0);
    mhc__train_record_add(&record, mhc__study_number_name(MHC__STUDY_NUMBERS - 1), 0.25);
    mhc__measurement_take(&series.at[3], &record);
    series.at[3].gains.activation = 8.0;
    assert_int_equal(mhc__series_save(path, &series, 5, NULL), MHC_OK);
    assert_int_equal(mhc__series_load(path, &back, NULL), MHC_OK);
    assert_true(back.count == 5 && back.at[3].probed && !back.at[2].probed && isnan(back.at[2].numbers[volume]));
    assert_true(back.at[3].numbers[volume] == 0.1 && back.at[3].numbers[MHC__STUDY_NUMBERS - 1] == 0.25);
    assert_true(back.at[3].numbers[gain] == 8 && back.at[3].gains.activation == 8 &&
                back.at[2].gains.activation == 2e6);
    mhc__series_free(&series);
    mhc__series_free(&back);
}

static void test_row_of_a_broken_run(void **state) {
    (void)state;
    mhc__series series = synthetic();
    double row[MHC__STABILITY_COLUMNS];
    series.count = 55;
    series.at[54].loss = NAN;
    mhc__stability_row(&series, 20, row);
    for (int i = 0; i < MHC__STABILITY_COLUMNS; i++)
        assert_true(isnan(row[i]));
    mhc__series_free(&series);
    series.count = 0;
    mhc__stability_row(&series, 20, row);
    assert_true(isnan(row[MHC__FINAL_LOSS]));
}

static void test_mean_spread(void **state) {
    (void)state;
    const double values[] = {1, 2, 6};
    double mean, spread;
    mhc__mean_spread(values, 3, &mean, &spread);
    assert_true(mean == 3 && fabs(spread - sqrt(7)) < 1e-15);
    mhc__mean_spread(values, 1, &mean, &spread);
    assert_true(mean == 1 && spread == 0);
}

/* Three seeds, one sign, twice the standard error: no less. */
static void test_verdict(void **state) {
    (void)state;
    const double clear[] = {-1, -1.1, -0.9}, wide[] = {0.1, 0.1, 2}, lost[] = {1, NAN, 1};
    const double mixed[] = {1, 1, 1, 1, 1, 1, 1, 1, -0.01}; /* 8 times its standard error */
    double mean, error;
    assert_int_equal(mhc__significance_of(clear, 2, &mean, &error), MHC__TOO_FEW_SEEDS);
    assert_int_equal(mhc__significance_of(clear, 3, &mean, &error), MHC__SEEN);
    assert_true(fabs(mean + 1) < 1e-15 && fabs(error - 0.1 / sqrt(3)) < 1e-15);
    assert_int_equal(mhc__significance_of(mixed, 9, &mean, &error), MHC__NOT_SEEN);
    assert_int_equal(mhc__significance_of(wide, 3, &mean, &error), MHC__NOT_SEEN);
    assert_int_equal(mhc__significance_of(lost, 3, &mean, &error), MHC__NOT_SEEN);
}

static void test_failures(void **state) {
    (void)state;
    const mhc__arm arms[] = {{.not_finite_at = -1}, {.not_finite_at = 7}, {.not_finite_at = 3}, {.not_finite_at = 9}};
    assert_true(mhc__failures_of(arms, 4).count == 3 && mhc__failures_of(arms, 4).first == 3);
    assert_true(mhc__failures_of(arms, 1).count == 0 && mhc__failures_of(arms, 1).first == -1);
}

/* A NaN stays, wherever it comes. */
static void test_range(void **state) {
    (void)state;
    for (int at = 0; at < 3; at++) {
        mhc__range range = MHC__RANGE_EMPTY;
        for (int i = 0; i < 3; i++)
            mhc__widen(&range, i == at ? NAN : i);
        assert_true(isnan(range.low) && isnan(range.high) && isnan(mhc__range_from(range, 1)));
    }
    mhc__range range = MHC__RANGE_EMPTY;
    mhc__widen(&range, 0.5);
    mhc__widen(&range, 1.25);
    assert_true(range.low == 0.5 && range.high == 1.25 && mhc__range_from(range, 1) == 0.5);
}

static mhc__study_options choosing(const char *const *set) {
    mhc__study_options options = mhc__study_options_default();
    options.set = set;
    options.set_count = 1;
    return options;
}

/* No two models look alike, or are called alike; the first of a kind has the published colour. */
static void test_choices(void **state) {
    (void)state;
    static const mhc__variant own[] = {
        {.name = "wide", .label = "wide HC", .connection = "hc", .set = {"model.channels=7"}}, {.name = NULL}};
    static const char *const set = "study.connections=residual,hc,mhc-poc-hc,paper,megatron,mhc-poc,wide";
    static const char *const labels[] = {"baseline", "hc", "mhc-poc-hc", "paper", "megatron", "mhc-poc", "wide HC"};
    static const int styles[] = {1, 2, 4, 3, 5, 6, 7};
    mhc__study_options options = choosing(&set);
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];
    int count;
    mhc_error error = {0};
    assert_int_equal(mhc__study_choose(&options, own, "paper", choices, &count, &error), MHC_OK);
    assert_int_equal(count, 7);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(choices[i].label, labels[i]);
        assert_int_equal(choices[i].style, styles[i]);
    }
    assert_int_equal(mhc__choice_find(choices, count, "wide"), 6);
    assert_int_equal(mhc__choice_find(choices, count, "nothing"), -1);
    mhc__config config = mhc__config_default();
    assert_int_equal(mhc__choice_apply(&choices[6], &config, &error), MHC_OK);
    assert_string_equal(config.model.connection, "hc");
    assert_int_equal(config.model.channels, 7);
    assert_int_equal(mhc__choice_apply(&choices[0], &config, &error), MHC_OK);
    assert_int_equal(config.model.streams, 1);
    static const char *const few = "study.connections=residual,hc,wide";
    options = choosing(&few);
    assert_int_equal(mhc__study_choose(&options, own, "paper", choices, &count, &error), MHC_OK);
    assert_string_equal(choices[1].label, "HC");
    static const char *const wrong = "study.connections=nope";
    options = choosing(&wrong);
    assert_int_equal(mhc__study_choose(&options, own, "paper", choices, &count, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "nope"));
}

static void test_published(void **state) {
    (void)state;
    assert_true(mhc__stability_published("reproducing-mhc")[MHC__MAX_AMAX] == 11.70);
    assert_true(mhc__stability_published("hc-static")[MHC__MAX_AMAX] == 61.33);
    assert_null(mhc__stability_published("paper"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row),
        cmocka_unit_test(test_row_of_a_broken_run),
        cmocka_unit_test(test_mean_spread),
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_numbers_come_back),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_published),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
