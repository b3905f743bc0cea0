#include "study/profile.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "file/atomic.h"
#include "probe/gradient_flow.h"
#include "probe/range.h"
#include "study/measurement.h"

static const struct {
    const char *name;
    size_t offset;
} NUMBERS[] = {
    {"loss", offsetof(mhc__profile, loss)},
    {"activation_gain", offsetof(mhc__profile, gains.activation)},
    {"amax_gain_forward", offsetof(mhc__profile, gains.single_forward)},
    {"amax_gain_backward", offsetof(mhc__profile, gains.single_backward)},
    {"composite_gain_forward", offsetof(mhc__profile, gains.composite_forward)},
    {"composite_gain_backward", offsetof(mhc__profile, gains.composite_backward)},
    {"composite_column_min", offsetof(mhc__profile, gains.composite_column_min)},
    {"gain_proxy", offsetof(mhc__profile, gains.proxy)},
    {"stream_spread", offsetof(mhc__profile, gains.spread)},
    {"res_from_identity", offsetof(mhc__profile, res_from_identity)},
    {"res_from_uniform", offsetof(mhc__profile, res_from_uniform)},
    {"post_min", offsetof(mhc__profile, post_min)},
    {"post_max", offsetof(mhc__profile, post_max)},
    {"pre_sum_min", offsetof(mhc__profile, pre_sum_min)},
    {"pre_sum_max", offsetof(mhc__profile, pre_sum_max)},
};
static const struct {
    const char *name;
    size_t offset;
} ARRAYS[] = {
    {"norm", offsetof(mhc__profile, norm)},
    {"norm_of_mean", offsetof(mhc__profile, norm_of_mean)},
    {"gradient_norm", offsetof(mhc__profile, gradient)},
};
enum { NUMBER_COUNT = sizeof NUMBERS / sizeof NUMBERS[0], ARRAY_COUNT = sizeof ARRAYS / sizeof ARRAYS[0] };

static double *number(mhc__profile *profile, int index) {
    return (double *)(void *)((char *)profile + NUMBERS[index].offset);
}

static double **array(mhc__profile *profile, int index) {
    return (double **)(void *)((char *)profile + ARRAYS[index].offset);
}

static mhc_status make(int points, mhc__profile *profile, mhc_error *error) {
    *profile = (mhc__profile){.points = points};
    for (int i = 0; i < NUMBER_COUNT; i++)
        *number(profile, i) = NAN;
    for (int i = 0; i < ARRAY_COUNT; i++) {
        double *values = malloc((size_t)points * sizeof *values);
        if (!values)
            return mhc__fail(error, MHC_OUT_OF_MEMORY, "profile: no memory for %d sites", points);
        for (int p = 0; p < points; p++)
            values[p] = NAN;
        *array(profile, i) = values;
    }
    return MHC_OK;
}

void mhc__profile_free(mhc__profile *profile) {
    for (int i = 0; i < ARRAY_COUNT; i++)
        free(*array(profile, i));
    *profile = (mhc__profile){0};
}

static void coefficients_of(const mhc__model *model, mhc__profile *profile) {
    const mhc_spec *spec = mhc__model_spec(model);
    if (spec->mapping == MHC_MAPPING_NONE)
        return;
    int n = spec->streams;
    mhc__range post = MHC__RANGE_EMPTY, pre = MHC__RANGE_EMPTY, identity = {0, 0}, uniform = {0, 0};
    for (int site = 0; site < mhc__model_sites(model); site++) {
        const float *rows = mhc__model_coefficients(model, site);
        int64_t count = spec->mapping == MHC_MAPPING_DYNAMIC ? mhc__model_tokens(model) : 1;
        for (int64_t t = 0; rows && t < count; t++) {
            const float *row = rows + t * n * (n + 2), *res = row + 2 * n;
            double sum = 0;
            for (int i = 0; i < n; i++) {
                sum += row[i];
                mhc__widen(&post, row[n + i]);
            }
            mhc__widen(&pre, sum);
            for (int i = 0; i < n * n; i++) {
                mhc__widen(&identity, fabs(res[i] - (i / n == i % n ? 1.0 : 0.0)));
                mhc__widen(&uniform, fabs(res[i] - 1.0 / n));
            }
        }
    }
    profile->res_from_identity = identity.high;
    profile->res_from_uniform = uniform.high;
    profile->post_min = post.low;
    profile->post_max = post.high;
    profile->pre_sum_min = pre.low;
    profile->pre_sum_max = pre.high;
}

static mhc_status measure(mhc__model *model, const mhc_context *context, const mhc__pass *pass, mhc__profile *profile,
                          mhc_error *error) {
    MHC__TRY(mhc__model_forward(model, context, pass, &profile->loss, error));
    MHC__TRY(mhc__gains_measure(model, context->threads, 0, &profile->gains, error));
    MHC__TRY(mhc__norms_by_depth(model, context->threads, profile->norm, profile->norm_of_mean, error));
    coefficients_of(model, profile);
    mhc__gradient_flow flow;
    MHC__TRY(mhc__gradient_flow_start(&flow, model, context->threads, error));
    mhc__model_zero_gradients(model, context);
    mhc_status status = mhc__model_backward(model, context, pass, error);
    for (int p = 0; status == MHC_OK && p < profile->points; p++)
        profile->gradient[p] = flow.norm[p];
    mhc__gradient_flow_stop(&flow);
    mhc__model_zero_gradients(model, context);
    return status;
}

mhc_status mhc__profile_measure(mhc__model *model, const mhc__source *source, const mhc__train_config *train,
                                mhc__profile *profile, mhc_error *error) {
    mhc_context context = mhc_context_cpu(train->threads);
    int sequence = mhc__model_configuration(model)->sequence;
    mhc_status status = make(mhc__model_sites(model) + 1, profile, error);
    int32_t *tokens = NULL;
    if (status == MHC_OK)
        status = MHC__ALLOCATE(tokens, (int64_t)train->batch * (sequence + 1), "a batch", error);
    if (status == MHC_OK)
        status = source->fill(source->self, 0, train->batch, sequence, tokens, error);
    if (status == MHC_OK) {
        mhc__pass pass = {.batch = train->batch,
                          .sequence = sequence,
                          .tokens = tokens,
                          .train = true,
                          .seed = train->seed,
                          .step = 0,
                          .recompute = mhc__train_recompute(train),
                          .precision = train->precision,
                          .scale = 1.0f};
        status = measure(model, &context, &pass, profile, error);
    }
    mhc__release(tokens);
    if (status != MHC_OK)
        mhc__profile_free(profile);
    return status;
}

/* JSON has no NaN: null. */
static json_t *json_of(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

mhc_status mhc__profile_save(const char *path, const mhc__profile *profile, mhc_error *error) {
    mhc__profile copy = *profile;
    json_t *object = json_object();
    for (int i = 0; i < NUMBER_COUNT; i++)
        json_object_set_new(object, NUMBERS[i].name, json_of(*number(&copy, i)));
    for (int i = 0; i < ARRAY_COUNT; i++) {
        json_t *list = json_array();
        for (int p = 0; p < copy.points; p++)
            json_array_append_new(list, json_of((*array(&copy, i))[p]));
        json_object_set_new(object, ARRAYS[i].name, list);
    }
    char *text = json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    json_decref(object);
    mhc__text out = {0};
    if (text)
        mhc__text_format(&out, "%s\n", text);
    mhc_status status = !text || out.failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to write it", path)
                                            : mhc__write_file(path, out.data, out.length, error);
    free(text);
    mhc__text_free(&out);
    return status;
}

static mhc_status from_json(const char *path, json_t *object, mhc__profile *profile, mhc_error *error) {
    size_t points = json_array_size(json_object_get(object, ARRAYS[0].name));
    if (points == 0 || points > 1000000)
        return mhc__fail(error, MHC_CORRUPT, "%s: expected a list \"%s\" of 1..1000000 values, found %zu", path,
                         ARRAYS[0].name, points);
    MHC__TRY(make((int)points, profile, error));
    for (int i = 0; i < NUMBER_COUNT; i++) {
        json_t *value = json_object_get(object, NUMBERS[i].name);
        *number(profile, i) = json_is_number(value) ? json_number_value(value) : NAN;
    }
    for (int i = 0; i < ARRAY_COUNT; i++)
        for (size_t p = 0; p < points; p++) {
            json_t *value = json_array_get(json_object_get(object, ARRAYS[i].name), p);
            (*array(profile, i))[p] = json_is_number(value) ? json_number_value(value) : NAN;
        }
    return MHC_OK;
}

mhc_status mhc__profile_load(const char *path, mhc__profile *profile, mhc_error *error) {
    *profile = (mhc__profile){0};
    char *bytes;
    size_t size;
    MHC__TRY(mhc__read_file(path, &bytes, &size, error));
    json_error_t why;
    json_t *object = json_loadb(bytes, size, 0, &why);
    mhc_status status = object ? from_json(path, object, profile, error)
                               : mhc__fail(error, MHC_CORRUPT, "%s:%d: %s", path, why.line, why.text);
    json_decref(object);
    free(bytes);
    if (status != MHC_OK)
        mhc__profile_free(profile);
    return status;
}
