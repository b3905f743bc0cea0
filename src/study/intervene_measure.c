#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/threads.h"
#include "file/atomic.h"
#include "mhc/context.h"
#include "study/intervene.h"
#include "train/evaluate.h"

/* One model being looked at. */
typedef struct looking {
    const mhc__intervene *study;
    mhc__intervene_model *model;
    mhc__trained trained;
    mhc__corpus *corpus;
    mhc__coefficient_means means;
    mhc__evaluation what;
    mhc_context context;
    double *base, *with; /* [batches] */
    char *path;
    FILE *file;
} looking;

static const struct {
    mhc__map map;
    mhc__substitute by;
} GROUPS[MHC__INTERVENE_GROUPS] = {{MHC__MAP_RES, MHC__BY_IDENTITY},
                                   {MHC__MAP_RES, MHC__BY_UNIFORM},
                                   {MHC__MAP_RES, MHC__BY_MEAN},
                                   {MHC__MAP_PRE, MHC__BY_MEAN},
                                   {MHC__MAP_POST, MHC__BY_MEAN}};

static mhc_status plan(mhc__intervene_model *model, mhc_error *error) {
    const int ends[MHC__INTERVENE_RANGES][2] = {
        {0, model->sites}, {0, model->sites / 2}, {model->sites / 2, model->sites}};
    model->count = MHC__INTERVENE_HALVES + MHC__SUBSTITUTES * model->sites;
    model->results = calloc((size_t)model->count, sizeof *model->results);
    if (!model->results)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "intervene: no memory for %d results", model->count);
    for (int i = 0; i < MHC__INTERVENE_HALVES; i++) {
        int group = i / MHC__INTERVENE_RANGES, range = i % MHC__INTERVENE_RANGES;
        model->results[i] = (mhc__intervene_result){
            .map = GROUPS[group].map, .by = GROUPS[group].by, .first = ends[range][0], .end = ends[range][1]};
    }
    for (int i = MHC__INTERVENE_HALVES; i < model->count; i++) {
        int place = i - MHC__INTERVENE_HALVES, site = place % model->sites;
        model->results[i] = (mhc__intervene_result){
            .map = MHC__MAP_RES, .by = (mhc__substitute)(place / model->sites), .first = site, .end = site + 1};
    }
    return MHC_OK;
}

static bool is_seen(const mhc__intervene_result *result, int64_t batches) {
    return batches >= MHC__INTERVENE_BATCHES && fabs(result->cost) > 2 * result->error;
}

void mhc__intervene_judge(const double *with, const double *without, int64_t batches, mhc__intervene_result *result) {
    double mean = 0, squares = 0;
    for (int64_t b = 0; b < batches; b++)
        mean += (with[b] - without[b]) / (double)batches;
    for (int64_t b = 0; b < batches; b++)
        squares += (with[b] - without[b] - mean) * (with[b] - without[b] - mean);
    result->error = batches > 1 ? sqrt(squares / (double)(batches - 1) / (double)batches) : NAN;
    result->seen = is_seen(result, batches);
}

static mhc_status evaluate(looking *at, mhc__coefficient_override *override, void *self, double *losses, double *loss,
                           mhc_error *error) {
    mhc__model_override_coefficients(at->trained.model, override, self);
    mhc_status status = mhc__evaluate(at->trained.model, &at->context, &at->what, losses, loss, error);
    return status == MHC_INTERRUPTED ? mhc__study_stopped(at->study->options, error) : status;
}

static mhc_status open_model(looking *at, mhc_error *error) {
    mhc__intervene_model *model = at->model;
    MHC__TRY(mhc__trained_open_to_measure(model->path, &at->trained, error));
    const mhc__config *config = &at->trained.config;
    if (config->model.family != MHC__FAMILY_TRANSFORMER)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: expected a transformer, found a bag of words",
                         at->trained.checkpoint);
    mhc_status status = mhc__coefficient_means_open(at->trained.model, &at->means, error);
    if (status != MHC_OK)
        return mhc__fail_in(error, status, "%s", at->trained.checkpoint);
    MHC__TRY(mhc__trained_open_text(&at->trained, at->study->text, &at->corpus, error));
    int64_t tokens = mhc__corpus_eval_tokens(at->corpus), rows = mhc__evaluation_rows(tokens, config->model.sequence);
    if (tokens == 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: %s has no held-out part that ends; give a text with --data",
                         at->trained.checkpoint, config->data.path);
    if (at->study->batches > 0)
        rows = mhc__min(rows, at->study->batches * config->train.batch);
    at->context = mhc_context_cpu(at->study->options->threads);
    at->what = (mhc__evaluation){.source = mhc__corpus_eval(at->corpus),
                                 .rows = rows,
                                 .batch = config->train.batch,
                                 .sequence = config->model.sequence,
                                 .precision = config->train.precision,
                                 .stop = at->study->options->stop};
    model->sites = mhc__model_sites(at->trained.model);
    const mhc_spec *spec = mhc__model_spec(at->trained.model);
    model->streams = spec->streams;
    model->isometry = spec->constraint == MHC_CONSTRAINT_ROTATION || spec->constraint == MHC_CONSTRAINT_ORTHOGONAL;
    model->step = at->trained.state.step;
    model->tokens = rows * config->model.sequence;
    model->batches = mhc__evaluation_batches(&at->what);
    if (!model->label[0])
        snprintf(model->label, sizeof model->label, "%s", config->model.connection);
    MHC__TRY(MHC__ALLOCATE(at->base, model->batches, "losses", error));
    MHC__TRY(MHC__ALLOCATE(at->with, model->batches, "losses", error));
    return plan(model, error);
}

static void add_number(mhc__text *line, const char *name, double value) {
    if (isfinite(value))
        mhc__text_format(line, ",\"%s\":%.17g", name, value);
    else
        mhc__text_format(line, ",\"%s\":null", name);
}

/* The first line says of what the others are: the loss without any intervention is the same to the last bit for the
 * same weights and text. */
static void head_line(const mhc__intervene_model *model, mhc__text *line) {
    mhc__text_format(line, "{\"sites\":%d,\"tokens\":%lld", model->sites, (long long)model->tokens);
    add_number(line, "loss", model->loss);
    mhc__text_format(line, "}\n");
}

static void result_line(const mhc__intervene_result *r, mhc__text *line) {
    mhc__text_format(line, "{\"map\":\"%s\",\"by\":\"%s\",\"first\":%d,\"end\":%d", mhc__map_name(r->map),
                     mhc__substitute_name(r->by), r->first, r->end);
    add_number(line, "loss", r->loss);
    add_number(line, "cost", r->cost);
    add_number(line, "error", r->error);
    mhc__text_format(line, ",\"seen\":%s}\n", r->seen ? "true" : "false");
}

static bool take_number(json_t *object, const char *name, double *number) {
    json_t *value = json_object_get(object, name);
    *number = json_is_number(value) ? json_number_value(value) : NAN;
    return json_is_number(value) || json_is_null(value);
}

/* Whether the line is that of this result, which it fills in. What follows from the loss and the error is not taken
 * from the file. */
static bool take_line(const mhc__intervene_model *model, const char *line, size_t length, mhc__intervene_result *r) {
    json_t *object = json_loadb(line, length, 0, NULL);
    const char *map = json_string_value(json_object_get(object, "map")),
               *by = json_string_value(json_object_get(object, "by"));
    bool right = map && by && !strcmp(map, mhc__map_name(r->map)) && !strcmp(by, mhc__substitute_name(r->by)) &&
                 json_integer_value(json_object_get(object, "first")) == r->first &&
                 json_integer_value(json_object_get(object, "end")) == r->end &&
                 take_number(object, "loss", &r->loss) && take_number(object, "error", &r->error);
    r->cost = r->loss - model->loss;
    r->seen = is_seen(r, model->batches);
    json_decref(object);
    return right;
}

/* Takes up the results of an earlier run; how many. A last line that was cut short is left out. */
static mhc_status take_up(looking *at, const char *bytes, size_t size, int *done, mhc_error *error) {
    mhc__text head = {0};
    head_line(at->model, &head);
    bool same = head.data && size >= head.length && !memcmp(bytes, head.data, head.length);
    size_t skip = head.length;
    mhc__text_free(&head);
    *done = 0;
    if (!same)
        return mhc__fail(error, MHC_MISMATCH,
                         "%s: the file is of another model or text; choose another --out, or remove it", at->path);
    const char *line = bytes + skip, *end;
    for (; (end = memchr(line, '\n', size - (size_t)(line - bytes))); line = end + 1, ++*done)
        if (*done == at->model->count || !take_line(at->model, line, (size_t)(end - line), &at->model->results[*done]))
            return mhc__fail(error, MHC_CORRUPT, "%s:%d: expected the result of another intervention; remove the file",
                             at->path, *done + 2);
    return MHC_OK;
}

static mhc_status open_file(looking *at, int *done, mhc_error *error) {
    char *bytes = NULL;
    size_t size = 0;
    mhc__text lines = {0};
    *done = 0;
    at->path = mhc__format("%s/interventions.jsonl", at->model->folder);
    if (!at->path)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "intervene: no memory");
    MHC__TRY(mhc__make_folders(at->model->folder, error));
    mhc_status status = MHC_OK;
    if (access(at->path, F_OK) == 0) {
        MHC__TRY(mhc__read_file(at->path, &bytes, &size, error));
        status = take_up(at, bytes, size, done, error);
        free(bytes);
    }
    head_line(at->model, &lines);
    for (int i = 0; i < *done; i++)
        result_line(&at->model->results[i], &lines);
    if (status == MHC_OK)
        status = lines.failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to write it", at->path)
                              : mhc__write_file(at->path, lines.data, lines.length, error);
    mhc__text_free(&lines);
    MHC__TRY(status);
    at->file = fopen(at->path, "a");
    return at->file ? MHC_OK : mhc__fail(error, MHC_IO, "%s: can't open for writing: %s", at->path, strerror(errno));
}

static mhc_status intervene(looking *at, mhc__intervene_result *result, mhc_error *error) {
    mhc__intervention what = {result->map, result->by, result->first, result->end, &at->means};
    mhc__text line = {0};
    MHC__TRY(evaluate(at, mhc__intervention_act, &what, at->with, &result->loss, error));
    result->cost = result->loss - at->model->loss;
    mhc__intervene_judge(at->with, at->base, at->model->batches, result);
    result_line(result, &line);
    mhc_status status = MHC_OK;
    if (line.failed)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a line", at->path);
    else if (fwrite(line.data, 1, line.length, at->file) != line.length || fflush(at->file) != 0)
        status = mhc__fail(error, MHC_IO, "%s: can't write: %s", at->path, strerror(errno));
    mhc__text_free(&line);
    return status;
}

static mhc_status measure(looking *at, mhc_error *error) {
    mhc__intervene_model *model = at->model;
    const mhc__study_options *options = at->study->options;
    int done;
    MHC__TRY(open_model(at, error));
    mhc__study_note(options, "%s: %s, %lld held-out tokens, %d interventions", model->label, at->trained.checkpoint,
                    (long long)model->tokens, model->count);
    MHC__TRY(evaluate(at, mhc__coefficient_means_add, &at->means, at->base, &model->loss, error));
    MHC__TRY(open_file(at, &done, error));
    for (int i = done; i < model->count; i++) {
        MHC__TRY(intervene(at, &model->results[i], error));
        if (!options->quiet && (i + 1) % 10 == 0)
            mhc__study_note(options, "%s: %d of %d interventions", model->label, i + 1, model->count);
    }
    return MHC_OK;
}

mhc_status mhc__intervene_measure(const mhc__intervene *study, mhc__intervene_model *model, mhc_error *error) {
    looking at = {.study = study, .model = model};
    mhc_status status = measure(&at, error);
    if (at.file)
        fclose(at.file);
    free(at.path);
    mhc__release(at.base);
    mhc__release(at.with);
    mhc__coefficient_means_close(&at.means);
    mhc__corpus_close(at.corpus);
    mhc__trained_close(&at.trained);
    return status;
}

const mhc__intervene_result *mhc__intervene_find(const mhc__intervene_model *model, mhc__map map, mhc__substitute by,
                                                 int range) {
    for (int i = range; i < model->count && i < MHC__INTERVENE_HALVES; i += MHC__INTERVENE_RANGES)
        if (model->results[i].map == map && model->results[i].by == by)
            return &model->results[i];
    return NULL;
}
