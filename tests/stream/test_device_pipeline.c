/* Forward and backward at the shapes that have a pipeline on a GPU: four streams, channels a multiple of eight. Against
 * the oracle, and what its order promises: a seam has the bits of merge and pre, more tokens than groups in flight. */
#include "stream/fixture.h"

enum { SHAPES = 8 };
static const int64_t SHAPE[SHAPES][2] = {{8, 1}, {8, 17}, {40, 64}, {72, 65}, {128, 5}, {136, 150}, {264, 3}, {8, 129}};
static const char *const NAMES[] = {"paper", "deepseek-v4", "deepseek-v4.1", "megatron", "liger"};
enum { NAMES_COUNT = sizeof NAMES / sizeof NAMES[0] };

static void poison(float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        values[i] = NAN;
}

static void forward(site *s, bool with_carried) {
    mhc_context context = device_context(2);
    mhc_site_params params = {s->fn, s->base, s->scale};
    poison(s->coefficients, s->coefficients_count);
    poison(s->u, s->u_count);
    poison(s->saved, s->sizes.saved);
    memset(s->workspace, 0xff, s->sizes.workspace);
    site_narrow(s);
    OK(mhc_pre_forward(&context, &s->spec, &params, s->tokens, site_streams(s, s->x), with_carried ? s->carried : NULL,
                       s->coefficients, s->saved, site_rows(s, s->u), s->workspace, s->sizes.workspace, error));
    site_widen(s);
}

static void oracle_case(mhc_type type) {
    for (int p = 0; p < NAMES_COUNT; p++)
        for (int k = 0; k < SHAPES; k++) {
            mhc_spec spec;
            OK(mhc_spec_preset(&spec, NAMES[p], 4, SHAPE[k][0], error));
            spec.type = type;
            site s = site_open(&spec, SHAPE[k][1], (uint64_t)(10 * p + k), 1.0f);
            site_oracle(&s);
            forward(&s, site_shifted(&s));
            char where[96];
            snprintf(where, sizeof where, "%s C = %lld T = %lld", NAMES[p], (long long)SHAPE[k][0],
                     (long long)SHAPE[k][1]);
            assert_close(where, "coefficients", s.coefficients, s.coefficients_64, s.coefficients_count, 3e-6);
            assert_close(where, "u", s.u, s.u_64, s.u_count, rounded_bound(type, 3e-6));
            assert_true(all_finite(s.saved, s.sizes.saved));
            site_close(&s);
        }
}

/* The first site of a shifted schedule collapses with stream 0. */
static void first_case(mhc_type type) {
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "deepseek-v4.1", 4, 72, error));
    spec.type = type;
    site s = site_open(&spec, 67, 5, 1.0f);
    forward(&s, false);
    for (int64_t t = 0; t < 67; t++)
        for (int64_t c = 0; c < 72; c++)
            assert_true(s.u[t * 72 + c] == s.x[t * 4 * 72 + c]);
    site_close(&s);
}

static void seam_case(mhc_type type) {
    for (int p = 0; p < NAMES_COUNT; p++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, NAMES[p], 4, 136, error));
        spec.type = type;
        site one = site_open(&spec, 70, 3, 1.0f), two = site_open(&spec, 70, 3, 1.0f);
        mhc_context context = device_context(2);
        mhc_site_params params = {one.fn, one.base, one.scale};
        float *next[2] = {some(one.coefficients_count, sizeof(float)), some(one.coefficients_count, sizeof(float))};
        forward(&one, site_shifted(&one));
        forward(&two, site_shifted(&two));
        const float *carried = site_shifted(&one) ? one.coefficients : NULL;
        OK(mhc_merge_forward(&context, &spec, 70, site_streams(&one, one.x), site_rows(&one, one.z), one.coefficients,
                             site_streams(&one, one.merged), error));
        OK(mhc_pre_forward(&context, &spec, &params, 70, site_streams(&one, one.merged), carried, next[0], one.saved,
                           site_rows(&one, one.u), one.workspace, one.sizes.workspace, error));
        /* in place: out is x */
        OK(mhc_seam_forward(&context, &spec, 70, site_streams(&two, two.x), site_rows(&two, two.z), two.coefficients,
                            site_streams(&two, two.x), &params, next[1], two.saved, site_rows(&two, two.u),
                            two.workspace, two.sizes.workspace, error));
        site_widen(&one);
        site_widen(&two);
#define EQUAL(a, b, count) assert_memory_equal(a, b, (size_t)(count) * sizeof(float))
        EQUAL(one.merged, two.x, one.x_count);
        EQUAL(one.u, two.u, one.u_count);
        EQUAL(one.saved, two.saved, one.sizes.saved);
        EQUAL(next[0], next[1], one.coefficients_count);
#undef EQUAL
        device_free(next[0]);
        device_free(next[1]);
        site_close(&one);
        site_close(&two);
    }
}

/* Rows begin..end of a site's pre or, with `after`, of the seam from it to that one, whose streams are then written. */
static void forward_rows(site *s, site *after, int64_t begin, int64_t end) {
    const int64_t n = s->spec.streams, channels = s->spec.channels, size = mhc_type_size(s->spec.type);
    const int64_t saved = s->sizes.saved / s->tokens, row = begin * n * (n + 2);
    site *to = after ? after : s;
    mhc_context context = device_context(2);
    mhc_site_params params = {to->fn, to->base, to->scale};
    mhc_streams x = site_streams(s, s->x), out = site_streams(to, to->x);
    mhc_rows z = site_rows(s, s->z), u = site_rows(to, to->u);
    x.data = (char *)x.data + begin * n * channels * size;
    out.data = (char *)out.data + begin * n * channels * size;
    z.data = (char *)z.data + begin * channels * size;
    u.data = (char *)u.data + begin * channels * size;
    memset(to->workspace, 0xff, to->sizes.workspace);
    if (after)
        OK(mhc_seam_forward(&context, &s->spec, end - begin, x, z, s->coefficients + row, out, &params,
                            to->coefficients + row, to->saved + begin * saved, u, to->workspace, to->sizes.workspace,
                            error));
    else
        OK(mhc_pre_forward(&context, &s->spec, &params, end - begin, x, site_shifted(s) ? s->carried + row : NULL,
                           s->coefficients + row, s->saved + begin * saved, u, s->workspace, s->sizes.workspace,
                           error));
}

/* A token does not depend on how many there are: all of them at once, which on a GPU is a pipeline, and a few at a
 * time, which are clusters there. */
static void rows_case(mhc_type type) {
    enum { TOKENS = 150, PARTS = 4 };
    static const int64_t CUTS[2][PARTS + 1] = {{0, TOKENS, TOKENS, TOKENS, TOKENS}, {0, 1, 6, 22, TOKENS}};
    for (int p = 0; p < NAMES_COUNT; p++) {
        const int64_t channels[] = {520, 264, 40};
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, NAMES[p], 4, channels[p % 3], error));
        spec.type = type;
        site here[2], next[2];
        for (int way = 0; way < 2; way++) {
            here[way] = site_open(&spec, TOKENS, 3, 1.0f);
            next[way] = site_open(&spec, TOKENS, 4, 1.0f);
            poison(next[way].x, next[way].x_count);
            site_narrow(&here[way]);
            site_narrow(&next[way]);
            for (int seam = 0; seam < 2; seam++)
                for (int part = 0; part < PARTS; part++)
                    forward_rows(&here[way], seam ? &next[way] : NULL, CUTS[way][part], CUTS[way][part + 1]);
            site_widen(&here[way]);
            site_widen(&next[way]);
        }
#define EQUAL(site, tensor, count) assert_memory_equal(site[0].tensor, site[1].tensor, (size_t)(count) * sizeof(float))
        EQUAL(here, u, here[0].u_count);
        EQUAL(here, coefficients, here[0].coefficients_count);
        EQUAL(here, saved, here[0].sizes.saved);
        EQUAL(next, x, next[0].x_count);
        EQUAL(next, u, next[0].u_count);
        EQUAL(next, coefficients, next[0].coefficients_count);
        EQUAL(next, saved, next[0].sizes.saved);
#undef EQUAL
        assert_true(all_finite(next[1].u, next[1].u_count) && all_finite(next[1].x, next[1].x_count));
        for (int way = 0; way < 2; way++) {
            site_close(&here[way]);
            site_close(&next[way]);
        }
    }
}

/* More tiles than crews: each comes round a few times; nothing saved, no u. */
static void long_case(mhc_type type) {
    mhc_spec spec;
    const int64_t tokens = 7 * 64 + 9;
    OK(mhc_spec_preset(&spec, "paper", 4, 264, error));
    spec.type = type;
    site s = site_open(&spec, tokens, 8, 1.0f), again = site_open(&spec, tokens, 8, 1.0f);
    site_oracle(&s);
    forward(&s, false);
    mhc_context context = device_context(1);
    mhc_site_params params = {again.fn, again.base, again.scale};
    OK(mhc_pre_forward(&context, &spec, &params, tokens, site_streams(&again, again.x), NULL, again.coefficients, NULL,
                       (mhc_rows){0}, again.workspace, again.sizes.workspace, error));
    assert_close("long", "coefficients", s.coefficients, s.coefficients_64, s.coefficients_count, 3e-6);
    assert_close("long", "u", s.u, s.u_64, s.u_count, rounded_bound(type, 3e-6));
    assert_memory_equal(s.coefficients, again.coefficients, (size_t)s.coefficients_count * sizeof(float));
    site_close(&s);
    site_close(&again);
}

/* More slices than the emulator runs blocks at a time: the plain way. */
static void wide_case(mhc_type type) {
    for (int p = 0; p < 2; p++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, NAMES[p], 4, 1416, error));
        spec.type = type;
        site s = site_open(&spec, 131, 8, 1.0f);
        site_oracle(&s);
        forward(&s, false);
        assert_close("wide", "coefficients", s.coefficients, s.coefficients_64, s.coefficients_count, 3e-6);
        assert_close("wide", "u", s.u, s.u_64, s.u_count, rounded_bound(type, 3e-6));
        site_close(&s);
    }
}

/* Squares beyond the range of fp32, zeros, and a token that is no number, which spoils itself alone. Few tokens and
 * more than a cluster takes. */
static void hostile_case(mhc_type type) {
    const float level[4] = {1e25f, 1e-25f, 0.0f, NAN};
    for (int64_t tokens = 9; tokens <= 139; tokens += 130) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, "paper", 4, 40, error));
        spec.type = type;
        site s = site_open(&spec, tokens, 2, 1.0f);
        for (int k = 0; k < 4; k++)
            for (int64_t i = 0; i < 160; i++)
                s.x[(2 * k) * 160 + i] *= factor_of(type, level[k]);
        site_settle(&s);
        site_oracle(&s);
        forward(&s, false);
        for (int64_t t = 0; t < tokens; t++) {
            if (t == 6) {
                assert_true(isnan(s.u[t * 40]));
                continue;
            }
            assert_close("hostile", "coefficients", s.coefficients + t * 24, s.coefficients_64 + t * 24, 24, 3e-6);
            assert_close("hostile", "u", s.u + t * 40, s.u_64 + t * 40, 40, rounded_bound(type, 3e-6));
        }
        site_close(&s);
    }
}

/* merge_backward is computed on the CPU, for its own sake tested elsewhere. */
static void backward(site *s, bool late) {
    mhc_context device = device_context(2), cpu = mhc_context_cpu(2);
    mhc_site_params params = {s->fn, s->base, s->scale}, gradients = {s->d_fn, s->d_base, s->d_scale};
    mhc_site_sizes sizes;
    OK(mhc_site_sizes_query(&s->spec, s->tokens, &sizes, error));
    void *scratch = some((int64_t)sizes.workspace, 1);
    site_narrow(s);
    OK(mhc_merge_backward(&cpu, &s->spec, s->tokens, site_streams(s, s->x), site_rows(s, s->z), s->coefficients,
                          site_streams(s, s->d_merged), late ? (mhc_streams){0} : site_streams(s, s->d_x),
                          site_rows(s, s->d_z), s->d_coefficients, scratch, sizes.workspace, error));
    device_free(scratch);
    for (int64_t t = 0; t < s->tokens && site_shifted(s); t++)
        memcpy(s->d_coefficients + t * 24, s->d_pre + t * 4, 4 * sizeof(float));
    memset(s->workspace, 0xff, s->sizes.workspace);
    OK(mhc_pre_backward(&device, &s->spec, &params, s->tokens, site_streams(s, s->x),
                        site_shifted(s) ? s->carried : NULL, s->coefficients, s->saved, site_rows(s, s->d_u),
                        s->d_coefficients, site_shifted(s) ? s->d_carried : NULL,
                        late ? site_streams(s, s->d_merged) : (mhc_streams){0}, site_streams(s, s->d_x), &gradients,
                        s->workspace, s->sizes.workspace, error));
    site_widen(s);
}

/* sums: the bound of sums over all tokens, which cancel more in some constraints. */
static void compare_backward(site *s, const char *where, double sums) {
    double bound = rounded_bound(s->spec.type, 3e-6);
    assert_close(where, "d_x", s->d_x, s->d_x_64, s->d_x_count, bound);
    assert_close(where, "d_fn", s->d_fn, s->d_fn_64, s->d_fn_count, sums);
    assert_close(where, "d_base", s->d_base, s->d_base_64, s->d_base_count, sums);
    assert_close(where, "d_scale", s->d_scale, s->d_scale_64, s->d_scale_count, sums);
    for (int64_t t = 0; t < s->tokens && site_shifted(s); t++)
        assert_close(where, "d_carried", s->d_carried + t * 24, s->d_carried_64 + t * 24, 4, 1e-5);
}

/* With the shapes of forward; also specs with fewer logits, whose rows of fn do not fill the tiles. */
static void backward_case(mhc_type type) {
    for (int p = 0; p < NAMES_COUNT + 2; p++)
        for (int k = 0; k < SHAPES; k++) {
            mhc_spec spec;
            OK(mhc_spec_preset(&spec, NAMES[p % NAMES_COUNT], 4, SHAPE[k][0], error));
            if (p >= NAMES_COUNT)
                spec.constraint = p == NAMES_COUNT ? MHC_CONSTRAINT_CIRCULANT : MHC_CONSTRAINT_ROTATION;
            spec.type = type;
            site s = site_open(&spec, SHAPE[k][1], (uint64_t)(10 * p + k), 1.0f);
            char where[96];
            snprintf(where, sizeof where, "%s %d C = %lld T = %lld", NAMES[p % NAMES_COUNT], p, (long long)SHAPE[k][0],
                     (long long)SHAPE[k][1]);
            site_oracle(&s);
            forward(&s, site_shifted(&s));
            backward(&s, (p + k) % 2 == 0);
            compare_backward(&s, where, p < NAMES_COUNT ? 3e-6 : 1e-5);
            site_close(&s);
        }
}

/* Crews of four blocks that come round some times; gradients are added to; the same bits in every run, dx in the place
 * of dout. */
static void long_backward_case(mhc_type type) {
    mhc_spec spec;
    const int64_t tokens = 13 * 16 + 5;
    OK(mhc_spec_preset(&spec, "paper", 4, 392, error));
    spec.type = type;
    site s = site_open(&spec, tokens, 8, 1.0f), again = site_open(&spec, tokens, 8, 1.0f);
    site_oracle(&s);
    forward(&s, false);
    backward(&s, true);
    compare_backward(&s, "long", 3e-6);
    forward(&again, false);
    mhc_context device = device_context(1);
    mhc_site_params params = {again.fn, again.base, again.scale}, gradients = {again.d_fn, again.d_base, again.d_scale};
    memcpy(again.d_coefficients, s.d_coefficients, (size_t)s.d_coefficients_count * sizeof(float));
    for (int round = 0; round < 2; round++) {
        site_narrow(&again);
        mhc_streams place = site_streams(&again, again.d_merged), x = site_streams(&again, again.x);
        OK(mhc_pre_backward(&device, &spec, &params, tokens, x, NULL, again.coefficients, again.saved,
                            site_rows(&again, again.d_u), again.d_coefficients, NULL, place, place, &gradients,
                            again.workspace, again.sizes.workspace, error));
        for (int64_t i = 0; i < s.d_fn_count && round == 1; i++)
            again.d_fn[i] *= 0.5f;
        float *values = again.d_merged;
        if (round == 0) {
            for (int64_t i = 0; i < s.d_x_count; i++)
                assert_true(element(type, site_elements(&again, values), i) == s.d_x[i]);
            assert_memory_equal(again.d_fn, s.d_fn, (size_t)s.d_fn_count * sizeof(float));
            assert_memory_equal(again.d_base, s.d_base, (size_t)s.d_base_count * sizeof(float));
            memcpy(values, s.d_merged, (size_t)s.d_x_count * sizeof(float));
        }
    }
    assert_close("added", "d_fn", again.d_fn, s.d_fn_64, s.d_fn_count, 3e-6);
    site_close(&s);
    site_close(&again);
}

/* A seam's way back, dz in the place of du, against pre's and, on the CPU, merge's: what is not summed in another order
 * has the same bits. */
static void seam_backward_case(mhc_type type) {
    for (int p = 0; p < NAMES_COUNT; p++) {
        const int64_t tokens = p == 0 ? 13 * 16 + 3 : 70, channels = p == 0 ? 392 : 136;
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, NAMES[p], 4, channels, error));
        spec.type = type;
        site next = site_open(&spec, tokens, 3, 1.0f), here = site_open(&spec, tokens, 4, 1.0f);
        mhc_context device = device_context(2), cpu = mhc_context_cpu(2);
        mhc_site_params params = {next.fn, next.base, next.scale}, gradients = {next.d_fn, next.d_base, next.d_scale};
        forward(&here, site_shifted(&here));
        memcpy(next.carried, here.coefficients, (size_t)here.coefficients_count * sizeof(float));
        forward(&next, site_shifted(&next));
        backward(&next, true);
        site kept = site_open(&spec, tokens, 3, 1.0f);
#define KEEP(name) memcpy(kept.name, next.name, (size_t)next.name##_count * sizeof(float));
        KEEP(d_x)
        KEEP(d_fn)
        KEEP(d_base)
        KEEP(d_scale)
        KEEP(d_carried)
        KEEP(d_coefficients)
#undef KEEP
        memset(next.d_fn, 0, (size_t)next.d_fn_count * sizeof(float));
        memset(next.d_base, 0, (size_t)next.d_base_count * sizeof(float));
        memset(next.d_scale, 0, (size_t)next.d_scale_count * sizeof(float));
        for (int64_t t = 0; t < tokens && site_shifted(&next); t++)
            memcpy(next.d_coefficients + t * 24, next.d_pre + t * 4, 4 * sizeof(float));
        /* the parts: merge of `here` from dx */
        site_narrow(&next);
        site_narrow(&here);
        void *scratch = some((int64_t)here.sizes.workspace + (1 << 20), 1);
        OK(mhc_merge_backward(&cpu, &spec, tokens, site_streams(&here, here.x), site_rows(&here, here.z),
                              here.coefficients, site_streams(&next, next.d_x), (mhc_streams){0},
                              site_rows(&here, here.d_z), here.d_coefficients, scratch,
                              (size_t)here.sizes.workspace + (1 << 20), error));
        device_free(scratch);
        site_widen(&here);
        float *d_coefficients = some(here.d_coefficients_count, sizeof(float));
        mhc_seam_next parts = {&params,
                               site_streams(&next, next.x),
                               next.coefficients,
                               next.saved,
                               site_rows(&next, next.d_u),
                               next.d_coefficients,
                               site_streams(&next, next.d_merged),
                               &gradients};
        memset(next.workspace, 0xff, next.sizes.workspace);
        OK(mhc_seam_backward(&device, &spec, tokens, &parts, site_streams(&next, next.d_merged),
                             site_streams(&here, here.x), site_rows(&here, here.z), here.coefficients,
                             site_rows(&next, next.d_u), d_coefficients, next.workspace, next.sizes.workspace, error));
        site_widen(&next);
#define EQUAL(a, b, count) assert_memory_equal(a, b, (size_t)(count) * sizeof(float))
        EQUAL(next.d_merged, kept.d_x, kept.d_x_count);
        EQUAL(next.d_fn, kept.d_fn, kept.d_fn_count);
        EQUAL(next.d_base, kept.d_base, kept.d_base_count);
        EQUAL(next.d_scale, kept.d_scale, kept.d_scale_count);
        EQUAL(next.d_u, here.d_z, here.d_z_count);
        for (int64_t t = 0; t < tokens; t++) {
            double want[20];
            widen(here.d_coefficients + t * 24 + 4, want, 20);
            assert_close("seam", "d_coefficients", d_coefficients + t * 24 + 4, want, 20, 2e-6);
            if (site_shifted(&next))
                EQUAL(d_coefficients + t * 24, kept.d_carried + t * 24, 4);
        }
#undef EQUAL
        device_free(d_coefficients);
        site_close(&kept);
        site_close(&next);
        site_close(&here);
    }
}

FOR_EACH_TYPE(oracle)
FOR_EACH_TYPE(seam_backward)
FOR_EACH_TYPE(backward)
FOR_EACH_TYPE(long_backward)
FOR_EACH_TYPE(first)
FOR_EACH_TYPE(seam)
FOR_EACH_TYPE(long)
FOR_EACH_TYPE(wide)
FOR_EACH_TYPE(rows)
FOR_EACH_TYPE(hostile)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backward), cmocka_unit_test(test_long_backward), cmocka_unit_test(test_seam_backward),
        cmocka_unit_test(test_oracle),   cmocka_unit_test(test_first),         cmocka_unit_test(test_seam),
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_long),          cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_wide),
    };
    device_need();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
