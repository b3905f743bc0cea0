/* Streams and rows in bf16 and fp16: the bits are those of fp32 on the widened values, rounded where they are stored;
 * and against the oracle. */
#include "stream/fixture.h"

enum { NARROW = 2 };
static const mhc_type TYPES[NARROW] = {MHC_BF16, MHC_FP16};

static void round_all(mhc_type type, float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        values[i] = rounded_to(type, values[i]);
}

/* Equal bits; any NaN equals any other. */
static void expect_equal(const char *where, const char *name, const float *got, const float *want, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0 && !(isnan(got[i]) && isnan(want[i])))
            fail_msg("%s: %s[%lld] is %a, expected %a", where, name, (long long)i, (double)got[i], (double)want[i]);
}

/* Tokens of every size that the type has, up to what becomes infinity in results, and down to what is denormal; and,
 * where T allows, some that are not finite. */
static void make_hostile(site *s) {
    int64_t row = s->spec.streams * s->spec.channels;
    static const float sizes[NARROW][7] = {{1.0f, 1e18f, 1e-18f, 1.0f, 3e38f, 1e-38f, 1e-40f},
                                           {1.0f, 1e3f, 1e-3f, 1.0f, 3e4f, 1e-5f, 1e-7f}};
    for (int64_t i = 0; i < s->x_count; i++)
        s->x[i] *= sizes[s->spec.type == MHC_FP16][i / row % 7];
    if (s->tokens > 9) {
        s->x[7 * row] = NAN, s->x[8 * row + row - 1] = INFINITY;
        s->d_merged[9 * row] = -INFINITY, s->z[9 * s->spec.channels] = NAN;
    }
    site_settle(s);
}

#define SAME(name) expect_equal(where, #name, narrow.name, wide.name, narrow.name##_count)
#define ROUNDED(name)                                                                                                  \
    do {                                                                                                               \
        round_all(type, wide.name, wide.name##_count);                                                                 \
        SAME(name);                                                                                                    \
    } while (0)

/* late: as site_merge_backward. */
static void expect_rounded(mhc_type type, const mhc_spec *preset, int64_t tokens, uint64_t seed, bool hostile,
                           bool late) {
    char where[128];
    snprintf(where, sizeof where, "%s n=%d C=%lld T=%lld, seed %d%s%s", type_name(type), preset->streams,
             (long long)preset->channels, (long long)tokens, (int)seed, hostile ? ", hostile" : "",
             late ? ", dx by pre" : "");
    mhc_spec spec = *preset;
    site wide = site_open(&spec, tokens, seed, 1.0f);
    spec.type = type;
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

/* Preset number p at size number k; false where it has no such size. */
static bool preset_at(int p, int k, mhc_spec *spec) {
    return mhc_spec_preset(spec, mhc_spec_preset_name(p), STREAMS[k], CHANNELS[(p + k) % 7], NULL) == MHC_OK;
}

static void rounded_once(mhc_type type) {
    mhc_spec spec;
    for (int p = 0; mhc_spec_preset_name(p); p++)
        for (int k = 0; k < 7; k++) {
            if (!preset_at(p, k, &spec))
                continue;
            for (int t = 0; t < 5; t++)
                expect_rounded(type, &spec, TOKENS[t], (uint64_t)(100 * p + 10 * k + t), (p + k + t) % 3 == 0,
                               (p + k + t) % 2 == 0);
        }
    OK(mhc_spec_preset(&spec, "deepseek-v4", 32, 70, error));
    expect_rounded(type, &spec, 3, 1, false, true);
    expect_rounded(type, &spec, 3, 2, false, false);
}

static void test_rounded_once(void **state) {
    (void)state;
    for (int k = 0; k < NARROW; k++)
        rounded_once(TYPES[k]);
}

/* Where results of finite fp16 streams end: at 65504 and at 2^-24; mhc/type.h says so. */
static void test_range_of_fp16(void **state) {
    (void)state;
    enum { N = 4, C = 19, ALL = N * C };
    const mhc_context context = mhc_context_cpu(1);
    const float values[C] = {65504.0f, -65504.0f, 32768.0f, 16376.0f, -16384.0f, 0x1p-24f, 0x1p-14f};
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "hc-static", N, C, error));
    spec.type = MHC_FP16;
    uint16_t x[ALL], z[C] = {0}, out[ALL], y[C];
    float k[N * (N + 2)] = {0};
    for (int i = 0; i < ALL; i++)
        x[i] = mhc_fp16_of(values[i % C]);
    for (int e = 2 * N; e < N * (N + 2); e++)
        k[e] = e < 3 * N ? 1.0f : 0.125f; /* of res: stream 0 becomes the sum, the others half the mean */
    OK(mhc_merge_forward(&context, &spec, 1, mhc_streams_of(x, N, C), mhc_rows_of(z, C), k, mhc_streams_of(out, N, C),
                         error));
    const float sums[C] = {INFINITY, -INFINITY, INFINITY, 65504.0f, -INFINITY, 0x1p-22f, 0x1p-12f};
    for (int c = 0; c < C; c++) {
        assert_true(mhc_fp16_value(out[c]) == sums[c]);
        assert_int_equal(out[C + c], mhc_fp16_of(0.5f * values[c]));
    }
    for (int kind = MHC_CONTRACT_MEAN; kind <= MHC_CONTRACT_SUM; kind++) {
        spec.contraction = (mhc_contraction)kind;
        OK(mhc_contract_forward(&context, &spec, NULL, 1, mhc_streams_of(x, N, C), NULL, NULL, mhc_rows_of(y, C), NULL,
                                0, error));
        for (int c = 0; c < C; c++)
            assert_true(mhc_fp16_value(y[c]) == (kind == MHC_CONTRACT_SUM ? sums[c] : values[c]));
    }
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
    const double bound = rounded_bound(s->spec.type, 0.0);
    CHECK(u, bound, rounded);
    CHECK(merged, bound, rounded);
    CHECK(d_z, bound, rounded);
    if (late)
        CHECK(d_x, bound, rounded);
    else
        CHECK(d_x, 2 * bound, twice);
    CHECK(coefficients, 3e-6, others);
    CHECK(d_fn, 3e-6, others);
    CHECK(d_base, 1e-5, others); /* the sums that cancel most; in fp32 to the bit */
    CHECK(d_scale, 1e-5, others);
    if (site_shifted(s))
        CHECK(d_carried, 3e-6, others);
#undef CHECK
}

static void against_oracle(mhc_type type) {
    worst all = {0, 0, 0};
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int k = 0; k < 7; k++) {
            mhc_spec spec;
            if (!preset_at(p, k, &spec))
                continue;
            spec.type = type;
            for (int t = 0; t < 4; t++) {
                site s = site_open(&spec, TOKENS[t], (uint64_t)(100 * p + 10 * k + t), 1.0f);
                bool late = (p + k + t) % 2 == 0;
                site_oracle(&s);
                site_forward(&s, 2);
                site_backward_by(&s, 2, late);
                char where[128];
                snprintf(where, sizeof where, "%s %s n=%d C=%lld T=%lld", type_name(type), name, spec.streams,
                         (long long)spec.channels, (long long)TOKENS[t]);
                compare(&s, where, late, &all);
                site_close(&s);
            }
        }
    print_message("%s against the oracle, relative L2 at most: rounded once %.2e, dx rounded twice %.2e, others %.2e\n",
                  type_name(type), all.rounded, all.twice, all.others);
}

static void test_against_oracle(void **state) {
    (void)state;
    for (int k = 0; k < NARROW; k++)
        against_oracle(TYPES[k]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rounded_once), cmocka_unit_test(test_range_of_fp16),
                                       cmocka_unit_test(test_against_oracle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
