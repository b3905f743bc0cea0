#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report/run_log.h"
#include "scratch.h"

static mhc__train_record record_of(int64_t step) {
    mhc__train_record record = {0};
    record.step = step;
    record.steps = 10;
    record.loss = 2.5 - 0.125 * (double)step;
    record.grad_norm = 0.75;
    record.lr = 1e-3;
    record.seconds = 0.5;
    record.tokens_per_second = 8192;
    record.eval_loss = NAN;
    record.remaining = 187;
    record.tokens = 4096 * (step + 1);
    return record;
}

static void log_steps(const char *path, int64_t from, int64_t to, FILE *progress) {
    mhc__run_log *log;
    mhc_error error = {0};
    assert_int_equal(mhc__run_log_open(path, NULL, from, progress, "mHC", 4, &log, &error), MHC_OK);
    mhc__train_observer observer = mhc__run_log_observer(log);
    for (int64_t step = from; step < to; step++) {
        mhc__train_record record = record_of(step);
        if (step == 3)
            record.loss = NAN;
        record.evaluated = step == 2 || step == 4; /* the first of them gave NaN */
        if (step == 4)
            record.eval_loss = 1.5;
        assert_int_equal(observer.after_step(observer.self, NULL, &record, &error), MHC_OK);
    }
    assert_int_equal(observer.note(observer.self, "saved", &error), MHC_OK);
    mhc__run_log_close(log);
}

static char *content(const char *path) {
    char *bytes;
    size_t size;
    assert_int_equal(mhc__read_file(path, &bytes, &size, NULL), MHC_OK);
    return bytes;
}

static void test_lines(void **state) {
    (void)state;
    const char *path = scratch_path("metrics.jsonl");
    log_steps(path, 0, 5, NULL);
    char *text = content(path);
    assert_memory_equal(
        text, "{\"step\":0,\"loss\":2.5,\"grad_norm\":0.75,\"lr\":0.001,\"tokens\":4096,\"seconds\":0.5}\n", 75);
    assert_non_null(strstr(text, "{\"step\":3,\"loss\":null,"));
    assert_non_null(strstr(text, "\"seconds\":0.5,\"eval_loss\":1.5}\n"));
    assert_non_null(strstr(text, "\"seconds\":0.5,\"eval_loss\":null}\n"));
    int lines = 0;
    for (char *c = text; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 5);
    free(text);
}

/* A run that was killed after its checkpoint has lines that the resumed run writes again, and maybe half a line. */
static void test_resume_equals_one_run(void **state) {
    (void)state;
    const char *whole = scratch_path("whole.jsonl"), *resumed = scratch_path("resumed.jsonl");
    log_steps(whole, 0, 8, NULL);
    log_steps(resumed, 0, 6, NULL);
    FILE *file = fopen(resumed, "a");
    fputs("{\"step\":6,\"lo", file);
    fclose(file);
    log_steps(resumed, 4, 8, NULL);
    char *a = content(whole), *b = content(resumed);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void test_progress_of_a_file(void **state) {
    (void)state;
    FILE *progress = tmpfile();
    log_steps(NULL, 0, 10, progress);
    rewind(progress);
    char text[2048];
    text[fread(text, 1, sizeof text - 1, progress)] = '\0';
    fclose(progress);
    assert_string_equal(text, "mHC  step  1/10  loss 2.5000  gradient 0.75  8.2k tok/s  left 3m 07s\n"
                              "mHC  step  5/10  loss 2.0000  held-out 1.5000  gradient 0.75  8.2k tok/s  left 3m 07s\n"
                              "mHC  step  9/10  loss 1.5000  gradient 0.75  8.2k tok/s  left 3m 07s\n"
                              "mHC  step 10/10  loss 1.3750  gradient 0.75  8.2k tok/s  left 0s\n"
                              "mHC  saved\n");
}

static void test_cannot_write(void **state) {
    (void)state;
    mhc__run_log *log;
    mhc_error error = {0};
    assert_int_equal(mhc__run_log_open(scratch_path("none/metrics.jsonl"), NULL, 0, NULL, "", 0, &log, &error), MHC_IO);
    assert_null(log);
    assert_non_null(strstr(error.message, "none/metrics.jsonl"));
}

/* A full disk is an error of the step, not a silent hole in the log. */
static void test_full_disk(void **state) {
    (void)state;
    FILE *full = fopen("/dev/full", "a");
    if (!full) {
        print_message("no /dev/full here\n");
        skip();
    }
    fclose(full);
    mhc__run_log *log;
    mhc_error error = {0};
    if (mhc__run_log_open("/dev/full", NULL, 0, NULL, "", 0, &log, &error) != MHC_OK)
        skip();
    mhc__train_observer observer = mhc__run_log_observer(log);
    mhc__train_record record = record_of(0);
    assert_int_equal(observer.after_step(observer.self, NULL, &record, &error), MHC_IO);
    mhc__run_log_close(log);
}

static void test_durations(void **state) {
    (void)state;
    const double seconds[] = {0, 59.4, 187, 7512, 100000, NAN, -1};
    const char *expected[] = {"0s", "59s", "3m 07s", "2h 05m", "1d 03h", "–", "–"};
    for (int i = 0; i < 7; i++) {
        char text[32];
        mhc__duration(seconds[i], text, sizeof text);
        assert_string_equal(text, expected[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_resume_equals_one_run),
        cmocka_unit_test(test_progress_of_a_file),
        cmocka_unit_test(test_cannot_write),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
