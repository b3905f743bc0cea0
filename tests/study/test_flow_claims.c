/* Every claim of boolq-100, with data that support it and with data that contradict it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "study/flow.h"

static mhc__flow_model quiet(void) {
    return (mhc__flow_model){.there = true,
                             .steps = 5900,
                             .gradient_min = 1e-6,
                             .gradient_max = 5e-3,
                             .gradient_max_early = 5e-3,
                             .first_layer_min = 1e-6,
                             .ratio_early = 100,
                             .ratio_late = 100,
                             .burst = -1,
                             .burst_first = -1,
                             .burst_last = -1,
                             .seeds = 3,
                             .raw_start = 1.4,
                             .raw_end = 1.9,
                             .raw_change = 0.05,
                             .routing_change = 0.05,
                             .projected_min = 1.1,
                             .projected_max = 1.6,
                             .loss_late = 0.5,
                             .accuracy = 0.8,
                             .yes = 0.6,
                             .moved_min = 0.1,
                             .growth = 2,
                             .seconds = 0.1};
}

/* As the claims would have it. */
static mhc__flow_evidence as_claimed(void) {
    mhc__flow_evidence e = {.hc = quiet(),
                            .mhc = quiet(),
                            .residual = quiet(),
                            .residual_norm = quiet(),
                            .identity_start = quiet(),
                            .prior_entropy = 0.6626,
                            .majority = 0.6217,
                            .dev_questions = 3270,
                            .sinkhorn_iterations = 20,
                            .sinkhorn_residual = {1e-6, 1e-8, 1e-8},
                            .real_questions = true};
    e.hc.first_layer_min = 1e-17;
    e.residual.first_layer_min = e.identity_start.first_layer_min = 1e-17;
    e.hc.ratio_early = e.hc.ratio_late = 1e15;
    e.residual.ratio_early = e.residual_norm.ratio_early = e.identity_start.ratio_early = 1e15;
    e.hc.burst = e.hc.burst_first = 3800;
    e.hc.burst_last = 3850;
    e.hc.bursts = 3;
    e.hc.routing_change = 0.5;
    return e;
}

/* As the networks are. */
static mhc__flow_evidence as_found(void) {
    mhc__flow_evidence e = as_claimed();
    e.mhc.gradient_max = e.mhc.gradient_max_early = 1e15;
    e.mhc.outside = 1200;
    e.mhc.growth = 1e14;
    e.mhc.ratio_late = 1e6;
    e.mhc.raw_start = 2;
    e.mhc.burst = 950;
    e.residual.first_layer_min = e.identity_start.first_layer_min = 1e-5;
    e.residual.ratio_early = e.residual_norm.ratio_early = e.identity_start.ratio_early = 2;
    e.hc.burst_first = 1200;
    e.hc.routing_change = 0.01;
    e.hc.accuracy = e.mhc.accuracy = 0.6217;
    e.hc.loss_late = e.mhc.loss_late = 0.6614;
    e.sinkhorn_iterations = 40;
    return e;
}

static const mhc__claim *claim(const char *id) {
    for (int i = 0; i < mhc__flow_claim_count; i++)
        if (!strcmp(mhc__flow_claims[i].id, id))
            return &mhc__flow_claims[i];
    fail_msg("no claim %s", id);
    return NULL;
}

static void assert_verdict(const char *id, const mhc__flow_evidence *e, mhc__verdict verdict) {
    mhc__finding finding = mhc__claim_decide(claim(id), e);
    if (finding.verdict != verdict)
        fail_msg("%s: %s, expected %s (%s)", id, mhc__verdict_name(finding.verdict), mhc__verdict_name(verdict),
                 finding.reason.data);
    assert_non_null(finding.reason.data);
    assert_false(finding.measured.failed || finding.reason.failed);
    mhc__finding_free(&finding);
}

static void verdicts_turn(void **state) {
    (void)state;
    static const struct {
        const char *id;
        mhc__verdict claimed, found;
    } table[] = {
        {"boolq-100-35", MHC__REPRODUCED, MHC__NOT_REPRODUCED}, {"boolq-100-36", MHC__REPRODUCED, MHC__OTHER_REASON},
        {"boolq-100-37", MHC__REPRODUCED, MHC__NOT_REPRODUCED}, {"boolq-100-38", MHC__REPRODUCED, MHC__NOT_REPRODUCED},
        {"boolq-100-39", MHC__REPRODUCED, MHC__NOT_REPRODUCED}, {"boolq-100-40", MHC__REPRODUCED, MHC__OTHER_REASON},
        {"boolq-100-41", MHC__REPRODUCED, MHC__CONTRADICTED},   {"boolq-100-42", MHC__REPRODUCED, MHC__NOT_REPRODUCED},
        {"boolq-100-43", MHC__REPRODUCED, MHC__NOT_REPRODUCED}, {"boolq-100-44", MHC__REPRODUCED, MHC__CONTRADICTED},
        {"boolq-100-45", MHC__CONTRADICTED, MHC__CONTRADICTED}};
    mhc__flow_evidence claimed = as_claimed(), found = as_found();
    assert_int_equal(mhc__flow_claim_count, sizeof table / sizeof table[0]);
    for (int i = 0; i < mhc__flow_claim_count; i++) {
        assert_verdict(table[i].id, &claimed, table[i].claimed);
        assert_verdict(table[i].id, &found, table[i].found);
    }
}

/* The networks stay at the majority's share, and the verdict says so; what is beyond chance is not. */
static void at_the_majority(void **state) {
    (void)state;
    mhc__flow_evidence e = as_found();
    mhc__finding finding = mhc__claim_decide(claim("boolq-100-42"), &e);
    assert_int_equal(finding.verdict, MHC__NOT_REPRODUCED);
    assert_non_null(strstr(finding.reason.data, "majority's share"));
    assert_non_null(strstr(finding.measured.data, "62.17 %"));
    mhc__finding_free(&finding);
    e.mhc.accuracy = 0.65; /* beyond two standard errors of 0.85 %, but the loss is the prior's */
    assert_verdict("boolq-100-42", &e, MHC__NOT_REPRODUCED);
    e.mhc.loss_late = 0.6;
    assert_verdict("boolq-100-42", &e, MHC__REPRODUCED);
    e.mhc.accuracy = 0.63; /* within them */
    assert_verdict("boolq-100-42", &e, MHC__NOT_REPRODUCED);
    e.real_questions = false;
    assert_verdict("boolq-100-42", &e, MHC__NOT_DECIDED);
}

/* Reasons say what the data decide, and no more. */
static void reasons(void **state) {
    (void)state;
    static const struct {
        const char *id;
        double loss, accuracy, moved;
        const char *reason;
    } learned[] = {
        {"boolq-100-42", 0.6626, 0.6217, 0.2, "The weights of all its layers do move"},
        {"boolq-100-42", 0.9, 0.6217, 0, "above that of answering every question alike"},
        {"boolq-100-42", 0.6626, 0.65, 0, "better than the majority's answer, but the loss"},
        {"boolq-100-42", 0.5, 0.6217, 0, "answers others no better"},
        {"boolq-100-42", 0.5, NAN, 0, "was not measured"},
    };
    for (size_t i = 0; i < sizeof learned / sizeof learned[0]; i++) {
        mhc__flow_evidence e = as_found();
        e.mhc.loss_late = learned[i].loss;
        e.mhc.accuracy = learned[i].accuracy;
        e.mhc.moved_min = learned[i].moved;
        mhc__finding finding = mhc__claim_decide(claim(learned[i].id), &e);
        if (!strstr(finding.reason.data, learned[i].reason))
            fail_msg("expected \"%s\": %s", learned[i].reason, finding.reason.data);
        assert_int_equal(!!strstr(finding.reason.data, "do move"), learned[i].moved > 0);
        mhc__finding_free(&finding);
    }
    mhc__flow_evidence e = as_found();
    mhc__finding finding = mhc__claim_decide(claim("boolq-100-36"), &e);
    assert_non_null(strstr(finding.reason.data, "nothing else differs"));
    mhc__finding_free(&finding);
    e.identity_start.first_layer_min = 1e-17; /* then it is not the random start */
    finding = mhc__claim_decide(claim("boolq-100-36"), &e);
    assert_null(strstr(finding.reason.data, "nothing else differs"));
    mhc__finding_free(&finding);
    e.mhc.gradient_max_early = 1;
    e.mhc.growth = 2;
    finding = mhc__claim_decide(claim("boolq-100-35"), &e);
    assert_null(strstr(finding.reason.data, "at the start"));
    assert_null(strstr(finding.reason.data, "grow with depth"));
    mhc__finding_free(&finding);
}

static void what_is_not_there(void **state) {
    (void)state;
    mhc__flow_evidence none = as_found();
    none.hc = none.mhc = none.residual = none.residual_norm = none.identity_start = (mhc__flow_model){.burst = -1};
    for (int i = 0; i < 9; i++)
        assert_verdict(mhc__flow_claims[i].id, &none, MHC__NOT_DECIDED);
    mhc__flow_evidence brief = as_claimed();
    brief.mhc.steps = 200;
    assert_verdict("boolq-100-37", &brief, MHC__NOT_DECIDED);
    brief = as_found();
    brief.hc.bursts = 0;
    brief.hc.burst = -1;
    brief.hc.steps = 1500;
    assert_verdict("boolq-100-39", &brief, MHC__NOT_DECIDED);
    assert_verdict("boolq-100-38", &brief, MHC__NOT_DECIDED);
    brief.hc.steps = 5900;
    assert_verdict("boolq-100-38", &brief, MHC__NOT_REPRODUCED);
}

/* A log of gradients of 1 but where told. */
static mhc__layer_log flat(int64_t steps) {
    mhc__layer_log log = {.layers = 2, .count = steps};
    log.values = malloc((size_t)(steps * MHC__LAYER_VALUES * 2) * sizeof *log.values);
    assert_non_null(log.values);
    for (int64_t i = 0; i < steps * MHC__LAYER_VALUES * 2; i++)
        log.values[i] = 1;
    return log;
}

static void bursts(void **state) {
    (void)state;
    mhc__layer_log log = flat(300);
    float *gradient = log.values + 1; /* of the second layer */
    const int64_t step = (int64_t)MHC__LAYER_VALUES * 2;
    assert_int_equal(mhc__flow_burst(&log), -1);
    gradient[50 * step] = 1e6f; /* before step 100 it is the start */
    assert_int_equal(mhc__flow_burst(&log), -1);
    gradient[200 * step] = 99;
    assert_int_equal(mhc__flow_burst(&log), -1);
    gradient[210 * step] = 101;
    assert_int_equal(mhc__flow_burst(&log), 210);
    gradient[190 * step] = NAN;
    assert_int_equal(mhc__flow_burst(&log), 190);
    free(log.values);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts_turn), cmocka_unit_test(at_the_majority),
                                       cmocka_unit_test(reasons), cmocka_unit_test(what_is_not_there),
                                       cmocka_unit_test(bursts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
