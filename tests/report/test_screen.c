/* What a terminal of a given size shows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "report/screen.h"
#include "scratch.h"

static void load(mhc__metrics *metrics, int steps) {
    FILE *file = fopen(scratch_path("metrics.jsonl"), "w");
    assert_non_null(file);
    for (int i = 0; i < steps; i++)
        fprintf(file, "{\"step\":%d,\"loss\":%g,\"grad_norm\":%s,\"seconds\":0.5,\"activation_gain\":4}\n", i,
                5 - 0.01 * i, i == 3 ? "null" : "0.75");
    fclose(file);
    assert_int_equal(mhc__metrics_start(metrics, scratch_path("metrics.jsonl"), NULL), MHC_OK);
    assert_int_equal(mhc__metrics_follow(metrics, NULL, NULL), MHC_OK);
}

static int width_of(const char *line, size_t length) {
    int width = 0;
    for (size_t i = 0; i < length; i++) {
        if (line[i] == '\033') { /* a colour takes no room */
            while (line[i] != 'm')
                i++;
            continue;
        }
        width += ((unsigned char)line[i] & 0xc0) != 0x80;
    }
    return width;
}

/* Any size, from nothing on: no more lines and columns than there are. */
static void test_fits(void **state) {
    (void)state;
    mhc__metrics metrics;
    load(&metrics, 200);
    for (int colour = 0; colour < 2; colour++)
        for (int columns = 1; columns < 500; columns = columns * 3 / 2 + 1)
            for (int lines = 2; lines < 200; lines = lines * 3 / 2 + 1) {
                mhc__screen screen = {"runs/x", &metrics, 400, 4096, 1, columns, lines, colour};
                mhc__text out = {0};
                mhc__screen_draw(&screen, &out);
                int count = 0;
                for (const char *line = out.data, *end; (end = strchr(line, '\n')); line = end + 1, count++)
                    assert_in_range(width_of(line, (size_t)(end - line)), 0, columns);
                assert_in_range(count, 1, lines);
                mhc__text_free(&out);
            }
    mhc__metrics_free(&metrics);
}

static void assert_line(const mhc__screen *screen, const char *expected) {
    mhc__text out = {0};
    mhc__screen_line(screen, &out);
    assert_string_equal(out.data, expected);
    mhc__text_free(&out);
}

static void test_line(void **state) {
    (void)state;
    mhc__metrics metrics;
    load(&metrics, 100);
    mhc__screen screen = {"runs/x", &metrics, 400, 4096, 1, 80, 24, false};
    assert_line(&screen, "step 100/400  loss 4.01  gradient 0.75  activation gain 4  8.2k tok/s  left 2m 30s\n");
    screen.silent = 65;
    assert_line(&screen, "step 100/400  loss 4.01  gradient 0.75  activation gain 4  8.2k tok/s  silent for 1m 05s\n");
    screen.steps = 100;
    assert_line(&screen, "step 100/100  loss 4.01  gradient 0.75  activation gain 4  8.2k tok/s  finished\n");
    screen.steps = 0;
    screen.step_tokens = screen.silent = NAN;
    assert_line(&screen, "step 100  loss 4.01  gradient 0.75  activation gain 4  2 steps/s  running\n");
    mhc__metrics_free(&metrics);
}

static void assert_curve(mhc__curve curve, const double *values, int64_t count, const char *expected) {
    mhc__text rows[2] = {{0}};
    mhc__curve_draw(&curve, values, count, rows);
    char found[128];
    snprintf(found, sizeof found, "%s/%s", rows[0].data, curve.height > 1 ? rows[1].data : "");
    assert_string_equal(found, expected);
    mhc__text_free(&rows[0]);
    mhc__text_free(&rows[1]);
}

static void test_curve(void **state) {
    (void)state;
    const double falling[] = {8, 7, 6, 5, 4, 3, 2, 1}, hole[] = {1, NAN, NAN, 1}, powers[] = {1, 1000, 1000000, 1e9};
    assert_curve((mhc__curve){4, 2, false, 0, 0}, falling, 8, "⠑⢄⠀⠀/⠀⠀⠑⢄");
    assert_curve((mhc__curve){2, 1, false, 0, 0}, hole, 4, "⠄⠠/");
    assert_curve((mhc__curve){2, 1, true, 0, 0}, powers, 4, "⡠⠊/");
    assert_curve((mhc__curve){2, 1, true, 0, 0}, NULL, 0, "⠀⠀/");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_curve),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
