/* Products against sums in double, over transposes, factors, strides and empty sizes; the same bits on any number of
 * threads; nothing outside C touched. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "base/threads.h"
#include "gemm/gemm.h"
#include "mhc/type.h"

static float *filled(int64_t count, uint64_t place) {
    float *x = malloc((size_t)(count ? count : 1) * sizeof *x);
    mhc__uniform_fill(7, mhc__philox_place(1, (uint32_t)place), 1.0f, x, count);
    return x;
}

static const mhc__precision precisions[] = {MHC__PRECISION_FP32, MHC__PRECISION_BF16};

static double operand_value(mhc__precision precision, float x) {
    return (double)(precision == MHC__PRECISION_BF16 ? mhc_bf16_value(mhc_bf16_of(x)) : x);
}

static void check(mhc__precision precision, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, float beta,
                  int pad) {
    int64_t lda = (ta ? m : k) + pad, ldb = (tb ? k : n) + 2 * pad, ldc = n + 3 * pad;
    float *a = filled((ta ? k : m) * lda, 1), *b = filled((tb ? n : k) * ldb, 2), *c = filled(m * ldc, 3);
    float *before = filled(m * ldc, 3);
    const mhc__gemm_how how = {2, precision};
    assert_int_equal(mhc__gemm(how, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, NULL), MHC_OK);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < ldc; j++) {
            double sum = 0, size = 0;
            if (j >= n) {
                assert_true(c[i * ldc + j] == before[i * ldc + j]);
                continue;
            }
            for (int64_t p = 0; p < k; p++) {
                double product = operand_value(precision, a[ta ? p * lda + i : i * lda + p]) *
                                 operand_value(precision, b[tb ? j * ldb + p : p * ldb + j]);
                sum += product;
                size += fabs(product);
            }
            double expected = alpha * sum + beta * before[i * ldc + j];
            double bound = 1e-6 * (fabs(alpha) * size + fabs(beta * before[i * ldc + j])) + 1e-30;
            if (!(fabs(c[i * ldc + j] - expected) <= bound))
                fail_msg("%d%d %dx%dx%d at %d,%d: %g, expected %g", ta, tb, (int)m, (int)n, (int)k, (int)i, (int)j,
                         (double)c[i * ldc + j], expected);
        }
    free(a);
    free(b);
    free(c);
    free(before);
}

static void products_match_sums_in_double(void **state) {
    (void)state;
    static const int sizes[][3] = {{1, 1, 1},     {1, 7, 3},       {5, 1, 9},     {3, 4, 0},     {0, 4, 3},
                                   {4, 0, 3},     {17, 33, 5},     {64, 48, 31},  {130, 70, 1},  {300, 24, 257},
                                   {40, 523, 16}, {128, 256, 600}, {256, 72, 70}, {513, 129, 20}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int t = 0; t < 8; t++) {
            mhc__precision precision = precisions[t / 4];
            check(precision, t & 1, t & 2, sizes[s][0], sizes[s][1], sizes[s][2], 1, 0, 0);
            check(precision, t & 1, t & 2, sizes[s][0], sizes[s][1], sizes[s][2], -0.5f, 1, 3);
            check(precision, t & 1, t & 2, sizes[s][0], sizes[s][1], sizes[s][2], 1, 0.25f, 1);
            check(precision, t & 1, t & 2, sizes[s][0], sizes[s][1], sizes[s][2], 0, 2, 0);
        }
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    static const int sizes[][3] = {
        {512, 256, 128}, {128, 256, 1024}, {768, 64, 1500}, {24, 300, 2000}, {2000, 24, 300}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int t = 0; t < 8; t++) {
            int64_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
            float *a = filled(m * k, 1), *b = filled(k * n, 2), *c = filled(m * n, 3), *d = filled(m * n, 3);
            int64_t lda = t & 1 ? m : k, ldb = t & 2 ? k : n;
            assert_int_equal(mhc__gemm((mhc__gemm_how){1, precisions[t / 4]}, t & 1, t & 2, m, n, k, 1, a, lda, b, ldb,
                                       1, c, n, NULL),
                             MHC_OK);
            for (int threads = 2; threads <= 5; threads++) {
                mhc__uniform_fill(7, mhc__philox_place(1, 3), 1.0f, d, m * n);
                assert_int_equal(mhc__gemm((mhc__gemm_how){threads, precisions[t / 4]}, t & 1, t & 2, m, n, k, 1, a,
                                           lda, b, ldb, 1, d, n, NULL),
                                 MHC_OK);
                assert_memory_equal(c, d, (size_t)(m * n) * sizeof *c);
            }
            free(a);
            free(b);
            free(c);
            free(d);
        }
}

static void beta_zero_overwrites_nan(void **state) {
    (void)state;
    for (int64_t n = 1; n < 200; n += 37)
        for (int64_t k = 0; k < 40; k += 13) {
            float *a = filled(50 * k, 1), *b = filled(k * n, 2), *c = filled(50 * n, 3);
            for (int64_t i = 0; i < 50 * n; i++)
                c[i] = NAN;
            assert_int_equal(mhc__gemm(mhc__gemm_fp32(2), false, false, 50, n, k, 1, a, k, b, n, 0, c, n, NULL),
                             MHC_OK);
            for (int64_t i = 0; i < 50 * n; i++)
                assert_true(isfinite(c[i]));
            free(a);
            free(b);
            free(c);
        }
}

static void nonsense_is_refused(void **state) {
    (void)state;
    float x[4] = {0};
    mhc_error error = {MHC_OK, ""};
    assert_int_equal(mhc__gemm(mhc__gemm_fp32(1), false, false, -1, 1, 1, 1, x, 1, x, 1, 0, x, 1, &error),
                     MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "-1"));
    assert_int_equal(mhc__gemm(mhc__gemm_fp32(1), false, false, 2, 2, 2, 1, x, 1, x, 2, 0, x, 2, &error),
                     MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc__gemm(mhc__gemm_fp32(1), false, true, 2, 2, 2, 1, x, 2, x, 1, 0, x, 2, &error),
                     MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc__gemm(mhc__gemm_fp32(1), false, false, 2, 2, 2, 1, x, 2, x, 2, 0, x, 1, &error),
                     MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "shorter"));
    assert_int_equal(mhc__gemm(mhc__gemm_fp32(1), false, false, 1, 1, 1, 1, x, INT64_C(1) << 31, x, 1, 0, x, 1, &error),
                     MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "2147483648, 1, 1 are not below 2^31"));
}

static void the_callers_thread_count_stays(void **state) {
    (void)state;
    int before = mhc__default_threads();
    float x[256] = {0}, y[256] = {0}, z[256];
    for (int threads = 0; threads < 4; threads++)
        assert_int_equal(mhc__gemm(mhc__gemm_fp32(threads), false, false, 16, 16, 16, 1, x, 16, y, 16, 0, z, 16, NULL),
                         MHC_OK);
    assert_int_equal(mhc__default_threads(), before);
    printf("%s\nbf16: %s\n", mhc__gemm_provider(), mhc__gemm_bf16());
    if (mhc__gemm_warning())
        printf("%s\n", mhc__gemm_warning());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_match_sums_in_double),  cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(beta_zero_overwrites_nan),       cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(the_callers_thread_count_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
