/* Sites on whatever device this program is compiled for (stream/device.h), against the fp64 oracle, from outputs that
 * begin as NaN; and what a device promises: the same bits in every run, and from the same mix as the CPU. */
#include "stream/constraints.h"
#include "stream/device_site.h"
#include "stream/kernels.h"

enum { SHAPES = 9 };
static const struct {
    int streams;
    int64_t channels, tokens;
} SHAPE[SHAPES] = {{1, 40, 3},  {2, 131, 5}, {3, 16, 17}, {4, 1, 2}, {4, 40, 0},
                   {4, 264, 1}, {4, 72, 70}, {5, 24, 9},  {16, 8, 3}};

static bool has_rows(const site *s) {
    return s->spec.mapping == MHC_MAPPING_DYNAMIC;
}

static void presets_case(mhc_type type) {
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int k = 0; k < SHAPES; k++) {
            mhc_spec spec;
            if ((p + k + (int)type) % 2 ||
                mhc_spec_preset(&spec, name, SHAPE[k].streams, SHAPE[k].channels, NULL) != MHC_OK)
                continue;
            spec.type = type;
            site s = site_open(&spec, SHAPE[k].tokens, (uint64_t)(10 * p + k), 1.0f);
            site_run(&s, (p + k) % 4 < 2);
            site_compare(&s, site_name(&s, name), 3e-6);
            site_close(&s);
        }
}

/* More tokens than a range has, more columns than a block takes at a time. */
static void large_case(mhc_type type) {
    const struct {
        const char *name;
        int streams;
        int64_t channels, tokens;
    } cases[] = {{"paper", 4, 24, 290}, {"hc", 3, 1100, 5}, {"deepseek-v4.1", 4, 1032, 6}, {"mhc-poc", 4, 24, 200}};
    for (int k = 0; k < 4; k++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, cases[k].name, cases[k].streams, cases[k].channels, error));
        spec.type = type;
        site s = site_open(&spec, cases[k].tokens, 5, 1.0f);
        site_run(&s, k % 2);
        site_compare(&s, site_name(&s, cases[k].name), 3e-6);
        site_close(&s);
    }
}

static void spec_case(const mhc_spec *spec, int bits, const char *name) {
    char where[64];
    site s = site_open(spec, 9, (uint64_t)bits, 0.5f);
    site_run(&s, bits % 3 == 0);
    snprintf(where, sizeof where, "%s %d", name, bits);
    site_compare(&s, site_name(&s, where), 1e-5); /* as in test_site.c */
    site_close(&s);
}

static void combinations_case(mhc_type type) {
    const int streams[] = {3, 4, 8, 16};
    mhc_spec spec;
    for (int bits = 0; bits < COMBINATIONS; bits++) {
        int k = (bits + bits / 4 + (int)type) % 4;
        spec = combination(bits, streams[k], 7 + k);
        spec.type = type;
        spec_case(&spec, bits, "combination");
    }
    OK(mhc_spec_preset(&spec, "reproducing-mhc", 4, 7, error));
    spec.schedule = MHC_SCHEDULE_SHIFTED;
    spec.type = type;
    spec_case(&spec, COMBINATIONS, "combination");
}

static void ablations_case(mhc_type type) {
    const int streams[] = {1, 3, 4, 9};
    for (int bits = 0; bits < ABLATIONS; bits++) {
        int k = (bits + bits / 4 + (int)type) % 4;
        mhc_spec spec = ablation(bits, streams[k], 21);
        spec.type = type;
        if (k % 2) {
            spec.transposed = true;
            spec.schedule = MHC_SCHEDULE_SHIFTED;
        }
        spec_case(&spec, bits, "ablation");
    }
}

/* Of a mapping of the device: the CPU's coefficients from the same mix, bit by bit. */
static void expect_coefficients(const site *s, const char *where) {
    const mhc__logit_kernels *logits = mhc__logit_kernels_chosen();
    const mhc__shape shape = mhc__shape_of(&s->spec);
    const int64_t rows = has_rows(s) ? s->tokens : 1;
    float row[MHC_MAX_STREAMS * (MHC_MAX_STREAMS + 2)];
    for (int64_t t = 0; t < rows; t++) {
        logits->coefficients(&s->spec, &shape, 1, has_rows(s) ? s->saved + t * shape.saved : NULL, shape.saved,
                             has_rows(s) ? s->scale : NULL, s->base, row);
        if (memcmp(row, s->coefficients + t * shape.coefficients, (size_t)shape.coefficients * sizeof(float)) != 0)
            fail_msg("%s: coefficients of token %lld have other bits than the CPU's", where, (long long)t);
    }
}

/* Of a static mapping's base: the CPU's gradient from the same gradient of the coefficients. */
static void expect_base(const site *s, const char *where) {
    const mhc__logit_kernels *logits = mhc__logit_kernels_chosen();
    const mhc__shape shape = mhc__shape_of(&s->spec);
    double sums[MHC__LOGIT_FLOATS] = {0};
    logits->coefficients_back(&s->spec, &shape, 1, NULL, 0, NULL, s->base, s->d_coefficients, NULL, 0, sums);
    for (int k = 0; k < shape.logits; k++)
        if (s->d_base[k] != (float)sums[k])
            fail_msg("%s: d_base %d is %.9g, %.9g on the CPU", where, k, (double)s->d_base[k], sums[k]);
}

/* All constraints with all that may follow them, at sizes for which the arithmetic is compiled and at those that fill
 * its arrays. */
static void test_bits(void **state) {
    (void)state;
    const int streams[] = {1, 2, 4, 5, 8, 16};
    FOR_CONSTRAINTS(kind)
    for (int k = 0; k < 6; k++)
        for (int form = 0; form < 4; form++) {
            mhc_spec spec;
            if (!constrained(&spec, kind, streams[k], (mhc_finish)(form % 3), form == 3 ? 0.25f : 0.0f, form % 2))
                continue;
            if (form % 2 == 0)
                spec.pre.kind = MHC_GATE_MATRIX_MEAN, spec.post.kind = MHC_GATE_MATRIX_SUM, spec.start = MHC_INIT_ZEROS;
            if (form == 1 && k % 2)
                spec.mapping = MHC_MAPPING_STATIC, spec.norm = MHC_NORM_NONE;
            site s = site_open(&spec, 3, (uint64_t)(kind * 7 + k), 1.0f);
            site_forward(&s, 1);
            expect_coefficients(&s, name_of(&spec));
            site_backward(&s, 1);
            if (!has_rows(&s))
                expect_base(&s, name_of(&spec));
            site_close(&s);
        }
}

static void test_twice(void **state) {
    (void)state;
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, name, strcmp(name, "residual") == 0 ? 1 : 3 + p % 2, 40, error));
        spec.type = (mhc_type)(p % 3);
        site one = site_open(&spec, 130, 9, 2.0f), two = site_open(&spec, 130, 9, 2.0f);
        for (int k = 0; k < 2; k++) {
            site_forward(k == 0 ? &one : &two, 1);
            site_backward(k == 0 ? &one : &two, 1);
        }
        site_same(&one, &two, name);
        site_close(&one);
        site_close(&two);
    }
}

FOR_EACH_TYPE(presets)
FOR_EACH_TYPE(large)
FOR_EACH_TYPE(combinations)
FOR_EACH_TYPE(ablations)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),   cmocka_unit_test(test_large), cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_ablations), cmocka_unit_test(test_bits),  cmocka_unit_test(test_twice),
    };
    device_need();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
