/* Verdicts follow the evidence: the same claim with other data gets another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report/claim.h"
#include "scratch.h"

typedef struct evidence {
    double gain, control;
    bool ran;
} evidence;

/* The gain is low; because of the constraint only if the control, which has none, is not. */
static void low_gain(const void *data, mhc__finding *finding) {
    const evidence *found = data;
    if (!found->ran)
        return;
    mhc__measured(finding, "gain %g", found->gain);
    mhc__measured(finding, "control %g <x>", found->control);
    if (found->gain >= 1)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "it is %g", found->gain);
    else if (found->control < 1)
        mhc__ruled(finding, MHC__OTHER_REASON, "the control has %g as well", found->control);
    else
        mhc__ruled(finding, MHC__REPRODUCED, "it is low, and the control's is not");
}

static const mhc__claim CLAIMS[] = {
    {"poc-1", "The gain is low because of the | constraint.", "a README", "0.25", "Below 1, and the control is not.",
     low_gain, NULL},
    {"poc-2", "It holds for large models.", "a blog", NULL, NULL, NULL, "a model of 10^9 parameters"},
};

static void assert_verdict(evidence data, mhc__verdict verdict, const char *reason) {
    mhc__finding finding = mhc__claim_decide(&CLAIMS[0], &data);
    assert_int_equal(finding.verdict, verdict);
    if (reason)
        assert_string_equal(finding.reason.data, reason);
    else
        assert_null(finding.reason.data);
    mhc__finding_free(&finding);
}

static void test_the_verdict_turns(void **state) {
    (void)state;
    assert_verdict((evidence){0.25, 4, true}, MHC__REPRODUCED, "it is low, and the control's is not");
    assert_verdict((evidence){0.25, 0.5, true}, MHC__OTHER_REASON, "the control has 0.5 as well");
    assert_verdict((evidence){3, 0.5, true}, MHC__NOT_REPRODUCED, "it is 3");
    assert_verdict((evidence){3, 0.5, false}, MHC__NOT_DECIDED, NULL);
}

static void test_out_of_reach(void **state) {
    (void)state;
    mhc__finding finding = mhc__claim_decide(&CLAIMS[1], NULL);
    assert_int_equal(finding.verdict, MHC__NOT_DECIDED);
    assert_string_equal(finding.reason.data, "It would take a model of 10^9 parameters.");
    mhc__finding_free(&finding);
}

static char *content(const char *name) {
    char *bytes;
    size_t size;
    assert_int_equal(mhc__read_file(scratch_path(name), &bytes, &size, NULL), MHC_OK);
    return bytes;
}

static void test_report(void **state) {
    (void)state;
    evidence data = {0.25, 0.5, true};
    mhc__html html;
    mhc__html_start(&html, "t", "s");
    mhc__claims_section(&html, CLAIMS, 2, &data);
    assert_int_equal(mhc__html_write(&html, scratch_folder, NULL), MHC_OK);
    char *page = content("index.html"), *markdown = content("report.md");
    const char *said[] = {"<li class=\"but\">1 true, but not for the reason given</li>",
                          "<li class=\"open\">1 not decided here</li>",
                          "<article class=\"claim but\" id=\"poc-1\">",
                          "<dd>0.25</dd>",
                          "<dd>gain 0.25; control 0.5 &lt;x&gt;</dd>",
                          "<dd>the control has 0.5 as well</dd>",
                          "<dd>It would take a model of 10^9 parameters.</dd>"};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        if (!strstr(page, said[i]))
            fail_msg("the page does not say %s", said[i]);
    assert_non_null(strstr(markdown, "### The gain is low because of the \\| constraint.\n\n"
                                     "**true, but not for the reason given** (`poc-1`)\n\n- Published: 0.25\n"
                                     "- Measured here: gain 0.25; control 0.5 \\<x>\n"));
    free(page);
    free(markdown);
    mhc__table table;
    mhc__claims_table(CLAIMS, 2, &data, &table);
    assert_int_equal(mhc__table_rows(&table), 2);
    assert_string_equal(mhc__table_at(&table, 1, 1), "true, but not for the reason given");
    assert_string_equal(mhc__table_at(&table, 2, 2), "–");
    mhc__table_free(&table);
    mhc__text text = {0};
    mhc__claims_say(CLAIMS, 2, &data, &text);
    assert_string_equal(text.data, "2 claims: 1 true, but not for the reason given; 1 not decided here");
    mhc__text_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_verdict_turns),
        cmocka_unit_test(test_out_of_reach),
        cmocka_unit_test(test_report),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
