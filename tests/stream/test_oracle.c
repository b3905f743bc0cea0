/* The oracle against itself: its gradients are those of its forward pass, by central differences of fourth order. */
#include "stream/fixture.h"

static double loss(site *s) {
    mhc_oracle_params params = {s->fn_64, s->base_64, s->scale_64};
    int64_t n = s->spec.streams, rows = s->d_pre_count / n;
    OK(mhc_oracle_site_forward(&s->spec, &params, s->tokens, s->x_64, s->z_64, site_shifted(s) ? s->carried_64 : NULL,
                               s->coefficients_64, s->u_64, s->merged_64, error));
    double sum = 0.0;
    for (int64_t i = 0; i < s->u_count; i++)
        sum += s->u_64[i] * s->d_u_64[i];
    for (int64_t i = 0; i < s->merged_count; i++)
        sum += s->merged_64[i] * s->d_merged_64[i];
    for (int64_t t = 0; t < rows && site_shifted(s); t++)
        for (int64_t j = 0; j < n; j++)
            sum += s->coefficients_64[t * n * (n + 2) + j] * s->d_pre_64[t * n + j];
    return sum;
}

static double slope(site *s, double *at) {
    const double h = 1e-3, here = *at;
    double sum = 0.0;
    const double step[4] = {-2 * h, -h, h, 2 * h}, weight[4] = {1.0 / 12, -8.0 / 12, 8.0 / 12, -1.0 / 12};
    for (int k = 0; k < 4; k++) {
        *at = here + step[k];
        sum += weight[k] * loss(s);
    }
    *at = here;
    return sum / h;
}

/* A few elements of a tensor, spread over it. */
static void check_tensor(site *s, const char *name, double *values, const double *gradient, int64_t count) {
    int64_t stride = count / 7 + 1;
    for (int64_t i = 0; i < count; i += stride) {
        double want = slope(s, &values[i]), got = gradient[i];
        if (!(fabs(got - want) <= 2e-8 * (1.0 + fabs(want))))
            fail_msg("%s[%lld], n = %d: gradient %.12g, differences %.12g", name, (long long)i, s->spec.streams, got,
                     want);
    }
}

static void check_spec(const mhc_spec *spec, int64_t tokens) {
    site s = site_open(spec, tokens, 11, 1.5f);
    site_oracle(&s);
    check_tensor(&s, "x", s.x_64, s.d_x_64, s.x_count);
    check_tensor(&s, "z", s.z_64, s.d_z_64, s.z_count);
    check_tensor(&s, "fn", s.fn_64, s.d_fn_64, s.fn_count);
    check_tensor(&s, "base", s.base_64, s.d_base_64, s.base_count);
    check_tensor(&s, "scale", s.scale_64, s.d_scale_64, s.scale_count);
    int64_t n = spec->streams;
    for (int64_t t = 0; t < s.carried_count / (n * (n + 2)) && site_shifted(&s); t++)
        check_tensor(&s, "carried", s.carried_64 + t * n * (n + 2), s.d_carried_64 + t * n * (n + 2), n);
    site_close(&s);
}

static void test_presets(void **state) {
    (void)state;
    const int streams[] = {1, 2, 3, 4, 5, 8};
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int k = 0; k < 6; k++) {
            mhc_spec spec;
            if (mhc_spec_preset(&spec, name, streams[k], 5, NULL) == MHC_OK)
                check_spec(&spec, 3);
        }
}

/* Combinations that no preset has. */
static void test_combinations(void **state) {
    (void)state;
    for (int bits = 0; bits < COMBINATIONS; bits++) {
        mhc_spec spec = combination(bits, 3, 7);
        check_spec(&spec, 2);
    }
    for (int bits = 0; bits < ABLATIONS; bits++) {
        mhc_spec spec = ablation(bits, 3, 7);
        check_spec(&spec, 2);
    }
}

static double contract_loss(const mhc_spec *spec, const mhc_oracle_params *head, int64_t tokens, const double *x,
                            const double *carried, const double *d_y, double *y) {
    OK(mhc_oracle_contract_forward(spec, head, tokens, x, carried, y, error));
    double sum = 0.0;
    for (int64_t i = 0; i < tokens * spec->channels; i++)
        sum += y[i] * d_y[i];
    return sum;
}

enum { N = 3, C = 5, T = 2, ROW = N * (N + 2) };

static void test_contractions(void **state) {
    (void)state;
    for (int kind = MHC_CONTRACT_MEAN; kind <= MHC_CONTRACT_CARRIED; kind++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, "megatron", N, C, error));
        spec.contraction = (mhc_contraction)kind;
        float draw[256];
        double v[256], d_x[T * N * C] = {0}, d_carried[T * ROW] = {0}, d_fn[N * N * C] = {0}, d_base[N] = {0},
                                   d_scale[1] = {0}, y[T * C];
        mhc__normal_fill(3, 0, 1.0f, draw, 256);
        widen(draw, v, 256);
        double *x = v, *carried = x + T * N * C, *d_y = carried + T * ROW, *fn = d_y + T * C, *base = fn + N * N * C,
               *scale = base + N;
        mhc_oracle_params head = {fn, base, scale}, gradients = {d_fn, d_base, d_scale};
        OK(mhc_oracle_contract_backward(&spec, &head, T, x, carried, d_y, d_x, d_carried, &gradients, error));
        struct {
            double *at, *gradient;
            int count;
        } parts[] = {{x, d_x, T * N * C},
                     {carried, d_carried, T * ROW},
                     {fn, d_fn, N * N * C},
                     {base, d_base, N},
                     {scale, d_scale, 1}};
        for (int p = 0; p < 5; p++)
            for (int i = 0; i < parts[p].count; i++) {
                double here = parts[p].at[i], h = 1e-4;
                parts[p].at[i] = here + h;
                double up = contract_loss(&spec, &head, T, x, carried, d_y, y);
                parts[p].at[i] = here - h;
                double down = contract_loss(&spec, &head, T, x, carried, d_y, y);
                parts[p].at[i] = here;
                assert_true(fabs((up - down) / (2 * h) - parts[p].gradient[i]) < 1e-6);
            }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_contractions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
