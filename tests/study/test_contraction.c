/* The study of contraction: stacks with a known answer, and verdicts that follow the data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "study/contraction.h"

enum { START, NARROW, WIDE };

static int map_of(const char *name) {
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++)
        if (!strcmp(mhc__contraction_maps[map].name, name))
            return map;
    fail_msg("%s is no map", name);
    return 0;
}

static double left(const mhc__contraction_study *study, const char *name, int depth, int spread) {
    return exp(mhc__contraction_left(&study->maps[map_of(name)][depth][spread]));
}

/* Figures that were found independently of this code: reference values of products of 60 and 120 matrices. */
static void test_figures(void **state) {
    (void)state;
    mhc__study_options options = mhc__study_options_default();
    mhc__contraction_study *study = calloc(1, sizeof *study);
    mhc_error error;
    assert_non_null(study);
    study->options = &options;
    study->depths[0] = 60;
    study->depths[1] = 120;
    study->depth_count = 2;
    study->tokens = 3;
    assert_int_equal(mhc__contraction_maps_measure(study, &error), MHC_OK);
    assert_true(fabs(left(study, "sinkhorn, gap 6", 0, START) - 0.552) < 1e-3);
    assert_true(fabs(left(study, "sinkhorn, gap 6", 1, START) - 0.305) < 1e-3);
    assert_true(fabs(left(study, "sinkhorn, gap 8", 0, START) - 0.923) < 1e-3);
    assert_true(fabs(left(study, "permutations, -8", 0, START) - 0.618) < 1e-3);
    assert_true(left(study, "sinkhorn, zeros", 0, START) == 0);
    static const char *const same[] = {"sinkhorn", "birkhoff", "permutations", "circulant", "spectral"};
    for (int i = 0; i < 5; i++)
        assert_true(fabs(left(study, same[i], 0, START) - 0.498) < 1e-3);
    static const char *const isometries[] = {"identity", "rotation", "orthogonal"};
    for (int i = 0; i < 3; i++)
        for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++)
            assert_true(fabs(left(study, isometries[i], 1, spread) - 1) < 1e-4);
    assert_true(left(study, "leaky, beta 1", 1, WIDE) > 0.55 && left(study, "leaky, beta 1", 1, WIDE) < 0.65);
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++) {
        double beta = mhc__contraction_maps[map].beta;
        const mhc__contraction *c = &study->maps[map][0][WIDE];
        if (beta > 0)
            assert_true(c->smallest_low >= 60 * log(1 - beta / 60));
        if (c->on_differences && isfinite(c->total)) /* what directions lose adds up to the volume */
            assert_true(c->total / 3 <= -c->smallest + 1e-6 && c->total / 3 >= -c->largest - 1e-6);
    }
    const mhc__contraction *gap = &study->maps[map_of("sinkhorn, gap 6")][1][START];
    assert_true(fabs(gap->total / mhc__contraction_law(gap) - 1) < 0.02);
    assert_true(gap->half_life > 60 && gap->half_life < 80);
    assert_true(fabs(gap->passed - (1 + 3 * 0.305 * 0.305) / 4) < 1e-3);
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++)
        for (int depth = 0; depth < 2; depth++)
            for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++)
                mhc__contraction_free(&study->maps[map][depth][spread]);
    free(study);
}

static mhc__verdict verdict_of(int claim, const mhc__contraction_evidence *e) {
    mhc__finding finding = mhc__claim_decide(&mhc__contraction_claims[claim], e);
    mhc__verdict verdict = finding.verdict;
    mhc__finding_free(&finding);
    return verdict;
}

static void test_verdicts_turn(void **state) {
    (void)state;
    mhc__contraction_evidence e = {60, 4, 1e-6, 0.9, 0.6, 0.1, 1.5, 2.6, 0.8, 0.6, 0.2};
    for (int claim = 0; claim < MHC__CONTRACTION_CLAIMS; claim++)
        assert_int_equal(verdict_of(claim, &e), MHC__REPRODUCED);
    e.paper_left = 0.1;
    assert_int_equal(verdict_of(0, &e), MHC__OTHER_REASON);
    e.paper_forward_off = 0.1;
    assert_int_equal(verdict_of(0, &e), MHC__NOT_REPRODUCED);
    e.paper_uniform_ten = 1.5;
    e.paper_rank = 3;
    e.identity_cosine = 0.9;
    for (int claim = 1; claim < MHC__CONTRACTION_CLAIMS; claim++)
        assert_int_equal(verdict_of(claim, &e), MHC__NOT_REPRODUCED);
    e.paper_rank = e.hc_rank - 1e-3;
    assert_int_equal(verdict_of(2, &e), MHC__NOT_DECIDED);
    e.identity_cosine = e.paper_cosine + 1e-3;
    assert_int_equal(verdict_of(3, &e), MHC__NOT_DECIDED);
    e.paper_left = e.paper_uniform_ten = e.hc_rank = e.orthogonal_cosine = NAN;
    for (int claim = 0; claim < MHC__CONTRACTION_CLAIMS; claim++)
        assert_int_equal(verdict_of(claim, &e), MHC__NOT_DECIDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_figures), cmocka_unit_test(test_verdicts_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
