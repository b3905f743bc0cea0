/* Constraints one by one: gradients against differences, fp32 against the oracle, starts, edges. What they promise
 * about their sums is in test_promises.c. */
#include "stream/constraints.h"

static const int SIZES[] = {1, 2, 3, 4, 5, 8, 9, 32};
enum { SIZE_COUNT = sizeof SIZES / sizeof SIZES[0] };

static double random_sum(const mhc_spec *spec, const double *logits, const double *g) {
    double res[MOST], sum = 0.0;
    OK(mhc_oracle_constraint_forward(spec, logits, res, error));
    for (int e = 0; e < spec->streams * spec->streams; e++)
        sum += g[e] * res[e];
    return sum;
}

/* Six-point central differences of <G, res>. */
static double slope(const mhc_spec *spec, const double *logits, const double *g, int k, double h) {
    const double weights[3] = {0.75, -0.15, 1.0 / 60.0};
    double moved[MOST], sum = 0.0;
    memcpy(moved, logits, (size_t)count_of(spec) * sizeof *moved);
    for (int p = 1; p <= 3; p++) {
        moved[k] = logits[k] + p * h;
        double up = random_sum(spec, moved, g);
        moved[k] = logits[k] - p * h;
        sum += weights[p - 1] * (up - random_sum(spec, moved, g)) / h;
    }
    return sum;
}

static void draw(double *values, int count, uint64_t key, float deviation) {
    float drawn[MOST];
    mhc__normal_fill(key, 0, deviation, drawn, count);
    widen(drawn, values, count);
}

static double worst_of_draws(const mhc_spec *spec, float deviation, double h, int draws) {
    int n = spec->streams, count = count_of(spec);
    double worst = 0.0;
    for (int key = 1; key <= draws; key++) {
        double logits[MOST], g[MOST], d[MOST], off = 0.0, norm = 0.0;
        draw(logits, count, (uint64_t)key, deviation);
        draw(g, n * n, (uint64_t)key + 1000, 1.0f);
        if (spec->constraint == MHC_CONSTRAINT_SINKHORN || spec->constraint == MHC_CONSTRAINT_BIRKHOFF)
            for (int i = 0; i < n && key % 3 == 0; i++)
                logits[i * (n + 1)] += 6.0;
        OK(mhc_oracle_constraint_backward(spec, logits, g, d, error));
        for (int k = 0; k < count; k++) {
            double want = slope(spec, logits, g, k, h);
            off += (want - d[k]) * (want - d[k]);
            norm += want * want;
        }
        worst = fmax(worst, sqrt(off) / fmax(sqrt(norm), 1e-6));
    }
    return worst;
}

/* The oracle's gradients, of every constraint with every finish, leak and layout. */
static void test_gradients(void **state) {
    (void)state;
    FOR_CONSTRAINTS(kind)
    for (int bits = 0; bits < 12; bits++)
        for (int n = 1; n <= 6; n++) {
            mhc_spec spec;
            if (!constrained(&spec, kind, n, (mhc_finish)(bits % 3), bits / 3 % 2 ? 0.3f : 0.0f, bits / 6))
                continue;
            /* a stencil that crosses a kink of the rounding needs a smaller step */
            double worst = worst_of_draws(&spec, 1.0f, 1e-3, 3);
            if (worst > 1e-6 && spec.finish == MHC_FINISH_ROUNDING)
                worst = worst_of_draws(&spec, 1.0f, 1e-6, 3);
            if (worst > (spec.finish == MHC_FINISH_ROUNDING ? 1e-5 : 1e-6))
                fail_msg("%s: the oracle's gradient is %.2g from that of differences", name_of(&spec), worst);
        }
}

/* Rows of logits, some near the identity. */
static void fill(const mhc_spec *spec, int rows, float deviation, float *logits) {
    int count = count_of(spec), n = spec->streams;
    mhc__normal_fill(3, (uint64_t)(n + 64 * (int)spec->constraint), deviation, logits, (int64_t)rows * count);
    for (int row = 0; row < rows && count == n * n && spec->constraint != MHC_CONSTRAINT_SPECTRAL; row++)
        for (int i = 0; i < n && row % 3 == 0; i++)
            logits[row * count + i * (n + 1)] += (float)(row % 10);
}

/* fp32 against the oracle, both ways. Gradients relative to the largest of d_res, times what an entry can be. */
static void compare(const mhc_spec *spec) {
    enum { ROWS = 35 };
    int n = spec->streams, count = count_of(spec), size = n * n;
    mhc_context context = mhc_context_cpu(2);
    float *logits = some((int64_t)ROWS * count, sizeof(float)), *d_logits = some((int64_t)ROWS * count, sizeof(float));
    float *res = some((int64_t)ROWS * size, sizeof(float)), *d_res = some((int64_t)ROWS * size, sizeof(float));
    double logits_64[MOST], d_64[MOST], res_64[MOST], d_res_64[MOST];
    fill(spec, ROWS, 1.5f, logits);
    mhc__normal_fill(4, (uint64_t)n, 1.0f, d_res, (int64_t)ROWS * size);
    OK(mhc_constraint_forward(&context, spec, ROWS, logits, res, error));
    OK(mhc_constraint_backward(&context, spec, ROWS, logits, d_res, d_logits, error));
    for (int row = 0; row < ROWS; row++) {
        widen(logits + row * count, logits_64, count);
        widen(d_res + row * size, d_res_64, size);
        OK(mhc_oracle_constraint_forward(spec, logits_64, res_64, error));
        OK(mhc_oracle_constraint_backward(spec, logits_64, d_res_64, d_64, error));
        assert_close(name_of(spec), "res", res + row * size, res_64, size, 3e-6);
        double scale = 0.0;
        for (int e = 0; e < size; e++)
            scale = fmax(scale, fabs(d_res_64[e]) * fmax(1.0, fabs(res_64[e])));
        for (int e = 0; e < count; e++)
            if (!(fabs((double)d_logits[row * count + e] - d_64[e]) <= 1e-5 * scale))
                fail_msg("%s, row %d: d_logits[%d] is %.9g, expected %.9g", name_of(spec), row, e,
                         (double)d_logits[row * count + e], d_64[e]);
    }
    free(logits);
    free(d_logits);
    free(res);
    free(d_res);
}

static void test_against_oracle(void **state) {
    (void)state;
    FOR_CONSTRAINTS(kind)
    for (int k = 0; k < SIZE_COUNT; k++)
        for (int bits = 0; bits < 12; bits++) {
            mhc_spec spec;
            bool exists =
                constrained(&spec, kind, SIZES[k], (mhc_finish)(bits % 3), bits / 3 % 2 ? 0.3f : 0.0f, bits / 6);
            if (exists && (SIZES[k] < 32 || bits == 0 || bits == 4))
                compare(&spec);
        }
}

/* An eps as large as the sums are: some are clamped, some are not, and what it adds counts. */
static void test_large_eps(void **state) {
    (void)state;
    const int iterations[] = {1, 2, 3, 20, 40};
    const float eps[] = {0.5f, 1.0f, 1.25f};
    for (int k = 0; k < SIZE_COUNT; k++)
        for (int bits = 0; bits < 4; bits++)
            for (int i = 0; i < 5; i++)
                for (int e = 0; e < 3; e++) {
                    mhc_spec spec;
                    OK(mhc_spec_preset(&spec, "paper", SIZES[k], 8, error));
                    spec.sinkhorn = (mhc_sinkhorn){iterations[i], MHC_START_EXP, bits & 1 ? MHC_AXIS_SRC : MHC_AXIS_DST,
                                                   bits & 2 ? MHC_EPS_CLAMP : MHC_EPS_ADD, eps[e]};
                    compare(&spec);
                }
}

/* Mappings as wide as the constraint asks for: a whole site against the oracle. */
static void test_sites(void **state) {
    (void)state;
    FOR_CONSTRAINTS(kind)
    for (int k = 0; k < SIZE_COUNT - 1; k++) {
        mhc_spec spec;
        if (!constrained(&spec, kind, SIZES[k], MHC_FINISH_NONE, k % 2 ? 0.5f : 0.0f, k % 3 == 0))
            continue;
        spec.channels = 19;
        if (k % 2) {
            spec.mapping = MHC_MAPPING_STATIC;
            spec.norm = MHC_NORM_NONE;
        }
        site s = site_open(&spec, 21, 5, 1.0f);
        site_oracle(&s);
        site_forward(&s, 2);
        site_backward(&s, 2);
        assert_close(name_of(&spec), "coefficients", s.coefficients, s.coefficients_64, s.coefficients_count, 3e-6);
        assert_close(name_of(&spec), "merged", s.merged, s.merged_64, s.merged_count, 3e-6);
        assert_close(name_of(&spec), "d_x", s.d_x, s.d_x_64, s.d_x_count, 2e-5);
        assert_close(name_of(&spec), "d_base", s.d_base, s.d_base_64, s.d_base_count, 2e-5);
        assert_close(name_of(&spec), "d_fn", s.d_fn, s.d_fn_64, s.d_fn_count, 2e-5);
        site_close(&s);
    }
}

/* The same bits for one row at a time, few, and all; NaN in one leaves the others alone. */
static void test_rows_are_apart(void **state) {
    (void)state;
    enum { ROWS = 37 };
    float logits[ROWS * 120], res[ROWS * 81], again[ROWS * 81], d_res[ROWS * 81], d[ROWS * 120], d_again[ROWS * 120];
    mhc_context one = mhc_context_cpu(1), three = mhc_context_cpu(3);
    FOR_CONSTRAINTS(kind)
    for (int k = 0; k < SIZE_COUNT - 1; k++) {
        mhc_spec spec;
        if (!constrained(&spec, kind, SIZES[k], MHC_FINISH_NONE, 0.0f, false))
            continue;
        int count = count_of(&spec), size = SIZES[k] * SIZES[k];
        fill(&spec, ROWS, 6.0f, logits);
        mhc__normal_fill(8, 0, 1.0f, d_res, ROWS * size);
        OK(mhc_constraint_forward(&three, &spec, ROWS, logits, res, error));
        OK(mhc_constraint_backward(&three, &spec, ROWS, logits, d_res, d, error));
        for (int row = 0; row < ROWS; row++) {
            OK(mhc_constraint_forward(&one, &spec, 1, logits + row * count, again + row * size, error));
            OK(mhc_constraint_backward(&one, &spec, 1, logits + row * count, d_res + row * size, d_again + row * count,
                                       error));
        }
        assert_memory_equal(res, again, (size_t)(ROWS * size) * sizeof *res);
        assert_memory_equal(d, d_again, (size_t)(ROWS * count) * sizeof *d);
        if (count == 0)
            continue;
        logits[20 * count + count / 2] = NAN;
        OK(mhc_constraint_forward(&one, &spec, ROWS, logits, again, error));
        OK(mhc_constraint_backward(&one, &spec, ROWS, logits, d_res, d_again, error));
        assert_memory_equal(res, again, (size_t)(20 * size) * sizeof *res);
        assert_memory_equal(res + 21 * size, again + 21 * size, (size_t)(16 * size) * sizeof *res);
        assert_memory_equal(d, d_again, (size_t)(20 * count) * sizeof *d);
        assert_memory_equal(d + 21 * count, d_again + 21 * count, (size_t)(16 * count) * sizeof *d);
        bool spoiled = false;
        for (int e = 0; e < size; e++)
            spoiled = spoiled || isnan(again[20 * size + e]);
        if (!spoiled)
            fail_msg("%s: NaN among its logits left no NaN", name_of(&spec));
    }
}

/* A gradient that is constant along each row of an n x n res whose row sums are exact goes back to exactly zero: what
 * keeps streams that start alike from drifting by rounding. */
static void test_constant_rows(void **state) {
    (void)state;
    enum { ROWS = 19 };
    float logits[ROWS * 120], d_res[ROWS * 64], d[ROWS * 120], of_rows[ROWS * 8];
    mhc_context context = mhc_context_cpu(1);
    FOR_CONSTRAINTS(kind)
    for (int finish = 0; finish < 3; finish++)
        for (int n = 2; n <= 8; n++) {
            mhc_spec spec;
            if (!constrained(&spec, kind, n, (mhc_finish)finish, 0.0f, false) ||
                !(properties_of(&spec) & MHC_ROW_SUMS) || kind == MHC_CONSTRAINT_EXP)
                continue;
            int count = count_of(&spec);
            fill(&spec, ROWS, 2.0f, logits);
            mhc__normal_fill(9, (uint64_t)n, 1.0f, of_rows, ROWS * n);
            for (int e = 0; e < ROWS * n * n; e++)
                d_res[e] = of_rows[e / n];
            OK(mhc_constraint_backward(&context, &spec, ROWS, logits, d_res, d, error));
            for (int e = 0; e < ROWS * count; e++)
                if (d[e] != 0.0f)
                    fail_msg("%s: expected a gradient of exactly zero, found %g", name_of(&spec), (double)d[e]);
        }
}

/* Logits without measure: finite, in range, and the others as they were. */
static void test_hostile_logits(void **state) {
    (void)state;
    enum { ROWS = 33 };
    const float scales[] = {30.0f, 100.0f, 1e4f, 1e30f};
    float logits[ROWS * 120], res[ROWS * 81], d_res[ROWS * 81], d[ROWS * 120];
    mhc_context context = mhc_context_cpu(1);
    FOR_CONSTRAINTS(kind)
    for (int finish = 0; finish < 3; finish++)
        for (int k = 0; k < SIZE_COUNT - 1; k++)
            for (int s = 0; s < 4; s++) {
                mhc_spec spec;
                if (kind == MHC_CONSTRAINT_EXP || kind == MHC_CONSTRAINT_NONE ||
                    !constrained(&spec, kind, SIZES[k], (mhc_finish)finish, 0.0f, false))
                    continue;
                int count = count_of(&spec), size = SIZES[k] * SIZES[k];
                mhc__uniform_fill(5, (uint64_t)s, scales[s], logits, ROWS * count);
                for (int e = 0; e < ROWS * count; e += 5)
                    logits[e] = e % 2 ? scales[s] : -scales[s];
                mhc__normal_fill(6, 0, 1.0f, d_res, ROWS * size);
                OK(mhc_constraint_forward(&context, &spec, ROWS, logits, res, error));
                OK(mhc_constraint_backward(&context, &spec, ROWS, logits, d_res, d, error));
                if (!all_finite(res, ROWS * size) || !all_finite(d, ROWS * count))
                    fail_msg("%s: logits of %g give what is not finite", name_of(&spec), (double)scales[s]);
                for (int e = 0; e < ROWS * size; e++)
                    assert_true(fabs((double)res[e]) <= 1.00001);
            }
}

/* ---- starts ---- */

static double mass_off(const float *res, int n) {
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += (1.0 - (double)res[i * (n + 1)]) / n;
    return sum;
}

/* The mass asked for; and one matrix for all that have it, one rotation for those that turn. */
static void check_start(const mhc_spec *spec, double off) {
    float logits[120], res[MOST];
    mhc_context context = mhc_context_cpu(1);
    int n = spec->streams;
    OK(mhc_constraint_start(spec, off, logits, error));
    OK(mhc_constraint_forward(&context, spec, 1, logits, res, error));
    /* a symmetric matrix is Sinkhorn's limit at once; the 120 shares of 5! are summed in fp32 */
    double bound = spec->constraint == MHC_CONSTRAINT_PERMUTATIONS && n == 5 ? 1e-5 : 1e-6 + 1e-5 * off;
    if (!(fabs(mass_off(res, n) - off) <= bound))
        fail_msg("%s: expected %g off the diagonal, found %g", name_of(spec), off, mass_off(res, n));
    bool turns = spec->constraint == MHC_CONSTRAINT_ROTATION || spec->constraint == MHC_CONSTRAINT_ORTHOGONAL;
    for (int e = 0; e < n * n && !turns && (spec->constraint != MHC_CONSTRAINT_KRONECKER || n == 2); e++)
        assert_true(fabs((double)res[e] - (e / n == e % n ? 1.0 - off : off / (n - 1))) < 2 * bound);
    for (int i = 0; i < n; i++) { /* the mean is kept */
        double row = 0.0, column = 0.0;
        for (int j = 0; j < n; j++) {
            row += (double)res[i * n + j];
            column += (double)res[j * n + i];
        }
        assert_true(fabs(row - 1.0) < 2 * bound && fabs(column - 1.0) < 2 * bound);
    }
}

static void test_starts(void **state) {
    (void)state;
    const double masses[] = {0.0043, 0.01, 0.1, 0.4};
    FOR_CONSTRAINTS(kind)
    for (int n = 2; n <= 8; n++)
        for (int k = 0; k < 4; k++)
            for (int leaky = 0; leaky < 2; leaky++) {
                mhc_spec spec;
                bool turns = kind == MHC_CONSTRAINT_ROTATION || kind == MHC_CONSTRAINT_ORTHOGONAL;
                if (!constrained(&spec, kind, n, MHC_FINISH_NONE, leaky ? 0.9f : 0.0f, false) ||
                    kind == MHC_CONSTRAINT_IDENTITY || (turns && n == 2))
                    continue;
                check_start(&spec, masses[k]);
            }
    assert_true(fabs(mhc_off_diagonal_of_gap(4, 6.0) - 3.0 / (exp(6.0) + 3.0)) < 1e-15);
}

/* rotation and orthogonal start as one and the same rotation. */
static void test_same_rotation(void **state) {
    (void)state;
    mhc_context context = mhc_context_cpu(1);
    for (int n = 3; n <= 8; n++) {
        float logits[120], a[64], b[64];
        mhc_spec spec;
        assert_true(constrained(&spec, MHC_CONSTRAINT_ROTATION, n, MHC_FINISH_NONE, 0.0f, false));
        OK(mhc_constraint_start(&spec, 0.05, logits, error));
        OK(mhc_constraint_forward(&context, &spec, 1, logits, a, error));
        spec.constraint = MHC_CONSTRAINT_ORTHOGONAL;
        OK(mhc_constraint_start(&spec, 0.05, logits, error));
        OK(mhc_constraint_forward(&context, &spec, 1, logits, b, error));
        for (int e = 0; e < n * n; e++)
            if (fabs((double)a[e] - (double)b[e]) > 1e-6)
                fail_msg("n = %d, entry %d: rotation has %.7f, orthogonal %.7f", n, e, (double)a[e], (double)b[e]);
    }
}

/* Starts by name: the identity, or the gap of 6; an explicit mass comes first. */
static void test_starts_by_name(void **state) {
    (void)state;
    mhc_context context = mhc_context_cpu(1);
    const char *const presets[] = {"paper", "hc-static", "mhc-lite", "mhc-poc"};
    FOR_CONSTRAINTS(kind)
    for (int p = 0; p < 4; p++)
        for (int given = 0; given < 2; given++) {
            mhc_spec spec;
            float base[200], scale[3], fn[200 * 32], c[24];
            OK(mhc_spec_preset(&spec, presets[p], 4, 8, error));
            spec.constraint = (mhc_constraint_kind)kind;
            spec.off_diagonal = given && kind != MHC_CONSTRAINT_IDENTITY ? 0.02f : 0.0f;
            spec.mapping = MHC_MAPPING_STATIC;
            spec.norm = MHC_NORM_NONE;
            mhc_site_params params = {fn, base, scale};
            OK(mhc_site_init(&spec, 1, 1, &params, error));
            OK(mhc_pre_forward(&context, &spec, &params, 0, (mhc_streams){0}, NULL, c, NULL, (mhc_rows){0}, NULL, 0,
                               error));
            bool exact = kind == MHC_CONSTRAINT_NONE || kind == MHC_CONSTRAINT_IDENTITY ||
                         kind == MHC_CONSTRAINT_ROTATION || kind == MHC_CONSTRAINT_ORTHOGONAL;
            double want = spec.off_diagonal > 0.0f ? 0.02 : exact ? 0.0 : mhc_off_diagonal_of_gap(4, 6.0);
            if (!given && kind == MHC_CONSTRAINT_PERMUTATIONS && p == 2)
                want = 18.0 / (exp(8.0) + 23.0); /* mhc-lite's own */
            if (!given && p == 3)
                continue; /* 2 I - J: literal logits */
            if (fabs(mass_off(c + 8, 4) - want) > 1e-6)
                fail_msg("%s from %s: expected %g off the diagonal, found %g", mhc_constraint_name(kind), presets[p],
                         want, mass_off(c + 8, 4));
        }
}

static void expect_refused(const mhc_spec *spec, double off, const char *part) {
    float logits[120];
    mhc_error error = {MHC_OK, ""};
    assert_int_equal(mhc_constraint_start(spec, off, logits, &error), MHC_INVALID_ARGUMENT);
    if (!strstr(error.message, part))
        fail_msg("expected \"%s\" in \"%s\"", part, error.message);
}

static void test_refusals(void **state) {
    (void)state;
    mhc_spec spec;
    mhc_error error;
    mhc_constraint_kind kind;
    assert_true(constrained(&spec, MHC_CONSTRAINT_BIRKHOFF, 4, MHC_FINISH_NONE, 0.0f, false));
    expect_refused(&spec, 0.0, "more than 0, which birkhoff reaches at infinite logits");
    expect_refused(&spec, 0.8, "expected 0..0.75");
    expect_refused(&spec, (double)NAN, "found nan");
    spec.leak = 0.01f;
    expect_refused(&spec, 0.01, "expected 0..0.0075, which birkhoff with its leak reaches");
    spec.off_diagonal = 0.01f;
    assert_int_equal(mhc_spec_check(&spec, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "spec.off_diagonal"));
    assert_true(constrained(&spec, MHC_CONSTRAINT_IDENTITY, 4, MHC_FINISH_NONE, 0.0f, false));
    expect_refused(&spec, 0.1, "expected 0..0, which identity reaches");
    assert_false(constrained(&spec, MHC_CONSTRAINT_KRONECKER, 6, MHC_FINISH_NONE, 0.0f, false));
    assert_false(constrained(&spec, MHC_CONSTRAINT_PERMUTATIONS, 6, MHC_FINISH_NONE, 0.0f, false));
    assert_false(constrained(&spec, MHC_CONSTRAINT_ORTHOGONAL, 4, MHC_FINISH_ROUNDING, 0.0f, false));
    assert_false(constrained(&spec, MHC_CONSTRAINT_EXP, 4, MHC_FINISH_NONE, 1.5f, false));
    assert_false(constrained(&spec, MHC_CONSTRAINT_EXP, 4, (mhc_finish)3, 0.0f, false));
    assert_int_equal(mhc_constraint_find("row-stochastic", &kind, &error), MHC_OK);
    assert_int_equal(kind, MHC_CONSTRAINT_ROW_STOCHASTIC);
    assert_int_equal(mhc_constraint_find("birkhof", &kind, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "none, identity, exp, sinkhorn"));
    assert_non_null(strstr(error.message, "found \"birkhof\""));
    assert_null(mhc_constraint_name(-1));
    assert_null(mhc_constraint_name(12));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),      cmocka_unit_test(test_against_oracle),
        cmocka_unit_test(test_large_eps),      cmocka_unit_test(test_sites),
        cmocka_unit_test(test_rows_are_apart), cmocka_unit_test(test_constant_rows),
        cmocka_unit_test(test_hostile_logits), cmocka_unit_test(test_starts),
        cmocka_unit_test(test_same_rotation),  cmocka_unit_test(test_starts_by_name),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
