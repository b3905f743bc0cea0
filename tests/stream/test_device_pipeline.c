/* The forward pass at the shapes that have a pipeline on a GPU: four streams, channels a multiple of eight. Against the
 * oracle, and what its order promises: a seam has the bits of merge and pre, more tokens than groups in flight. */
#include "stream/fixture.h"

enum { SHAPES = 8 };
static const int64_t SHAPE[SHAPES][2] = {{8, 1},   {8, 17},    {40, 64}, {72, 65},
                                         {128, 5}, {136, 150}, {264, 3}, {520, 70}};
static const char *const NAMES[] = {"paper", "deepseek-v4", "deepseek-v4.1", "megatron", "liger"};
enum { NAMES_COUNT = sizeof NAMES / sizeof NAMES[0] };

static void poison(float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        values[i] = NAN;
}

static void forward(site *s, bool with_carried) {
    mhc_context context = device_context(2);
    mhc_site_params params = {s->fn, s->base, s->scale};
    poison(s->coefficients, s->coefficients_count);
    poison(s->u, s->u_count);
    poison(s->saved, s->sizes.saved);
    memset(s->workspace, 0xff, s->sizes.workspace);
    site_narrow(s);
    OK(mhc_pre_forward(&context, &s->spec, &params, s->tokens, site_streams(s, s->x), with_carried ? s->carried : NULL,
                       s->coefficients, s->saved, site_rows(s, s->u), s->workspace, s->sizes.workspace, error));
    site_widen(s);
}

static void oracle_case(mhc_type type) {
    for (int p = 0; p < NAMES_COUNT; p++)
        for (int k = 0; k < SHAPES; k++) {
            mhc_spec spec;
            OK(mhc_spec_preset(&spec, NAMES[p], 4, SHAPE[k][0], error));
            spec.type = type;
            site s = site_open(&spec, SHAPE[k][1], (uint64_t)(10 * p + k), 1.0f);
            site_oracle(&s);
            forward(&s, site_shifted(&s));
            char where[96];
            snprintf(where, sizeof where, "%s C = %lld T = %lld", NAMES[p], (long long)SHAPE[k][0],
                     (long long)SHAPE[k][1]);
            assert_close(where, "coefficients", s.coefficients, s.coefficients_64, s.coefficients_count, 3e-6);
            assert_close(where, "u", s.u, s.u_64, s.u_count, type == MHC_BF16 ? BF16_BOUND : 3e-6);
            assert_true(all_finite(s.saved, s.sizes.saved));
            site_close(&s);
        }
}

/* The first site of a shifted schedule collapses with stream 0. */
static void first_case(mhc_type type) {
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "deepseek-v4.1", 4, 72, error));
    spec.type = type;
    site s = site_open(&spec, 67, 5, 1.0f);
    forward(&s, false);
    for (int64_t t = 0; t < 67; t++)
        for (int64_t c = 0; c < 72; c++)
            assert_true(s.u[t * 72 + c] == s.x[t * 4 * 72 + c]);
    site_close(&s);
}

static void seam_case(mhc_type type) {
    for (int p = 0; p < NAMES_COUNT; p++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, NAMES[p], 4, 136, error));
        spec.type = type;
        site one = site_open(&spec, 70, 3, 1.0f), two = site_open(&spec, 70, 3, 1.0f);
        mhc_context context = device_context(2);
        mhc_site_params params = {one.fn, one.base, one.scale};
        float *next[2] = {some(one.coefficients_count, sizeof(float)), some(one.coefficients_count, sizeof(float))};
        forward(&one, site_shifted(&one));
        forward(&two, site_shifted(&two));
        const float *carried = site_shifted(&one) ? one.coefficients : NULL;
        OK(mhc_merge_forward(&context, &spec, 70, site_streams(&one, one.x), site_rows(&one, one.z), one.coefficients,
                             site_streams(&one, one.merged), error));
        OK(mhc_pre_forward(&context, &spec, &params, 70, site_streams(&one, one.merged), carried, next[0], one.saved,
                           site_rows(&one, one.u), one.workspace, one.sizes.workspace, error));
        /* in place: out is x */
        OK(mhc_seam_forward(&context, &spec, 70, site_streams(&two, two.x), site_rows(&two, two.z), two.coefficients,
                            site_streams(&two, two.x), &params, next[1], two.saved, site_rows(&two, two.u),
                            two.workspace, two.sizes.workspace, error));
        site_widen(&one);
        site_widen(&two);
#define EQUAL(a, b, count) assert_memory_equal(a, b, (size_t)(count) * sizeof(float))
        EQUAL(one.merged, two.x, one.x_count);
        EQUAL(one.u, two.u, one.u_count);
        EQUAL(one.saved, two.saved, one.sizes.saved);
        EQUAL(next[0], next[1], one.coefficients_count);
#undef EQUAL
        device_free(next[0]);
        device_free(next[1]);
        site_close(&one);
        site_close(&two);
    }
}

/* More groups than have a place for their sums at a time; nothing saved, no u. */
static void long_case(mhc_type type) {
    mhc_spec spec;
    const int64_t tokens = 40 * 64 + 9;
    OK(mhc_spec_preset(&spec, "paper", 4, 8, error));
    spec.type = type;
    site s = site_open(&spec, tokens, 8, 1.0f), again = site_open(&spec, tokens, 8, 1.0f);
    site_oracle(&s);
    forward(&s, false);
    mhc_context context = device_context(1);
    mhc_site_params params = {again.fn, again.base, again.scale};
    OK(mhc_pre_forward(&context, &spec, &params, tokens, site_streams(&again, again.x), NULL, again.coefficients, NULL,
                       (mhc_rows){0}, again.workspace, again.sizes.workspace, error));
    assert_close("long", "coefficients", s.coefficients, s.coefficients_64, s.coefficients_count, 3e-6);
    assert_close("long", "u", s.u, s.u_64, s.u_count, type == MHC_BF16 ? BF16_BOUND : 3e-6);
    assert_memory_equal(s.coefficients, again.coefficients, (size_t)s.coefficients_count * sizeof(float));
    site_close(&s);
    site_close(&again);
}

/* Squares beyond the range of fp32, zeros, and a token that is no number, which spoils itself alone. */
static void hostile_case(mhc_type type) {
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "paper", 4, 40, error));
    spec.type = type;
    site s = site_open(&spec, 9, 2, 1.0f);
    const float level[4] = {1e25f, 1e-25f, 0.0f, NAN};
    for (int k = 0; k < 4; k++)
        for (int64_t i = 0; i < 160; i++)
            s.x[(2 * k) * 160 + i] *= level[k];
    site_settle(&s);
    site_oracle(&s);
    forward(&s, false);
    for (int64_t t = 0; t < 9; t++) {
        if (t == 6) {
            assert_true(isnan(s.u[t * 40]));
            continue;
        }
        assert_close("hostile", "coefficients", s.coefficients + t * 24, s.coefficients_64 + t * 24, 24, 3e-6);
        assert_close("hostile", "u", s.u + t * 40, s.u_64 + t * 40, 40, type == MHC_BF16 ? BF16_BOUND : 3e-6);
    }
    site_close(&s);
}

FOR_EACH_TYPE(oracle)
FOR_EACH_TYPE(first)
FOR_EACH_TYPE(seam)
FOR_EACH_TYPE(long)
FOR_EACH_TYPE(hostile)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle), cmocka_unit_test(test_first),   cmocka_unit_test(test_seam),
        cmocka_unit_test(test_long),   cmocka_unit_test(test_hostile),
    };
    device_need();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
