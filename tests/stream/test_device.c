/* Sites on whatever device this program is compiled for (stream/device.h), against the fp64 oracle, from outputs that
 * begin as NaN; and what a device promises: the same bits in every run, and from a seam as from its parts. */
#include "stream/fixture.h"

enum { SHAPES = 9 };
static const struct {
    int streams;
    int64_t channels, tokens;
} SHAPE[SHAPES] = {{1, 40, 3},  {2, 131, 5}, {3, 16, 17}, {4, 1, 2}, {4, 40, 0},
                   {4, 264, 1}, {4, 72, 70}, {5, 24, 9},  {16, 8, 3}};

/* A value that was meant to be written and was not is then no number. */
static void poison(float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        values[i] = NAN;
}

static void poison_outputs(site *s) {
#define POISON(name) poison(s->name, s->name##_count);
    POISON(coefficients)
    POISON(u)
    POISON(merged)
    POISON(d_x)
    POISON(d_z)
    POISON(d_carried)
    POISON(d_coefficients)
#undef POISON
    poison(s->saved, s->sizes.saved);
    memset(s->workspace, 0xff, s->sizes.workspace);
}

static void merge_case(mhc_type type) {
    for (int k = 0; k < SHAPES; k++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, SHAPE[k].streams == 1 ? "residual" : "paper", SHAPE[k].streams, SHAPE[k].channels,
                           error));
        spec.type = type;
        site s = site_open(&spec, SHAPE[k].tokens, 3, 1.0f);
        mhc_context context = device_context(2);
        site_oracle(&s);
        poison_outputs(&s);
        for (int64_t i = 0; i < s.coefficients_count; i++)
            s.coefficients[i] = (float)s.coefficients_64[i];
        OK(mhc_merge_forward(&context, &s.spec, s.tokens, site_streams(&s, s.x), site_rows(&s, s.z), s.coefficients,
                             site_streams(&s, s.merged), error));
        site_widen(&s);
        assert_close(mhc_constraint_name((int)spec.constraint), "merged", s.merged, s.merged_64, s.merged_count,
                     type == MHC_BF16 ? BF16_BOUND : 1e-6);
        site_close(&s);
    }
}

FOR_EACH_TYPE(merge)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
    };
    device_need();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
