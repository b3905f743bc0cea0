/* One site with random inputs and, from the same numbers, the fp64 oracle.
 *
 * Tensors are floats here for every type of elements. Where spec.type has 16 bits those of streams and rows hold values
 * of that type, and the library is given the array name_16 beside them: site_narrow fills those arrays from the floats,
 * site_widen the floats from them. */
#ifndef MHC_TESTS_STREAM_FIXTURE_H
#define MHC_TESTS_STREAM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "mhc/mhc.h"
#include "stream/device.h"

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        mhc_error ok_error = {MHC_OK, ""};                                                                             \
        mhc_error *error = &ok_error;                                                                                  \
        if ((call) != MHC_OK)                                                                                          \
            fail_msg("%s: %s", #call, ok_error.message);                                                               \
        const char *ok_device = device_wait();                                                                         \
        if (ok_device)                                                                                                 \
            fail_msg("%s: %s", #call, ok_device);                                                                      \
    } while (0)

/* The test test_NAME from NAME_case(type). */
#if defined(MHC_TEST_TYPE) /* that one alone */
#define FOR_EACH_TYPE(name)                                                                                            \
    static void test_##name(void **state) {                                                                            \
        (void)state;                                                                                                   \
        name##_case(MHC_TEST_TYPE);                                                                                    \
    }
#else
#define FOR_EACH_TYPE(name)                                                                                            \
    static void test_##name(void **state) {                                                                            \
        (void)state;                                                                                                   \
        name##_case(MHC_FP32);                                                                                         \
        name##_case(MHC_BF16);                                                                                         \
        name##_case(MHC_FP16);                                                                                         \
    }
#endif

/* Specs that no preset is: number `bits` of them. */
enum { COMBINATIONS = 64 };
static inline mhc_spec combination(int bits, int streams, int64_t channels) {
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, bits & 1 ? "hc" : "paper", streams, channels, error));
    spec.transposed = bits & 2;
    spec.norm_eps = bits & 4 ? 0.1f : 0.0f;
    spec.norm_eps_place = bits & 8 ? MHC_EPS_OUTSIDE : MHC_EPS_INSIDE;
    spec.activation = bits & 16 ? MHC_ACTIVATION_TANH : MHC_ACTIVATION_NONE;
    spec.schedule = bits & 32 ? MHC_SCHEDULE_SHIFTED : MHC_SCHEDULE_SAME_SITE;
    if (bits & 1) {
        spec.constraint = bits & 4 ? MHC_CONSTRAINT_SINKHORN : MHC_CONSTRAINT_EXP;
        spec.sinkhorn = (mhc_sinkhorn){3, MHC_START_SOFTMAX_EPS, MHC_AXIS_SRC, MHC_EPS_CLAMP, 0.3f};
        spec.post.kind = MHC_GATE_SOFTMAX;
    } else {
        spec.sinkhorn = (mhc_sinkhorn){2, MHC_START_EXP, bits & 16 ? MHC_AXIS_SRC : MHC_AXIS_DST,
                                       bits & 4 ? MHC_EPS_ADD : MHC_EPS_CLAMP, 0.2f};
        spec.pre.kind = bits & 8 ? MHC_GATE_MATRIX_MEAN : MHC_GATE_SOFTMAX;
        spec.post.kind = MHC_GATE_MATRIX_SUM;
        spec.start = MHC_INIT_ZEROS;
    }
    return spec;
}

/* Number `bits` of the specs that fix parts of a connection: 1 pre, 2 post, 4 res; 8 of hc, else of paper; 16 static,
 * as it is in any case with nothing left to map. */
enum { ABLATIONS = 32 };
static inline mhc_spec ablation(int bits, int streams, int64_t channels) {
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, bits & 8 ? "hc" : "paper", streams, channels, error));
    if (bits & 1)
        spec.pre = (mhc_gate){MHC_GATE_FIXED, 1.0f / (float)streams, 0.0f};
    if (bits & 2)
        spec.post = (mhc_gate){MHC_GATE_FIXED, 1.0f, 0.125f};
    if (bits & 4)
        spec.constraint = MHC_CONSTRAINT_IDENTITY;
    if (bits & 16 || (bits & 7) == 7) {
        spec.mapping = MHC_MAPPING_STATIC;
        spec.norm = MHC_NORM_NONE;
        spec.activation = MHC_ACTIVATION_NONE;
    }
    return spec;
}

/* The tensors of a site; those of one precision lie in one structure. Gradients are named d_. */
/* clang-format off */
#define SITE_TENSORS(T) \
    T(x) T(z) T(fn) T(base) T(scale) T(carried) T(d_u) T(d_merged) T(d_pre) T(coefficients) \
    T(u) T(merged) T(d_x) T(d_z) T(d_fn) T(d_base) T(d_scale) T(d_carried) T(d_coefficients)
/* Those that are streams or rows. */
#define SITE_ELEMENTS(T) T(x) T(z) T(d_u) T(d_merged) T(u) T(merged) T(d_x) T(d_z)
/* clang-format on */

typedef struct site {
    mhc_spec spec;
    int64_t tokens;
    mhc_site_sizes sizes;
    float *saved;
    void *workspace;
#define FIELD(name)                                                                                                    \
    float *name;                                                                                                       \
    double *name##_64;                                                                                                 \
    int64_t name##_count;
    SITE_TENSORS(FIELD)
#undef FIELD
#define FIELD(name) uint16_t *name##_16;
    SITE_ELEMENTS(FIELD)
#undef FIELD
} site;

static inline void *some(int64_t count, size_t size) {
    void *memory = device_memory(((size_t)count + 1) * size);
    assert_non_null(memory);
    return memory;
}

static inline void widen(const float *from, double *to, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] = (double)from[i];
}

static inline const char *type_name(mhc_type type) {
    return type == MHC_FP16 ? "fp16" : type == MHC_BF16 ? "bf16" : "fp32";
}

/* Element i of an array of that type. */
static inline float element(mhc_type type, const void *array, int64_t i) {
    if (type == MHC_FP32)
        return ((const float *)array)[i];
    uint16_t bits = ((const uint16_t *)array)[i];
    return type == MHC_FP16 ? mhc_fp16_value(bits) : mhc_bf16_value(bits);
}

static inline void set_element(mhc_type type, void *array, int64_t i, float value) {
    if (type == MHC_FP32)
        ((float *)array)[i] = value;
    else
        ((uint16_t *)array)[i] = type == MHC_FP16 ? mhc_fp16_of(value) : mhc_bf16_of(value);
}

/* What an element of that type holds when the value is stored there. */
static inline float rounded_to(mhc_type type, float value) {
    float place;
    set_element(type, &place, 0, value);
    return element(type, &place, 0);
}

/* The factor, or the nearest that leaves numbers of unit size within the type: fp16 ends at 65504, and has fewer digits
 * below 2^-14. */
static inline float factor_of(mhc_type type, float factor) {
    return type == MHC_FP16 && factor > 0.0f ? fminf(fmaxf(factor, 1e-4f), 1e3f) : factor;
}

/* In fp32 there is nothing to do: the arrays are the floats themselves. */
static inline void site_narrow(site *s) {
    if (s->spec.type == MHC_FP32)
        return;
#define NARROW(name)                                                                                                   \
    for (int64_t i = 0; i < s->name##_count; i++)                                                                      \
        set_element(s->spec.type, s->name##_16, i, s->name[i]);
    SITE_ELEMENTS(NARROW)
#undef NARROW
}

static inline void site_widen(site *s) {
    if (s->spec.type == MHC_FP32)
        return;
#define WIDEN(name)                                                                                                    \
    for (int64_t i = 0; i < s->name##_count; i++)                                                                      \
        s->name[i] = element(s->spec.type, s->name##_16, i);
    SITE_ELEMENTS(WIDEN)
#undef WIDEN
}

/* After the floats were set: they, and the oracle's numbers, become what the elements hold. */
static inline void site_settle(site *s) {
    site_narrow(s);
    site_widen(s);
#define WIDEN(name) widen(s->name, s->name##_64, s->name##_count);
    SITE_TENSORS(WIDEN)
#undef WIDEN
}

static inline void site_count(site *s) {
    int64_t n = s->spec.streams, c = s->spec.channels, t = s->tokens;
    int64_t rows = s->spec.mapping == MHC_MAPPING_DYNAMIC ? t : 1;
    s->x_count = s->merged_count = s->d_merged_count = s->d_x_count = t * n * c;
    s->z_count = s->u_count = s->d_u_count = s->d_z_count = t * c;
    s->fn_count = s->d_fn_count = s->sizes.fn_rows * s->sizes.fn_columns;
    s->base_count = s->d_base_count = s->sizes.base;
    s->scale_count = s->d_scale_count = s->sizes.scale;
    s->coefficients_count = s->carried_count = s->d_carried_count = s->d_coefficients_count = s->sizes.coefficients;
    s->d_pre_count = rows * n;
}

/* Widths like those of training: logits of unit size, unless sharp. */
static inline site site_open(const mhc_spec *spec, int64_t tokens, uint64_t seed, float sharp) {
    site s = {.spec = *spec, .tokens = tokens};
    OK(mhc_site_sizes_query(spec, tokens, &s.sizes, error));
    site_count(&s);
    s.saved = some(s.sizes.saved, sizeof(float));
    if (!device_is_cpu())
        s.sizes.workspace = s.sizes.cuda_workspace;
    s.workspace = some((int64_t)s.sizes.workspace, 1);
#define OPEN(name)                                                                                                     \
    s.name = some(s.name##_count, sizeof(float));                                                                      \
    s.name##_64 = some(s.name##_count, sizeof(double));
    SITE_TENSORS(OPEN)
#undef OPEN
#define OPEN(name) s.name##_16 = some(s.name##_count, sizeof(uint16_t));
    SITE_ELEMENTS(OPEN)
#undef OPEN
    const float scales[3] = {1.0f, 0.7f, 1.3f};
    mhc__normal_fill(seed, 1, 1.0f, s.x, s.x_count);
    mhc__normal_fill(seed, 2, 1.0f, s.z, s.z_count);
    mhc__normal_fill(seed, 3, sharp / (float)sqrt((double)s.sizes.fn_columns + 1.0), s.fn, s.fn_count);
    mhc__normal_fill(seed, 4, 0.5f, s.base, s.base_count);
    for (int64_t i = 0; i < s.scale_count; i++)
        s.scale[i] = scales[i];
    mhc__normal_fill(seed, 5, 0.5f, s.carried, s.carried_count);
    mhc__normal_fill(seed, 6, 1.0f, s.d_u, s.d_u_count);
    mhc__normal_fill(seed, 7, 1.0f, s.d_merged, s.d_merged_count);
    if (spec->schedule == MHC_SCHEDULE_SHIFTED)
        mhc__normal_fill(seed, 8, 1.0f, s.d_pre, s.d_pre_count);
    site_settle(&s);
    return s;
}

static inline void site_close(site *s) {
    device_free(s->saved);
    device_free(s->workspace);
#define CLOSE(name)                                                                                                    \
    device_free(s->name);                                                                                              \
    device_free(s->name##_64);
    SITE_TENSORS(CLOSE)
#undef CLOSE
#define CLOSE(name) device_free(s->name##_16);
    SITE_ELEMENTS(CLOSE)
#undef CLOSE
}

static inline bool site_shifted(const site *s) {
    return s->spec.schedule == MHC_SCHEDULE_SHIFTED;
}

/* What the library is given for a tensor of streams or rows. */
static inline void *site_elements(const site *s, float *data) {
    if (s->spec.type == MHC_FP32)
        return data;
#define FIND(name)                                                                                                     \
    if (data == s->name)                                                                                               \
        return s->name##_16;
    SITE_ELEMENTS(FIND)
#undef FIND
    fail_msg("not a tensor of this site");
    return NULL;
}

static inline mhc_streams site_streams(const site *s, float *data) {
    return mhc_streams_of(site_elements(s, data), s->spec.streams, s->spec.channels);
}

static inline mhc_rows site_rows(const site *s, float *data) {
    return mhc_rows_of(site_elements(s, data), s->spec.channels);
}

static inline void site_forward(site *s, int threads) {
    mhc_context context = device_context(threads);
    mhc_site_params params = {s->fn, s->base, s->scale};
    site_narrow(s);
    OK(mhc_pre_forward(&context, &s->spec, &params, s->tokens, site_streams(s, s->x),
                       site_shifted(s) ? s->carried : NULL, s->coefficients, s->saved, site_rows(s, s->u), s->workspace,
                       s->sizes.workspace, error));
    OK(mhc_merge_forward(&context, &s->spec, s->tokens, site_streams(s, s->x), site_rows(s, s->z), s->coefficients,
                         site_streams(s, s->merged), error));
    site_widen(s);
}

/* late: dx is left to pre_backward. */
static inline void site_merge_backward(site *s, int threads, bool late) {
    mhc_context context = device_context(threads);
    int64_t n = s->spec.streams, width = n * (n + 2);
    site_narrow(s);
    OK(mhc_merge_backward(&context, &s->spec, s->tokens, site_streams(s, s->x), site_rows(s, s->z), s->coefficients,
                          site_streams(s, s->d_merged), late ? (mhc_streams){0} : site_streams(s, s->d_x),
                          site_rows(s, s->d_z), s->d_coefficients, s->workspace, s->sizes.workspace, error));
    site_widen(s);
    for (int64_t t = 0; t < s->d_coefficients_count / width && site_shifted(s); t++)
        memcpy(s->d_coefficients + t * width, s->d_pre + t * n, (size_t)n * sizeof(float));
}

/* Parameter gradients are added to: the caller clears them where that matters. */
static inline void site_pre_backward(site *s, int threads, bool late) {
    mhc_context context = device_context(threads);
    mhc_site_params params = {s->fn, s->base, s->scale}, gradients = {s->d_fn, s->d_base, s->d_scale};
    site_narrow(s);
    OK(mhc_pre_backward(&context, &s->spec, &params, s->tokens, site_streams(s, s->x),
                        site_shifted(s) ? s->carried : NULL, s->coefficients, s->saved, site_rows(s, s->d_u),
                        s->d_coefficients, site_shifted(s) ? s->d_carried : NULL,
                        late ? site_streams(s, s->d_merged) : (mhc_streams){0}, site_streams(s, s->d_x), &gradients,
                        s->workspace, s->sizes.workspace, error));
    site_widen(s);
}

static inline void site_backward_by(site *s, int threads, bool late) {
    site_merge_backward(s, threads, late);
    site_pre_backward(s, threads, late);
}

static inline void site_backward(site *s, int threads) {
    site_backward_by(s, threads, false);
}

static inline void site_oracle(site *s) {
    mhc_oracle_params params = {s->fn_64, s->base_64, s->scale_64},
                      gradients = {s->d_fn_64, s->d_base_64, s->d_scale_64};
    const double *carried = site_shifted(s) ? s->carried_64 : NULL;
    OK(mhc_oracle_site_forward(&s->spec, &params, s->tokens, s->x_64, s->z_64, carried, s->coefficients_64, s->u_64,
                               s->merged_64, error));
    OK(mhc_oracle_site_backward(&s->spec, &params, s->tokens, s->x_64, s->z_64, carried, s->d_u_64, s->d_merged_64,
                                site_shifted(s) ? s->d_pre_64 : NULL, s->d_x_64, s->d_z_64,
                                site_shifted(s) ? s->d_carried_64 : NULL, &gradients, error));
}

/* Of the distance below, for tensors of streams and rows: in fp32 the caller's; else what rounding alone does, at most
 * 2^-8 of a tensor of bf16, 2^-11 of one of fp16. */
static inline double rounded_bound(mhc_type type, double fp32) {
    return type == MHC_FP16 ? 5e-4 : type == MHC_BF16 ? 4e-3 : fp32;
}

/* |got - want| / |want|, L2; the absolute error where want is zero. */
static inline double distance(const float *got, const double *want, int64_t count) {
    double error = 0.0, norm = 0.0;
    for (int64_t i = 0; i < count; i++) {
        error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        norm += want[i] * want[i];
    }
    return norm > 0.0 ? sqrt(error / norm) : sqrt(error);
}

static inline void assert_close(const char *where, const char *name, const float *got, const double *want,
                                int64_t count, double bound) {
    double d = distance(got, want, count);
    if (!(d <= bound))
        fail_msg("%s: %s is %.3g off, expected at most %.1g", where, name, d, bound);
}

static inline bool all_finite(const float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

/* Gradients of finite streams. Those of fp16 may be infinite: through a norm they are as large as X is small. */
static inline bool good_gradients(mhc_type type, const float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (isnan(values[i]) || (isinf(values[i]) && type != MHC_FP16))
            return false;
    return true;
}

#endif
