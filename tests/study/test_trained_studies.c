/* Whole studies of trained models, tiny: of their own and of checkpoints. */
#include "tiny.h"

/* Its own models first; then one of them as a checkpoint, which costs the same; results are taken up. */
static void test_intervene(void **state) {
    (void)state;
    const char *out = scratch_path("intervene"), *again = scratch_path("intervene-checkpoint");
    const char *text = scratch_path("intervene.txt");
    write_text_file(text);
    mhc__study_options options = tiny(out);
    options.data = text;
    run_study("intervene", &options);
    const char *files[] = {"report/index.html", "report/table.tsv", "report/intervene_costs.tsv",
                           "report/intervene_sites.gp", "hc-seed42/interventions.jsonl"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_there(out, files[i]);
    assert_drawn(out);
    char path[1200], copy[1200], *first, *second;
    size_t size, size_again;
    snprintf(path, sizeof path, "%s/paper-seed42/interventions.jsonl", out);
    assert_int_equal(mhc__read_file(path, &first, &size, NULL), MHC_OK);
    assert_int_equal(mhc__write_file(path, first, size / 2, NULL), MHC_OK); /* as after a kill */
    run_study("intervene", &options);
    assert_int_equal(mhc__read_file(path, &second, &size_again, NULL), MHC_OK);
    assert_true(size == size_again && !memcmp(first, second, size));
    free(second);
    const char *set[1];
    snprintf(copy, sizeof copy, "study.checkpoint=%s/paper-seed42", out);
    set[0] = copy;
    mhc__study_options checkpoint = mhc__study_options_default();
    checkpoint.out = again;
    checkpoint.set = set;
    checkpoint.set_count = 1;
    checkpoint.threads = 1;
    run_study("intervene", &checkpoint);
    snprintf(path, sizeof path, "%s/checkpoint/interventions.jsonl", again);
    assert_int_equal(mhc__read_file(path, &second, &size_again, NULL), MHC_OK);
    assert_true(size == size_again && !memcmp(first, second, size));
    free(first);
    mhc_error error = {0};
    char *edited = strstr(strstr(second, "\"map\""), "\"loss\":"); /* a name that is not there any more */
    edited[1] = 'b';
    assert_int_equal(mhc__write_file(path, second, size, NULL), MHC_OK);
    assert_int_equal(mhc__study_find("intervene")->run(&checkpoint, &error), MHC_CORRUPT);
    free(second);
    snprintf(copy, sizeof copy, "study.checkpoint=%s/hc-seed42", out); /* another model in the same folder */
    assert_int_equal(mhc__study_find("intervene")->run(&checkpoint, &error), MHC_MISMATCH);
    checkpoint.steps = 3;
    assert_int_equal(mhc__study_find("intervene")->run(&checkpoint, &error), MHC_INVALID_ARGUMENT);
    checkpoint.steps = 0;
    set[0] = "study.connections=residual";
    assert_int_equal(mhc__study_find("intervene")->run(&checkpoint, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "residual has no H_pre"));
    set[0] = "study.checkpoint=nowhere";
    assert_int_equal(mhc__study_find("intervene")->run(&checkpoint, &error), MHC_IO);
}

/* contraction: models of two blocks, then one of them as a checkpoint. */
static void test_contraction(void **state) {
    (void)state;
    const char *out = scratch_path("contraction"), *again = scratch_path("contraction-again");
    char checkpoint[1300];
    const char *set[TINY_COUNT + 3];
    memcpy(set, TINY, sizeof TINY);
    set[TINY_COUNT] = "study.connections=residual,sinkhorn,no-constraint";
    set[TINY_COUNT + 1] = "study.sites=3,5";
    set[TINY_COUNT + 2] = "study.tokens=2";
    mhc__study_options options = tiny(out);
    options.set = set;
    options.set_count = TINY_COUNT + 3;
    run_study("contraction", &options);
    const char *files[] = {"report/index.html", "report/claims.tsv", "report/table.tsv",
                           "report/contraction_survival.tsv", "report/contraction_models.tsv"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_there(out, files[i]);
    assert_says(out, "baseline</strong> has no differences between streams");
    assert_says(out, "kept its bound, no difference below (1 - β/L)^L, in 27 of 27 stacks");
    snprintf(checkpoint, sizeof checkpoint, "study.checkpoint=%s/sinkhorn-seed42", out);
    const char *alone[] = {checkpoint, "study.sites=3", "study.tokens=1"};
    options = mhc__study_options_default();
    options.out = again;
    options.set = alone;
    options.set_count = 3;
    run_study("contraction", &options);
    assert_says(again, "<strong>checkpoint</strong>");
    mhc_error error = {0};
    options.steps = 4;
    assert_int_equal(mhc__study_find("contraction")->run(&options, &error), MHC_INVALID_ARGUMENT);
    options.steps = 0;
    alone[1] = "study.sites=5,3";
    assert_int_equal(mhc__study_find("contraction")->run(&options, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "rising"));
}

/* matrices: two models of four sites, then one of them and a checkpoint of the other. */
static void test_matrices(void **state) {
    (void)state;
    const char *out = scratch_path("matrices"), *again = scratch_path("matrices-again");
    mhc__study_options options = tiny(out);
    run_study("matrices", &options);
    const char *files[] = {"report/index.html", "report/claims.tsv", "report/table.md", "report/matrices.tsv",
                           "report/matrices_gains.tsv"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_there(out, files[i]);
    assert_says(out, "<strong>mHC</strong>: the largest gain of a single matrix is 1 forward");
    char checkpoints[2600], path[1300], *table;
    size_t size;
    snprintf(path, sizeof path, "%s/report/table.tsv", out);
    assert_int_equal(mhc__read_file(path, &table, &size, NULL), MHC_OK);
    assert_non_null(strstr(table, "HC\tH 4 … H 1\t1\t"));
    free(table);
    snprintf(checkpoints, sizeof checkpoints, "study.checkpoints=%s/paper-seed42,%s/hc-seed42/checkpoints", out, out);
    const char *set[] = {checkpoints, "study.sites=2", "study.ranges=1-3"};
    options = mhc__study_options_default();
    options.out = again;
    options.set = set;
    options.set_count = 3;
    run_study("matrices", &options);
    assert_says(again, "paper-seed42");
    assert_says(again, "connection <code>hc</code>");
    mhc_error error = {0};
    set[2] = "study.ranges=1-5";
    assert_int_equal(mhc__study_find("matrices")->run(&options, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "1..4"));
    set[0] = "study.connections=residual";
    assert_int_equal(mhc__study_find("matrices")->run(&options, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "H_res"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_intervene), cmocka_unit_test(test_contraction),
                                       cmocka_unit_test(test_matrices)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
