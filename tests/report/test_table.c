#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report/table.h"

static void fill(mhc__table *table) {
    mhc__table_start(table, "Model|Loss|Note");
    mhc__table_cell(table, "mHC");
    mhc__table_number(table, 1.25);
    mhc__table_cell(table, "a|b\tc");
    mhc__table_cell(table, "α");
    mhc__table_number(table, NAN);
    mhc__table_cell(table, "%d", 7);
}

static void test_tsv(void **state) {
    (void)state;
    mhc__table table;
    fill(&table);
    mhc__text text = {0};
    mhc__table_tsv(&table, &text);
    assert_string_equal(text.data, "Model\tLoss\tNote\nmHC\t1.25\ta|b c\nα\tNaN\t7\n");
    assert_int_equal(mhc__table_rows(&table), 2);
    mhc__text_free(&text);
    mhc__table_free(&table);
}

static void test_markdown(void **state) {
    (void)state;
    mhc__table table;
    fill(&table);
    mhc__text text = {0};
    mhc__table_markdown(&table, &text);
    assert_string_equal(text.data,
                        "| Model | Loss | Note |\n|---|---:|---|\n| mHC | 1.25 | a\\|b c |\n| α | NaN | 7 |\n");
    mhc__text_free(&text);
    mhc__table_free(&table);
}

static void test_plain_aligns_by_characters(void **state) {
    (void)state;
    mhc__table table;
    fill(&table);
    mhc__text text = {0};
    mhc__table_plain(&table, &text);
    assert_string_equal(text.data, "Model  Loss  Note\nmHC    1.25  a|b c\nα       NaN  7\n");
    mhc__text_free(&text);
    mhc__table_free(&table);
}

static void test_numbers(void **state) {
    (void)state;
    mhc__table table;
    mhc__table_start(&table, "a|b");
    const double values[] = {0, 1.91349, -0.602, 123456, 1e-5, INFINITY};
    const char *expected[] = {"0", "1.913", "-0.602", "1.23e+05", "1.00e-05", "NaN"};
    for (int i = 0; i < 6; i++)
        mhc__table_number(&table, values[i]);
    for (int i = 0; i < 6; i++)
        assert_string_equal(table.cell[2 + i], expected[i]);
    mhc__table_mean(&table, 1.91349, 2e-4);
    mhc__table_mean(&table, NAN, NAN);
    assert_string_equal(table.cell[8], "1.913 ± 2.00e-04");
    assert_string_equal(table.cell[9], "NaN");
    mhc__table_free(&table);
}

static void test_numeric_columns(void **state) {
    (void)state;
    mhc__table table;
    mhc__table_start(&table, "name|x|y");
    mhc__table_cell(&table, "1");
    mhc__table_cell(&table, "1.2 ± 0.1");
    mhc__table_cell(&table, "3 of 4");
    assert_false(mhc__table_numeric(&table, 0));
    assert_true(mhc__table_numeric(&table, 1));
    assert_false(mhc__table_numeric(&table, 2));
    mhc__table_free(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tsv),
        cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_plain_aligns_by_characters),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_numeric_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
