#include "study/layer_log.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "file/atomic.h"
#include "probe/mixer.h"
#include "probe/range.h"
#include "probe/site_parameters.h"
#include "train/adamw.h"

static const char *const NAMES[MHC__LAYER_VALUES] = {"gradient", "res_raw", "res",      "res_raw_min", "res_raw_max",
                                                     "pre_raw",  "pre",     "post_raw", "post"};
static const struct {
    const char *name;
    size_t offset;
} EVALUATION[] = {
    {"loss", offsetof(mhc__evaluation, loss)},
    {"accuracy", offsetof(mhc__evaluation, accuracy)},
    {"yes", offsetof(mhc__evaluation, yes)},
    {"moved_min", offsetof(mhc__evaluation, moved_min)},
    {"moved_max", offsetof(mhc__evaluation, moved_max)},
};
enum { EVALUATION_FIELDS = sizeof EVALUATION / sizeof EVALUATION[0] };

static double *evaluation_field(mhc__evaluation *evaluation, int index) {
    return (double *)(void *)((char *)evaluation + EVALUATION[index].offset);
}

/* ---- writing ---- */

/* Room for one more step; its values. NULL without memory. */
static float *add_step(mhc__layer_log *log) {
    const int64_t width = (int64_t)MHC__LAYER_VALUES * log->layers;
    if (log->count == log->capacity) {
        int64_t capacity = log->capacity ? 2 * log->capacity : 256;
        float *larger = realloc(log->values, (size_t)(capacity * width) * sizeof *larger);
        if (!larger)
            return NULL;
        log->values = larger;
        log->capacity = capacity;
    }
    return log->values + log->count++ * width;
}

static void number(mhc__text *text, double value) {
    if (isfinite(value))
        mhc__text_format(text, "%.9g", value);
    else
        mhc__text_format(text, "null");
}

static void line_of_step(const mhc__layer_log *log, int64_t step, mhc__text *text) {
    mhc__text_format(text, "{\"step\":%lld", (long long)step);
    for (int v = 0; v < MHC__LAYER_VALUES; v++) {
        if (v > 0 && isnan(mhc__layer_at(log, step, (mhc__layer_value)v, 0)))
            continue;
        mhc__text_format(text, ",\"%s\":", NAMES[v]);
        for (int layer = 0; layer < log->layers; layer++) {
            mhc__text_format(text, "%s", layer ? "," : "[");
            number(text, mhc__layer_at(log, step, (mhc__layer_value)v, layer));
        }
        mhc__text_format(text, "]");
    }
    mhc__text_format(text, "}\n");
}

static void line_of_evaluation(const mhc__evaluation *evaluation, mhc__text *text) {
    mhc__evaluation copy = *evaluation;
    mhc__text_format(text, "{\"steps\":%lld", (long long)copy.steps);
    for (int i = 0; i < EVALUATION_FIELDS; i++) {
        mhc__text_format(text, ",\"%s\":", EVALUATION[i].name);
        number(text, *evaluation_field(&copy, i));
    }
    mhc__text_format(text, "}\n");
}

/* Frees text. */
static mhc_status write_line(FILE *file, const char *path, mhc__text *text, mhc_error *error) {
    mhc_status status = MHC_OK;
    if (text->failed)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a line", path);
    else if (fwrite(text->data, 1, text->length, file) != text->length || fflush(file) != 0)
        status = mhc__fail(error, MHC_IO, "%s: can't write: %s", path, strerror(errno));
    mhc__text_free(text);
    return status;
}

/* ---- measuring ---- */

static double norm_of(const float *values, int64_t count) {
    double squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += (double)values[i] * (double)values[i];
    return sqrt(squares);
}

static mhc_status measure_connection(mhc__model *model, int layer, float *const value[MHC__LAYER_VALUES],
                                     mhc_error *error) {
    const mhc__parameter *base = mhc__site_base(model, layer);
    if (mhc__model_spec(model)->mapping == MHC_MAPPING_NONE)
        return MHC_OK;
    mhc__mixer mixer;
    MHC__TRY(mhc__mixer_measure(model, layer, &mixer, error));
    value[MHC__LAYER_RES_RAW][layer] = (float)mixer.raw_norm;
    value[MHC__LAYER_RES][layer] = (float)mixer.norm;
    value[MHC__LAYER_RES_RAW_MIN][layer] = (float)mixer.raw_min;
    value[MHC__LAYER_RES_RAW_MAX][layer] = (float)mixer.raw_max;
    const float *made = mhc__model_coefficients(model, layer);
    const int n = mhc__model_spec(model)->streams;
    if (base) {
        int64_t pre, post;
        mhc__base_parts(model, &pre, &post);
        const float *raw = mhc__model_weights(model) + base->offset;
        value[MHC__LAYER_PRE_RAW][layer] = (float)norm_of(raw, pre);
        value[MHC__LAYER_POST_RAW][layer] = (float)norm_of(raw + pre, post);
    }
    value[MHC__LAYER_PRE][layer] = (float)norm_of(made, n);
    value[MHC__LAYER_POST][layer] = (float)norm_of(made + n, n);
    return MHC_OK;
}

static const mhc__parameter *linear_of(const mhc__model *model, int layer) {
    char name[64];
    snprintf(name, sizeof name, "blocks.%d.linear.weight", layer);
    return mhc__model_parameter_find(model, name);
}

static mhc_status before_update(void *self, mhc__model *model, mhc__train_record *record, mhc_error *error) {
    mhc__layer_log *log = self;
    const int64_t step = record->step;
    float *values = add_step(log), *value[MHC__LAYER_VALUES];
    if (!values)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for step %lld", log->layers_path, (long long)step);
    for (int v = 0; v < MHC__LAYER_VALUES; v++)
        value[v] = values + (int64_t)v * log->layers;
    const int threads = mhc_context_cpu(log->arm->config.train.threads).threads;
    for (int layer = 0; layer < log->layers; layer++) {
        for (int v = 0; v < MHC__LAYER_VALUES; v++)
            value[v][layer] = NAN;
        const mhc__parameter *weight = linear_of(model, layer);
        value[MHC__LAYER_GRADIENT][layer] =
            (float)mhc__norm_of(threads, weight->count, mhc__model_gradients(model) + weight->offset);
        MHC__TRY(measure_connection(model, layer, value, error));
    }
    mhc__text line = {0};
    line_of_step(log, step, &line);
    return write_line(log->layers_file, log->layers_path, &line, error);
}

/* ---- evaluations ---- */

/* How far the layers' weights are from where this seed starts them. */
static mhc_status measure_moves(const mhc__layer_log *log, mhc__model *model, mhc__evaluation *evaluation,
                                mhc_error *error) {
    mhc__model *start;
    MHC__TRY(mhc__model_create(mhc__model_configuration(model), log->arm->config.train.seed, &start, error));
    mhc__range moved = MHC__RANGE_EMPTY;
    for (int layer = 0; layer < log->layers; layer++) {
        const mhc__parameter *p = linear_of(model, layer);
        const float *now = mhc__model_weights(model) + p->offset, *then = mhc__model_weights(start) + p->offset;
        double apart = 0, before = 0;
        for (int64_t i = 0; i < p->count; i++) {
            double difference = (double)now[i] - (double)then[i];
            apart += difference * difference;
            before += (double)then[i] * (double)then[i];
        }
        mhc__widen(&moved, sqrt(apart / before));
    }
    mhc__model_destroy(start);
    evaluation->moved_min = moved.low;
    evaluation->moved_max = moved.high;
    return MHC_OK;
}

/* Of the rows of a batch that count: how many are right, and how many are answered with yes. */
static void count_answers(const mhc__model *model, const mhc__pass *pass, int64_t *counted, int64_t *right,
                          int64_t *yes) {
    const float *logits = mhc__model_class_logits(model);
    for (int r = 0; r < pass->batch; r++) {
        int32_t answer = pass->tokens[(int64_t)r * (pass->sequence + 1) + pass->sequence];
        if (answer < 0)
            continue;
        int said = logits[2 * r + 1] > logits[2 * r];
        ++*counted;
        *right += said == answer;
        *yes += said;
    }
}

static mhc_status answer_all(const mhc__layer_log *log, mhc__model *model, int32_t *tokens, mhc__evaluation *evaluation,
                             mhc_error *error) {
    const mhc__train_config *train = &log->arm->config.train;
    const mhc_context context = mhc_context_cpu(train->threads);
    const int sequence = mhc__model_configuration(model)->sequence;
    mhc__source dev = mhc__questions_dev(log->questions);
    int64_t batches = mhc__questions_batches(log->questions, MHC__QUESTIONS_DEV, train->batch);
    int64_t counted = 0, right = 0, yes = 0;
    mhc__pass pass = {
        .batch = train->batch, .sequence = sequence, .tokens = tokens, .precision = train->precision, .scale = 1.0f};
    for (int64_t b = 0; b < batches; b++) {
        double loss;
        int64_t before = counted;
        MHC__TRY(dev.fill(dev.self, b, train->batch, sequence, tokens, error));
        MHC__TRY(mhc__model_forward(model, &context, &pass, &loss, error));
        count_answers(model, &pass, &counted, &right, &yes);
        evaluation->loss += loss * (double)(counted - before);
    }
    evaluation->loss /= (double)counted;
    evaluation->accuracy = (double)right / (double)counted;
    evaluation->yes = (double)yes / (double)counted;
    return MHC_OK;
}

static mhc_status add_evaluation(mhc__layer_log *log, const mhc__evaluation *evaluation, mhc_error *error) {
    mhc__evaluation *larger = realloc(log->evaluations, (size_t)(log->evaluation_count + 1) * sizeof *log->evaluations);
    if (!larger)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", log->evaluations_path);
    log->evaluations = larger;
    log->evaluations[log->evaluation_count++] = *evaluation;
    return MHC_OK;
}

static mhc_status after_step(void *self, mhc__model *model, const mhc__train_record *record, mhc_error *error) {
    mhc__layer_log *log = self;
    int64_t done = record->step + 1;
    if ((done % log->every && done != record->steps) || !mhc__questions_dev(log->questions).fill)
        return MHC_OK;
    mhc__evaluation evaluation = {.steps = done};
    int32_t *tokens;
    MHC__TRY(MHC__ALLOCATE(tokens, log->arm->config.train.batch * (mhc__model_configuration(model)->sequence + 1),
                           "a batch of questions", error));
    mhc_status status = answer_all(log, model, tokens, &evaluation, error);
    mhc__release(tokens);
    MHC__TRY(status);
    MHC__TRY(measure_moves(log, model, &evaluation, error));
    MHC__TRY(add_evaluation(log, &evaluation, error));
    mhc__text line = {0};
    line_of_evaluation(&evaluation, &line);
    return write_line(log->evaluations_file, log->evaluations_path, &line, error);
}

/* ---- taking up ---- */

static double number_of(json_t *value) {
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* One line of layers.jsonl; false when it is not step number log->count with a gradient for each layer. */
static bool parse_step(mhc__layer_log *log, const char *line, size_t length) {
    json_t *object = json_loadb(line, length, 0, NULL), *step = json_object_get(object, "step");
    bool right = json_is_integer(step) && json_integer_value(step) == log->count &&
                 json_array_size(json_object_get(object, NAMES[0])) == (size_t)log->layers;
    float *values = right ? add_step(log) : NULL;
    for (int v = 0; values && v < MHC__LAYER_VALUES; v++) {
        json_t *list = json_object_get(object, NAMES[v]);
        for (int layer = 0; layer < log->layers; layer++)
            *values++ = (float)number_of(json_array_get(list, (size_t)layer));
    }
    json_decref(object);
    return values != NULL;
}

static bool parse_evaluation(mhc__layer_log *log, const char *line, size_t length) {
    json_t *object = json_loadb(line, length, 0, NULL), *steps = json_object_get(object, "steps");
    mhc__evaluation evaluation = {.steps = json_is_integer(steps) ? json_integer_value(steps) : 0};
    for (int i = 0; i < EVALUATION_FIELDS; i++)
        *evaluation_field(&evaluation, i) = number_of(json_object_get(object, EVALUATION[i].name));
    json_decref(object);
    return evaluation.steps > 0 && add_evaluation(log, &evaluation, NULL) == MHC_OK;
}

/* Whole lines, until one is not as it should be: a kill may have cut the last. *rest: there is such a one. */
static mhc_status parse_file(mhc__layer_log *log, const char *path,
                             bool (*parse)(mhc__layer_log *log, const char *line, size_t length), bool *rest,
                             mhc_error *error) {
    if (access(path, F_OK) != 0)
        return MHC_OK;
    char *bytes;
    size_t size;
    MHC__TRY(mhc__read_file(path, &bytes, &size, error));
    const char *line = bytes, *end;
    while ((end = memchr(line, '\n', size - (size_t)(line - bytes))) && parse(log, line, (size_t)(end - line)))
        line = end + 1;
    *rest |= line < bytes + size;
    free(bytes);
    return MHC_OK;
}

/* Both files anew, with what is kept, open for more. */
static mhc_status rewrite(mhc__layer_log *log, mhc_error *error) {
    mhc__text layers = {0}, evaluations = {0};
    mhc__text_append(&layers, "", 0);
    mhc__text_append(&evaluations, "", 0);
    for (int64_t step = 0; step < log->count; step++)
        line_of_step(log, step, &layers);
    for (int i = 0; i < log->evaluation_count; i++)
        line_of_evaluation(&log->evaluations[i], &evaluations);
    mhc_status status = layers.failed || evaluations.failed
                            ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to write it", log->layers_path)
                            : mhc__write_file(log->layers_path, layers.data, layers.length, error);
    if (status == MHC_OK)
        status = mhc__write_file(log->evaluations_path, evaluations.data, evaluations.length, error);
    mhc__text_free(&layers);
    mhc__text_free(&evaluations);
    MHC__TRY(status);
    log->layers_file = fopen(log->layers_path, "a");
    log->evaluations_file = log->layers_file ? fopen(log->evaluations_path, "a") : NULL;
    if (!log->evaluations_file)
        return mhc__fail(error, MHC_IO, "%s: can't open for writing: %s",
                         log->layers_file ? log->evaluations_path : log->layers_path, strerror(errno));
    return MHC_OK;
}

static mhc_status take_up(void *self, const mhc__arm *arm, int64_t steps, mhc_error *error) {
    mhc__layer_log *log = self;
    log->arm = arm;
    log->layers = arm->config.model.blocks;
    log->count = log->evaluation_count = 0;
    log->layers_path = mhc__format("%s/layers.jsonl", arm->folder);
    log->evaluations_path = mhc__format("%s/evaluations.jsonl", arm->folder);
    if (!log->layers_path || !log->evaluations_path)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", arm->folder);
    bool other = false;
    MHC__TRY(parse_file(log, log->layers_path, parse_step, &other, error));
    MHC__TRY(parse_file(log, log->evaluations_path, parse_evaluation, &other, error));
    if (log->count < steps)
        return mhc__fail(error, MHC_CORRUPT,
                         "%s: the arm has %lld steps but only %lld are measured here; remove the folder %s",
                         log->layers_path, (long long)steps, (long long)log->count, arm->folder);
    other |= log->count > steps;
    log->count = steps;
    while (log->evaluation_count && log->evaluations[log->evaluation_count - 1].steps > steps) {
        log->evaluation_count--;
        other = true;
    }
    return other || steps < arm->config.train.steps ? rewrite(log, error) : MHC_OK;
}

mhc__arm_watch mhc__layer_log_watch(mhc__layer_log *log) {
    return (mhc__arm_watch){log, take_up, before_update, after_step};
}

void mhc__layer_log_close(mhc__layer_log *log) {
    if (log->layers_file)
        fclose(log->layers_file);
    if (log->evaluations_file)
        fclose(log->evaluations_file);
    free(log->layers_path);
    free(log->evaluations_path);
    log->layers_file = log->evaluations_file = NULL;
    log->layers_path = log->evaluations_path = NULL;
}

void mhc__layer_log_free(mhc__layer_log *log) {
    mhc__layer_log_close(log);
    free(log->values);
    free(log->evaluations);
    *log = (mhc__layer_log){0};
}
