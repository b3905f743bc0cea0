/* The choice of an instruction set, and what MHC_ISA may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "simd/isa.h"

static void names(void **state) {
    (void)state;
    assert_string_equal(mhc__isa_name(MHC__ISA_SCALAR), "scalar");
    assert_string_equal(mhc__isa_name(MHC__ISA_AVX512), "avx512");
    assert_string_equal(mhc__isa_name(MHC__ISA_COUNT), "unknown");
    assert_true(mhc__isa_available(MHC__ISA_SCALAR));
    assert_false(mhc__isa_available(MHC__ISA_COUNT));
    assert_false(mhc__isa_available(MHC__ISA_NEON) && mhc__isa_available(MHC__ISA_AVX2));
}

static void wishes(void **state) {
    (void)state;
    unsetenv("MHC_ISA");
    assert_null(mhc__isa_complaint());
    setenv("MHC_ISA", "sse9", 1);
    assert_non_null(strstr(mhc__isa_complaint(), "expected avx512, avx2, neon or scalar"));
    setenv("MHC_ISA", mhc__isa_available(MHC__ISA_NEON) ? "avx2" : "neon", 1);
    assert_non_null(strstr(mhc__isa_complaint(), "does not have"));
    setenv("MHC_ISA", "scalar", 1);
    assert_null(mhc__isa_complaint());
    assert_int_equal(mhc__isa_chosen(), MHC__ISA_SCALAR);
    setenv("MHC_ISA", "sse9", 1); /* the choice is made once */
    assert_int_equal(mhc__isa_chosen(), MHC__ISA_SCALAR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(wishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
