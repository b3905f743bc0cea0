/* Extreme inputs on the device: what tests/stream/test_hostile.c expects of the CPU. */
#include "stream/device_site.h"

static bool outputs_finite(const site *s) {
    return all_finite(s->coefficients, s->coefficients_count) && all_finite(s->u, s->u_count) &&
           all_finite(s->merged, s->merged_count);
}

static bool gradients_finite(const site *s) {
    return good_gradients(s->spec.type, s->d_x, s->d_x_count) && good_gradients(s->spec.type, s->d_z, s->d_z_count) &&
           all_finite(s->d_fn, s->d_fn_count) && all_finite(s->d_base, s->d_base_count) &&
           all_finite(s->d_scale, s->d_scale_count);
}

typedef enum kind { LOGITS_1E4, ZERO_STREAMS, ONE_ZERO_STREAM, TINY, DENORMAL, LARGE, KINDS } kind;
static const char *const kind_names[KINDS] = {"logits of 1e4",    "zero streams",     "one zero stream",
                                              "streams of 1e-22", "denormal streams", "streams of 1e15"};

static void apply(site *s, kind what) {
    const int64_t n = s->spec.streams, c = s->spec.channels;
    const float large = factor_of(s->spec.type, 1e4f), factors[KINDS] = {1.0f, 0.0f, 1.0f, 1e-22f, 1e-41f, 1e15f};
    for (int64_t i = 0; i < s->base_count && what == LOGITS_1E4; i++)
        s->base[i] = (i * 7) % 3 == 0 ? large : (i * 7) % 3 == 1 ? -large : 0.0f;
    for (int64_t i = 0; i < s->x_count; i++)
        s->x[i] *= what == ONE_ZERO_STREAM && i % (n * c) < c ? 0.0f : factor_of(s->spec.type, factors[what]);
}

static void finite_case(mhc_type type) {
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int what = 0; what < KINDS; what++) {
            mhc_spec spec;
            OK(mhc_spec_preset(&spec, name, strcmp(name, "residual") == 0 ? 1 : 3 + p % 2, 33, error));
            spec.type = type;
            site s = site_open(&spec, 5, 3, 1.0f);
            apply(&s, (kind)what);
            site_forward(&s, 2);
            site_backward(&s, 2);
            bool exponential = spec.constraint == MHC_CONSTRAINT_EXP ||
                               (spec.constraint == MHC_CONSTRAINT_SINKHORN && spec.sinkhorn.start == MHC_START_EXP);
            if (outputs_finite(&s) && !gradients_finite(&s))
                fail_msg("%s, %s: forward is finite, backward is not", name, kind_names[what]);
            if (!outputs_finite(&s) && !(exponential && what == LOGITS_1E4))
                fail_msg("%s, %s: forward is not finite", name, kind_names[what]);
            site_close(&s);
        }
}

/* The norm of rows whose squares leave fp32: against the oracle, which works in double. */
static void norm_range_case(mhc_type type) {
    const float sizes[] = {1e-37f, 1e-29f, 1e-20f, 1e-10f, 1e10f, 1e18f, 1e25f};
    for (int k = 0; k < 7; k++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, k % 2 ? "hc" : "paper", 3 + k % 2, 19, error));
        spec.type = type;
        site s = site_open(&spec, 5, 3, 1.0f);
        for (int64_t i = 0; i < s.x_count; i++)
            s.x[i] *= i / (19 * spec.streams) == 2 ? 1.0f : factor_of(type, sizes[k]); /* one row is an ordinary one */
        site_settle(&s);
        site_oracle(&s);
        site_forward(&s, 1);
        assert_close("norm", "coefficients", s.coefficients, s.coefficients_64, s.coefficients_count, 3e-6);
        site_close(&s);
    }
}

/* A token with NaN or Inf spoils itself and the parameter gradients, and no other token. */
static void not_finite_case(mhc_type type) {
    const float values[] = {NAN, INFINITY, -INFINITY};
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, name, strcmp(name, "residual") == 0 ? 1 : 3 + p % 2, 9, error));
        spec.type = type;
        int64_t row = spec.streams * spec.channels;
        site good = site_open(&spec, 10, 3, 1.0f), bad = site_open(&spec, 10, 3, 1.0f);
        bad.x[5 * row + 2] = values[p % 3];
        site_forward(&good, 1);
        site_forward(&bad, 1);
        site_backward(&good, 1);
        site_backward(&bad, 1);
        assert_false(all_finite(bad.merged + 5 * row, row));
        const float *of[][2] = {{bad.merged, good.merged}, {bad.d_x, good.d_x}};
        for (int k = 0; k < (spec.mapping == MHC_MAPPING_STATIC ? 1 : 2); k++) {
            assert_memory_equal(of[k][0], of[k][1], (size_t)(5 * row) * sizeof(float));
            assert_memory_equal(of[k][0] + 6 * row, of[k][1] + 6 * row, (size_t)(4 * row) * sizeof(float));
        }
        site_close(&good);
        site_close(&bad);
    }
}

FOR_EACH_TYPE(finite)
FOR_EACH_TYPE(norm_range)
FOR_EACH_TYPE(not_finite)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finite),
        cmocka_unit_test(test_norm_range),
        cmocka_unit_test(test_not_finite),
    };
    device_need();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
