/* pre and the seam with an RMSNorm of u, on whatever device: against the fp64 oracle, a seam against its parts and few
 * tokens against many bit by bit, what is out of range, and what is refused. */
#include "stream/fixture.h"

enum { SHAPES = 9 };
/* Streams, channels, tokens. */
static const int64_t SHAPE[SHAPES][3] = {{4, 8, 1},    {4, 40, 64}, {4, 72, 65}, {4, 136, 150}, {4, 1032, 3},
                                         {4, 129, 17}, {2, 24, 5},  {3, 31, 18}, {8, 8, 40}};
static const char *const NAMES[] = {"paper", "deepseek-v4", "deepseek-v4.1", "mhc-poc"};
enum { NAMES_COUNT = sizeof NAMES / sizeof NAMES[0] };

/* Tensors of one site, and the norm's. */
typedef struct normed {
    site s;
    float *weight;
    mhc_rmsnorm norm;
} normed;

static normed normed_open(const mhc_spec *spec, int64_t tokens, uint64_t seed) {
    normed n = {.s = site_open(spec, tokens, seed, 1.0f), .weight = some(spec->channels, sizeof(float))};
    mhc__normal_fill(seed, 9, 1.0f, n.weight, spec->channels);
    n.norm = (mhc_rmsnorm){n.weight, 1e-3f};
    return n;
}

static void normed_close(normed *n) {
    site_close(&n->s);
    device_free(n->weight);
}

/* Rows begin..end of pre, with y in the place of u. */
static void pre_rows(normed *n, bool with_carried, int64_t begin, int64_t end) {
    site *s = &n->s;
    const int64_t size = mhc_type_size(s->spec.type), count = s->spec.streams, channels = s->spec.channels;
    const bool dynamic = s->spec.mapping == MHC_MAPPING_DYNAMIC;
    const int64_t row = dynamic ? begin * count * (count + 2) : 0;
    const int64_t saved = s->tokens > 0 ? s->sizes.saved / s->tokens : 0;
    mhc_context context = device_context(2);
    mhc_site_params params = {s->fn, s->base, s->scale};
    mhc_streams x = site_streams(s, s->x);
    mhc_rows y = site_rows(s, s->u);
    x.data = (char *)x.data + begin * count * channels * size;
    y.data = (char *)y.data + begin * channels * size;
    memset(s->workspace, 0xff, s->sizes.workspace);
    OK(mhc_pre_rmsnorm_forward(&context, &s->spec, &params, end - begin, x, with_carried ? s->carried + row : NULL,
                               s->coefficients + row, s->saved + begin * saved, &n->norm, y, s->workspace,
                               s->sizes.workspace, error));
}

static void pre(normed *n) {
    for (int64_t i = 0; i < n->s.u_count; i++)
        n->s.u[i] = NAN;
    site_narrow(&n->s);
    pre_rows(n, site_shifted(&n->s), 0, n->s.tokens);
    site_widen(&n->s);
}

/* The oracle's u to y, in its place. */
static void oracle(normed *n) {
    site *s = &n->s;
    const int64_t channels = s->spec.channels;
    site_oracle(s);
    for (int64_t t = 0; t < s->tokens; t++) {
        double *u = s->u_64 + t * channels, squares = 0.0;
        for (int64_t c = 0; c < channels; c++)
            squares += u[c] * u[c];
        const double r = 1.0 / sqrt(squares / (double)channels + (double)n->norm.eps);
        for (int64_t c = 0; c < channels; c++)
            u[c] *= r * (double)n->weight[c];
    }
}

static void oracle_case(mhc_type type) {
    for (int p = 0; p < NAMES_COUNT; p++)
        for (int k = 0; k < SHAPES; k++) {
            mhc_spec spec;
            OK(mhc_spec_preset(&spec, NAMES[p], (int)SHAPE[k][0], SHAPE[k][1], error));
            spec.type = type;
            normed n = normed_open(&spec, SHAPE[k][2], (uint64_t)(10 * p + k));
            char where[96];
            snprintf(where, sizeof where, "%s n = %d C = %lld T = %lld", NAMES[p], spec.streams, (long long)SHAPE[k][1],
                     (long long)SHAPE[k][2]);
            oracle(&n);
            pre(&n);
            assert_close(where, "coefficients", n.s.coefficients, n.s.coefficients_64, n.s.coefficients_count, 3e-6);
            assert_close(where, "y", n.s.u, n.s.u_64, n.s.u_count, rounded_bound(type, 3e-6));
            normed_close(&n);
        }
}

/* On the CPU a narrow type has the bits of fp32 on the same values, rounded once. */
static void narrow_case(mhc_type type) {
    const int64_t sizes[][3] = {{4, 72, 35}, {3, 31, 18}};
    for (int k = 0; k < 2 && device_is_cpu(); k++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, "paper", (int)sizes[k][0], sizes[k][1], error));
        spec.type = type;
        normed narrow = normed_open(&spec, sizes[k][2], 6);
        spec.type = MHC_FP32;
        normed wide = normed_open(&spec, sizes[k][2], 6);
        memcpy(wide.s.x, narrow.s.x, (size_t)narrow.s.x_count * sizeof(float));
        pre(&narrow);
        pre(&wide);
        for (int64_t i = 0; i < wide.s.u_count; i++)
            assert_true(narrow.s.u[i] == rounded_to(type, wide.s.u[i]));
        normed_close(&narrow);
        normed_close(&wide);
    }
}

/* The residual, whose u is X, and a mapping that is the same for all tokens; no token at all. */
static void fixed_case(mhc_type type) {
    const char *names[] = {"residual", "hc"};
    for (int p = 0; p < 2; p++)
        for (int64_t tokens = 0; tokens < 20; tokens += 19) {
            mhc_spec spec;
            OK(mhc_spec_preset(&spec, names[p], p == 0 ? 1 : 4, 136, error));
            if (p == 1) {
                spec.mapping = MHC_MAPPING_STATIC;
                spec.norm = MHC_NORM_NONE;
                spec.activation = MHC_ACTIVATION_NONE;
            }
            spec.type = type;
            normed n = normed_open(&spec, tokens, 4);
            oracle(&n);
            pre(&n);
            assert_close(names[p], "y", n.s.u, n.s.u_64, n.s.u_count, rounded_bound(type, 3e-6));
            normed_close(&n);
        }
}

/* The first site of a shifted schedule normalises stream 0. */
static void first_case(mhc_type type) {
    for (int64_t tokens = 5; tokens < 200; tokens += 150) {
        mhc_spec shifted, plain;
        OK(mhc_spec_preset(&shifted, "deepseek-v4.1", 4, 72, error));
        OK(mhc_spec_preset(&plain, "residual", 1, 72, error));
        shifted.type = plain.type = type;
        normed n = normed_open(&shifted, tokens, 5), only = normed_open(&plain, tokens, 5);
        for (int64_t t = 0; t < tokens; t++)
            memcpy(only.s.x + t * 72, n.s.x + t * 4 * 72, 72 * sizeof(float));
        site_settle(&only.s);
        oracle(&only);
        site_narrow(&n.s);
        pre_rows(&n, false, 0, tokens);
        site_widen(&n.s);
        assert_close("first site", "y", n.s.u, only.s.u_64, only.s.u_count, rounded_bound(type, 3e-6));
        normed_close(&n);
        normed_close(&only);
    }
}

/* A seam has the bits of merge and pre, in place as well. */
static void seam_case(mhc_type type) {
    const int64_t sizes[][3] = {{4, 136, 70}, {4, 136, 300}, {4, 31, 20}, {2, 40, 20}};
    for (int p = 0; p < NAMES_COUNT; p++)
        for (int k = 0; k < 4; k++) {
            mhc_spec spec;
            const int64_t tokens = sizes[k][2];
            OK(mhc_spec_preset(&spec, NAMES[p], (int)sizes[k][0], sizes[k][1], error));
            spec.type = type;
            normed a = normed_open(&spec, tokens, 3), b = normed_open(&spec, tokens, 3);
            site *one = &a.s, *two = &b.s;
            mhc_context context = device_context(2);
            mhc_site_params params = {one->fn, one->base, one->scale};
            float *next[2] = {some(one->coefficients_count, sizeof(float)),
                              some(one->coefficients_count, sizeof(float))};
            pre(&a);
            pre(&b);
            const float *carried = site_shifted(one) ? one->coefficients : NULL;
            OK(mhc_merge_forward(&context, &spec, tokens, site_streams(one, one->x), site_rows(one, one->z),
                                 one->coefficients, site_streams(one, one->merged), error));
            OK(mhc_pre_rmsnorm_forward(&context, &spec, &params, tokens, site_streams(one, one->merged), carried,
                                       next[0], one->saved, &a.norm, site_rows(one, one->u), one->workspace,
                                       one->sizes.workspace, error));
            OK(mhc_seam_rmsnorm_forward(&context, &spec, tokens, site_streams(two, two->x), site_rows(two, two->z),
                                        two->coefficients, site_streams(two, two->x), &params, next[1], two->saved,
                                        &b.norm, site_rows(two, two->u), two->workspace, two->sizes.workspace, error));
            site_widen(one);
            site_widen(two);
#define EQUAL(a, b, count) assert_memory_equal(a, b, (size_t)(count) * sizeof(float))
            EQUAL(one->merged, two->x, one->x_count);
            EQUAL(one->u, two->u, one->u_count);
            EQUAL(one->saved, two->saved, one->sizes.saved);
            EQUAL(next[0], next[1], one->coefficients_count);
#undef EQUAL
            assert_true(all_finite(two->u, two->u_count));
            device_free(next[0]);
            device_free(next[1]);
            normed_close(&a);
            normed_close(&b);
        }
}

/* A token does not depend on how many there are. */
static void rows_case(mhc_type type) {
    enum { TOKENS = 150, PARTS = 4 };
    static const int64_t CUTS[2][PARTS + 1] = {{0, TOKENS, TOKENS, TOKENS, TOKENS}, {0, 1, 6, 22, TOKENS}};
    for (int p = 0; p < NAMES_COUNT; p++) {
        const int64_t channels[] = {584, 264, 40};
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, NAMES[p], 4, channels[p % 3], error));
        spec.type = type;
        normed n[2];
        for (int way = 0; way < 2; way++) {
            n[way] = normed_open(&spec, TOKENS, 3);
            site_narrow(&n[way].s);
            for (int part = 0; part < PARTS; part++)
                pre_rows(&n[way], site_shifted(&n[way].s), CUTS[way][part], CUTS[way][part + 1]);
            site_widen(&n[way].s);
        }
        assert_memory_equal(n[0].s.u, n[1].s.u, (size_t)n[0].s.u_count * sizeof(float));
        assert_true(all_finite(n[0].s.u, n[0].s.u_count));
        normed_close(&n[0]);
        normed_close(&n[1]);
    }
}

/* Squares beyond the range of fp32, zeros, and a token that is no number, which spoils itself alone. */
static void hostile_case(mhc_type type) {
    const float level[4] = {1e25f, 1e-25f, 0.0f, NAN};
    const int64_t sizes[][3] = {{4, 40, 9}, {4, 40, 139}, {3, 31, 9}};
    for (int k = 0; k < 3; k++) {
        const int64_t streams = sizes[k][0], channels = sizes[k][1], tokens = sizes[k][2];
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, "paper", (int)streams, channels, error));
        spec.type = type;
        normed n = normed_open(&spec, tokens, 2);
        for (int l = 0; l < 4; l++)
            for (int64_t i = 0; i < streams * channels; i++)
                n.s.x[2 * l * streams * channels + i] *= factor_of(type, level[l]);
        site_settle(&n.s);
        n.norm.eps = 0.0f;
        oracle(&n);
        pre(&n);
        for (int64_t t = 0; t < tokens; t++) {
            const float *y = n.s.u + t * channels;
            if (t == 6) {
                for (int64_t c = 0; c < channels; c++)
                    assert_true(isnan(y[c]));
                continue;
            }
            for (int64_t c = 0; c < channels && t == 4; c++)
                assert_true(y[c] == 0.0f);
            if (t != 4)
                assert_close("hostile", "y", y, n.s.u_64 + t * channels, channels, rounded_bound(type, 3e-6) * 2);
        }
        normed_close(&n);
    }
}

static void refuses(normed *n, const mhc_rmsnorm *norm, const char *why) {
    site *s = &n->s;
    mhc_context context = device_context(1);
    mhc_site_params params = {s->fn, s->base, s->scale};
    mhc_error error;
    assert_int_equal(mhc_pre_rmsnorm_forward(&context, &s->spec, &params, s->tokens, site_streams(s, s->x), NULL,
                                             s->coefficients, s->saved, norm, site_rows(s, s->u), s->workspace,
                                             s->sizes.workspace, &error),
                     MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, why));
    assert_non_null(strstr(error.message, "mhc_pre_rmsnorm_forward"));
    assert_int_equal(mhc_seam_rmsnorm_forward(&context, &s->spec, s->tokens, site_streams(s, s->x), site_rows(s, s->z),
                                              s->coefficients, site_streams(s, s->merged), &params, s->coefficients,
                                              s->saved, norm, site_rows(s, s->u), s->workspace, s->sizes.workspace,
                                              &error),
                     MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, why));
}

static void test_refused(void **state) {
    (void)state;
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "paper", 4, 16, error));
    normed n = normed_open(&spec, 3, 1);
    site *s = &n.s;
    refuses(&n, NULL, "norm");
    refuses(&n, &(mhc_rmsnorm){NULL, 1e-6f}, "norm->weight");
    refuses(&n, &(mhc_rmsnorm){n.weight, -1.0f}, "norm->eps");
    refuses(&n, &(mhc_rmsnorm){n.weight, NAN}, "norm->eps");
    refuses(&n, &(mhc_rmsnorm){n.weight, INFINITY}, "norm->eps");
    mhc_context context = device_context(1);
    mhc_site_params params = {s->fn, s->base, s->scale};
    OK(mhc_pre_rmsnorm_forward(&context, &spec, &params, s->tokens, site_streams(s, s->x), NULL, s->coefficients,
                               s->saved, NULL, (mhc_rows){0}, s->workspace, s->sizes.workspace, error));
    normed_close(&n);
}

FOR_EACH_TYPE(oracle)
FOR_EACH_TYPE(narrow)
FOR_EACH_TYPE(fixed)
FOR_EACH_TYPE(first)
FOR_EACH_TYPE(seam)
FOR_EACH_TYPE(rows)
FOR_EACH_TYPE(hostile)

int main(void) {
    device_need();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle),  cmocka_unit_test(test_fixed),  cmocka_unit_test(test_first),
        cmocka_unit_test(test_seam),    cmocka_unit_test(test_rows),   cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_narrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
