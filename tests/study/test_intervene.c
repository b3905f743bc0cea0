/* What the study intervene says follows from the results. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "study/intervene.h"

static mhc__intervene_result results[MHC__INTERVENE_HALVES];

/* res by I, 1/n and its mean, pre and post by theirs; each in all sites, early, late. */
static mhc__intervene_model as_found(void) {
    static const mhc__map maps[] = {MHC__MAP_RES, MHC__MAP_RES, MHC__MAP_RES, MHC__MAP_PRE, MHC__MAP_POST};
    static const mhc__substitute by[] = {MHC__BY_IDENTITY, MHC__BY_UNIFORM, MHC__BY_MEAN, MHC__BY_MEAN, MHC__BY_MEAN};
    mhc__intervene_model model = {
        .label = "X", .sites = 4, .streams = 4, .batches = 4, .results = results, .count = MHC__INTERVENE_HALVES};
    for (int i = 0; i < model.count; i++)
        results[i] = (mhc__intervene_result){.map = maps[i / 3], .by = by[i / 3], .end = 4, .error = 0.001};
    return model;
}

static void set(int index, double cost) {
    results[index].cost = cost;
    results[index].seen = fabs(cost) > 2 * results[index].error;
}

static bool says(const mhc__intervene_model *model, const char *words) {
    mhc__html html;
    mhc__html_start(&html, "t", "s");
    mhc__html_section(&html, "h");
    mhc__html_list_start(&html);
    mhc__intervene_findings(model, &html);
    mhc__html_list_end(&html);
    bool found = strstr(html.text.data, words) != NULL;
    mhc__html_free(&html);
    return found;
}

static void mixing(void **state) {
    (void)state;
    mhc__intervene_model model = as_found();
    assert_true(says(&model, "shows no loss without its mixing"));
    set(0, 0.5);
    assert_true(says(&model, "does not tell one matrix for each site from one for each token"));
    set(6, 0.4);
    assert_true(says(&model, "most of what it loses"));
    set(6, 0.1);
    assert_true(says(&model, "less than half of what it loses"));
    set(0, -0.5);
    assert_true(says(&model, "shows no loss without its mixing"));
    assert_true(says(&model, "0.5 nats per token less"));
    set(0, NAN);
    assert_true(says(&model, "the loss is not finite"));
    assert_false(says(&model, "nan"));
    assert_false(says(&model, "less than half"));
    model.isometry = true;
    assert_true(says(&model, "Means of rotations shrink"));
    model.failed = true;
    assert_true(says(&model, "was not finite in training"));
}

static void halves(void **state) {
    (void)state;
    mhc__intervene_model model = as_found();
    set(1, 0.1);
    set(2, 0.1015);
    assert_false(says(&model, "half needs its own more"));
    set(2, 0.2);
    assert_true(says(&model, "The second half needs its own more."));
    set(1, 0.3);
    assert_true(says(&model, "The first half needs its own more."));
    set(1, -0.1);
    set(2, -0.5);
    assert_true(says(&model, "The second half loses less."));
    set(1, NAN);
    assert_true(says(&model, "Only the first half cannot do without its own."));
    set(1, 0.3);
    model.batches = 2;
    assert_true(says(&model, "does not tell the halves apart"));
}

static void judging(void **state) {
    (void)state;
    const double without[4] = {1, 2, 3, 4}, with[4] = {1.1, 2.2, 3.1, 4.2};
    mhc__intervene_result result = {.cost = 0.15};
    mhc__intervene_judge(with, without, 4, &result);
    assert_true(fabs(result.error - sqrt(0.01 / 3) / 2) < 1e-12 && result.seen);
    mhc__intervene_judge(with, without, 2, &result);
    assert_false(result.seen); /* two batches say nothing */
    result.cost = 0.05;
    mhc__intervene_judge(with, without, 4, &result);
    assert_false(result.seen);
    mhc__intervene_judge(with, without, 1, &result);
    assert_true(isnan(result.error) && !result.seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mixing), cmocka_unit_test(halves), cmocka_unit_test(judging)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
