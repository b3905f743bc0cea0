/* Every claim of the ablation study, with data that support it and with data that contradict it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "study/ablation.h"

static mhc__ablation_difference seen(double mean) {
    return (mhc__ablation_difference){true, mean, fabs(mean) / 10, MHC__SEEN};
}

static mhc__ablation_difference nothing(void) {
    return (mhc__ablation_difference){true, 0.001, 0.002, MHC__NOT_SEEN};
}

/* The paper's table, with a missing row that speaks for it. */
static mhc__ablation_evidence as_claimed(void) {
    mhc__ablation_family hc = {.res = seen(-0.022),
                               .pre = seen(-0.003),
                               .post = seen(-0.002),
                               .all = seen(-0.027),
                               .without_res = seen(-0.005),
                               .of_res = seen(-0.022)};
    mhc__ablation_family mhc = hc;
    mhc.of_res = seen(0.01);
    return (mhc__ablation_evidence){3, hc, mhc};
}

static mhc__verdict verdict(const mhc__ablation_evidence *evidence, const char *id) {
    for (int i = 0; i < MHC__ABLATION_CLAIMS; i++)
        if (!strcmp(mhc__ablation_claims[i].id, id)) {
            mhc__finding finding = mhc__claim_decide(&mhc__ablation_claims[i], evidence);
            mhc__verdict found = finding.verdict;
            assert_true(finding.reason.length > 0);
            mhc__finding_free(&finding);
            return found;
        }
    fail_msg("no claim %s", id);
    return MHC__VERDICTS;
}

static void test_as_claimed(void **state) {
    (void)state;
    mhc__ablation_evidence e = as_claimed();
    for (int i = 0; i < MHC__ABLATION_CLAIMS; i++)
        assert_int_equal(verdict(&e, mhc__ablation_claims[i].id), MHC__REPRODUCED);
}

static void test_one_map(void **state) {
    (void)state;
    static const struct {
        const char *id;
        size_t offset;
        double sign; /* of what is claimed */
    } cases[] = {{"table-1-res", offsetof(mhc__ablation_evidence, hc.res), -1},
                 {"table-1-pre", offsetof(mhc__ablation_evidence, hc.pre), -1},
                 {"table-1-post", offsetof(mhc__ablation_evidence, hc.post), -1},
                 {"identity-hc", offsetof(mhc__ablation_evidence, mhc.of_res), 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mhc__ablation_evidence e = as_claimed();
        mhc__ablation_difference *d = (void *)((char *)&e + cases[i].offset);
        *d = seen(-0.01 * cases[i].sign);
        assert_int_equal(verdict(&e, cases[i].id), MHC__NOT_REPRODUCED);
        *d = nothing();
        assert_int_equal(verdict(&e, cases[i].id), MHC__NOT_REPRODUCED);
        d->seen = MHC__TOO_FEW_SEEDS;
        assert_int_equal(verdict(&e, cases[i].id), MHC__NOT_DECIDED);
        *d = seen(0.01 * cases[i].sign);
        d->there = false;
        assert_int_equal(verdict(&e, cases[i].id), MHC__NOT_DECIDED);
    }
}

static void test_which_matters_most(void **state) {
    (void)state;
    mhc__ablation_evidence e = as_claimed();
    e.hc.of_res = nothing(); /* H_res alone has the gain, but the others have it without H_res as well */
    assert_int_equal(verdict(&e, "table-1-most"), MHC__OTHER_REASON);
    e.hc.of_res = seen(0.01);
    assert_int_equal(verdict(&e, "table-1-most"), MHC__OTHER_REASON);
    e.hc.res = seen(-0.01); /* less than half */
    assert_int_equal(verdict(&e, "table-1-most"), MHC__NOT_REPRODUCED);
    e = as_claimed();
    e.hc.all = nothing();
    assert_int_equal(verdict(&e, "table-1-most"), MHC__NOT_REPRODUCED);
    e.hc.all = seen(0.027);
    assert_int_equal(verdict(&e, "table-1-most"), MHC__NOT_REPRODUCED);
    e = as_claimed();
    e.hc.of_res.there = false;
    assert_int_equal(verdict(&e, "table-1-most"), MHC__NOT_DECIDED);
}

/* Three seeds of two models. */
static void test_pairs_by_seed(void **state) {
    (void)state;
    mhc__arm arms[6] = {0};
    const double losses[6] = {2.00, 2.10, 2.20, 1.98, 2.07, 2.19};
    mhc__ablation study = {
        .choices = {{.name = "residual"}, {.name = "hc-res"}}, .choice_count = 2, .seeds = 3, .arms = arms};
    for (int i = 0; i < 6; i++) {
        arms[i].held_out = (mhc__held_out){losses[i], 100};
        arms[i].not_finite_at = -1;
    }
    mhc__ablation_evidence e = mhc__ablation_gather(&study);
    assert_true(e.hc.res.there && e.hc.res.seen == MHC__SEEN && fabs(e.hc.res.mean + 0.02) < 1e-12);
    assert_true(fabs(e.hc.res.error - 0.01 / sqrt(3.0)) < 1e-12);
    assert_false(e.hc.pre.there);
    assert_false(e.mhc.res.there);
    arms[4].held_out.loss = 2.11; /* the other sign */
    assert_int_equal(mhc__ablation_gather(&study).hc.res.seen, MHC__NOT_SEEN);
    arms[4].not_finite_at = 7;
    assert_false(mhc__ablation_gather(&study).hc.res.there);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_claimed), cmocka_unit_test(test_one_map),
                                       cmocka_unit_test(test_which_matters_most), cmocka_unit_test(test_pairs_by_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
