/* Expand and contract, and a chain of three shifted sites from end to end. */
#include "stream/fixture.h"

static void expand_case(mhc_type type) {
    enum { T = 5, N = 3, C = 27 };
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "paper", N, C, error));
    spec.type = type;
    mhc_context context = mhc_context_cpu(2);
    float draw[T * N * C];
    void *x = some(T * C, 4), *out = some(T * N * C, 4), *dx = some(T * C, 4);
    mhc__normal_fill(1, 0, 1.0f, draw, T * N * C);
    for (int i = 0; i < T * C; i++)
        set_element(type, x, i, draw[i]);
    OK(mhc_expand_forward(&context, &spec, T, mhc_rows_of(x, C), mhc_streams_of(out, N, C), error));
    for (int i = 0; i < T * N * C; i++)
        assert_true(element(type, out, i) == element(type, x, i / (N * C) * C + i % C));
    for (int i = 0; i < T * N * C; i++)
        set_element(type, out, i, draw[i]);
    OK(mhc_expand_backward(&context, &spec, T, mhc_streams_of(out, N, C), mhc_rows_of(dx, C), error));
    for (int i = 0; i < T * C; i++) {
        int at = i / C * N * C + i % C;
        float want = element(type, out, at) + element(type, out, at + C) + element(type, out, at + 2 * C);
        assert_true(element(type, dx, i) == rounded_to(type, want));
    }
    OK(mhc_expand_forward(&context, &spec, 0, (mhc_rows){NULL, 0}, (mhc_streams){NULL, 0, 0}, error));
    free(x), free(out), free(dx);
}

static void contraction(mhc_type type, mhc_contraction kind, int n, int64_t channels, int64_t tokens,
                        const char *preset) {
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, preset, n, channels, error));
    spec.contraction = kind;
    spec.type = type;
    mhc_contract_sizes sizes;
    OK(mhc_contract_sizes_query(&spec, tokens, &sizes, error));
    site s = site_open(&spec, tokens, 17, 1.0f); /* x, carried; u as y, d_u as dy */
    int64_t head = (int64_t)n * n * channels;
    float *fn = some(head, 4), *d_fn[3], *d_base[3], d_scale[3] = {0}, base[MHC_MAX_STREAMS], scale[1] = {0.8f};
    double *fn_64 = some(head, 8), *d_fn_64 = some(head, 8), base_64[MHC_MAX_STREAMS], scale_64[1] = {(double)0.8f},
           d_base_64[MHC_MAX_STREAMS], d_scale_64[1];
    mhc__normal_fill(4, 0, 1.0f / sqrtf((float)(n * channels)), fn, head);
    mhc__normal_fill(4, 1, 0.5f, base, n);
    widen(fn, fn_64, head);
    widen(base, base_64, n);
    float *saved = some(sizes.saved, 4), *workspace = some((int64_t)sizes.workspace, 1), *dx[3];
    for (int threads = 1; threads <= 2; threads++) {
        mhc_context context = {MHC_DEVICE_CPU, NULL, threads};
        d_fn[threads] = some(head, 4);
        d_base[threads] = some(n, 4);
        dx[threads] = some(s.x_count, 4);
        mhc_head_params params = {fn, base, scale}, gradients = {d_fn[threads], d_base[threads], &d_scale[threads]};
        OK(mhc_contract_forward(&context, &spec, &params, tokens, site_streams(&s, s.x), s.carried, saved,
                                site_rows(&s, s.u), workspace, sizes.workspace, error));
        OK(mhc_contract_backward(&context, &spec, &params, tokens, site_streams(&s, s.x), s.carried, saved,
                                 site_rows(&s, s.d_u), s.d_carried, site_streams(&s, s.d_x), &gradients, workspace,
                                 sizes.workspace, error));
        site_widen(&s);
        memcpy(dx[threads], s.d_x, (size_t)s.x_count * 4);
    }
    assert_memory_equal(dx[1], dx[2], (size_t)s.x_count * 4);
    assert_memory_equal(d_fn[1], d_fn[2], (size_t)head * 4);
    mhc_oracle_params params = {fn_64, base_64, scale_64}, gradients = {d_fn_64, d_base_64, d_scale_64};
    OK(mhc_oracle_contract_forward(&spec, &params, tokens, s.x_64, s.carried_64, s.u_64, error));
    OK(mhc_oracle_contract_backward(&spec, &params, tokens, s.x_64, s.carried_64, s.d_u_64, s.d_x_64, s.d_carried_64,
                                    &gradients, error));
    assert_close(preset, "y", s.u, s.u_64, s.u_count, rounded_bound(type, 1e-6));
    assert_close(preset, "dx", dx[1], s.d_x_64, s.x_count, rounded_bound(type, 3e-6));
    if (kind == MHC_CONTRACT_HEAD && tokens > 0) {
        assert_close(preset, "d_fn", d_fn[1], d_fn_64, head, 3e-6);
        assert_close(preset, "d_base", d_base[1], d_base_64, n, 3e-6);
        assert_close(preset, "d_scale", &d_scale[1], d_scale_64, 1, 1e-5);
    }
    if (kind == MHC_CONTRACT_CARRIED)
        assert_close(preset, "d_carried", s.d_carried, s.d_carried_64, s.carried_count, 3e-6);
    for (int k = 1; k <= 2; k++) {
        free(d_fn[k]);
        free(d_base[k]);
        free(dx[k]);
    }
    free(fn), free(fn_64), free(d_fn_64), free(saved), free(workspace);
    site_close(&s);
}

static void contract_case(mhc_type type) {
    const char *presets[] = {"paper", "megatron", "hc", "reproducing-mhc"};
    for (int p = 0; p < 4; p++)
        for (int kind = MHC_CONTRACT_MEAN; kind <= MHC_CONTRACT_CARRIED; kind++)
            for (int n = 1; n <= 9; n += p % 2 ? 3 : 2)
                for (int t = 0; t < 3; t++)
                    contraction(type, (mhc_contraction)kind, n, 13 + n, (const int64_t[]){0, 1, 150}[t], presets[p]);
    contraction(type, MHC_CONTRACT_MEAN, 1, 9, 5, "residual");
    contraction(type, MHC_CONTRACT_HEAD, 1, 9, 5, "residual");
}

FOR_EACH_TYPE(expand)
FOR_EACH_TYPE(contract)

/* Three sites of the shifted schedule with z = u, then the carried contraction; L = sum(y dy). The gradient of the
 * whole chain against central differences of the same chain in the oracle. */
enum { SITES = 3, TOKENS = 2, STREAMS = 4, CHANNELS = 6, WIDTH = STREAMS * (STREAMS + 2), X = STREAMS * CHANNELS };

typedef struct chain {
    mhc_spec spec;
    float x[SITES + 1][TOKENS * X], fn[SITES][WIDTH * X], base[SITES][WIDTH], scale[SITES][3], dy[TOKENS * CHANNELS];
    double fn_64[SITES][WIDTH * X], base_64[SITES][WIDTH], scale_64[SITES][3], x_64[TOKENS * X];
} chain;

static double chain_loss(chain *c) {
    static double x[SITES + 1][TOKENS * X], k[SITES][TOKENS * WIDTH], u[TOKENS * CHANNELS], y[TOKENS * CHANNELS];
    memcpy(x[0], c->x_64, sizeof x[0]);
    for (int s = 0; s < SITES; s++) {
        mhc_oracle_params params = {c->fn_64[s], c->base_64[s], c->scale_64[s]};
        const double *carried = s > 0 ? k[s - 1] : NULL;
        OK(mhc_oracle_site_forward(&c->spec, &params, TOKENS, x[s], NULL, carried, k[s], u, NULL, error));
        OK(mhc_oracle_site_forward(&c->spec, &params, TOKENS, x[s], u, carried, NULL, NULL, x[s + 1], error));
    }
    OK(mhc_oracle_contract_forward(&c->spec, NULL, TOKENS, x[SITES], k[SITES - 1], y, error));
    double sum = 0.0;
    for (int i = 0; i < TOKENS * CHANNELS; i++)
        sum += y[i] * (double)c->dy[i];
    return sum;
}

static void chain_gradient(chain *c, float *dx, float (*d_fn)[WIDTH * X], float (*d_base)[WIDTH]) {
    static float k[SITES][TOKENS * WIDTH], dk[SITES][TOKENS * WIDTH], saved[SITES][TOKENS * (WIDTH + 2)],
        u[SITES][TOKENS * CHANNELS], du[TOKENS * CHANNELS], y[TOKENS * CHANNELS], workspace[1 << 17];
    mhc_context context = mhc_context_cpu(2);
    float d_scale[3] = {0};
    mhc_rows dy = mhc_rows_of(c->dy, CHANNELS), z = mhc_rows_of(du, CHANNELS);
    for (int s = 0; s < SITES; s++) {
        mhc_site_params params = {c->fn[s], c->base[s], c->scale[s]};
        mhc_streams in = mhc_streams_of(c->x[s], STREAMS, CHANNELS);
        OK(mhc_pre_forward(&context, &c->spec, &params, TOKENS, in, s > 0 ? k[s - 1] : NULL, k[s], saved[s],
                           mhc_rows_of(u[s], CHANNELS), workspace, sizeof workspace, error));
        OK(mhc_merge_forward(&context, &c->spec, TOKENS, in, mhc_rows_of(u[s], CHANNELS), k[s],
                             mhc_streams_of(c->x[s + 1], STREAMS, CHANNELS), error));
    }
    mhc_streams last = mhc_streams_of(c->x[SITES], STREAMS, CHANNELS), d = mhc_streams_of(dx, STREAMS, CHANNELS);
    OK(mhc_contract_forward(&context, &c->spec, NULL, TOKENS, last, k[SITES - 1], NULL, mhc_rows_of(y, CHANNELS),
                            workspace, sizeof workspace, error));
    OK(mhc_contract_backward(&context, &c->spec, NULL, TOKENS, last, k[SITES - 1], NULL, dy, dk[SITES - 1], d, NULL,
                             workspace, sizeof workspace, error));
    for (int s = SITES - 1; s >= 0; s--) {
        mhc_site_params params = {c->fn[s], c->base[s], c->scale[s]}, gradients = {d_fn[s], d_base[s], d_scale};
        mhc_streams in = mhc_streams_of(c->x[s], STREAMS, CHANNELS);
        OK(mhc_merge_backward(&context, &c->spec, TOKENS, in, mhc_rows_of(u[s], CHANNELS), k[s], d, d, z, dk[s],
                              workspace, sizeof workspace, error));
        OK(mhc_pre_backward(&context, &c->spec, &params, TOKENS, in, s > 0 ? k[s - 1] : NULL, k[s], saved[s], z, dk[s],
                            s > 0 ? dk[s - 1] : NULL, (mhc_streams){0}, d, &gradients, workspace, sizeof workspace,
                            error));
    }
}

static void expect_slope(chain *c, double *at, float got, const char *name) {
    const double h = 1e-5;
    double here = *at;
    *at = here + h;
    double up = chain_loss(c);
    *at = here - h;
    double down = chain_loss(c);
    *at = here;
    if (!(fabs((up - down) / (2 * h) - (double)got) < 2e-5))
        fail_msg("%s: gradient %.8g, differences %.8g", name, (double)got, (up - down) / (2 * h));
}

static void test_shifted_chain(void **state) {
    (void)state;
    static chain c;
    static float dx[TOKENS * X], d_fn[SITES][WIDTH * X], d_base[SITES][WIDTH];
    OK(mhc_spec_preset(&c.spec, "deepseek-v4.1", STREAMS, CHANNELS, error));
    mhc__normal_fill(1, 0, 1.0f, c.x[0], TOKENS * X);
    mhc__normal_fill(1, 1, 1.0f, c.dy, TOKENS * CHANNELS);
    widen(c.x[0], c.x_64, TOKENS * X);
    for (int s = 0; s < SITES; s++) {
        mhc__normal_fill(2, (uint64_t)s, 0.3f, c.fn[s], WIDTH * X);
        mhc__normal_fill(3, (uint64_t)s, 0.5f, c.base[s], WIDTH);
        for (int k = 0; k < 3; k++)
            c.scale[s][k] = 1.0f;
        widen(c.fn[s], c.fn_64[s], WIDTH * X);
        widen(c.base[s], c.base_64[s], WIDTH);
        widen(c.scale[s], c.scale_64[s], 3);
    }
    chain_gradient(&c, dx, d_fn, d_base);
    for (int i = 0; i < TOKENS * X; i++)
        expect_slope(&c, &c.x_64[i], dx[i], "x");
    for (int s = 0; s < SITES; s++) {
        for (int i = 0; i < WIDTH; i++)
            expect_slope(&c, &c.base_64[s][i], d_base[s][i], "base");
        for (int i = 0; i < WIDTH * X; i += 37)
            expect_slope(&c, &c.fn_64[s][i], d_fn[s][i], "fn");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_contract),
        cmocka_unit_test(test_shifted_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
