/* Seams on the device against their parts, bit by bit; views with gaps; contractions against the fp64 oracle. */
#include "stream/device_site.h"

/* Two sites of one spec, the one's output streams being the other's input. */
typedef struct two_sites {
    site here, next;
} two_sites;

static void forward(two_sites *s, bool seam) {
    mhc_context context = device_context(2);
    site *here = &s->here, *next = &s->next;
    mhc_site_params params = {here->fn, here->base, here->scale}, next_params = {next->fn, next->base, next->scale};
    const float *carried = site_shifted(here) ? here->coefficients : NULL;
    mhc_streams between = site_streams(next, next->x);
    site_narrow(here);
    OK(mhc_pre_forward(&context, &here->spec, &params, here->tokens, site_streams(here, here->x),
                       site_shifted(here) ? here->carried : NULL, here->coefficients, here->saved,
                       site_rows(here, here->u), here->workspace, here->sizes.workspace, error));
    if (seam) {
        OK(mhc_seam_forward(&context, &here->spec, here->tokens, site_streams(here, here->x), site_rows(here, here->z),
                            here->coefficients, between, &next_params, next->coefficients, next->saved,
                            site_rows(next, next->u), next->workspace, next->sizes.workspace, error));
    } else {
        OK(mhc_merge_forward(&context, &here->spec, here->tokens, site_streams(here, here->x), site_rows(here, here->z),
                             here->coefficients, between, error));
        OK(mhc_pre_forward(&context, &here->spec, &next_params, here->tokens, between, carried, next->coefficients,
                           next->saved, site_rows(next, next->u), next->workspace, next->sizes.workspace, error));
    }
    site_widen(next);
}

static void backward(two_sites *s, bool seam) {
    mhc_context context = device_context(2);
    site *here = &s->here, *next = &s->next;
    mhc_site_params params = {next->fn, next->base, next->scale}, gradients = {next->d_fn, next->d_base, next->d_scale};
    const float *carried = site_shifted(here) ? here->coefficients : NULL;
    float *d_carried = site_shifted(here) ? here->d_coefficients : NULL;
    mhc_streams between = site_streams(next, next->x), d_between = site_streams(next, next->d_x), none = {0};
    site_merge_backward(next, 2, true);
    site_narrow(here);
    if (seam) {
        const mhc_seam_next of_next = {&params,
                                       between,
                                       next->coefficients,
                                       next->saved,
                                       site_rows(next, next->d_u),
                                       next->d_coefficients,
                                       site_streams(next, next->d_merged),
                                       &gradients};
        OK(mhc_seam_backward(&context, &here->spec, here->tokens, &of_next, d_between, site_streams(here, here->x),
                             site_rows(here, here->z), here->coefficients, site_rows(here, here->d_z),
                             here->d_coefficients, here->workspace, here->sizes.workspace, error));
    } else {
        OK(mhc_pre_backward(&context, &here->spec, &params, here->tokens, between, carried, next->coefficients,
                            next->saved, site_rows(next, next->d_u), next->d_coefficients, d_carried,
                            site_streams(next, next->d_merged), d_between, &gradients, next->workspace,
                            next->sizes.workspace, error));
        OK(mhc_merge_backward(&context, &here->spec, here->tokens, site_streams(here, here->x),
                              site_rows(here, here->z), here->coefficients, d_between, none, site_rows(here, here->d_z),
                              here->d_coefficients, here->workspace, here->sizes.workspace, error));
    }
    site_widen(here);
    site_widen(next);
}

/* Where a pipeline does the seam's way back, merge's dot products have a shape of their own: those are as close as
 * rounding leaves them, and from then on the same. On the CPU they are the same. */
static void expect_dots(site *parts, const site *seam, const char *where) {
    if (device_is_cpu())
        return;
    widen(parts->d_coefficients, parts->d_coefficients_64, parts->d_coefficients_count);
    assert_close(where, "d_coefficients", seam->d_coefficients, parts->d_coefficients_64, parts->d_coefficients_count,
                 1e-6);
    memcpy(parts->d_coefficients, seam->d_coefficients, (size_t)parts->d_coefficients_count * sizeof(float));
}

static void seam_case(mhc_type type) {
    const struct {
        const char *name;
        int streams;
        int64_t channels, tokens;
    } cases[] = {
        {"residual", 1, 40, 3},  {"hc", 4, 24, 7},       {"paper", 3, 21, 5},          {"paper", 4, 20, 0},
        {"liger", 4, 40, 33},    {"megatron", 8, 17, 4}, {"deepseek-v4.1", 4, 9, 6},   {"mhc-lite", 5, 8, 9},
        {"mhc-poc", 4, 24, 140}, {"boolq-100", 2, 5, 3}, {"deepseek-v4.1", 4, 264, 3}, {"hc-static", 4, 16, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        two_sites pair[2];
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, cases[k].name, cases[k].streams, cases[k].channels, error));
        spec.type = type;
        for (int seam = 0; seam < 2; seam++) {
            pair[seam].here = site_open(&spec, cases[k].tokens, 1, 1.0f);
            pair[seam].next = site_open(&spec, cases[k].tokens, 2, 1.0f);
            forward(&pair[seam], seam);
            backward(&pair[seam], seam);
        }
        expect_dots(&pair[0].here, &pair[1].here, cases[k].name);
        site_same(&pair[0].here, &pair[1].here, cases[k].name);
        site_same(&pair[0].next, &pair[1].next, cases[k].name);
        for (int seam = 0; seam < 2; seam++) {
            site_close(&pair[seam].here);
            site_close(&pair[seam].next);
        }
    }
}

/* A copy of a site's streams or rows with gaps, and the other way round. */
static void spread_out(mhc_type type, const float *dense, int64_t tokens, int rows, int64_t channels, mhc_streams to) {
    for (int64_t i = 0; i < tokens * rows * channels; i++)
        set_element(type, to.data,
                    i / (rows * channels) * to.token_stride + i / channels % rows * to.stream_stride + i % channels,
                    dense[i]);
}

static void expect_view(mhc_type type, const float *dense, int64_t tokens, int rows, int64_t channels, mhc_streams v,
                        int64_t elements, const char *name) {
    for (int64_t i = 0; i < elements; i++) {
        int64_t t = i / v.token_stride, row = i % v.token_stride / v.stream_stride,
                c = i % v.token_stride % v.stream_stride;
        bool inside = t < tokens && row < rows && c < channels;
        float got = element(type, v.data, i), want = inside ? dense[(t * rows + row) * channels + c] : 77.0f;
        if (got != want)
            fail_msg("%s: element %lld of the view is %.9g, expected %.9g", name, (long long)i, (double)got,
                     (double)want);
    }
}

/* Views with gaps that begin nowhere in particular: the bits of dense ones, and nothing outside them is touched. (The
 * way back begins with the dense one's d_coefficients: merge's sums may have a shape of their own there.) */
static void strides_case(mhc_type type) {
    enum { TOKENS = 9, CHANNELS = 24, STREAM = CHANNELS + 5, ROW = 31 };
    const char *names[] = {"paper", "hc", "mhc-poc"};
    for (int p = 0; p < 3; p++) {
        const int n = 3 + p % 2;
        const int64_t token = n * STREAM + 7, wide = TOKENS * token, row_count = TOKENS * ROW;
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, names[p], n, CHANNELS, error));
        spec.type = type;
        site s = site_open(&spec, TOKENS, 2, 1.0f), other = site_open(&spec, TOKENS, 2, 1.0f);
        site_forward(&s, 2);
        site_merge_backward(&s, 2, true);
        site_pre_backward(&s, 2, true);
        mhc_streams v[3], r[2]; /* x, d_merged, d_x; u, d_u */
        float *dense[3] = {s.x, s.d_merged, s.d_x}, *dense_rows[2] = {s.u, s.d_u};
        for (int k = 0; k < 3; k++) {
            v[k] = (mhc_streams){some(wide, sizeof(float)), token, STREAM};
            for (int64_t i = 0; i < wide; i++)
                set_element(type, v[k].data, i, 77.0f);
            if (k < 2)
                spread_out(type, dense[k], TOKENS, n, CHANNELS, v[k]);
        }
        for (int k = 0; k < 2; k++) {
            r[k] = (mhc_streams){some(row_count, sizeof(float)), ROW, ROW};
            for (int64_t i = 0; i < row_count; i++)
                set_element(type, r[k].data, i, 77.0f);
            if (k == 1)
                spread_out(type, dense_rows[k], TOKENS, 1, CHANNELS, r[k]);
        }
        mhc_context context = device_context(2);
        mhc_site_params params = {s.fn, s.base, s.scale}, gradients = {other.d_fn, other.d_base, other.d_scale};
        OK(mhc_pre_forward(&context, &spec, &params, TOKENS, v[0], NULL, other.coefficients, other.saved,
                           (mhc_rows){r[0].data, ROW}, other.workspace, other.sizes.workspace, error));
        assert_memory_equal(other.coefficients, s.coefficients, (size_t)s.coefficients_count * sizeof(float));
        memcpy(other.d_coefficients, s.d_coefficients, (size_t)s.d_coefficients_count * sizeof(float));
        OK(mhc_pre_backward(&context, &spec, &params, TOKENS, v[0], NULL, other.coefficients, other.saved,
                            (mhc_rows){r[1].data, ROW}, other.d_coefficients, NULL, v[1], v[2], &gradients,
                            other.workspace, other.sizes.workspace, error));
        assert_memory_equal(other.d_coefficients, s.d_coefficients, (size_t)s.d_coefficients_count * sizeof(float));
        assert_memory_equal(other.d_fn, s.d_fn, (size_t)s.d_fn_count * sizeof(float));
        for (int k = 0; k < 3; k++)
            expect_view(type, dense[k], TOKENS, n, CHANNELS, v[k], wide, names[p]);
        for (int k = 0; k < 2; k++)
            expect_view(type, dense_rows[k], TOKENS, 1, CHANNELS, r[k], row_count, names[p]);
        for (int k = 0; k < 3; k++)
            device_free(v[k].data);
        device_free(r[0].data), device_free(r[1].data);
        site_close(&s);
        site_close(&other);
    }
}

/* Of one contraction: tensors of the head beside those of a site; u is y, d_u is dy. */
typedef struct head {
    float *fn, *base, *scale, *d_fn, *d_base, *d_scale;
    double *fn_64, *base_64, *scale_64, *d_fn_64, *d_base_64, *d_scale_64;
    int64_t count; /* of fn */
} head;

static head head_open(int n, int64_t channels) {
    head h = {.count = (int64_t)n * n * channels};
    float **floats[] = {&h.fn, &h.base, &h.scale, &h.d_fn, &h.d_base, &h.d_scale};
    double **doubles[] = {&h.fn_64, &h.base_64, &h.scale_64, &h.d_fn_64, &h.d_base_64, &h.d_scale_64};
    const int64_t counts[] = {h.count, n, 1};
    for (int k = 0; k < 6; k++) {
        *floats[k] = some(counts[k % 3], sizeof(float));
        *doubles[k] = some(counts[k % 3], sizeof(double));
    }
    mhc__normal_fill(4, 0, 1.0f / sqrtf((float)(n * channels)), h.fn, h.count);
    mhc__normal_fill(4, 1, 0.5f, h.base, n);
    h.scale[0] = 0.8f;
    for (int k = 0; k < 3; k++)
        widen(*floats[k], *doubles[k], counts[k]);
    return h;
}

static void head_close(head *h) {
    float *const floats[] = {h->fn, h->base, h->scale, h->d_fn, h->d_base, h->d_scale};
    double *const doubles[] = {h->fn_64, h->base_64, h->scale_64, h->d_fn_64, h->d_base_64, h->d_scale_64};
    for (int k = 0; k < 6; k++) {
        device_free(floats[k]);
        device_free(doubles[k]);
    }
}

static void contraction(const mhc_spec *spec, int64_t tokens, const char *where) {
    const mhc_context context = device_context(2);
    mhc_contract_sizes sizes;
    OK(mhc_contract_sizes_query(spec, tokens, &sizes, error));
    const size_t bytes = device_is_cpu() ? sizes.workspace : sizes.cuda_workspace;
    site s = site_open(spec, tokens, 17, 1.0f);
    head h = head_open(spec->streams, spec->channels);
    float *saved = some(sizes.saved, sizeof(float)), *kept = some(s.u_count, sizeof(float));
    void *workspace = some((int64_t)bytes, 1);
    mhc_head_params params = {h.fn, h.base, h.scale}, gradients = {h.d_fn, h.d_base, h.d_scale};
    const double rounded = rounded_bound(spec->type, 3e-6);
    poison_outputs(&s);
    memset(workspace, 0xff, bytes);
    for (int64_t row = 0; row < s.d_carried_count; row += spec->streams * (spec->streams + 2))
        poison(s.d_carried + row, spec->contraction == MHC_CONTRACT_CARRIED ? spec->streams : 0);
    for (int keep = 1; keep >= 0; keep--) { /* saved NULL: the same */
        OK(mhc_contract_forward(&context, spec, &params, tokens, site_streams(&s, s.x), s.carried, keep ? saved : NULL,
                                site_rows(&s, s.u), workspace, bytes, error));
        site_widen(&s);
        if (keep)
            memcpy(kept, s.u, (size_t)s.u_count * sizeof(float));
    }
    assert_memory_equal(kept, s.u, (size_t)s.u_count * sizeof(float));
    OK(mhc_contract_backward(&context, spec, &params, tokens, site_streams(&s, s.x), s.carried, saved,
                             site_rows(&s, s.d_u), s.d_carried, site_streams(&s, s.d_x), &gradients, workspace, bytes,
                             error));
    site_widen(&s);
    if (!device_is_cpu() && tokens > 0)
        assert_int_equal(mhc_contract_forward(&context, spec, &params, tokens, site_streams(&s, s.x), s.carried, saved,
                                              site_rows(&s, s.u), (char *)workspace + 4, bytes, NULL),
                         MHC_INVALID_ARGUMENT);
    mhc_oracle_params params_64 = {h.fn_64, h.base_64, h.scale_64},
                      gradients_64 = {h.d_fn_64, h.d_base_64, h.d_scale_64};
    OK(mhc_oracle_contract_forward(spec, &params_64, tokens, s.x_64, s.carried_64, s.u_64, error));
    OK(mhc_oracle_contract_backward(spec, &params_64, tokens, s.x_64, s.carried_64, s.d_u_64, s.d_x_64, s.d_carried_64,
                                    &gradients_64, error));
    assert_close(where, "y", s.u, s.u_64, s.u_count, rounded);
    assert_close(where, "dx", s.d_x, s.d_x_64, s.x_count, rounded);
    if (spec->contraction == MHC_CONTRACT_HEAD && tokens > 0) {
        assert_close(where, "d_fn", h.d_fn, h.d_fn_64, h.count, 3e-6);
        assert_close(where, "d_base", h.d_base, h.d_base_64, spec->streams, 3e-6);
        assert_close(where, "d_scale", h.d_scale, h.d_scale_64, 1, 1e-5);
    }
    if (spec->contraction == MHC_CONTRACT_CARRIED)
        assert_close(where, "d_carried", s.d_carried, s.d_carried_64, s.carried_count, 3e-6);
    device_free(saved), device_free(kept), device_free(workspace);
    head_close(&h);
    site_close(&s);
}

static void contract_case(mhc_type type) {
    const char *presets[] = {"paper", "reproducing-mhc"};
    const int streams[] = {1, 4, 9, 16};
    const int64_t tokens[] = {0, 3, 150}, channels[] = {40, 19, 24, 16};
    for (int p = 0; p < 2; p++)
        for (int kind = MHC_CONTRACT_MEAN; kind <= MHC_CONTRACT_CARRIED; kind++)
            for (int k = 0; k < 4; k++)
                for (int t = 0; t < 3; t++) {
                    char where[96];
                    mhc_spec spec;
                    if (t == 2 && (k + kind + (int)type) % 4 > 0)
                        continue;
                    OK(mhc_spec_preset(&spec, presets[p], streams[k], channels[(k + t) % 4], error));
                    spec.contraction = (mhc_contraction)kind;
                    spec.type = type;
                    snprintf(where, sizeof where, "%s, contraction %d, n = %d, T = %lld", presets[p], kind, streams[k],
                             (long long)tokens[t]);
                    contraction(&spec, tokens[t], where);
                }
}

FOR_EACH_TYPE(seam)
FOR_EACH_TYPE(strides)
FOR_EACH_TYPE(contract)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seam),
        cmocka_unit_test(test_strides),
        cmocka_unit_test(test_contract),
    };
    device_need();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
