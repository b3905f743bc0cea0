/* What the study overhead says follows from what was measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "study/overhead.h"

static mhc__verdict verdict(const mhc__overhead_evidence *evidence, const char *reason) {
    mhc__finding finding = mhc__claim_decide(&mhc__overhead_claims[0], evidence);
    mhc__verdict found = finding.verdict;
    if (!strstr(finding.reason.data, reason))
        fail_msg("%s", finding.reason.data);
    mhc__finding_free(&finding);
    return found;
}

static void test_claim(void **state) {
    (void)state;
    mhc__overhead_evidence e = {true, 512, 64, {1.05, 1.04, 1.2}, {1.5, 1.4, 1.6}};
    assert_int_equal(verdict(&e, "falls with the width"), MHC__REPRODUCED);
    e.wide = (mhc__spread){1.2, 1.1, 1.3};
    assert_int_equal(verdict(&e, "falls with the width"), MHC__NOT_REPRODUCED);
    e.narrowest = (mhc__spread){1.25, 1.2, 1.3};
    assert_int_equal(verdict(&e, "on this processor."), MHC__NOT_REPRODUCED);
    e.wide.least = 1.0;
    assert_int_equal(verdict(&e, "quieter machine"), MHC__NOT_DECIDED);
    e.there = false;
    assert_int_equal(verdict(&e, "was not measured"), MHC__NOT_DECIDED);
}

/* Two widths, not in order, and one connection. */
static void test_findings(void **state) {
    (void)state;
    mhc__overhead_cell cells[4] = {{{2, 2, 2}, {1.1, 1.0, 1.2}, 300, 200},
                                   {{1, 1, 1}, {1, 1, 1}, 200, 100},
                                   {{2, 2, 2}, {1.8, 1.7, 1.9}, 30, 20},
                                   {{1, 1, 1}, {1, 1, 1}, 20, 10}};
    mhc__overhead study = {.choices = {{.name = "paper", .label = "mHC"}},
                           .channels = {256, 64},
                           .streams = {4},
                           .choice_count = 1,
                           .channel_count = 2,
                           .stream_count = 1,
                           .cells = cells};
    mhc__overhead_evidence e = mhc__overhead_gather(&study);
    assert_true(e.there && e.channels == 256 && e.narrow == 64 && e.wide.median == 1.1 && e.narrowest.median == 1.8);
    for (int k = 0; k < 3; k++) {
        static const char *const says[] = {"it falls with the width", "the ranges overlap", "it rises with the width"};
        cells[0].ratio = k == 0   ? (mhc__spread){1.1, 1.0, 1.2}
                         : k == 1 ? (mhc__spread){1.7, 1.5, 1.8}
                                  : (mhc__spread){3, 2, 4};
        mhc__html html;
        mhc__html_start(&html, "t", "s");
        mhc__overhead_findings(&study, &html);
        assert_non_null(strstr(html.text.data, says[k]));
        assert_non_null(strstr(html.text.data, "is 1.50 times the residual"));
        assert_non_null(strstr(html.text.data, "and 2.00 times"));
        mhc__html_free(&html);
    }
    study.streams[0] = 2;
    assert_false(mhc__overhead_gather(&study).there);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_claim), cmocka_unit_test(test_findings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
