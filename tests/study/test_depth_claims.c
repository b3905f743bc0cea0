/* Every claim of mhc-poc, with data that support it and with data that contradict it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "study/depth_claims.h"

static mhc__depth_model plain(void) {
    return (mhc__depth_model){.there = true,
                              .steps = 200,
                              .not_finite = -1,
                              .signal = 1.5,
                              .growth = 1.02,
                              .growth_end = 1.02,
                              .loss = 0.001,
                              .loss_worst = 0.001,
                              .slope = -1,
                              .gradient_start = 0.75,
                              .gradient_end = 0.11};
}

/* As the claims would have it. */
static mhc__depth_evidence as_claimed(void) {
    mhc__depth_evidence e = {.depth_count = 3,
                             .depths = {12, 24, 48},
                             .seeds = 1,
                             .lr = 1e-4,
                             .full_size = true,
                             .demo_mhc = true,
                             .proxy_random = -0.2,
                             .proxy_uniform = -0.602,
                             .proxy_wrong = 0.5};
    const double gains[] = {7.0, 14.4, 27.3};
    for (int d = 0; d < 3; d++) {
        mhc__depth_model *at = e.at[d];
        for (int m = 0; m < MHC__DEPTH_MODELS; m++)
            at[m] = plain();
        at[MHC__DEPTH_HC].proxy_end = gains[d];
        at[MHC__DEPTH_HC].loss = 0.002;
        at[MHC__DEPTH_HC].spikes = 20;
        at[MHC__DEPTH_MHC].proxy_start = at[MHC__DEPTH_MHC].proxy_end = -0.6;
        at[MHC__DEPTH_MHC].composite_off = 0.1;
        at[MHC__DEPTH_MHC].loss = 0.0005;
        at[MHC__DEPTH_NO_BLOCKS].loss = at[MHC__DEPTH_NO_BLOCKS].loss_worst = 1;
        at[MHC__DEPTH_MHC].spread_start = at[MHC__DEPTH_MHC].spread_max = 0.3;
        at[MHC__DEPTH_RESIDUAL].growth = 1.2;
        if (d > 0)
            at[MHC__DEPTH_RESIDUAL].loss = at[MHC__DEPTH_RESIDUAL].loss_worst = 2;
    }
    return e;
}

/* As the models are. */
static mhc__depth_evidence as_found(void) {
    mhc__depth_evidence e = as_claimed();
    const double gains[] = {6.39, 13.37, 27.35};
    e.lr = 2e-3;
    e.proxy_random = -0.602;
    e.proxy_wrong = 1e-4;
    for (int d = 0; d < 3; d++) {
        mhc__depth_model *at = e.at[d];
        at[MHC__DEPTH_HC].proxy_start = at[MHC__DEPTH_HC].proxy_end = gains[d];
        at[MHC__DEPTH_MHC].composite_off = 1e-4;
        at[MHC__DEPTH_MHC].growth = 2;
        at[MHC__DEPTH_MHC].spread_start = 5e-7;
        at[MHC__DEPTH_NO_BLOCKS] = plain();
        at[MHC__DEPTH_ONE_STREAM].loss = 0.0005;
        at[MHC__DEPTH_MHC].spikes = 3;
        at[MHC__DEPTH_MHC].rises = 12;
        at[MHC__DEPTH_RESIDUAL] = plain();
    }
    e.at[2][MHC__DEPTH_HC].not_finite = 0;
    e.at[2][MHC__DEPTH_HC].loss = e.at[2][MHC__DEPTH_HC].loss_worst = NAN;
    return e;
}

static void assert_verdict(const mhc__claim *claim, const mhc__depth_evidence *e, mhc__verdict verdict) {
    mhc__finding finding = mhc__claim_decide(claim, e);
    if (finding.verdict != verdict)
        fail_msg("%s: %s, expected %s (%s)", claim->id, mhc__verdict_name(finding.verdict), mhc__verdict_name(verdict),
                 finding.reason.data);
    assert_non_null(finding.reason.data);
    assert_false(finding.measured.failed || finding.reason.failed);
    mhc__finding_free(&finding);
}

static void verdicts_turn(void **state) {
    (void)state;
    enum { YES = MHC__REPRODUCED, NO = MHC__NOT_REPRODUCED, BUT = MHC__OTHER_REASON, SELF = MHC__CONTRADICTED };
    static const struct {
        const char *id;
        int claimed, found;
    } table[] = {
        {"mhc-poc-16", YES, BUT}, {"mhc-poc-17", YES, BUT},   {"mhc-poc-18", YES, NO},
        {"mhc-poc-19", YES, NO},  {"mhc-poc-20", NO, BUT},    {"mhc-poc-21", YES, BUT},
        {"mhc-poc-22", YES, NO},  {"mhc-poc-23", YES, YES},   {"mhc-poc-24", SELF, SELF},
        {"mhc-poc-25", YES, NO},  {"mhc-poc-26", SELF, SELF}, {"mhc-poc-27", YES, NO},
        {"mhc-poc-28", YES, NO},  {"mhc-poc-29", SELF, SELF}, {"mhc-poc-30", MHC__NOT_DECIDED, NO},
        {"mhc-poc-31", YES, NO},  {"mhc-poc-32", YES, SELF},  {"mhc-poc-33", MHC__NOT_DECIDED, MHC__NOT_DECIDED},
        {"mhc-poc-34", YES, NO}};
    mhc__depth_evidence claimed = as_claimed(), found = as_found();
    assert_int_equal(mhc__depth_claim_count, sizeof table / sizeof table[0]);
    for (int i = 0; i < mhc__depth_claim_count; i++) {
        assert_string_equal(mhc__depth_claims[i].id, table[i].id);
        assert_verdict(&mhc__depth_claims[i], &claimed, (mhc__verdict)table[i].claimed);
        assert_verdict(&mhc__depth_claims[i], &found, (mhc__verdict)table[i].found);
    }
}

/* The other ways that single verdicts may go. */
static void further_turns(void **state) {
    (void)state;
    const mhc__claim *claims = mhc__depth_claims; /* numbered from 16 */
    mhc__depth_evidence e = as_found();
    e.at[2][MHC__DEPTH_HC].not_finite = 40; /* in training: as claimed */
    assert_verdict(&claims[20 - 16], &e, MHC__REPRODUCED);
    e.at[2][MHC__DEPTH_MHC].loss_worst = 0.5;
    assert_verdict(&claims[21 - 16], &e, MHC__NOT_REPRODUCED);
    e.full_size = false;
    assert_verdict(&claims[21 - 16], &e, MHC__NOT_DECIDED);
    e = as_found();
    e.at[1][MHC__DEPTH_RESIDUAL].loss = e.at[1][MHC__DEPTH_RESIDUAL].loss_worst = 0.5;
    e.at[1][MHC__DEPTH_RESIDUAL].steps = 100; /* too short to say so */
    assert_verdict(&claims[22 - 16], &e, MHC__NOT_DECIDED);
    e.at[0][MHC__DEPTH_MHC].loss_worst = NAN;
    assert_verdict(&claims[23 - 16], &e, MHC__NOT_REPRODUCED);
    e.at[0][MHC__DEPTH_MHC].proxy_end = 0;
    assert_verdict(&claims[17 - 16], &e, MHC__NOT_REPRODUCED);
    e.at[2][MHC__DEPTH_HC].proxy_start = e.at[2][MHC__DEPTH_HC].proxy_end = 1;
    assert_verdict(&claims[16 - 16], &e, MHC__NOT_REPRODUCED);
    e = as_found();
    for (int d = 0; d < 3; d++)
        e.at[d][MHC__DEPTH_MHC].spread_max = 1e-6;
    assert_verdict(&claims[34 - 16], &e, MHC__NOT_REPRODUCED);
    e.demo_mhc = false;
    e.at[1][MHC__DEPTH_IDENTITY].loss = 0.5; /* another matrix does differ */
    assert_verdict(&claims[30 - 16], &e, MHC__NOT_DECIDED);
    assert_verdict(&claims[28 - 16], &e, MHC__NOT_DECIDED);
}

/* The controls of convergence and of streams, each turning its verdict by itself. */
static void controls_turn(void **state) {
    (void)state;
    const mhc__claim *converges = &mhc__depth_claims[21 - 16], *expressive = &mhc__depth_claims[34 - 16];
    mhc__depth_evidence e = as_found();
    e.at[2][MHC__DEPTH_NO_BLOCKS].loss_worst = 0.02; /* blocks are needed */
    assert_verdict(converges, &e, MHC__REPRODUCED);
    e.at[2][MHC__DEPTH_NO_BLOCKS].there = false;
    assert_verdict(converges, &e, MHC__REPRODUCED);
    e = as_found();
    for (int d = 0; d < 3; d++)
        e.at[d][MHC__DEPTH_ONE_STREAM].loss = 0.001; /* twice mHC's: the streams are worth something, found by chance */
    assert_verdict(expressive, &e, MHC__OTHER_REASON);
    e.at[1][MHC__DEPTH_ONE_STREAM].loss = 0.00054; /* not at every depth */
    assert_verdict(expressive, &e, MHC__NOT_REPRODUCED);
    e.full_size = false; /* which a small run does not show */
    assert_verdict(expressive, &e, MHC__NOT_DECIDED);
    e = as_found();
    e.at[1][MHC__DEPTH_ONE_STREAM].there = false; /* without the control nothing is known */
    assert_verdict(expressive, &e, MHC__NOT_DECIDED);
    e = as_found();
    for (int d = 0; d < 3; d++) {
        e.at[d][MHC__DEPTH_ONE_STREAM].loss = 0.001;
        e.at[d][MHC__DEPTH_UNIFORM].spread_max = 0;
    }
    mhc__finding finding = mhc__claim_decide(expressive, &e);
    assert_int_equal(finding.verdict, MHC__OTHER_REASON);
    assert_non_null(strstr(finding.reason.data, "stay copies to the last bit"));
    mhc__finding_free(&finding);
    e.at[1][MHC__DEPTH_UNIFORM].spread_max = 0.1;
    finding = mhc__claim_decide(expressive, &e);
    assert_null(strstr(finding.reason.data, "to the last bit"));
    mhc__finding_free(&finding);
}

/* A growth at one depth that a deeper network does not have does not compound. */
static void compounding(void **state) {
    (void)state;
    const mhc__claim *claim = &mhc__depth_claims[31 - 16];
    mhc__depth_evidence e = as_found();
    e.at[0][MHC__DEPTH_RESIDUAL].growth_end = 1.114;
    assert_verdict(claim, &e, MHC__NOT_REPRODUCED);
    e.at[1][MHC__DEPTH_RESIDUAL].growth_end = e.at[2][MHC__DEPTH_RESIDUAL].growth_end = 1.12;
    assert_verdict(claim, &e, MHC__REPRODUCED);
    e = as_found();
    e.at[2][MHC__DEPTH_RESIDUAL].growth_end = NAN;
    e.at[2][MHC__DEPTH_RESIDUAL].not_finite = 40;
    assert_verdict(claim, &e, MHC__REPRODUCED);
}

static void what_is_not_there(void **state) {
    (void)state;
    mhc__depth_evidence e = as_found();
    for (int d = 0; d < 3; d++)
        for (int m = 0; m < MHC__DEPTH_MODELS; m++)
            e.at[d][m] = (mhc__depth_model){.not_finite = -1};
    for (int i = 0; i < mhc__depth_claim_count; i++) {
        mhc__finding finding = mhc__claim_decide(&mhc__depth_claims[i], &e);
        assert_true(finding.verdict != MHC__REPRODUCED && finding.verdict != MHC__OTHER_REASON);
        mhc__finding_free(&finding);
    }
    e = as_found();
    e.depth_count = 1; /* 12 blocks alone */
    assert_verdict(&mhc__depth_claims[20 - 16], &e, MHC__NOT_DECIDED);
    assert_verdict(&mhc__depth_claims[22 - 16], &e, MHC__NOT_DECIDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts_turn), cmocka_unit_test(further_turns),
                                       cmocka_unit_test(controls_turn), cmocka_unit_test(compounding),
                                       cmocka_unit_test(what_is_not_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
