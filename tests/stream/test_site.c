/* fp32 against the oracle, and, for every type of elements, what the interface promises: thread counts, ranges,
 * strides, aliasing, symmetry. */
#include "stream/fixture.h"

static void compare(site *s, const char *where, double bound) {
#define CHECK(name) assert_close(where, #name, s->name, s->name##_64, s->name##_count, bound);
    CHECK(coefficients)
    CHECK(u)
    CHECK(merged)
    CHECK(d_x)
    CHECK(d_z)
    CHECK(d_fn)
    CHECK(d_base)
    CHECK(d_scale)
    if (site_shifted(s))
        CHECK(d_carried)
#undef CHECK
}

static void test_against_oracle(void **state) {
    (void)state;
    const int streams[] = {1, 2, 3, 4, 5, 8, 11};
    const int64_t tokens[] = {0, 1, 17, 200}, channels[] = {1, 5, 16, 40, 131};
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int k = 0; k < 7; k++) {
            mhc_spec spec;
            if (mhc_spec_preset(&spec, name, streams[k], channels[(p + k) % 5], NULL) != MHC_OK)
                continue;
            for (int t = 0; t < 4; t++) {
                site s = site_open(&spec, tokens[t], (uint64_t)(100 * p + 10 * k + t), 1.0f);
                site_oracle(&s);
                site_forward(&s, 2);
                site_backward_by(&s, 2, (p + k + t) % 2 == 0);
                char where[128];
                snprintf(where, sizeof where, "%s n=%d C=%lld T=%lld", name, spec.streams, (long long)spec.channels,
                         (long long)tokens[t]);
                compare(&s, where, 3e-6);
                site_close(&s);
            }
        }
}

static void combination_case(const mhc_spec *spec, int bits) {
    char where[64];
    site s = site_open(spec, 19, (uint64_t)bits, 0.5f);
    site_oracle(&s);
    site_forward(&s, 2);
    site_backward_by(&s, 2, bits % 3 == 0);
    snprintf(where, sizeof where, "combination %d, n = %d", bits, spec->streams);
    compare(&s, where, 1e-5); /* sums of few terms cancel more: d_scale can be a little over 3e-6 off */
    site_close(&s);
}

/* Per-stream norm with transposed logits, eps outside the root, matrix gates (at n = 32 they fill the logits' floats
 * exactly), static with the shifted schedule. */
static void test_combinations(void **state) {
    (void)state;
    const int streams[] = {3, 4, 8, 32};
    for (int bits = 0; bits < COMBINATIONS; bits++)
        for (int k = 0; k < 4; k++) {
            mhc_spec spec = combination(bits, streams[k], 7);
            combination_case(&spec, bits);
        }
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "reproducing-mhc", 4, 7, error));
    spec.schedule = MHC_SCHEDULE_SHIFTED;
    combination_case(&spec, COMBINATIONS);
}

/* What is fixed has no logits, and its values are what the spec says, to the last bit. */
static void test_fixed(void **state) {
    (void)state;
    const int streams[] = {1, 3, 4, 9};
    for (int bits = 0; bits < ABLATIONS; bits++)
        for (int k = 0; k < 4; k++) {
            int n = streams[k], learned = (bits & 1 ? 0 : n) + (bits & 2 ? 0 : n) + (bits & 4 ? 0 : n * n);
            mhc_spec spec = ablation(bits, n, 21);
            combination_case(&spec, bits);
            spec.transposed = true;
            spec.schedule = n > 1 ? MHC_SCHEDULE_SHIFTED : MHC_SCHEDULE_SAME_SITE; /* d_carried of 1: one sum */
            combination_case(&spec, bits);
            site s = site_open(&spec, 5, 1, 1.0f);
            assert_int_equal(s.sizes.base, learned);
            site_forward(&s, 1);
            for (int64_t row = 0; row < s.coefficients_count; row += n * (n + 2))
                for (int i = 0; i < n; i++) {
                    const float *pre = s.coefficients + row, *post = pre + n, *res = post + n;
                    assert_true(!(bits & 1) || pre[i] == 1.0f / (float)n);
                    assert_true(!(bits & 2) || post[i] == 1.125f);
                    for (int j = 0; j < n; j++)
                        assert_true(!(bits & 4) || res[i * n + j] == (i == j ? 1.0f : 0.0f));
                }
            site_close(&s);
        }
}

/* The largest sizes: 32 streams, 1000 iterations, which replay from checkpoints. */
static void test_large(void **state) {
    (void)state;
    const struct {
        const char *name;
        int streams, iterations;
    } cases[] = {{"paper", 32, 20}, {"deepseek-v4", 32, 1000}, {"reproducing-mhc", 8, 1000},
                 {"paper", 6, 400}, {"mhc-poc", 32, 20},       {"hc", 32, 20}};
    for (int k = 0; k < 6; k++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, cases[k].name, cases[k].streams, 6, error));
        spec.sinkhorn.iterations = cases[k].iterations;
        site s = site_open(&spec, 2, 5, 0.5f);
        site_oracle(&s);
        site_forward(&s, 2);
        site_backward(&s, 2);
        compare(&s, cases[k].name, 3e-6);
        site_close(&s);
    }
}

static void threads_case(mhc_type type) {
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, name, strcmp(name, "residual") == 0 ? 1 : 4, 67, error));
        spec.type = type;
        site one = site_open(&spec, 300, 9, 2.0f);
        site_forward(&one, 1);
        site_backward(&one, 1);
        for (int threads = 2; threads <= 5; threads++) {
            site more = site_open(&spec, 300, 9, 2.0f);
            site_forward(&more, threads);
            site_backward(&more, threads);
#define EQUAL(tensor)                                                                                                  \
    if (memcmp(one.tensor, more.tensor, (size_t)one.tensor##_count * sizeof(float)) != 0)                              \
        fail_msg("%s: " #tensor " depends on the number of threads", name);
            SITE_TENSORS(EQUAL)
#undef EQUAL
            site_close(&more);
        }
        site_close(&one);
    }
}

/* Two ranges of rows give the rows of the whole, bit for bit, and gradients that add up to the whole's. */
static void ranges_case(mhc_type type) {
    const char *names[] = {"paper", "hc", "reproducing-mhc", "mhc-poc"};
    for (int p = 0; p < 4; p++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, names[p], 4, 19, error));
        spec.type = type;
        site whole = site_open(&spec, 53, 21, 1.0f);
        site_forward(&whole, 2);
        site_backward(&whole, 2);
        site part = site_open(&spec, 53, 21, 1.0f), view = part;
        for (int k = 0; k < 2; k++) {
            int64_t first = k == 0 ? 0 : 18, end = k == 0 ? 18 : 53;
            bool dynamic = spec.mapping == MHC_MAPPING_DYNAMIC;
            view = part;
            view.tokens = end - first;
            OK(mhc_site_sizes_query(&spec, view.tokens, &view.sizes, error));
            site_count(&view);
#define SHIFT(name, size) view.name += first * (size), view.name##_16 += first * (size)
            SHIFT(x, 76), SHIFT(merged, 76), SHIFT(d_merged, 76), SHIFT(d_x, 76);
            SHIFT(z, 19), SHIFT(u, 19), SHIFT(d_u, 19), SHIFT(d_z, 19);
#undef SHIFT
            view.coefficients += dynamic ? first * 24 : 0;
            view.d_coefficients += dynamic ? first * 24 : 0;
            site_forward(&view, 2);
            site_backward(&view, 2);
        }
        assert_memory_equal(whole.merged, part.merged, (size_t)whole.merged_count * sizeof(float));
        assert_memory_equal(whole.u, part.u, (size_t)whole.u_count * sizeof(float));
        assert_memory_equal(whole.d_x, part.d_x, (size_t)whole.d_x_count * sizeof(float));
        widen(whole.d_base, whole.d_base_64, whole.d_base_count);
        widen(whole.d_fn, whole.d_fn_64, whole.d_fn_count);
        assert_close(names[p], "d_base over ranges", part.d_base, whole.d_base_64, whole.d_base_count, 2e-6);
        assert_close(names[p], "d_fn over ranges", part.d_fn, whole.d_fn_64, whole.d_fn_count, 2e-6);
        site_close(&whole);
        site_close(&part);
    }
}

/* Views with gaps: the same result, and nothing outside the view is touched. */
static void strides_case(mhc_type type) {
    enum { TOKENS = 9, STREAMS = 3, CHANNELS = 21, STREAM = CHANNELS + 5, TOKEN = STREAMS * STREAM + 7, ROW = 30 };
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "deepseek-v4", STREAMS, CHANNELS, error));
    spec.type = type;
    site s = site_open(&spec, TOKENS, 2, 1.0f);
    site_forward(&s, 2);
    site_backward(&s, 2);
    void *wide[4], *rows[4]; /* x, merged, d_merged, d_x; z, u, d_u, d_z */
    float *dense[4] = {s.x, s.merged, s.d_merged, s.d_x}, *dense_rows[4] = {s.z, s.u, s.d_u, s.d_z};
    for (int k = 0; k < 4; k++) {
        wide[k] = some(TOKENS * TOKEN, sizeof(float));
        rows[k] = some(TOKENS * ROW, sizeof(float));
        for (int i = 0; i < TOKENS * TOKEN; i++)
            set_element(type, wide[k], i, 77.0f);
        for (int i = 0; i < TOKENS * ROW; i++)
            set_element(type, rows[k], i, 77.0f);
        for (int t = 0; t < TOKENS && k % 2 == 0; t++) {
            for (int i = 0; i < STREAMS * CHANNELS; i++)
                set_element(type, wide[k], t * TOKEN + i / CHANNELS * STREAM + i % CHANNELS,
                            dense[k][t * STREAMS * CHANNELS + i]);
            for (int c = 0; c < CHANNELS; c++)
                set_element(type, rows[k], t * ROW + c, dense_rows[k][t * CHANNELS + c]);
        }
    }
    mhc_streams v[4];
    mhc_rows r[4];
    for (int k = 0; k < 4; k++) {
        v[k] = (mhc_streams){wide[k], TOKEN, STREAM};
        r[k] = (mhc_rows){rows[k], ROW};
    }
    mhc_context context = {MHC_DEVICE_CPU, NULL, 2};
    site other = site_open(&spec, TOKENS, 2, 1.0f);
    mhc_site_params params = {s.fn, s.base, s.scale}, gradients = {other.d_fn, other.d_base, other.d_scale};
    OK(mhc_pre_forward(&context, &spec, &params, TOKENS, v[0], NULL, other.coefficients, other.saved, r[1],
                       other.workspace, other.sizes.workspace, error));
    OK(mhc_merge_forward(&context, &spec, TOKENS, v[0], r[0], other.coefficients, v[1], error));
    OK(mhc_merge_backward(&context, &spec, TOKENS, v[0], r[0], other.coefficients, v[2], v[3], r[3],
                          other.d_coefficients, other.workspace, other.sizes.workspace, error));
    OK(mhc_pre_backward(&context, &spec, &params, TOKENS, v[0], NULL, other.coefficients, other.saved, r[2],
                        other.d_coefficients, NULL, (mhc_streams){0}, v[3], &gradients, other.workspace,
                        other.sizes.workspace, error));
    assert_memory_equal(other.d_fn, s.d_fn, (size_t)s.d_fn_count * sizeof(float));
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < TOKENS * TOKEN; i++) {
            int t = i / TOKEN, stream = i % TOKEN / STREAM, c = i % TOKEN % STREAM;
            bool inside = stream < STREAMS && c < CHANNELS;
            assert_true(element(type, wide[k], i) ==
                        (inside ? dense[k][(t * STREAMS + stream) * CHANNELS + c] : 77.0f));
        }
        for (int i = 0; i < TOKENS * ROW; i++)
            assert_true(element(type, rows[k], i) ==
                        (i % ROW < CHANNELS ? dense_rows[k][i / ROW * CHANNELS + i % ROW] : 77.0f));
        free(wide[k]);
        free(rows[k]);
    }
    site_close(&s);
    site_close(&other);
}

static void in_place_case(mhc_type type) {
    for (int n = 1; n <= 9; n++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, "paper", n, 37, error));
        spec.type = type;
        site s = site_open(&spec, 11, 4, 1.0f);
        mhc_context context = {MHC_DEVICE_CPU, NULL, 2};
        site_forward(&s, 2);
        OK(mhc_merge_backward(&context, &spec, 11, site_streams(&s, s.x), site_rows(&s, s.z), s.coefficients,
                              site_streams(&s, s.d_merged), site_streams(&s, s.d_x), site_rows(&s, s.d_z),
                              s.d_coefficients, s.workspace, s.sizes.workspace, error));
        OK(mhc_merge_backward(&context, &spec, 11, site_streams(&s, s.x), site_rows(&s, s.z), s.coefficients,
                              site_streams(&s, s.d_merged), site_streams(&s, s.d_merged), site_rows(&s, s.d_z),
                              s.d_coefficients, s.workspace, s.sizes.workspace, error));
        site_widen(&s);
        assert_memory_equal(s.d_merged, s.d_x, (size_t)s.d_x_count * sizeof(float));
        OK(mhc_merge_forward(&context, &spec, 11, site_streams(&s, s.x), site_rows(&s, s.z), s.coefficients,
                             site_streams(&s, s.x), error));
        site_widen(&s);
        assert_memory_equal(s.x, s.merged, (size_t)s.x_count * sizeof(float));
        site_close(&s);
    }
}

/* Without `saved` the coefficients are the same; without u they are too. */
static void inference_case(mhc_type type) {
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "liger", 4, 24, error));
    spec.type = type;
    site s = site_open(&spec, 13, 4, 1.0f), bare = site_open(&spec, 13, 4, 1.0f);
    site_forward(&s, 2);
    mhc_context context = {MHC_DEVICE_CPU, NULL, 2};
    mhc_site_params params = {s.fn, s.base, s.scale};
    OK(mhc_pre_forward(&context, &spec, &params, 13, site_streams(&s, s.x), NULL, bare.coefficients, NULL,
                       (mhc_rows){NULL, 0}, bare.workspace, bare.sizes.workspace, error));
    assert_memory_equal(s.coefficients, bare.coefficients, (size_t)s.coefficients_count * sizeof(float));
    site_close(&s);
    site_close(&bare);
}

/* Identical streams and zero logits: the problem is symmetric under exchange of streams, so the gradient of every logit
 * is exactly zero, in fp32 too. AdamW would turn a last bit of noise into whole steps. */
static void symmetry_case(mhc_type type) {
    const char *names[] = {"reproducing-mhc", "mhc-poc"};
    const int streams[] = {2, 3, 4, 5, 7, 8, 16};
    for (int p = 0; p < 2; p++)
        for (int k = 0; k < 7; k++) {
            int n = streams[k];
            mhc_spec spec;
            OK(mhc_spec_preset(&spec, names[p], n, 45, error));
            spec.type = type;
            site s = site_open(&spec, 101, 8, 1.0f);
            memset(s.base, 0, (size_t)s.base_count * sizeof(float));
            for (int64_t t = 0; t < 101; t++)
                for (int i = 1; i < n; i++) {
                    memcpy(s.x + (t * n + i) * 45, s.x + t * n * 45, 45 * sizeof(float));
                    memcpy(s.d_merged + (t * n + i) * 45, s.d_merged + t * n * 45, 45 * sizeof(float));
                }
            site_forward(&s, 2);
            site_backward(&s, 2);
            for (int64_t i = 0; i < s.d_base_count; i++)
                if (s.d_base[i] != 0.0f)
                    fail_msg("%s, n = %d: d_base[%lld] = %g, expected exactly 0", names[p], n, (long long)i,
                             (double)s.d_base[i]);
            site_close(&s);
        }
}

/* The seam is merge and pre, and back, to the bit; in place too. */
static void seam_case(mhc_type type) {
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, name, strcmp(name, "residual") == 0 ? 1 : 4, p % 2 ? 67 : 48, error));
        spec.type = type;
        int64_t tokens = 131, n = spec.streams, c = spec.channels, width = n * (n + 2);
        site here = site_open(&spec, tokens, 3, 1.0f), next = site_open(&spec, tokens, 4, 1.0f);
        site seam = site_open(&spec, tokens, 3, 1.0f), after = site_open(&spec, tokens, 4, 1.0f);
        mhc_context context = {MHC_DEVICE_CPU, NULL, 2};
        mhc_site_params params = {next.fn, next.base, next.scale};
        bool shifted = spec.schedule == MHC_SCHEDULE_SHIFTED;

        site_forward(&here, 2);
        const float *carried = shifted ? here.coefficients : NULL;
        memcpy(next.x, here.merged, (size_t)here.merged_count * sizeof(float));
        site_narrow(&next);
        OK(mhc_pre_forward(&context, &spec, &params, tokens, site_streams(&next, next.x), carried, next.coefficients,
                           next.saved, site_rows(&next, next.u), next.workspace, next.sizes.workspace, error));
        memcpy(seam.coefficients, here.coefficients, (size_t)here.coefficients_count * sizeof(float));
        memcpy(after.x, seam.x, (size_t)seam.x_count * sizeof(float));
        site_narrow(&after);
        OK(mhc_seam_forward(&context, &spec, tokens, site_streams(&after, after.x), site_rows(&seam, seam.z),
                            seam.coefficients, site_streams(&after, after.x), &params, after.coefficients, after.saved,
                            site_rows(&after, after.u), after.workspace, after.sizes.workspace, error));
        site_widen(&next);
        site_widen(&after);
        assert_memory_equal(after.x, next.x, (size_t)(tokens * n * c) * sizeof(float));
        assert_memory_equal(after.coefficients, next.coefficients, (size_t)next.coefficients_count * sizeof(float));
        assert_memory_equal(after.u, next.u, (size_t)(tokens * c) * sizeof(float));

        /* d_merged of `next` is the gradient of its output; its d_coefficients are drawn, as merge_backward's would be
         */
        mhc_site_params gradients = {next.d_fn, next.d_base, next.d_scale},
                        others = {after.d_fn, after.d_base, after.d_scale};
        for (int64_t i = 0; i < next.d_coefficients_count; i++)
            after.d_coefficients[i] = next.d_coefficients[i] = (float)(i % 13) - 6.0f;
        OK(mhc_pre_backward(&context, &spec, &params, tokens, site_streams(&next, next.x), carried, next.coefficients,
                            next.saved, site_rows(&next, next.d_u), next.d_coefficients,
                            shifted ? here.d_coefficients : NULL, site_streams(&next, next.d_merged),
                            site_streams(&next, next.d_x), &gradients, next.workspace, next.sizes.workspace, error));
        OK(mhc_merge_backward(&context, &spec, tokens, site_streams(&here, here.x), site_rows(&here, here.z),
                              here.coefficients, site_streams(&next, next.d_x), (mhc_streams){0},
                              site_rows(&here, here.d_z), here.d_coefficients, here.workspace, here.sizes.workspace,
                              error));
        mhc_seam_next above = {&params,
                               site_streams(&after, after.x),
                               after.coefficients,
                               after.saved,
                               site_rows(&after, after.d_u),
                               after.d_coefficients,
                               site_streams(&after, after.d_merged),
                               &others};
        OK(mhc_seam_backward(&context, &spec, tokens, &above, site_streams(&after, after.d_merged),
                             site_streams(&seam, seam.x), site_rows(&seam, seam.z), seam.coefficients,
                             site_rows(&after, after.d_u), seam.d_coefficients, after.workspace, after.sizes.workspace,
                             error));
        site *const all[] = {&here, &next, &after};
        for (int k = 0; k < 3; k++)
            site_widen(all[k]);
        assert_memory_equal(after.d_merged, next.d_x, (size_t)(tokens * n * c) * sizeof(float));
        assert_memory_equal(after.d_u, here.d_z, (size_t)(tokens * c) * sizeof(float));
        assert_memory_equal(after.d_fn, next.d_fn, (size_t)next.d_fn_count * sizeof(float));
        assert_memory_equal(after.d_base, next.d_base, (size_t)next.d_base_count * sizeof(float));
        int64_t from = shifted || spec.mapping == MHC_MAPPING_NONE ? 0 : n;
        for (int64_t t = 0; t < here.d_coefficients_count / width && spec.mapping != MHC_MAPPING_NONE; t++)
            assert_memory_equal(seam.d_coefficients + t * width + from, here.d_coefficients + t * width + from,
                                (size_t)(width - from) * sizeof(float));
        site_close(&here);
        site_close(&next);
        site_close(&seam);
        site_close(&after);
    }
}

FOR_EACH_TYPE(threads)
FOR_EACH_TYPE(ranges)
FOR_EACH_TYPE(strides)
FOR_EACH_TYPE(in_place)
FOR_EACH_TYPE(inference)
FOR_EACH_TYPE(symmetry)
FOR_EACH_TYPE(seam)

/* A result that is written past the caches has the bits of small ones that are not: rows that begin at places aligned
 * for registers, or all as much past one, or each at another, and end within a register. */
static void large_merge(int n, int64_t channels, int64_t pitch, int64_t shift) {
    const int64_t tokens = ((int64_t)17 << 20) / 4 / n / channels + 1, width = n * pitch;
    mhc_context context = {MHC_DEVICE_CPU, NULL, 2};
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "paper", n, channels, error));
    site s = site_open(&spec, tokens, 6, 1.0f);
    float *memory = aligned_alloc(64, (size_t)((tokens * width + shift) * 4 + 63) / 64 * 64);
    assert_non_null(memory);
    mhc_streams whole = {memory + shift, width, pitch};
    for (int64_t i = 0; i < s.coefficients_count; i++)
        s.coefficients[i] = (float)(i % 17) / 16.0f - 0.4f;
    OK(mhc_merge_forward(&context, &spec, tokens, site_streams(&s, s.x), site_rows(&s, s.z), s.coefficients, whole,
                         error));
    for (int64_t t = 0; t < tokens; t += 100) {
        int64_t count = tokens - t < 100 ? tokens - t : 100, row = n * channels;
        OK(mhc_merge_forward(&context, &spec, count, mhc_streams_of((float *)s.x + t * row, n, channels),
                             mhc_rows_of((float *)s.z + t * channels, channels), s.coefficients + t * n * (n + 2),
                             mhc_streams_of((float *)s.merged + t * row, n, channels), error));
    }
    for (int64_t r = 0; r < tokens * n; r++)
        if (memcmp(memory + shift + r * pitch, (float *)s.merged + r * channels, (size_t)channels * sizeof(float)) != 0)
            fail_msg("n = %d, C = %d, %d apart, %d past: row %d differs", n, (int)channels, (int)pitch, (int)shift,
                     (int)r);
    free(memory);
    site_close(&s);
}

static void test_large_merge(void **state) {
    (void)state;
    large_merge(4, 512, 512, 0);
    large_merge(4, 509, 512, 4);
    large_merge(2, 509, 512, 1);
    large_merge(8, 505, 512, 7);
    large_merge(3, 512, 512, 0);
    large_merge(4, 509, 509, 0);
}

/* So has the gradient of the streams: beside it the one that is written in place, which never goes past them. */
static void large_back(int n, int64_t channels, int64_t shift) {
    const int64_t tokens = ((int64_t)17 << 20) / 4 / n / channels + 1, count = tokens * n * channels;
    mhc_context context = {MHC_DEVICE_CPU, NULL, 2};
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "paper", n, channels, error));
    site s = site_open(&spec, tokens, 6, 1.0f);
    mhc_site_params params = {s.fn, s.base, s.scale}, gradients = {s.d_fn, s.d_base, s.d_scale};
    site_forward(&s, 2);
    site_merge_backward(&s, 2, true);
    float *memory = aligned_alloc(64, (size_t)((count + shift) * 4 + 63) / 64 * 64);
    assert_non_null(memory);
    mhc_streams dout = site_streams(&s, s.d_merged), out[] = {mhc_streams_of(memory + shift, n, channels), dout};
    for (int k = 0; k < 2; k++)
        OK(mhc_pre_backward(&context, &spec, &params, tokens, site_streams(&s, s.x), NULL, s.coefficients, s.saved,
                            site_rows(&s, s.d_u), s.d_coefficients, NULL, dout, out[k], &gradients, s.workspace,
                            s.sizes.workspace, error));
    assert_memory_equal(memory + shift, s.d_merged, (size_t)count * sizeof(float));
    free(memory);
    site_close(&s);
}

static void test_large_back(void **state) {
    (void)state;
    large_back(4, 512, 0);
    large_back(4, 509, 4);
    large_back(2, 512, 3);
    large_back(3, 512, 0);
}

/* And so have the streams that a seam writes past them while it goes on, and what it makes of them: as merge and then
 * pre, a few tokens at a time. There can be more threads than panels. */
static void large_seam(int64_t mebibytes, int n, int64_t channels, int64_t apart, int64_t shift, int threads) {
    const int64_t tokens = (mebibytes << 20) / 4 / n / channels + 1, row = n * channels, width = row + apart;
    mhc_context context = {MHC_DEVICE_CPU, NULL, threads};
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, "paper", n, channels, error));
    site s = site_open(&spec, tokens, 6, 1.0f), next = site_open(&spec, tokens, 7, 1.0f);
    const int64_t kept = s.sizes.saved / tokens;
    mhc_site_params params = {s.fn, s.base, s.scale};
    site_forward(&s, 2);
    float *memory = aligned_alloc(64, (size_t)((tokens * width + shift) * 4 + 63) / 64 * 64);
    assert_non_null(memory);
    OK(mhc_seam_forward(&context, &spec, tokens, site_streams(&s, s.x), site_rows(&s, s.z), s.coefficients,
                        (mhc_streams){memory + shift, width, channels}, &params, next.coefficients, next.saved,
                        site_rows(&next, next.u), next.workspace, next.sizes.workspace, error));
    for (int64_t t = 0; t < tokens; t += 100)
        OK(mhc_pre_forward(&context, &spec, &params, tokens - t < 100 ? tokens - t : 100,
                           mhc_streams_of((float *)s.merged + t * row, n, channels), NULL,
                           s.coefficients + t * n * (n + 2), s.saved + t * kept,
                           mhc_rows_of((float *)s.u + t * channels, channels), s.workspace, s.sizes.workspace, error));
    for (int64_t t = 0; t < tokens; t++)
        if (memcmp(memory + shift + t * width, (float *)s.merged + t * row, (size_t)row * sizeof(float)) != 0)
            fail_msg("n = %d, C = %d, %d more, %d past: token %d differs", n, (int)channels, (int)apart, (int)shift,
                     (int)t);
    assert_memory_equal(next.u, s.u, (size_t)(tokens * channels) * sizeof(float));
    assert_memory_equal(next.coefficients, s.coefficients, (size_t)s.coefficients_count * sizeof(float));
    assert_memory_equal(next.saved, s.saved, (size_t)s.sizes.saved * sizeof(float));
    free(memory);
    site_close(&s);
    site_close(&next);
}

static void test_large_seam(void **state) {
    (void)state;
    large_seam(17, 4, 512, 0, 0, 2);
    large_seam(17, 4, 4096, 16, 16, 5);
    large_seam(17, 4, 512, 16, 4, 2);
    large_seam(17, 2, 505, 0, 0, 2);
    large_seam(33, 3, 1040, 0, 0, 3);
    large_seam(33, 9, 528, 0, 0, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_oracle), cmocka_unit_test(test_seam),       cmocka_unit_test(test_large),
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_ranges),     cmocka_unit_test(test_strides),
        cmocka_unit_test(test_in_place),       cmocka_unit_test(test_inference),  cmocka_unit_test(test_symmetry),
        cmocka_unit_test(test_large_merge),    cmocka_unit_test(test_large_back), cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_fixed),          cmocka_unit_test(test_large_seam),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
