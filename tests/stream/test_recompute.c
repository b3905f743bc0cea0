/* Replayed streams have the bits of the forward pass, whatever the convention, the number of tokens and of threads. */
#include "fixture.h"

enum { SITES = 4 };

/* A chain of sites: each begins with the streams that the one before ended with. */
static void chain_open(const mhc_spec *spec, int64_t tokens, site *chain) {
    mhc_context context = mhc_context_cpu(2);
    for (int k = 0; k < SITES; k++) {
        site *s = &chain[k];
        *s = site_open(spec, tokens, 10 + (uint64_t)k, 1.0f);
        if (k > 0)
            memcpy(s->x, chain[k - 1].merged, (size_t)s->x_count * sizeof(float));
        site_narrow(s);
        mhc_site_params params = {s->fn, s->base, s->scale};
        const float *carried = site_shifted(s) && k > 0 ? chain[k - 1].coefficients : NULL;
        OK(mhc_pre_forward(&context, spec, &params, tokens, site_streams(s, s->x), carried, s->coefficients, s->saved,
                           site_rows(s, s->u), s->workspace, s->sizes.workspace, error));
        OK(mhc_merge_forward(&context, spec, tokens, site_streams(s, s->x), site_rows(s, s->z), s->coefficients,
                             site_streams(s, s->merged), error));
        site_widen(s);
    }
}

/* Sites first.. of the chain into d_x and d_u, which nothing else uses here; all but the last u without `whole`. */
static void replay(site *chain, int first, int threads, bool whole) {
    mhc_context context = {MHC_DEVICE_CPU, NULL, threads};
    mhc_recompute_step steps[SITES];
    for (int k = first; k < SITES; k++) {
        site *s = &chain[k];
        memset(s->d_x, 0xff, (size_t)s->x_count * sizeof(float));
        memset(s->d_u, 0xff, (size_t)s->u_count * sizeof(float));
        site_narrow(s);
        steps[k] =
            (mhc_recompute_step){s->coefficients, site_rows(s, s->z), site_rows(s, s->d_u), site_streams(s, s->d_x)};
        if (!whole && k + 1 < SITES)
            steps[k].u.data = NULL;
        if (!whole && k + 1 == SITES)
            steps[k].out.data = steps[k].z.data = NULL;
    }
    const site *s = &chain[first];
    const float *carried = site_shifted(s) && first > 0 ? chain[first - 1].coefficients : NULL;
    OK(mhc_recompute(&context, &s->spec, s->tokens, site_streams(s, s->x), carried, steps + first, SITES - first,
                     error));
    for (int k = first; k < SITES; k++)
        site_widen(&chain[k]);
}

static bool untouched(const float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            return false;
    return true;
}

static void same_bits_case(mhc_type type) {
    const int64_t tokens[] = {0, 1, 17, 131};
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int k = 0; k < 4; k++) {
            mhc_spec spec;
            site chain[SITES];
            OK(mhc_spec_preset(&spec, name,
                               strcmp(name, "residual") == 0 ? 1
                               : k == 2                      ? 3
                                                             : 4,
                               p % 2 ? 67 : 48, error));
            spec.type = type;
            chain_open(&spec, tokens[k], chain);
            for (int threads = 1; threads <= 3; threads += 2)
                for (int first = 0; first < SITES; first++) {
                    replay(chain, first, threads, true);
                    for (int i = first; i < SITES; i++) {
                        const site *s = &chain[i];
                        assert_memory_equal(s->d_x, s->merged, (size_t)s->x_count * sizeof(float));
                        assert_memory_equal(s->d_u, s->u, (size_t)s->u_count * sizeof(float));
                    }
                    replay(chain, first, threads, false);
                    const site *last = &chain[SITES - 1];
                    assert_memory_equal(last->d_u, last->u, (size_t)last->u_count * sizeof(float));
                    assert_true(untouched(last->d_x, last->x_count));
                    if (first + 1 < SITES)
                        assert_true(untouched(chain[first].d_u, last->u_count));
                }
            for (int i = 0; i < SITES; i++)
                site_close(&chain[i]);
        }
}

FOR_EACH_TYPE(same_bits)

/* The exact minimisers of arXiv 2512.24880 eq. 20 at n = 4, and the ends of the range. */
static void best_span(void **state) {
    (void)state;
    const int expected[][2] = {{12, 3}, {18, 3}, {24, 4}, {30, 5}, {36, 4}, {60, 6}, {86, 8}, {122, 9}, {1, 1}, {0, 1}};
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++)
        assert_int_equal(mhc_recompute_span(4, expected[k][0]), expected[k][1]);
    assert_int_equal(mhc_recompute_span(0, 12), 1);
    assert_int_equal(mhc_recompute_span(-1, 12), 1);
    assert_int_equal(mhc_recompute_span(4, -5), 1);
    int large = mhc_recompute_span(4, INT32_MAX); /* about sqrt(4 / 6 sites), at once */
    assert_true(large > 37000 && large < 38500);
}

static void refuse(const mhc_spec *spec, const float *carried, const mhc_recompute_step *steps, int count,
                   const char *part) {
    mhc_context context = mhc_context_cpu(1);
    float x[2 * 4 * 8] = {0};
    mhc_error error = {MHC_OK, ""};
    assert_int_equal(mhc_recompute(&context, spec, 2, mhc_streams_of(x, 4, 8), carried, steps, count, &error),
                     MHC_INVALID_ARGUMENT);
    if (!strstr(error.message, part))
        fail_msg("expected \"%s\", found \"%s\"", part, error.message);
}

static void bad_steps(void **state) {
    (void)state;
    float some_floats[2 * 4 * 8] = {0};
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "paper", 4, 8, error));
    mhc_recompute_step good = {some_floats, mhc_rows_of(some_floats, 8), {NULL, 0}, mhc_streams_of(some_floats, 4, 8)};
    mhc_recompute_step steps[2] = {good, good};
    refuse(&spec, NULL, steps, -1, "count");
    refuse(&spec, NULL, NULL, 2, "steps");
    refuse(&spec, some_floats, steps, 2, "carried");
    steps[0].out.data = NULL;
    refuse(&spec, NULL, steps, 2, "steps[0].out");
    steps[0] = good;
    steps[1].z.data = NULL;
    refuse(&spec, NULL, steps, 2, "steps[1].z");
    steps[1] = good;
    steps[1].coefficients = NULL;
    refuse(&spec, NULL, steps, 2, "steps[1].coefficients");
    mhc_context context = mhc_context_cpu(1);
    OK(mhc_recompute(&context, &spec, 2, mhc_streams_of(some_floats, 4, 8), NULL, NULL, 0, error));
    OK(mhc_recompute(&context, &spec, 0, (mhc_streams){0}, NULL, NULL, 3, error));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits), cmocka_unit_test(best_span),
                                       cmocka_unit_test(bad_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
