/* The study of matrices: which are shown, and verdicts that follow the data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "study/matrices.h"

static void windows_are(const char *sites, const char *ranges, int count, int panels, const int (*expected)[2]) {
    mhc__matrices_model model = {.label = "m"};
    mhc_error error = {0};
    if (mhc__matrices_windows(sites, ranges, count, &model, &error) != MHC_OK)
        fail_msg("%s", error.message);
    assert_int_equal(model.panel_count, panels);
    for (int p = 0; p < panels; p++)
        assert_true(model.windows[p].first == expected[p][0] && model.windows[p].last == expected[p][1]);
}

static void refused(const char *sites, const char *ranges, const char *word) {
    mhc__matrices_model model = {.label = "m"};
    mhc_error error = {0};
    assert_int_equal(mhc__matrices_windows(sites, ranges, 8, &model, &error), MHC_INVALID_ARGUMENT);
    if (!strstr(error.message, word))
        fail_msg("%s", error.message);
}

/* Those of the paper's figure 8 for its 60 layers; small models; chosen ones; wrong ones. */
static void test_windows(void **state) {
    (void)state;
    windows_are(NULL, NULL, 60, 6, (const int[][2]){{1, 1}, {30, 30}, {60, 60}, {1, 30}, {31, 60}, {1, 60}});
    windows_are(NULL, NULL, 1, 2, (const int[][2]){{1, 1}, {1, 1}});
    windows_are(NULL, NULL, 2, 3, (const int[][2]){{1, 1}, {2, 2}, {1, 2}});
    windows_are("3", "2-8,4-4", 8, 3, (const int[][2]){{3, 3}, {2, 8}, {4, 4}});
    refused("9", NULL, "1..8");
    refused("0", NULL, "number of a site");
    refused("1x", NULL, "number of a site");
    refused("", NULL, "number of a site");
    refused("1", "1-9", "1..8");
    refused("1", "5-2", "1..8");
    refused("1", "5", "like 1-30");
    refused("1,1,1,1,1,1,1,1,1,1,1,1,1", NULL, "more than");
}

static mhc__verdict verdict_of(int claim, const mhc__matrices_evidence *e) {
    mhc__finding finding = mhc__claim_decide(&mhc__matrices_claims[claim], e);
    mhc__verdict verdict = finding.verdict;
    mhc__finding_free(&finding);
    return verdict;
}

static void test_verdicts_turn(void **state) {
    (void)state;
    mhc__matrices_evidence e = {1e-6, 1.05, 1.6, 3000, 1e-3, 0.9};
    assert_int_equal(verdict_of(0, &e), MHC__OTHER_REASON);
    assert_int_equal(verdict_of(1, &e), MHC__REPRODUCED);
    assert_int_equal(verdict_of(2, &e), MHC__REPRODUCED);
    e.mhc_column_min = 1 - 1e-5;
    assert_int_equal(verdict_of(0, &e), MHC__REPRODUCED);
    e = (mhc__matrices_evidence){0.1, 1.05, 1.8, 20, 1e-3, 0.9};
    for (int claim = 0; claim < MHC__MATRICES_CLAIMS; claim++)
        assert_int_equal(verdict_of(claim, &e), MHC__NOT_REPRODUCED);
    e = (mhc__matrices_evidence){NAN, NAN, NAN, NAN, NAN, NAN};
    for (int claim = 0; claim < MHC__MATRICES_CLAIMS; claim++)
        assert_int_equal(verdict_of(claim, &e), MHC__NOT_DECIDED);
}

/* A model with another constraint is no example of its connection. */
static void test_which_is_mhc(void **state) {
    (void)state;
    double gains[MHC__MATRICES_CURVES] = {1, 1.1, 1, 1.2};
    static mhc__matrices study;
    study.model_count = 1;
    study.models[0] = (mhc__matrices_model){.connection = "paper", .sites = 1, .of_mean = gains, .of_token = gains};
    assert_true(mhc__matrices_gather(&study).mhc_composite == 1.2);
    study.models[0].altered = true;
    assert_true(isnan(mhc__matrices_gather(&study).mhc_composite));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_windows), cmocka_unit_test(test_verdicts_turn),
                                       cmocka_unit_test(test_which_is_mhc)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
