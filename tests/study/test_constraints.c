/* The constraints study: its statistics, its control, and that its findings turn with the data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "study/constraints.h"
#include "study/text_model.h"

static void near(double found, double expected, double off) {
    if (!(fabs(found - expected) <= off))
        fail_msg("expected %.9g, found %.9g", expected, found);
}

/* From tables of Student's t. */
static void test_student(void **state) {
    (void)state;
    near(mhc__student_t(0.05, 1), 12.7062, 1e-4);
    near(mhc__student_t(0.05, 2), 4.30265, 1e-5);
    near(mhc__student_t(0.05, 10), 2.22814, 1e-5);
    near(mhc__student_t(0.01, 30), 2.75, 1e-3);
    near(mhc__student_p(1, 1), 0.5, 1e-12); /* Cauchy */
    near(mhc__student_p(-4.30265, 2), 0.05, 1e-6);
    near(mhc__student_p(0, 7), 1, 1e-12);
    assert_true(isnan(mhc__student_p(NAN, 2)));
}

static void test_paired(void **state) {
    (void)state;
    const double differences[3] = {-0.03, -0.02, -0.01};
    mhc__paired d = mhc__paired_of(differences, 3);
    near(d.mean, -0.02, 1e-12);
    near(d.high - d.mean, 4.30265 * 0.01 / sqrt(3), 1e-7);
    near(d.p, 2 * (0.5 - 0.5 * sqrt(12) / sqrt(14)), 1e-9); /* two degrees: closed form, t = -sqrt(12) */
    assert_true(isnan(mhc__paired_of(differences, 1).low));
    const double broken[3] = {0.1, NAN, 0.1};
    assert_true(isnan(mhc__paired_of(broken, 3).p));
}

static void test_holm(void **state) {
    (void)state;
    mhc__paired r[5] = {{.p = 0.01}, {.p = 0.04}, {.p = 0.03}, {.p = NAN}, {.p = 0.005}};
    mhc__paired_holm(r, 5);
    near(r[4].holm, 0.02, 1e-12);
    near(r[0].holm, 0.03, 1e-12);
    near(r[2].holm, 0.06, 1e-12);
    near(r[1].holm, 0.06, 1e-12); /* no smaller than the one before */
    assert_true(isnan(r[3].holm));
}

static void test_best(void **state) {
    (void)state;
    const double losses[4] = {NAN, 2.0, 1.5, INFINITY}, none[2] = {NAN, NAN};
    assert_int_equal(mhc__constraints_best(losses, 4), 2);
    assert_int_equal(mhc__constraints_best(none, 2), -1);
}

static void test_match_and_cost(void **state) {
    (void)state;
    mhc__config residual = mhc__study_text_model(), like = residual;
    mhc_error error = {0};
    residual.model.streams = 1;
    snprintf(residual.model.connection, sizeof residual.model.connection, "residual");
    snprintf(like.model.connection, sizeof like.model.connection, "paper");
    int width;
    assert_int_equal(mhc__constraints_match(&residual, &like, &width, &error), MHC_OK);
    assert_true(width > residual.model.ffn);
    mhc__config wide = residual;
    mhc__constraints_cost of_wide, of_like, of_plain;
    wide.model.ffn = width;
    assert_int_equal(mhc__constraints_cost_of(&wide, &of_wide, &error), MHC_OK);
    assert_int_equal(mhc__constraints_cost_of(&like, &of_like, &error), MHC_OK);
    assert_int_equal(mhc__constraints_cost_of(&residual, &of_plain, &error), MHC_OK);
    int64_t each = residual.model.blocks * (2 * residual.model.channels + 1); /* of one more hidden channel */
    assert_true(llabs((long long)(of_wide.parameters - of_like.parameters)) <= each / 2 + 1);
    assert_true(of_plain.connection == 0 && of_wide.connection == 0);
    assert_true(of_like.layers == of_plain.layers);
    /* 8 sites; 24 logits from n C inputs: 2 · 24 · 512, and n C (2 + n) products, beside norms and biases. */
    double low = 3.0 * 8 * (2 * 24 * 512 + 2 * 512 * 6);
    assert_true(of_like.connection >= low && of_like.connection < 1.1 * low);
    assert_int_equal(mhc__constraints_match(&residual, &residual, &width, &error), MHC_OK);
    assert_int_equal(width, residual.model.ffn);
}

enum { SEEDS = 3 };

/* Findings of three models: residual, sinkhorn, none. */
static void findings(const double *losses, double start_off, int best, float sinkhorn_rate, mhc__html *html) {
    mhc__arm arms[3 * SEEDS] = {0};
    mhc__study_options options = mhc__study_options_default();
    mhc__constraints study = {
        .options = &options,
        .choices = {{.name = "residual", .label = "baseline"},
                    {.name = "sinkhorn", .label = "sinkhorn", .variant = {.name = "sinkhorn", .connection = "paper"}},
                    {.name = "none", .label = "none", .variant = {.name = "none", .connection = "paper"}}},
        .choice_count = 3,
        .seeds = SEEDS,
        .rate_count = 3,
        .arms = arms,
        .reference = 1};
    for (int i = 0; i < 3 * SEEDS; i++) {
        arms[i].held_out = (mhc__held_out){losses[i], 100};
        arms[i].config.train.lr = i / SEEDS == 1 ? sinkhorn_rate : 0.003f;
        arms[i].not_finite_at = isnan(losses[i]) ? 5 : -1;
        arms[i].before.gains = arms[i].after.gains =
            (mhc__gains){.composite_forward = 1, .composite_backward = 1, .composite_column_min = 1};
    }
    arms[2 * SEEDS].after.gains.composite_forward = 30;
    for (int c = 0; c < 3; c++) {
        study.starts[c] = (mhc__start_difference){c == 2 ? start_off : 0, 1};
        study.swept[c].best = best;
    }
    *html = (mhc__html){0};
    mhc__html_start(html, "t", "t");
    mhc__constraints_findings(&study, html);
}

static void expect_said(mhc__html *html, const char *words, bool there) {
    if ((strstr(html->markdown.data, words) != NULL) != there)
        fail_msg("expected %s\"%s\" in: %s", there ? "" : "no ", words, html->markdown.data);
}

static void test_findings_turn(void **state) {
    (void)state;
    double losses[9] = {2.00, 2.10, 2.20, 1.90, 2.001, 2.099, 2.05, 2.09, 2.21};
    mhc__html html;
    findings(losses, 1e-6, 1, 0.003f, &html);
    expect_said(&html, "lower in held-out loss: sinkhorn", true);
    expect_said(&html, "inside those tried", true);
    expect_said(&html, "trained at another rate", false);
    expect_said(&html, "Not the same: baseline", false);
    expect_said(&html, "Others: none (1 to 30 forward", true);
    mhc__html_free(&html);
    for (int s = 0; s < SEEDS; s++) /* the other way round */
        losses[3 + s] += 0.2 + 0.001 * s;
    findings(losses, 0.5, 2, 0.01f, &html);
    expect_said(&html, "higher: sinkhorn", true);
    expect_said(&html, "trained at another rate than baseline (0.003)**: sinkhorn (0.01)", true);
    expect_said(&html, "trained at another rate than sinkhorn (0.01)**: baseline (0.003)", true);
    expect_said(&html, "lower in held-out loss: sinkhorn", false);
    expect_said(&html, "Not the same: none (0.5)", true);
    expect_said(&html, "at an end of those tried", true);
    mhc__html_free(&html);
    losses[4] = 2.05; /* one seed disagrees */
    findings(losses, 0.5, 2, 0.01f, &html);
    expect_said(&html, "Against baseline none differs", true);
    mhc__html_free(&html);
    losses[4] = NAN;
    findings(losses, 0.5, 2, 0.01f, &html);
    expect_said(&html, "sinkhorn: 1 of 3 seeds not finite", true);
    expect_said(&html, "Against sinkhorn no verdict", true);
    expect_said(&html, "Against sinkhorn none differs", false);
    mhc__html_free(&html);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_student),        cmocka_unit_test(test_paired),
                                       cmocka_unit_test(test_holm),           cmocka_unit_test(test_best),
                                       cmocka_unit_test(test_match_and_cost), cmocka_unit_test(test_findings_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
