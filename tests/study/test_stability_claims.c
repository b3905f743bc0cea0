/* Every claim of the stability study, with data that support it and with data that contradict it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "study/stability_claims.h"

/* Models that differ from the baseline in nothing. */
static mhc__stability_evidence_arm plain(void) {
    return (mhc__stability_evidence_arm){.there = true,
                                         .gain_start = 10,
                                         .gain_max = 40,
                                         .gain_last = 20,
                                         .gradient_mean = 1,
                                         .gradient_max = 6,
                                         .loss_noise = 0.06,
                                         .loss_differs = MHC__NOT_SEEN,
                                         .spread = 0,
                                         .single_bound = 1,
                                         .composite_off = 0,
                                         .from_identity_start = 0.75,
                                         .from_identity = 0.75,
                                         .from_uniform_start = 0,
                                         .growth_start = 4,
                                         .growth = 8,
                                         .branch_factor = NAN};
}

static mhc__stability_evidence even(void) {
    return (mhc__stability_evidence){.seeds = 3, .base = plain(), .hc = plain(), .mhc = plain()};
}

/* As the claims would have it. */
static mhc__stability_evidence as_claimed(void) {
    mhc__stability_evidence e = even();
    e.hc.gain_start = 13;
    e.hc.gain_max = 60;
    e.hc.gain_last = 50;
    e.hc.spread = 0.3;
    e.hc.gradient_mean = 2;
    e.hc.loss_noise = 0.2;
    e.hc.growth = 40;
    e.hc.growth_rises = true;
    e.mhc.gain_max = 11;
    e.mhc.gradient_mean = 0.8;
    e.mhc.gradient_max = 4;
    e.mhc.spread = 0.3;
    e.mhc.loss_less_base = -0.05;
    e.mhc.loss_less_base_error = 0.01;
    e.mhc.loss_differs = MHC__SEEN;
    e.mhc.growth_start = e.mhc.growth = 1;
    e.mhc.from_identity_start = e.mhc.from_identity = 0.01;
    e.mhc.from_uniform_start = 0.7;
    return e;
}

static mhc__verdict verdict_of(int claim, const mhc__stability_evidence *e) {
    mhc__finding finding = mhc__claim_decide(&mhc__stability_claims[claim - 1], e);
    mhc__verdict verdict = finding.verdict;
    assert_true(finding.reason.length > 0);
    mhc__finding_free(&finding);
    return verdict;
}

static void assert_verdict(int claim, const mhc__stability_evidence *e, mhc__verdict expected) {
    mhc__verdict found = verdict_of(claim, e);
    if (found != expected)
        fail_msg("claim %d: expected %s, found %s", claim, mhc__verdict_name(expected), mhc__verdict_name(found));
}

static void test_as_claimed(void **state) {
    (void)state;
    mhc__stability_evidence e = as_claimed();
    for (int claim = 1; claim <= 15; claim++)
        assert_verdict(claim, &e, MHC__REPRODUCED);
    assert_verdict(16, &e, MHC__NOT_DECIDED);
}

static void test_contradicted(void **state) {
    (void)state;
    mhc__stability_evidence e = even();
    for (int claim = 1; claim <= 15; claim++)
        assert_verdict(claim, &e,
                       claim == 6 || claim == 15 ? MHC__CONTRADICTED
                       : claim == 11             ? MHC__REPRODUCED
                                                 : MHC__NOT_REPRODUCED);
    e.mhc.composite_off = 0.01;
    assert_verdict(11, &e, MHC__NOT_REPRODUCED);
    e = as_claimed();
    e.mhc.single_bound = 1.001;
    assert_verdict(10, &e, MHC__NOT_REPRODUCED);
    e = as_claimed();
    e.hc.gain_last = 20; /* the excess is gone at the end */
    assert_verdict(1, &e, MHC__NOT_REPRODUCED);
    e = as_claimed();
    e.hc.growth_rises = false;
    assert_verdict(9, &e, MHC__NOT_REPRODUCED);
}

/* Everything as claimed, but by a factor on the branches. */
static void test_another_reason(void **state) {
    (void)state;
    mhc__stability_evidence e = as_claimed();
    e.mhc.branch_factor = 0.25;
    assert_verdict(2, &e, MHC__OTHER_REASON);
    assert_verdict(5, &e, MHC__OTHER_REASON);
    assert_verdict(7, &e, MHC__OTHER_REASON);
    assert_verdict(14, &e, MHC__NOT_REPRODUCED);
    e.mhc.gain_max = 39;
    assert_verdict(2, &e, MHC__NOT_REPRODUCED);
}

/* As claimed, and both controls were run: they decide, whatever the coefficients say. */
static mhc__stability_evidence with_controls(double scaled, double whole) {
    mhc__stability_evidence e = as_claimed();
    e.scaled = e.whole = e.identity = plain();
    e.scaled.gain_max = scaled;
    e.whole.gain_max = whole;
    e.scaled.logits_off = e.scaled.loss_off = 0;
    return e;
}

static void test_controls(void **state) {
    (void)state;
    mhc__stability_evidence e = with_controls(11, 40);
    assert_verdict(2, &e, MHC__OTHER_REASON);
    assert_verdict(5, &e, MHC__OTHER_REASON);
    assert_verdict(7, &e, MHC__OTHER_REASON);
    assert_verdict(14, &e, MHC__NOT_REPRODUCED);
    /* Logits or losses that differ: it isn't the scaled baseline, even where its coefficients look like one. */
    for (int i = 0; i < 3; i++) {
        e = with_controls(11, 40);
        e.mhc.branch_factor = 0.25;
        *(i ? &e.scaled.loss_off : &e.scaled.logits_off) = i == 2 ? NAN : 1e-3;
        assert_verdict(5, &e, MHC__REPRODUCED);
        assert_verdict(7, &e, MHC__REPRODUCED);
        assert_verdict(14, &e, MHC__REPRODUCED);
        assert_verdict(2, &e, MHC__OTHER_REASON); /* the factor still is what lowers the gain */
    }
    e = with_controls(40, 11); /* the matrices lower it, the factor does not */
    e.scaled.logits_off = 1;
    assert_verdict(2, &e, MHC__REPRODUCED);
    e = with_controls(11, 11);
    assert_verdict(2, &e, MHC__NOT_DECIDED);
    e = with_controls(40, 40);
    assert_verdict(2, &e, MHC__NOT_DECIDED);
    e = with_controls(11, 40);
    e.mhc.gain_max = 39;
    assert_verdict(2, &e, MHC__NOT_REPRODUCED);
    e = with_controls(11, 40); /* a control that ended early controls nothing */
    e.scaled.failures = 1;
    assert_verdict(2, &e, MHC__REPRODUCED);
}

static void test_not_decided(void **state) {
    (void)state;
    mhc__stability_evidence e = as_claimed();
    e.seeds = 1;
    e.mhc.loss_differs = MHC__TOO_FEW_SEEDS;
    assert_verdict(7, &e, MHC__NOT_DECIDED);
    assert_verdict(14, &e, MHC__NOT_DECIDED);
    e = as_claimed();
    e.hc.failures = 1;
    for (int claim = 1; claim <= 15; claim++)
        assert_verdict(claim, &e,
                       claim == 1 || claim == 4 || claim == 8 || claim == 9 || claim == 15 ? MHC__NOT_DECIDED
                                                                                           : MHC__REPRODUCED);
    e = as_claimed();
    e.base.there = false;
    for (int claim = 1; claim <= 15; claim++)
        assert_verdict(claim, &e, claim == 3 || claim == 4 ? MHC__REPRODUCED : MHC__NOT_DECIDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_claimed), cmocka_unit_test(test_contradicted), cmocka_unit_test(test_another_reason),
        cmocka_unit_test(test_controls),   cmocka_unit_test(test_not_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
