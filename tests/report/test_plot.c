#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/plot.h"
#include "scratch.h"

static const char DATA[] = "step\tresidual\thc\n0\t1\t2\n1\t2\tNaN\n2\t3\t8\n";
static const char SCRIPT[] =
    "set title \"a title\"\nplot 'line.tsv' using 1:2 skip 1 with lines ls 1 title \"one\", '' "
    "using 1:3 skip 1 with lines ls 2 title \"two\"\n";

static char *read_all(const char *name, size_t *size) {
    char *bytes;
    mhc_error error = {0};
    assert_int_equal(mhc__read_file(scratch_path(name), &bytes, size, &error), MHC_OK);
    return bytes;
}

static bool have_gnuplot(void) {
    if (mhc__plot_available(NULL) == MHC_OK)
        return true;
    print_message("gnuplot is not installed: pictures are not tested\n");
    return false;
}

static void test_draws(void **state) {
    (void)state;
    if (!have_gnuplot())
        skip();
    mhc_error error = {0};
    if (mhc__plot(scratch_folder, "line", DATA, SCRIPT, 640, 400, &error) != MHC_OK)
        fail_msg("%s", error.message);
    size_t size;
    char *png = read_all("line.png", &size);
    assert_true(size > 1000);
    assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
    const unsigned char *header = (const unsigned char *)png + 16;
    assert_int_equal(header[2] << 8 | header[3], 640);
    assert_int_equal(header[6] << 8 | header[7], 400);
    char *svg = read_all("line.svg", &size);
    assert_non_null(strstr(svg, "<svg"));
    assert_non_null(strstr(svg, "</svg>"));
    assert_non_null(strstr(svg, "a title"));
    char *data = read_all("line.tsv", &size);
    assert_string_equal(data, DATA);
    free(png);
    free(svg);
    free(data);
}

static void test_script_is_wrong(void **state) {
    (void)state;
    if (!have_gnuplot())
        skip();
    mhc_error error = {0};
    assert_int_equal(mhc__plot(scratch_folder, "wrong", DATA, "plto 'wrong.tsv'\n", 640, 400, &error), MHC_IO);
    assert_non_null(strstr(error.message, "wrong.gp"));
    assert_non_null(strstr(error.message, "invalid command"));
}

static void test_folder_is_missing(void **state) {
    (void)state;
    mhc_error error = {0};
    assert_int_equal(mhc__plot(scratch_path("none"), "line", DATA, SCRIPT, 640, 400, &error), MHC_IO);
    assert_non_null(strstr(error.message, "none/line.tsv"));
}

/* The data and the script stay for a machine that has gnuplot. */
static void test_without_gnuplot(void **state) {
    (void)state;
    char *path = getenv("PATH") ? strdup(getenv("PATH")) : NULL;
    setenv("PATH", scratch_folder, 1);
    mhc_error error = {0};
    mhc_status available = mhc__plot_available(&error);
    mhc_status drawn = mhc__plot(scratch_folder, "absent", DATA, SCRIPT, 640, 400, &error);
    if (path)
        setenv("PATH", path, 1);
    free(path);
    assert_int_equal(available, MHC_UNSUPPORTED);
    assert_int_equal(drawn, MHC_UNSUPPORTED);
    assert_non_null(strstr(error.message, "gnuplot is not installed"));
    assert_int_equal(access(scratch_path("absent.tsv"), F_OK), 0);
    assert_int_equal(access(scratch_path("absent.gp"), F_OK), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_script_is_wrong),
        cmocka_unit_test(test_folder_is_missing),
        cmocka_unit_test(test_without_gnuplot),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
