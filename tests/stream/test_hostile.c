/* Extreme inputs: what stays finite, what becomes NaN, and that nothing crashes. */
#include "stream/fixture.h"

static bool outputs_finite(const site *s) {
    return all_finite(s->coefficients, s->coefficients_count) && all_finite(s->u, s->u_count) &&
           all_finite(s->merged, s->merged_count);
}

static void expect_finite_gradients(const site *s, const char *name, const char *what) {
    if (!good_gradients(s->spec.type, s->d_x, s->d_x_count) || !good_gradients(s->spec.type, s->d_z, s->d_z_count) ||
        !all_finite(s->d_fn, s->d_fn_count) || !all_finite(s->d_base, s->d_base_count) ||
        !all_finite(s->d_scale, s->d_scale_count))
        fail_msg("%s, %s: forward is finite, backward is not", name, what);
}

typedef enum kind {
    LOGITS_1E4,
    ONE_ROW_LOW,
    ZERO_STREAMS,
    ONE_ZERO_STREAM,
    TINY,
    DENORMAL,
    LARGE,
    EQUAL_STREAMS,
    KINDS
} kind;

static const char *const kind_names[KINDS] = {
    "logits of 1e4",    "one row of logits at -1e4", "zero streams",    "one zero stream",
    "streams of 1e-22", "denormal streams",          "streams of 1e15", "equal streams"};

static void apply(site *s, kind what) {
    int64_t n = s->spec.streams, c = s->spec.channels;
    const float large = factor_of(s->spec.type, 1e4f);
    switch (what) {
    case LOGITS_1E4:
        for (int64_t i = 0; i < s->base_count; i++)
            s->base[i] = (i * 7) % 3 == 0 ? large : (i * 7) % 3 == 1 ? -large : 0.0f;
        break;
    case ONE_ROW_LOW:
        for (int64_t i = s->base_count > n ? s->base_count - n : 0; i < s->base_count; i++)
            s->base[i] = -large;
        break;
    case ZERO_STREAMS:
        memset(s->x, 0, (size_t)s->x_count * sizeof(float));
        break;
    case ONE_ZERO_STREAM:
        for (int64_t t = 0; t < s->tokens; t++)
            memset(s->x + t * n * c, 0, (size_t)c * sizeof(float));
        break;
    case TINY:
    case DENORMAL:
    case LARGE:
        for (int64_t i = 0; i < s->x_count; i++)
            s->x[i] *= factor_of(s->spec.type, what == TINY ? 1e-22f : what == DENORMAL ? 1e-41f : 1e15f);
        break;
    case EQUAL_STREAMS:
        for (int64_t i = 0; i < s->x_count; i++)
            s->x[i] = s->x[i / (n * c) * n * c + i % c];
        break;
    case KINDS:
        break;
    }
}

static void finite_case(mhc_type type) {
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int what = 0; what < KINDS; what++) {
            mhc_spec spec;
            OK(mhc_spec_preset(&spec, name, strcmp(name, "residual") == 0 ? 1 : 4, 33, error));
            spec.type = type;
            site s = site_open(&spec, 21, 3, 1.0f);
            apply(&s, (kind)what);
            site_forward(&s, 2);
            site_backward(&s, 2);
            bool exponential = spec.constraint == MHC_CONSTRAINT_EXP ||
                               (spec.constraint == MHC_CONSTRAINT_SINKHORN && spec.sinkhorn.start == MHC_START_EXP);
            if (outputs_finite(&s))
                expect_finite_gradients(&s, name, kind_names[what]);
            else if (!(exponential && what == LOGITS_1E4))
                fail_msg("%s, %s: forward is not finite", name, kind_names[what]);
            site_close(&s);
        }
}

/* Sums that underflow to zero leave zeros, not NaN; constraints keep their range. */
static void test_constraints_at_1e4(void **state) {
    (void)state;
    mhc_context context = mhc_context_cpu(1);
    const char *names[] = {"paper", "deepseek-v4", "megatron", "liger", "mhc-lite"};
    for (int p = 0; p < 5; p++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, names[p], 4, 8, error));
        int count = p == 4 ? 24 : 16;
        float logits[64 * 24], res[64 * 16], d_res[64 * 16], d_logits[64 * 24];
        mhc__normal_fill(1, 0, 1e4f, logits, 64 * count);
        mhc__normal_fill(2, 0, 1.0f, d_res, 64 * 16);
        OK(mhc_constraint_forward(&context, &spec, 64, logits, res, error));
        OK(mhc_constraint_backward(&context, &spec, 64, logits, d_res, d_logits, error));
        assert_true(all_finite(d_logits, 64 * count));
        for (int e = 0; e < 64 * 16; e++)
            assert_true(res[e] >= 0.0f && res[e] <= 1.00001f);
    }
}

/* With the start exp a constant added to all logits is a factor of every entry, and the first half step removes it:
 * down to sums that are denormal. exp(x) itself has as few bits as its exponent leaves it. */
static void test_small_sums(void **state) {
    (void)state;
    const float shifts[] = {0.0f, -60.0f, -69.0f, -70.0f, -80.0f, -95.0f};
    const double bounds[] = {1e-7, 1e-5, 1e-5, 1e-5, 1e-5, 1e-2};
    enum { ROWS = 19, COUNT = ROWS * 16 };
    mhc_spec spec;
    mhc_context context = mhc_context_cpu(1);
    OK(mhc_spec_preset(&spec, "reproducing-mhc", 4, 8, error));
    spec.sinkhorn.eps_mode = MHC_EPS_NONE;
    spec.sinkhorn.eps = 0.0f;
    float logits[COUNT], shifted[COUNT], res[COUNT], d_res[COUNT], d_logits[COUNT];
    double expected[COUNT], d_expected[COUNT];
    mhc__normal_fill(3, 1, 1.0f, logits, COUNT);
    mhc__normal_fill(3, 2, 1.0f, d_res, COUNT);
    for (size_t k = 0; k < sizeof shifts / sizeof *shifts; k++) {
        for (int i = 0; i < COUNT; i++)
            shifted[i] = logits[i] + shifts[k];
        OK(mhc_constraint_forward(&context, &spec, ROWS, shifted, res, error));
        OK(mhc_constraint_backward(&context, &spec, ROWS, shifted, d_res, d_logits, error));
        if (k == 0) {
            widen(res, expected, COUNT);
            widen(d_logits, d_expected, COUNT);
        }
        assert_close("small sums", "res", res, expected, COUNT, bounds[k]);
        assert_close("small sums", "d_logits", d_logits, d_expected, COUNT, 10.0 * bounds[k]);
    }
}

/* The norm of rows whose squares leave fp32: against the oracle, which works in double. */
static void norm_range_case(mhc_type type) {
    const float sizes[] = {1e-37f, 1e-29f, 1e-20f, 1e-10f, 1e10f, 1e18f, 1e25f};
    for (int k = 0; k < 7; k++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, "paper", 4, 19, error));
        spec.type = type;
        site s = site_open(&spec, 5, 3, 1.0f);
        for (int64_t i = 0; i < s.x_count; i++)
            s.x[i] *= factor_of(type, sizes[k]);
        site_settle(&s);
        site_oracle(&s);
        site_forward(&s, 1);
        assert_close("paper", "coefficients", s.coefficients, s.coefficients_64, s.coefficients_count, 3e-6);
        site_close(&s);
    }
}

/* A token with NaN or Inf spoils itself and the parameter gradients, and no other token. */
static void not_finite_case(mhc_type type) {
    const float poison[] = {NAN, INFINITY, -INFINITY};
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int k = 0; k < 3; k++) {
            mhc_spec spec;
            OK(mhc_spec_preset(&spec, name, strcmp(name, "residual") == 0 ? 1 : 4, 9, error));
            spec.type = type;
            int64_t row = spec.streams * spec.channels;
            site good = site_open(&spec, 20, 3, 1.0f), bad = site_open(&spec, 20, 3, 1.0f);
            bad.x[7 * row + 2] = poison[k];
            site_forward(&good, 1);
            site_forward(&bad, 1);
            site_backward(&bad, 1);
            assert_false(all_finite(bad.merged + 7 * row, row));
            assert_memory_equal(bad.merged, good.merged, (size_t)(7 * row) * sizeof(float));
            assert_memory_equal(bad.merged + 8 * row, good.merged + 8 * row, (size_t)(12 * row) * sizeof(float));
            site_close(&good);
            site_close(&bad);
        }
    for (int p = 1; (name = mhc_spec_preset_name(p)) != NULL; p++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, name, 4, 9, error));
        spec.type = type;
        site s = site_open(&spec, 3, 3, 1.0f);
        for (int64_t i = 0; i < s.base_count; i++)
            s.base[i] = i % 2 ? NAN : -INFINITY;
        site_forward(&s, 1);
        site_backward(&s, 1);
        site_close(&s);
    }
}

FOR_EACH_TYPE(finite)
FOR_EACH_TYPE(norm_range)
FOR_EACH_TYPE(not_finite)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finite),     cmocka_unit_test(test_constraints_at_1e4), cmocka_unit_test(test_small_sums),
        cmocka_unit_test(test_norm_range), cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
