/* What replaces coefficients, against matrices made by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "probe/intervention.h"

enum { N = 3, ROW = N * (N + 2), TOKENS = 4, SITES = 4 };

static mhc__model *make(const char *connection) {
    mhc__model_config config = mhc__model_config_default();
    config.vocabulary = 7;
    config.sequence = 5;
    config.channels = 8;
    config.heads = 2;
    config.blocks = SITES / 2;
    config.streams = N;
    snprintf(config.connection, sizeof config.connection, "%s", connection);
    mhc__model *model = NULL;
    assert_int_equal(mhc__model_create(&config, 1, &model, NULL), MHC_OK);
    return model;
}

static float number(int site, int t, int e) {
    return (float)(site + 1) * (float)((t * 5 + e * 3) % 11);
}

static void fill(int site, float *rows) {
    for (int t = 0; t < TOKENS; t++)
        for (int e = 0; e < ROW; e++)
            rows[t * ROW + e] = number(site, t, e);
}

static float expected(mhc__map map, mhc__substitute by, int site, int t, int e) {
    mhc__map of = e < N ? MHC__MAP_PRE : e < 2 * N ? MHC__MAP_POST : MHC__MAP_RES;
    double sum = 0;
    if (of != map || site < 1 || site > 2)
        return number(site, t, e);
    for (int k = 0; k < TOKENS; k++)
        sum += (double)number(site, k, e);
    return by == MHC__BY_MEAN      ? (float)(sum / TOKENS)
           : by == MHC__BY_UNIFORM ? 1.0f / N
                                   : (float)((e - 2 * N) / N == (e - 2 * N) % N);
}

static void replaces_what_it_says(void **state) {
    (void)state;
    mhc__model *model = make("paper");
    mhc__coefficient_means means;
    float rows[TOKENS * ROW];
    assert_int_equal(mhc__coefficient_means_open(model, &means, NULL), MHC_OK);
    for (int site = 0; site < SITES; site++) {
        fill(site, rows);
        mhc__coefficient_means_add(&means, site, 1, rows); /* in two passes */
        mhc__coefficient_means_add(&means, site, TOKENS - 1, rows + ROW);
    }
    for (int map = 0; map < MHC__MAPS; map++)
        for (int by = map == MHC__MAP_RES ? 0 : MHC__BY_MEAN; by < MHC__SUBSTITUTES; by++) {
            mhc__intervention what = {(mhc__map)map, (mhc__substitute)by, 1, 3, &means};
            for (int site = 0; site < SITES; site++) {
                fill(site, rows);
                mhc__intervention_act(&what, site, TOKENS, rows);
                for (int t = 0; t < TOKENS; t++)
                    for (int e = 0; e < ROW; e++)
                        assert_true(rows[t * ROW + e] == expected((mhc__map)map, (mhc__substitute)by, site, t, e));
            }
        }
    mhc__coefficient_means_close(&means);
    mhc__model_destroy(model);
}

static void residual_has_none(void **state) {
    (void)state;
    mhc__model *model = make("residual");
    mhc__coefficient_means means;
    mhc_error error = {0};
    assert_int_equal(mhc__coefficient_means_open(model, &means, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "residual"));
    mhc__model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(replaces_what_it_says), cmocka_unit_test(residual_has_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
