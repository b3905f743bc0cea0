/* Whole studies, tiny: what they write, that they go on after a stop, what they say to wrong use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "study/measurement.h"
#include "study/study.h"

static const char *const TINY[] = {"model.channels=16",       "model.heads=2",     "model.ffn=32",
                                   "model.blocks=2",          "model.sequence=16", "train.batch=2",
                                   "train.checkpoint_every=2"};
enum { TINY_COUNT = sizeof TINY / sizeof TINY[0] };

static mhc__study_options tiny(const char *out) {
    mhc__study_options options = mhc__study_options_default();
    options.out = out;
    options.steps = 5;
    options.set = TINY;
    options.set_count = TINY_COUNT;
    options.threads = 1;
    return options;
}

static void write_text_file(const char *path) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 60; i++)
        fprintf(file, "line %d: caf\xc3\xa9 \xff and so on, %d times %d\n", i, i * i, 61 - i);
    fclose(file);
}

static void run_study(const char *name, const mhc__study_options *options) {
    mhc_error error = {0};
    if (mhc__study_find(name)->run(options, &error) != MHC_OK)
        fail_msg("%s", error.message);
}

static void assert_there(const char *folder, const char *name) {
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (access(path, F_OK) != 0)
        fail_msg("%s is not there", path);
}

static void test_stability(void **state) {
    (void)state;
    const char *out = scratch_path("stability"), *text = scratch_path("text.txt");
    write_text_file(text);
    mhc__study_options options = tiny(out);
    options.data = text;
    run_study("stability", &options);
    const char *files[] = {"report/index.html",
                           "report/table.tsv",
                           "report/table.md",
                           "report/training_stability.tsv",
                           "report/stability_detailed.gp",
                           "report/norm_growth.tsv",
                           "report/sinkhorn_flow.tsv",
                           "report/amax_gain.tsv",
                           "residual-seed42/metrics.jsonl",
                           "hc-static-seed42/config.json",
                           "reproducing-mhc-seed42/profile-after.json"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_there(out, files[i]);
    char path[1200];
    mhc__series base, mhc;
    snprintf(path, sizeof path, "%s/residual-seed42/metrics.jsonl", out);
    assert_int_equal(mhc__series_load(path, &base, NULL), MHC_OK);
    snprintf(path, sizeof path, "%s/reproducing-mhc-seed42/metrics.jsonl", out);
    assert_int_equal(mhc__series_load(path, &mhc, NULL), MHC_OK);
    assert_int_equal(base.count, 5);
    assert_int_equal(mhc.count, 5);
    for (int i = 0; i < 5; i++) {
        assert_true(mhc.at[i].gains.spread == 0);
        assert_true(mhc.at[i].gains.composite_forward > 0.999 && mhc.at[i].gains.composite_forward < 1.001);
        assert_true(base.at[i].gains.composite_forward == 1);
    }
    mhc__series_free(&base);
    mhc__series_free(&mhc);
}

static void read_losses(const char *out, const char *arm, double *losses, int64_t *count) {
    char path[1200];
    snprintf(path, sizeof path, "%s/%s/metrics.jsonl", out, arm);
    mhc__series series;
    assert_int_equal(mhc__series_load(path, &series, NULL), MHC_OK);
    *count = series.count;
    for (int64_t i = 0; i < series.count && i < 16; i++)
        losses[i] = series.at[i].loss;
    mhc__series_free(&series);
}

/* As after a kill between two checkpoints, in the middle of a line: measurements past the checkpoint, and half a one.
 * Removing the last profile makes the study take the arm up again. */
static void test_goes_on(void **state) {
    (void)state;
    const char *out = scratch_path("goes-on");
    const char *set[TINY_COUNT + 2];
    memcpy(set, TINY, sizeof TINY);
    set[TINY_COUNT] = "study.connections=paper";
    set[TINY_COUNT + 1] = "study.depths=2";
    mhc__study_options options = tiny(out);
    options.set = set;
    options.set_count = TINY_COUNT + 2;
    run_study("depth", &options);
    double once[16], again[16];
    int64_t count;
    read_losses(out, "2-paper-seed42", once, &count);
    assert_int_equal(count, 5);
    char path[1200];
    snprintf(path, sizeof path, "%s/2-paper-seed42/profile-after.json", out);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/2-paper-seed42/metrics.jsonl", out);
    FILE *file = fopen(path, "a");
    fputs("{\"step\":5,\"lo", file);
    fclose(file);
    run_study("depth", &options);
    read_losses(out, "2-paper-seed42", again, &count);
    assert_int_equal(count, 5);
    for (int i = 0; i < 5; i++)
        assert_true(once[i] == again[i]);
}

static void test_stop_then_go_on(void **state) {
    (void)state;
    const char *out = scratch_path("stopped"), *whole = scratch_path("whole");
    volatile int stop = 1;
    mhc__study_options options = tiny(out);
    options.stop = &stop;
    mhc_error error = {0};
    assert_int_equal(mhc__study_find("stability")->run(&options, &error), MHC_INTERRUPTED);
    assert_non_null(strstr(error.message, "again"));
    stop = 0;
    run_study("stability", &options);
    options = tiny(whole);
    run_study("stability", &options);
    double a[16], b[16];
    int64_t na, nb;
    read_losses(out, "hc-static-seed42", a, &na);
    read_losses(whole, "hc-static-seed42", b, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, (size_t)na * sizeof *a);
    /* Other settings in the same folder destroy nothing. */
    options.steps = 7;
    assert_int_equal(mhc__study_find("stability")->run(&options, &error), MHC_MISMATCH);
    assert_non_null(strstr(error.message, "other settings"));
    read_losses(whole, "hc-static-seed42", a, &na);
    assert_int_equal(na, 5);
}

/* mhc-poc's HC overflows in the forward pass at 48 blocks: a result, not a failure. */
static void test_not_finite_is_recorded(void **state) {
    (void)state;
    const char *out = scratch_path("overflow");
    const char *set[TINY_COUNT + 2];
    memcpy(set, TINY, sizeof TINY);
    set[TINY_COUNT] = "study.connections=residual,mhc-poc-hc";
    set[TINY_COUNT + 1] = "study.depths=80";
    mhc__study_options options = tiny(out);
    options.set = set;
    options.set_count = TINY_COUNT + 2;
    run_study("depth", &options);
    double losses[16];
    int64_t count;
    read_losses(out, "80-mhc-poc-hc-seed42", losses, &count);
    assert_int_equal(count, 1);
    assert_true(losses[0] != losses[0]);
    char path[1200], *page;
    size_t size;
    snprintf(path, sizeof path, "%s/report/index.html", out);
    assert_int_equal(mhc__read_file(path, &page, &size, NULL), MHC_OK);
    assert_non_null(strstr(page, "NaN or Inf ended the runs of HC at 80 blocks in step 0"));
    free(page);
}

static void test_wrong_use(void **state) {
    (void)state;
    static const char *const sets[][2] = {
        {"study.depth=3", "study.connections"}, {"study.connections=residual,nope", "nope"},
        {"study.connections=hc,hc", "twice"},   {"model.connection=hc", "study.connections"},
        {"model.chanels=3", "chanels"},         {"study.connections=", "connection"}};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        mhc__study_options options = tiny(scratch_path("wrong"));
        options.set = &sets[i][0];
        options.set_count = 1;
        mhc_error error = {0};
        assert_int_equal(mhc__study_find("stability")->run(&options, &error), MHC_INVALID_ARGUMENT);
        if (!strstr(error.message, sets[i][1]))
            fail_msg("%s", error.message);
    }
    assert_int_not_equal(access(scratch_path("wrong"), F_OK), 0);
    assert_null(mhc__study_find("nothing"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stability),       cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_stop_then_go_on), cmocka_unit_test(test_not_finite_is_recorded),
        cmocka_unit_test(test_wrong_use),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
