/* Presets, checks with their messages, starts, and the properties each constraint promises. */
#include "stream/fixture.h"

static void expect(const mhc_spec *spec, const char *part) {
    mhc_error error = {MHC_OK, ""};
    assert_int_equal(mhc_spec_check(spec, &error), MHC_INVALID_ARGUMENT);
    if (!strstr(error.message, part))
        fail_msg("expected \"%s\" in \"%s\"", part, error.message);
}

static void test_names(void **state) {
    (void)state;
    int count = 0;
    const char *name;
    for (; (name = mhc_spec_preset_name(count)) != NULL; count++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, name, strcmp(name, "residual") == 0 ? 1 : 4, 8, error));
        OK(mhc_spec_check(&spec, error));
        assert_int_equal(spec.type, MHC_FP32);
        for (int type = MHC_FP32; type <= MHC_FP16; type++) {
            spec.type = (mhc_type)type;
            OK(mhc_spec_check(&spec, error));
        }
    }
    assert_int_equal(count, 14);
    assert_null(mhc_spec_preset_name(-1));
    mhc_spec spec = {0};
    mhc_error error;
    assert_int_equal(mhc_spec_preset(&spec, "papre", 4, 8, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "paper"));
    assert_non_null(strstr(error.message, "boolq-100-hc"));
    assert_non_null(strstr(error.message, "\"papre\""));
    assert_int_equal(mhc_spec_preset(&spec, "paper", 0, 8, &error), MHC_INVALID_ARGUMENT);
    assert_string_equal(error.message, "spec.streams: 0 is not in 1..32");
    assert_int_equal(mhc_spec_preset(NULL, "paper", 4, 8, NULL), MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc_spec_check(NULL, NULL), MHC_INVALID_ARGUMENT);
}

static void test_checks(void **state) {
    (void)state;
    mhc_spec good, spec;
    OK(mhc_spec_preset(&good, "paper", 4, 8, error));
#define BAD(change, part)                                                                                              \
    spec = good;                                                                                                       \
    change;                                                                                                            \
    expect(&spec, part);
    BAD(spec.streams = 33, "spec.streams: 33 is not in 1..32")
    BAD(spec.channels = 0, "spec.channels: 0")
    BAD(spec.mapping = (mhc_mapping)7, "spec.mapping: 7")
    BAD(spec.norm = MHC_NORM_NONE, "spec.norm")
    BAD(spec.norm_eps = NAN, "spec.norm_eps: expected a finite number >= 0, found nan")
    BAD(spec.norm_eps = -1.0f, "spec.norm_eps")
    BAD(spec.sinkhorn.iterations = 0, "spec.sinkhorn.iterations: 0 is not in 1..1000")
    BAD(spec.sinkhorn.eps = INFINITY, "spec.sinkhorn.eps")
    BAD(spec.constraint = (mhc_constraint_kind)-1, "spec.constraint: -1")
    BAD(spec.start = MHC_INIT_2I_J, "spec.start")
    BAD(spec.type = (mhc_type)3, "spec.type: 3 is not in 0..2")
    BAD(spec.finish = (mhc_finish)3, "spec.finish: 3 is not in 0..2")
    BAD(spec.leak = 1.5f, "spec.leak: expected a share of at most 1")
    BAD(spec.leak = NAN, "spec.leak: expected a finite number")
    BAD(spec.off_diagonal = 0.8f, "spec.off_diagonal: expected 0..0.75")
    BAD((spec.constraint = MHC_CONSTRAINT_KRONECKER, spec.streams = 6), "kronecker needs a power of two, found 6")
    BAD((spec.constraint = MHC_CONSTRAINT_ORTHOGONAL, spec.finish = MHC_FINISH_ROUNDING),
        "spec.finish: rounding needs entries of at least 0, and orthogonal has negative ones")
    BAD(spec.pre.kind = MHC_GATE_MATRIX_SUM, "spec.start")
    BAD(spec.post.multiplier = INFINITY, "spec.post.multiplier")
    BAD(spec.mapping = MHC_MAPPING_NONE, "spec.streams: the plain residual has 1 stream, found 4")
    BAD(spec.mapping = MHC_MAPPING_STATIC, "spec.norm: a static mapping has no norm")
    BAD((spec.pre.kind = spec.post.kind = MHC_GATE_FIXED, spec.constraint = MHC_CONSTRAINT_IDENTITY),
        "spec.mapping: fixed gates and no logits of res leave nothing to compute")
    BAD((spec.pre.kind = MHC_GATE_FIXED, spec.start = MHC_INIT_2I_J), "spec.start: MHC_INIT_2I_J needs matrix gates")
    BAD(spec.post.kind = (mhc_gate_kind)6, "spec.post.kind: 6 is not in 0..5")
    OK(mhc_spec_preset(&good, "mhc-lite", 5, 8, error));
    BAD(spec.streams = 6, "6 is not in 1..5")
    BAD(spec.norm = MHC_NORM_PER_STREAM, "MHC_NORM_PER_STREAM")
    OK(mhc_spec_preset(&good, "residual", 1, 8, error));
    BAD(spec.contraction = MHC_CONTRACT_CARRIED, "no pre to carry")
#undef BAD
}

static void test_arguments(void **state) {
    (void)state;
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "paper", 4, 8, error));
    site s = site_open(&spec, 3, 1, 1.0f);
    mhc_context context = mhc_context_cpu(1), gpu = mhc_context_cuda(NULL), odd = {(mhc_device)7, NULL, 1},
                none = {MHC_DEVICE_CPU, NULL, 0};
    mhc_site_params params = {s.fn, s.base, s.scale}, missing = {NULL, s.base, s.scale};
    mhc_error error;
    mhc_streams x = site_streams(&s, s.x), empty = {NULL, 32, 8};
    mhc_rows u = site_rows(&s, s.u);
#define PRE(context, params, tokens, x, carried, saved, workspace, size)                                               \
    mhc_pre_forward(context, &spec, params, tokens, x, carried, s.coefficients, saved, u, workspace, size, &error)
    assert_int_equal(PRE(NULL, &params, 3, x, NULL, s.saved, s.workspace, s.sizes.workspace), MHC_INVALID_ARGUMENT);
    assert_int_equal(PRE(&none, &params, 3, x, NULL, s.saved, s.workspace, s.sizes.workspace), MHC_INVALID_ARGUMENT);
    assert_int_equal(PRE(&odd, &params, 3, x, NULL, s.saved, s.workspace, s.sizes.workspace), MHC_INVALID_ARGUMENT);
    spec.streams = 17; /* without CUDA there is none, with it no room for so many */
    assert_int_equal(PRE(&gpu, &params, 3, x, NULL, s.saved, s.workspace, s.sizes.workspace), MHC_UNSUPPORTED);
    spec.streams = 4;
    assert_int_equal(PRE(&context, &missing, 3, x, NULL, s.saved, s.workspace, s.sizes.workspace),
                     MHC_INVALID_ARGUMENT);
    assert_int_equal(PRE(&context, &params, -1, x, NULL, s.saved, s.workspace, s.sizes.workspace),
                     MHC_INVALID_ARGUMENT);
    assert_int_equal(PRE(&context, &params, 3, empty, NULL, s.saved, s.workspace, s.sizes.workspace),
                     MHC_INVALID_ARGUMENT);
    assert_int_equal(PRE(&context, &params, 3, x, s.carried, s.saved, s.workspace, s.sizes.workspace),
                     MHC_INVALID_ARGUMENT);
    assert_int_equal(PRE(&context, &params, 3, x, NULL, NULL, s.workspace, 4), MHC_OUT_OF_MEMORY);
    assert_int_equal(PRE(&context, &params, 0, empty, NULL, NULL, NULL, 0), MHC_OK);
#undef PRE
    site_close(&s);
}

static void test_starts(void **state) {
    (void)state;
    float base[16 * 3 + 16], scale[3], *fn = some(24 * 4 * 8, sizeof *fn), *again = some(24 * 4 * 8, sizeof *again);
    mhc_site_params params = {fn, base, scale};
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "paper", 4, 8, error));
    OK(mhc_site_init(&spec, 6, 42, &params, error));
    for (int i = 0; i < 4; i++)
        assert_true(base[i] == (i == 2 ? 3.0f : -3.0f) && base[4 + i] == 0.0f);
    for (int e = 0; e < 16; e++)
        assert_true(base[8 + e] == (e % 5 == 0 ? 3.0f : -3.0f));
    assert_true(scale[0] == 0.01f && scale[2] == 0.01f);
    params.fn = again;
    OK(mhc_site_init(&spec, 6, 42, &params, error));
    assert_memory_equal(fn, again, 24 * 32 * sizeof *fn);
    OK(mhc_site_init(&spec, 7, 42, &params, error));
    assert_memory_not_equal(fn, again, 24 * 32 * sizeof *fn);
    double square = 0.0;
    for (int i = 0; i < 24 * 32; i++)
        square += (double)fn[i] * (double)fn[i];
    assert_true(fabs(sqrt(square / (24 * 32)) - 0.02) < 0.002);
    OK(mhc_spec_preset(&spec, "hc-static", 4, 8, error));
    OK(mhc_site_init(&spec, 0, 1, &params, error));
    assert_true(base[0] == 0.25f && base[4] == 1.0f && base[8] == 1.0f && base[9] == 0.0f);
    OK(mhc_spec_preset(&spec, "mhc-poc", 4, 8, error));
    OK(mhc_site_init(&spec, 0, 1, &params, error));
    for (int e = 0; e < 48; e++)
        assert_true(base[e] == (e % 16 % 5 == 0 ? 1.0f : -1.0f));
    OK(mhc_spec_preset(&spec, "boolq-100", 4, 8, error));
    OK(mhc_site_init(&spec, 0, 1, &params, error));
    for (int e = 0; e < 24; e++)
        assert_true(fabs((double)base[e]) <= (e < 8 ? sqrt(6.0 / 5) : sqrt(6.0 / 8)));
    free(fn);
    free(again);
}

/* Coefficients at the seeds' starts, as their authors' code gives them. */
static void test_seed_values(void **state) {
    (void)state;
    mhc_context context = mhc_context_cpu(1);
    const char *names[] = {"reproducing-mhc", "mhc-poc", "mhc-poc-hc"};
    const double want[3][4] = {{.25, .25, .25, .25}, {.25, 1, .71123, .09626}, {.25, 1, 2.71828, 0.36788}};
    for (int k = 0; k < 3; k++) {
        mhc_spec spec;
        float base[48], c[24];
        mhc_site_params params = {NULL, base, NULL};
        OK(mhc_spec_preset(&spec, names[k], 4, 8, error));
        OK(mhc_site_init(&spec, 0, 1, &params, error));
        OK(mhc_pre_forward(&context, &spec, &params, 0, (mhc_streams){NULL, 0, 0}, NULL, c, NULL, (mhc_rows){NULL, 0},
                           NULL, 0, error));
        for (int i = 0; i < 4; i++) {
            assert_true(fabs((double)c[i] - want[k][0]) < 1e-5);
            assert_true(fabs((double)c[4 + i] - want[k][1]) < 1e-5);
            assert_true(fabs((double)c[8 + 5 * i] - want[k][2]) < 1e-5);
            assert_true(fabs((double)c[8 + 4 * i + (i + 1) % 4] - want[k][3]) < 1e-5);
        }
    }
}

/* Which sums are one, and how closely, at mild logits. */
static void test_doubly_stochastic(void **state) {
    (void)state;
    enum { ROWS = 37 };
    const struct {
        const char *name;
        double sources, destinations; /* largest |sum - 1| over sources (rows), over destinations (columns) */
    } cases[] = {{"paper", 1e-6, 1e-3},   {"deepseek-v4", 3e-6, 1e-3}, {"megatron", 1e-3, 1e-6},
                 {"liger", 1e-3, 3e-6},   {"mhc-lite", 1e-6, 1e-6},    {"reproducing-mhc", 1e-3, 1e-6},
                 {"mhc-poc", 1e-3, 1e-6}, {"boolq-100", 1e-3, 1e-6}};
    mhc_context context = mhc_context_cpu(2);
    for (int k = 0; k < 8; k++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, cases[k].name, 4, 8, error));
        int count = spec.constraint == MHC_CONSTRAINT_PERMUTATIONS ? 24 : 16;
        float logits[ROWS * 24], res[ROWS * 16];
        mhc__normal_fill(7, 0, 1.0f, logits, ROWS * count);
        OK(mhc_constraint_forward(&context, &spec, ROWS, logits, res, error));
        for (int row = 0; row < ROWS; row++)
            for (int i = 0; i < 4; i++) {
                double over_sources = 0.0, over_destinations = 0.0;
                for (int j = 0; j < 4; j++) {
                    assert_true(res[row * 16 + i * 4 + j] >= 0.0f);
                    over_sources += (double)res[row * 16 + i * 4 + j];
                    over_destinations += (double)res[row * 16 + j * 4 + i];
                }
                if (fabs(over_sources - 1) > cases[k].sources || fabs(over_destinations - 1) > cases[k].destinations)
                    fail_msg("%s: sums over sources %.9g, over destinations %.9g", cases[k].name, over_sources,
                             over_destinations);
            }
    }
}

/* The constraint alone against the oracle's, both ways, and one stream gives exactly one. */
static void test_constraint(void **state) {
    (void)state;
    mhc_context context = mhc_context_cpu(2);
    const char *name;
    for (int p = 1; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int n = 1; n <= 9; n++) {
            mhc_spec spec;
            if (mhc_spec_preset(&spec, name, n, 8, NULL) != MHC_OK)
                continue;
            mhc_site_sizes sizes;
            OK(mhc_site_sizes_query(&spec, 1, &sizes, error));
            int gates = strncmp(name, "mhc-poc", 7) == 0 ? 2 * n * n : 2 * n;
            int count = (int)sizes.base - gates, size = n * n;
            enum { ROWS = 19 };
            float logits[ROWS * 120], d_res[ROWS * 81], res[ROWS * 81], d_logits[ROWS * 120];
            double logits_64[120], d_res_64[81], res_64[81], d_64[120];
            mhc__normal_fill(3, (uint64_t)n, 1.5f, logits, ROWS * count);
            mhc__normal_fill(4, (uint64_t)n, 1.0f, d_res, ROWS * size);
            OK(mhc_constraint_forward(&context, &spec, ROWS, logits, res, error));
            OK(mhc_constraint_backward(&context, &spec, ROWS, logits, d_res, d_logits, error));
            for (int row = 0; row < ROWS; row++) {
                widen(logits + row * count, logits_64, count);
                widen(d_res + row * size, d_res_64, size);
                OK(mhc_oracle_constraint_forward(&spec, logits_64, res_64, error));
                OK(mhc_oracle_constraint_backward(&spec, logits_64, d_res_64, d_64, error));
                assert_close(name, "res", res + row * size, res_64, size, 3e-6);
                double scale = 0.0;
                for (int e = 0; e < size; e++)
                    scale = fmax(scale, fabs(d_res_64[e]) * fmax(1.0, res_64[e]));
                for (int e = 0; e < count; e++)
                    assert_true(fabs((double)d_logits[row * count + e] - d_64[e]) <= 5e-6 * scale);
                if (n == 1 && spec.constraint == MHC_CONSTRAINT_SINKHORN && spec.sinkhorn.eps_mode != MHC_EPS_ADD)
                    assert_true(res[row] == 1.0f);
            }
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_checks),      cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_starts),     cmocka_unit_test(test_seed_values), cmocka_unit_test(test_doubly_stochastic),
        cmocka_unit_test(test_constraint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
