/* Streams and rows in bf16: the bits are those of fp32 on the widened values, rounded where they are stored; and
 * against the oracle. */
#include "stream/fixture.h"

static void round_all(float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        values[i] = mhc_bf16_value(mhc_bf16_of(values[i]));
}

/* Equal bits; any NaN equals any other. */
static void expect_equal(const char *where, const char *name, const float *got, const float *want, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0 && !(isnan(got[i]) && isnan(want[i])))
            fail_msg("%s: %s[%lld] is %a, expected %a", where, name, (long long)i, (double)got[i], (double)want[i]);
}

/* Tokens of every size, and, where T allows, some that are not finite. */
static void make_hostile(site *s) {
    int64_t row = s->spec.streams * s->spec.channels;
    const float sizes[] = {1.0f, 1e18f, 1e-18f, 1.0f, 3e38f, 1e-38f, 1e-40f};
    for (int64_t i = 0; i < s->x_count; i++)
        s->x[i] *= sizes[i / row % 7];
    if (s->tokens > 9) {
        s->x[7 * row] = NAN, s->x[8 * row + row - 1] = INFINITY;
        s->d_merged[9 * row] = -INFINITY, s->z[9 * s->spec.channels] = NAN;
    }
    site_settle(s);
}

#define SAME(name) expect_equal(where, #name, narrow.name, wide.name, narrow.name##_count)
#define ROUNDED(name)                                                                                                  \
    do {                                                                                                               \
        round_all(wide.name, wide.name##_count);                                                                       \
        SAME(name);                                                                                                    \
    } while (0)

/* late: as site_merge_backward. */
static void expect_rounded(const mhc_spec *preset, int64_t tokens, uint64_t seed, bool hostile, bool late) {
    char where[128];
    snprintf(where, sizeof where, "n=%d C=%lld T=%lld, seed %d%s%s", preset->streams, (long long)preset->channels,
             (long long)tokens, (int)seed, hostile ? ", hostile" : "", late ? ", dx by pre" : "");
    mhc_spec spec = *preset;
    site wide = site_open(&spec, tokens, seed, 1.0f);
    spec.type = MHC_BF16;
    site narrow = site_open(&spec, tokens, seed, 1.0f);
    if (hostile)
        make_hostile(&narrow);
    assert_int_equal(narrow.sizes.saved, wide.sizes.saved);
    assert_int_equal(narrow.sizes.workspace, wide.sizes.workspace);
#define COPY(name) memcpy(wide.name, narrow.name, (size_t)wide.name##_count * sizeof(float))
    COPY(x);
    COPY(z);
    COPY(d_u);
    COPY(d_merged);
#undef COPY
    site_forward(&narrow, 2);
    site_forward(&wide, 2);
    expect_equal(where, "saved", narrow.saved, wide.saved, narrow.sizes.saved);
    SAME(coefficients);
    ROUNDED(u);
    ROUNDED(merged);
    site_merge_backward(&narrow, 2, late);
    site_merge_backward(&wide, 2, late);
    SAME(d_coefficients);
    ROUNDED(d_z);
    if (!late)
        ROUNDED(d_x);
    site_pre_backward(&narrow, 2, late);
    site_pre_backward(&wide, 2, late);
    ROUNDED(d_x);
    SAME(d_coefficients);
    SAME(d_carried);
    SAME(d_fn);
    SAME(d_base);
    SAME(d_scale);
    site_close(&narrow);
    site_close(&wide);
}

static const int STREAMS[] = {1, 2, 3, 4, 5, 8, 11};
static const int64_t CHANNELS[] = {1, 5, 16, 40, 131, 64, 200}, TOKENS[] = {0, 1, 17, 70, 150};

static void test_rounded_once(void **state) {
    (void)state;
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int k = 0; k < 7; k++) {
            mhc_spec spec;
            if (mhc_spec_preset(&spec, name, STREAMS[k], CHANNELS[(p + k) % 7], NULL) != MHC_OK)
                continue;
            for (int t = 0; t < 5; t++)
                expect_rounded(&spec, TOKENS[t], (uint64_t)(100 * p + 10 * k + t), (p + k + t) % 3 == 0,
                               (p + k + t) % 2 == 0);
        }
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "deepseek-v4", 32, 70, error));
    expect_rounded(&spec, 3, 1, false, true);
    expect_rounded(&spec, 3, 2, false, false);
}

/* The largest distances from the oracle, of tensors that are rounded, of dx rounded twice, and of the others. */
typedef struct worst {
    double rounded, twice, others;
} worst;

static double larger(double a, double b) {
    return a > b ? a : b;
}

static void compare(site *s, const char *where, bool late, worst *all) {
#define CHECK(name, bound, kind)                                                                                       \
    do {                                                                                                               \
        assert_close(where, #name, s->name, s->name##_64, s->name##_count, bound);                                     \
        all->kind = larger(all->kind, distance(s->name, s->name##_64, s->name##_count));                               \
    } while (0)
    CHECK(u, BF16_BOUND, rounded);
    CHECK(merged, BF16_BOUND, rounded);
    CHECK(d_z, BF16_BOUND, rounded);
    if (late)
        CHECK(d_x, BF16_BOUND, rounded);
    else
        CHECK(d_x, 2 * BF16_BOUND, twice);
    CHECK(coefficients, 3e-6, others);
    CHECK(d_fn, 3e-6, others);
    CHECK(d_base, 3e-6, others);
    CHECK(d_scale, 3e-6, others);
    if (site_shifted(s))
        CHECK(d_carried, 3e-6, others);
#undef CHECK
}

static void test_against_oracle(void **state) {
    (void)state;
    worst all = {0, 0, 0};
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int k = 0; k < 7; k++) {
            mhc_spec spec;
            if (mhc_spec_preset(&spec, name, STREAMS[k], CHANNELS[(p + k) % 7], NULL) != MHC_OK)
                continue;
            spec.type = MHC_BF16;
            for (int t = 0; t < 4; t++) {
                site s = site_open(&spec, TOKENS[t], (uint64_t)(100 * p + 10 * k + t), 1.0f);
                bool late = (p + k + t) % 2 == 0;
                site_oracle(&s);
                site_forward(&s, 2);
                site_backward_by(&s, 2, late);
                char where[128];
                snprintf(where, sizeof where, "%s n=%d C=%lld T=%lld", name, spec.streams, (long long)spec.channels,
                         (long long)TOKENS[t]);
                compare(&s, where, late, &all);
                site_close(&s);
            }
        }
    print_message(
        "bf16 against the oracle, relative L2 at most: rounded once %.2e, dx rounded twice %.2e, others %.2e\n",
        all.rounded, all.twice, all.others);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rounded_once), cmocka_unit_test(test_against_oracle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
