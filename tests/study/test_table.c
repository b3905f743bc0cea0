#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "study/stability_table.h"

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
        cmocka_unit_test(test_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
