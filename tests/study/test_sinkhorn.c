/* The study of Sinkhorn's iteration: its cycle is the oracle's, known figures come out, and verdicts follow the data.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mhc/oracle.h"
#include "study/sinkhorn.h"

enum { ENTRIES = MHC__SINKHORN_N * MHC__SINKHORN_N };

static void test_cycle(void **state) {
    (void)state;
    double logits[ENTRIES], h[ENTRIES], want[ENTRIES];
    mhc_spec spec;
    mhc_error error;
    assert_int_equal(mhc_spec_preset(&spec, "paper", MHC__SINKHORN_N, 1, &error), MHC_OK);
    for (int e = 0; e < ENTRIES; e++)
        logits[e] = (e * 7 % 16) * 0.4 - 3;
    mhc__sinkhorn_start(logits, h);
    for (int cycle = 1; cycle <= 20; cycle++) {
        mhc__sinkhorn_cycle(h);
        spec.sinkhorn.iterations = cycle;
        assert_int_equal(mhc_oracle_constraint_forward(&spec, logits, want, &error), MHC_OK);
        for (int e = 0; e < ENTRIES; e++)
            assert_true(fabs(h[e] - want[e]) < 1e-14);
    }
}

/* Figures that were found independently of this code, for the same kinds of logits. */
static void test_figures(void **state) {
    (void)state;
    mhc__study_options options = mhc__study_options_default();
    mhc__sinkhorn_evidence *e = calloc(1, sizeof *e);
    mhc_error error;
    assert_non_null(e);
    assert_int_equal(mhc__sinkhorn_measure(&options, 1000, 1000, e, &error), MHC_OK);
    enum { TWENTY = 4, UNIT = 0, GAP6 = 8 };
    assert_true(fabs(e->cases[UNIT].cycles_mean - 10) < 1);
    assert_true(fabs(e->cases[1].cycles_mean - 27) < 4);
    assert_true(e->cases[GAP6].above[TWENTY] > 0.98);
    assert_true(fabs(e->cases[GAP6].mean[TWENTY] - 1.0e-2) < 1e-3);
    assert_true(fabs(e->cases[GAP6].sigma - 0.9910) < 0.001);
    assert_true(fabs(e->cases[GAP6].off_diagonal - 0.0131) < 0.001);
    assert_true(e->cases[GAP6].gradient_median > 0.4 && e->cases[GAP6].gradient_median < 0.75);
    assert_true(e->cases[UNIT].gradient_median < 1e-10);
    assert_true(e->cases[1].rate_off < 1e-3);
    for (int k = 0; k < MHC__SINKHORN_STACKS; k++)
        assert_true(e->stacks[k].forward_off < 1e-13);
    for (int k = 0; k < MHC__SINKHORN_KINDS; k++)
        assert_true(e->largest[0][k][k] == 0 && e->largest[2][k][(k + 1) % MHC__SINKHORN_KINDS] < 1);
    /* rows first and columns first differ at wide logits; one convention and its limit hardly do at narrow ones */
    assert_true(e->median[2][0][4] > 1e-4 && e->median[0][0][7] < 1e-6);
    free(e);
}

static mhc__verdict verdict_of(int claim, const mhc__sinkhorn_evidence *e) {
    mhc__finding finding = mhc__claim_decide(&mhc__sinkhorn_claims[claim], e);
    mhc__verdict verdict = finding.verdict;
    mhc__finding_free(&finding);
    return verdict;
}

static void test_verdicts_turn(void **state) {
    (void)state;
    mhc__sinkhorn_evidence *e = calloc(1, sizeof *e);
    assert_non_null(e);
    for (int c = 0; c < MHC__SINKHORN_CASES; c++)
        e->cases[c].rate_off = 1e-5;
    e->stacks[0].p95[1] = 1.1;
    e->stacks[2].shared = true;
    e->stacks[2].p95[2] = 1.2;
    e->boolq_iterations = 20;
    assert_int_equal(verdict_of(0, e), MHC__REPRODUCED);
    assert_int_equal(verdict_of(1, e), MHC__REPRODUCED);
    assert_int_equal(verdict_of(2, e), MHC__NOT_REPRODUCED);
    assert_int_equal(verdict_of(3, e), MHC__NOT_REPRODUCED);
    assert_int_equal(verdict_of(4, e), MHC__REPRODUCED);
    e->cases[3].above[4] = 0.5;
    e->cases[3].rate_off = 0.1;
    e->stacks[2].p95[2] = 1.7;
    e->stacks[2].most[1] = 3.3;
    e->boolq_residual[1] = 1e-3;
    for (int c = 0; c < 3; c++)
        e->cases[c].above[4] = 0.02;
    assert_int_equal(verdict_of(0, e), MHC__NOT_REPRODUCED);
    mhc__finding finding = mhc__claim_decide(&mhc__sinkhorn_claims[0], e);
    assert_non_null(strstr(finding.reason.data, mhc__sinkhorn_cases[4].name)); /* where it holds, and not where not */
    assert_null(strstr(finding.reason.data, mhc__sinkhorn_cases[3].name));
    mhc__finding_free(&finding);
    assert_int_equal(verdict_of(1, e), MHC__NOT_REPRODUCED);
    assert_int_equal(verdict_of(2, e), MHC__OTHER_REASON);
    assert_int_equal(verdict_of(3, e), MHC__OTHER_REASON);
    assert_int_equal(verdict_of(4, e), MHC__NOT_REPRODUCED);
    for (int c = 0; c < MHC__SINKHORN_CASES; c++)
        e->cases[c].rate_off = NAN;
    e->stacks[0].p95[1] = 1.7;
    e->stacks[0].most[1] = 3.3;
    e->boolq_iterations = 40;
    assert_int_equal(verdict_of(1, e), MHC__NOT_DECIDED);
    assert_int_equal(verdict_of(2, e), MHC__REPRODUCED);
    assert_int_equal(verdict_of(3, e), MHC__REPRODUCED);
    assert_int_equal(verdict_of(4, e), MHC__CONTRADICTED);
    free(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cycle), cmocka_unit_test(test_figures),
                                       cmocka_unit_test(test_verdicts_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
