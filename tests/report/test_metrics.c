/* metrics.jsonl read as it grows, is cut, and is replaced. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "report/metrics.h"
#include "scratch.h"

static void put(const char *mode, const char *text) {
    FILE *file = fopen(scratch_path("metrics.jsonl"), mode);
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void follow(mhc__metrics *metrics, bool changes, int64_t rows) {
    bool changed;
    mhc_error error = {0};
    if (mhc__metrics_follow(metrics, &changed, &error) != MHC_OK)
        fail_msg("%s", error.message);
    assert_int_equal(changed, changes);
    assert_int_equal(metrics->rows, rows);
}

static void test_grows(void **state) {
    (void)state;
    mhc__metrics metrics;
    remove(scratch_path("metrics.jsonl"));
    assert_int_equal(mhc__metrics_start(&metrics, scratch_path("metrics.jsonl"), NULL), MHC_OK);
    follow(&metrics, false, 0); /* not there yet */
    put("w", "");
    follow(&metrics, false, 0);
    put("a", "{\"step\":0,\"loss\":3.5,\"name\":\"x\",\"list\":[1]}\n{\"step\":1,\"lo");
    follow(&metrics, true, 1);
    follow(&metrics, false, 1);
    put("a", "ss\":null,\"gain\":2}\n");
    follow(&metrics, true, 2);
    const double *loss = mhc__metrics_column(&metrics, "loss"), *gain = mhc__metrics_column(&metrics, "gain");
    assert_true(loss[0] == 3.5 && isnan(loss[1]));
    assert_true(isnan(gain[0]) && gain[1] == 2);
    assert_null(mhc__metrics_column(&metrics, "name"));
    assert_null(mhc__metrics_column(&metrics, "list"));
    assert_null(mhc__metrics_column(&metrics, "step"));
    put("a", "nonsense\n\n[]\n{\"step\":2,\"loss\":1}\n");
    follow(&metrics, true, 3);
    assert_int_equal(metrics.skipped, 3);
    /* a rollback to step 1 */
    put("a", "{\"step\":1,\"loss\":8}\n");
    follow(&metrics, true, 2);
    assert_true(mhc__metrics_column(&metrics, "loss")[1] == 8);
    assert_true(isnan(mhc__metrics_column(&metrics, "gain")[1]));
    mhc__metrics_free(&metrics);
}

static void test_another_file(void **state) {
    (void)state;
    mhc__metrics metrics;
    put("w", "{\"step\":0,\"loss\":1}\n{\"step\":1,\"loss\":2}\n");
    assert_int_equal(mhc__metrics_start(&metrics, scratch_path("metrics.jsonl"), NULL), MHC_OK);
    follow(&metrics, true, 2);
    put("w", "{\"step\":0,\"loss\":5}\n"); /* shorter, the same file */
    follow(&metrics, true, 1);
    assert_true(mhc__metrics_column(&metrics, "loss")[0] == 5);
    put("w", "{\"step\":0,\"loss\":6}\n{\"step\":1,\"loss\":7}\n"); /* cut and longer again between two looks */
    follow(&metrics, true, 2);
    assert_true(mhc__metrics_column(&metrics, "loss")[0] == 6);
    static const char line[] = "{\"step\":0,\"lr\":9}\n"; /* another file of the name */
    assert_int_equal(mhc__write_file(scratch_path("metrics.jsonl"), line, strlen(line), NULL), MHC_OK);
    follow(&metrics, true, 1);
    assert_null(mhc__metrics_column(&metrics, "loss"));
    remove(scratch_path("metrics.jsonl"));
    follow(&metrics, true, 0);
    follow(&metrics, false, 0);
    mhc__metrics_free(&metrics);
}

/* More rows than the first allocation, more columns than there is room for, and lines longer than a chunk. */
static void test_large(void **state) {
    (void)state;
    FILE *file = fopen(scratch_path("metrics.jsonl"), "w");
    assert_non_null(file);
    fprintf(file, "{\"step\":0,\"text\":\"%200000s\"}\n{\"step\":1", "");
    for (int i = 0; i < MHC__METRICS_COLUMNS + 8; i++)
        fprintf(file, ",\"c%d\":%d", i, i);
    fprintf(file, "}\n");
    for (int i = 2; i < 3000; i++)
        fprintf(file, "{\"step\":%d,\"c7\":%d,\"%050d\":1}\n", i, 2 * i, 0);
    fclose(file);
    mhc__metrics metrics;
    assert_int_equal(mhc__metrics_start(&metrics, scratch_path("metrics.jsonl"), NULL), MHC_OK);
    follow(&metrics, true, 3000);
    assert_int_equal(metrics.columns, MHC__METRICS_COLUMNS);
    assert_true(mhc__metrics_column(&metrics, "c7")[2999] == 5998);
    assert_true(isnan(mhc__metrics_column(&metrics, "c8")[2999]));
    mhc__metrics_free(&metrics);
}

static void test_not_a_file(void **state) {
    (void)state;
    mhc__metrics metrics;
    mhc_error error = {0};
    assert_int_equal(mhc__metrics_start(&metrics, scratch_folder, NULL), MHC_OK);
    assert_int_equal(mhc__metrics_follow(&metrics, NULL, &error), MHC_IO);
    assert_non_null(strstr(error.message, scratch_folder));
    mhc__metrics_free(&metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_another_file),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_not_a_file),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
