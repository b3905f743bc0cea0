/* Text, messages and large arrays: long, empty and impossible requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

static void text_grows(void **state) {
    (void)state;
    mhc__text text = {0};
    mhc__text_append(&text, NULL, 0);
    assert_string_equal(text.data, "");
    for (int i = 0; i < 1000; i++)
        mhc__text_format(&text, "%03d,", i);
    mhc__text_append(&text, "a\0b", 3);
    assert_int_equal(text.length, 4003);
    assert_false(text.failed);
    assert_memory_equal(text.data, "000,001,", 8);
    assert_memory_equal(text.data + 3996, "999,a\0b", 8);
    mhc__text_free(&text);
    assert_null(text.data);
    char *one = mhc__format("%s-%d", "x", 7);
    assert_string_equal(one, "x-7");
    free(one);
}

static void text_remembers_failure(void **state) {
    (void)state;
    mhc__text text = {0};
    mhc__text_append(&text, "kept", 4);
    mhc__text_append(&text, "", SIZE_MAX - 4);
    assert_true(text.failed);
    mhc__text_append(&text, "more", 4);
    assert_string_equal(text.data, "kept");
    mhc__text_free(&text);
}

static void messages(void **state) {
    (void)state;
    mhc_error error = {0};
    assert_int_equal(mhc__fail(&error, MHC_CORRUPT, "%s:%d", "f", 3), MHC_CORRUPT);
    assert_int_equal(error.status, MHC_CORRUPT);
    assert_string_equal(error.message, "f:3");
    assert_int_equal(mhc__fail_in(&error, MHC_IO, "while %s", "reading"), MHC_CORRUPT);
    assert_string_equal(error.message, "while reading: f:3");
    mhc__fail(&error, MHC_CORRUPT, "format \"%s\"", "a\nb\x1B[2J\xC3\xA9");
    assert_string_equal(error.message, "format \"a b?[2J\xC3\xA9\"");
    mhc__fail_in(&error, MHC_IO, "x\ty");
    assert_string_equal(error.message, "x y: format \"a b?[2J\xC3\xA9\"");
    assert_int_equal(mhc__fail(NULL, MHC_IO, "x"), MHC_IO);
    assert_int_equal(mhc__fail_in(NULL, MHC_IO, "x"), MHC_IO);
    char huge[3000];
    memset(huge, 'y', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    mhc__fail(&error, MHC_IO, "%s", huge);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    mhc__fail_in(&error, MHC_IO, "%s", huge);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    for (int s = MHC_OK; s <= MHC_INTERRUPTED; s++)
        assert_string_not_equal(mhc_status_name((mhc_status)s), "unknown status");
    assert_string_equal(mhc_status_name((mhc_status)99), "unknown status");
}

static void arrays(void **state) {
    (void)state;
    mhc_error error = {0};
    double *x = NULL;
    assert_int_equal(MHC__ALLOCATE(x, 1001, "x", &error), MHC_OK);
    assert_int_equal((uintptr_t)x % 64, 0);
    for (int i = 0; i < 1001; i++)
        assert_true(x[i] == 0.0);
    mhc__release(x);
    assert_int_equal(MHC__ALLOCATE(x, 0, "x", &error), MHC_OK);
    assert_non_null(x);
    mhc__release(x);
    mhc__release(NULL);
    const int64_t impossible[] = {-1, INT64_MIN, INT64_MAX, INT64_MAX / 8};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(MHC__ALLOCATE(x, impossible[i], "the array", &error), MHC_OUT_OF_MEMORY);
        assert_null(x);
        assert_non_null(strstr(error.message, "the array"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows),
        cmocka_unit_test(text_remembers_failure),
        cmocka_unit_test(messages),
        cmocka_unit_test(arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
