/* A whole model: the gradients of step 0 and the course of a short training run, against a dump of another program. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "model/model.h"
#include "probe/check_internal.h"
#include "train/train.h"

static const double TOLERANCE_GRADIENT = 1e-4, TOLERANCE_ZERO = 1e-6, TOLERANCE_LOSS = 1e-4, TOLERANCE_NORM = 1e-3;

typedef struct dump {
    const mhc__check *check;
    mhc__model_config config;
    mhc__train_config train;
    mhc__model *model;
    const mhc__tensor *losses, *norms; /* [steps] */
} dump;

/* ---- metadata ---- */

static mhc_status text_of(const mhc__check *check, const char *key, const char *otherwise, const char **out) {
    *out = mhc__safetensors_metadata(check->file, key);
    if (!*out)
        *out = otherwise;
    if (!*out)
        return mhc__fail(check->error, MHC_INVALID_ARGUMENT, "%s: metadata: expected the key %s, found none",
                         check->path, key);
    return MHC_OK;
}

static mhc_status number_of(const mhc__check *check, const char *key, const char *otherwise, double least, double most,
                            double *out) {
    const char *text;
    char *end;
    MHC__TRY(text_of(check, key, otherwise, &text));
    *out = strtod(text, &end);
    if (end == text || *end || !(*out >= least && *out <= most))
        return mhc__fail(check->error, MHC_INVALID_ARGUMENT,
                         "%s: metadata: %s: expected a number in %g..%g, found \"%s\"", check->path, key, least, most,
                         text);
    return MHC_OK;
}

static mhc_status int_of(const mhc__check *check, const char *key, const char *otherwise, int *out) {
    double value;
    MHC__TRY(number_of(check, key, otherwise, 0, 1 << 30, &value));
    *out = (int)value;
    if ((double)*out != value)
        return mhc__fail(check->error, MHC_INVALID_ARGUMENT, "%s: metadata: %s: expected a whole number, found %g",
                         check->path, key, value);
    return MHC_OK;
}

static mhc_status float_of(const mhc__check *check, const char *key, const char *otherwise, float *out) {
    double value;
    MHC__TRY(number_of(check, key, otherwise, 0, 1e30, &value));
    *out = (float)value;
    return MHC_OK;
}

/* Position of the value in a NULL-ended list. */
static mhc_status choice_of(const mhc__check *check, const char *key, const char *otherwise, const char *const *choices,
                            int *out) {
    const char *text;
    MHC__TRY(text_of(check, key, otherwise, &text));
    for (*out = 0; choices[*out]; (*out)++)
        if (strcmp(choices[*out], text) == 0)
            return MHC_OK;
    return mhc__fail(check->error, MHC_INVALID_ARGUMENT, "%s: metadata: %s: expected %s or the like, found \"%s\"",
                     check->path, key, choices[0], text);
}

static mhc_status read_choices(const mhc__check *check, mhc__model_config *config) {
    static const char *const norms[] = {"layernorm", "rmsnorm", NULL}, *const positions[] = {"learned", "rope", NULL};
    static const char *const mlps[] = {"gelu", "swiglu", NULL}, *const truth[] = {"False", "True", NULL};
    static const char *const wraps[] = {"sublayer", "block", NULL};
    static const char *const contracts[] = {"native", "mean", "sum", "head", "carried", NULL};
    int norm, position, mlp, wrap, contract, bias, tied;
    MHC__TRY(choice_of(check, "norm", NULL, norms, &norm));
    MHC__TRY(choice_of(check, "pos", NULL, positions, &position));
    MHC__TRY(choice_of(check, "mlp", NULL, mlps, &mlp));
    MHC__TRY(choice_of(check, "tied", NULL, truth, &tied));
    MHC__TRY(choice_of(check, "bias", "False", truth, &bias));
    MHC__TRY(choice_of(check, "wrap", "sublayer", wraps, &wrap));
    MHC__TRY(choice_of(check, "contract", "native", contracts, &contract));
    config->norm = norm ? MHC__RMSNORM : MHC__LAYERNORM;
    config->position = position ? MHC__POSITION_ROPE : MHC__POSITION_LEARNED;
    config->mlp = mlp ? MHC__MLP_SWIGLU : MHC__MLP_GELU;
    config->wrap = wrap ? MHC__WRAP_BLOCK : MHC__WRAP_SUBLAYER;
    config->contract = (mhc__contract)contract;
    config->bias = bias;
    config->tied = tied;
    return MHC_OK;
}

static mhc_status read_model(const mhc__check *check, mhc__model_config *config) {
    const char *kind;
    *config = mhc__model_config_default();
    MHC__TRY(text_of(check, "kind", NULL, &kind));
    if (strlen(kind) >= sizeof config->connection)
        return mhc__fail(check->error, MHC_INVALID_ARGUMENT, "%s: metadata: kind: expected a connection, found \"%s\"",
                         check->path, kind);
    snprintf(config->connection, sizeof config->connection, "%s", kind);
    MHC__TRY(int_of(check, "vocab", NULL, &config->vocabulary));
    MHC__TRY(int_of(check, "dim", NULL, &config->channels));
    MHC__TRY(int_of(check, "layers", NULL, &config->blocks));
    MHC__TRY(int_of(check, "heads", NULL, &config->heads));
    MHC__TRY(int_of(check, "kv_heads", "0", &config->kv_heads));
    MHC__TRY(int_of(check, "ffn", NULL, &config->ffn));
    MHC__TRY(int_of(check, "seq", NULL, &config->sequence));
    MHC__TRY(int_of(check, "streams", NULL, &config->streams));
    MHC__TRY(read_choices(check, config));
    mhc_spec spec;
    mhc_status status = mhc__model_config_spec(config, &spec, check->error);
    if (status != MHC_OK)
        return mhc__fail_in(check->error, status, "%s: metadata", check->path);
    if (spec.constraint == MHC_CONSTRAINT_SINKHORN)
        MHC__TRY(int_of(check, "sinkhorn_iterations", "0", &config->sinkhorn_iterations));
    return MHC_OK;
}

static mhc_status read_train(const mhc__check *check, mhc__train_config *train) {
    int steps;
    *train = mhc__train_config_default();
    MHC__TRY(int_of(check, "steps", NULL, &steps));
    MHC__TRY(int_of(check, "batch", NULL, &train->batch));
    MHC__TRY(float_of(check, "lr", NULL, &train->lr));
    MHC__TRY(float_of(check, "weight_decay", NULL, &train->weight_decay));
    MHC__TRY(float_of(check, "clip", NULL, &train->clip));
    MHC__TRY(float_of(check, "beta1", NULL, &train->beta1));
    MHC__TRY(float_of(check, "beta2", NULL, &train->beta2));
    MHC__TRY(float_of(check, "eps", NULL, &train->eps));
    train->steps = steps;
    train->accumulate = 1;
    train->decay = MHC__DECAY_MATRICES;
    train->schedule = MHC__SCHEDULE_CONSTANT;
    train->warmup = 0;
    train->on_nan = MHC__NAN_STOP;
    train->eval_every = train->checkpoint_every = train->log_every = 0;
    train->threads = check->context->threads;
    mhc_status status = mhc__train_config_check(train, check->error);
    return status == MHC_OK ? MHC_OK : mhc__fail_in(check->error, status, "%s: metadata", check->path);
}

/* ---- tensors ---- */

/* A tensor that no part of the comparison would look at means that the dump is of another model than its metadata say.
 */
static mhc_status check_names(const dump *d) {
    for (int i = 0; i < mhc__safetensors_count(d->check->file); i++) {
        const char *name = mhc__safetensors_at(d->check->file, i)->name;
        const char *plain = strncmp(name, "grad.", 5) == 0 ? name + 5 : name;
        if (strncmp(name, "batch.", 6) == 0 || strcmp(name, "losses") == 0 || strcmp(name, "grad_norms") == 0 ||
            mhc__model_parameter_find(d->model, plain))
            continue;
        return mhc__fail(d->check->error, MHC_MISMATCH, "%s: %s: the model of its metadata has no such tensor",
                         d->check->path, name);
    }
    return MHC_OK;
}

static mhc_status load_weights(const dump *d) {
    for (int i = 0; i < mhc__model_parameter_count(d->model); i++) {
        const mhc__parameter *p = mhc__model_parameter(d->model, i);
        const mhc__tensor *tensor;
        MHC__TRY(mhc__check_tensor(d->check, p->name, p->dims, p->shape, &tensor));
        for (int64_t k = 0; k < p->count; k++)
            mhc__model_weights(d->model)[p->offset + k] = (float)mhc__check_element(tensor, k);
    }
    return MHC_OK;
}

/* mhc__source.fill over the dump's own batches. */
static mhc_status fill(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    const dump *d = self;
    char name[64];
    snprintf(name, sizeof name, "batch.%lld.tokens", (long long)index);
    const mhc__tensor *tensor = mhc__safetensors_find(d->check->file, name);
    if (!tensor || tensor->dims != 2 || tensor->shape[0] != batch || tensor->shape[1] != sequence + 1 ||
        (tensor->dtype != MHC__I32 && tensor->dtype != MHC__I64))
        return mhc__fail(error, MHC_MISMATCH, "%s: expected a tensor %s of shape [%d, %d], I32 or I64, found %s",
                         d->check->path, name, batch, sequence + 1, tensor ? "another shape or type" : "none");
    for (int64_t k = 0; k < tensor->count; k++) {
        int64_t id;
        if (tensor->dtype == MHC__I64) {
            memcpy(&id, (const char *)tensor->data + (size_t)k * sizeof id, sizeof id);
        } else {
            int32_t narrow;
            memcpy(&narrow, (const char *)tensor->data + (size_t)k * sizeof narrow, sizeof narrow);
            id = narrow;
        }
        tokens[k] = id < 0 || id > INT32_MAX ? -1 : (int32_t)id; /* -1: the model refuses it, naming the place */
    }
    return MHC_OK;
}

/* ---- comparison ---- */

static mhc_status compare_gradients(const dump *d) {
    double global = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < mhc__model_parameter_count(d->model); i++) {
            const mhc__parameter *p = mhc__model_parameter(d->model, i);
            const mhc__tensor *tensor;
            char name[80];
            snprintf(name, sizeof name, "grad.%s", p->name);
            MHC__TRY(mhc__check_tensor(d->check, name, p->dims, p->shape, &tensor));
            mhc__difference diff = mhc__difference_floats(mhc__model_gradients(d->model) + p->offset, tensor);
            if (pass == 0) {
                global = hypot(global, diff.expected);
                continue;
            }
            bool own = diff.error <= TOLERANCE_GRADIENT * diff.expected;
            bool zero = !own && diff.expected <= TOLERANCE_ZERO * global && diff.error <= TOLERANCE_ZERO * global;
            mhc__check_row row = {.what = zero ? "zero gradient" : "gradient",
                                  .relative = zero ? diff.error / global : mhc__difference_relative(&diff),
                                  .absolute = diff.absolute,
                                  .tolerance = zero ? TOLERANCE_ZERO : TOLERANCE_GRADIENT};
            snprintf(row.name, sizeof row.name, "%s", p->name);
            MHC__TRY(mhc__check_add(d->check, &row));
        }
    }
    return MHC_OK;
}

static mhc_status check_gradients(dump *d) {
    const mhc__model_config *config = &d->config;
    int64_t count = (int64_t)d->train.batch * (config->sequence + 1);
    int32_t *tokens = malloc((size_t)count * sizeof *tokens);
    if (!tokens)
        return mhc__fail(d->check->error, MHC_OUT_OF_MEMORY, "%s: no memory for a batch", d->check->path);
    mhc__pass pass = {
        .batch = d->train.batch, .sequence = config->sequence, .tokens = tokens, .train = true, .scale = 1};
    double loss;
    mhc__model_zero_gradients(d->model, d->check->context);
    mhc_status status = fill(d, 0, pass.batch, pass.sequence, tokens, d->check->error);
    if (status == MHC_OK)
        status = mhc__model_forward(d->model, d->check->context, &pass, &loss, d->check->error);
    if (status == MHC_OK)
        status = mhc__model_backward(d->model, d->check->context, &pass, d->check->error);
    free(tokens);
    return status == MHC_OK ? compare_gradients(d) : status;
}

/* Losses and gradient norms of the steps; NaN from the first that isn't finite on. */
typedef struct course {
    double *losses, *norms;
} course;

static mhc_status run_steps(const dump *d, mhc__trainer *trainer, course *out) {
    bool finite = true;
    for (int64_t step = 0; step < d->losses->count; step++) {
        out->losses[step] = out->norms[step] = NAN;
        if (!finite)
            continue;
        mhc__train_record record;
        mhc_status status = mhc__trainer_step(trainer, &record, d->check->error);
        finite = status != MHC_NOT_FINITE;
        if (finite && status != MHC_OK)
            return status;
        if (finite) {
            out->losses[step] = record.loss;
            out->norms[step] = record.grad_norm;
        }
    }
    return MHC_OK;
}

/* Trains from the dump's weights; from weights that differ by rounding, relative 2^-23 at most, where variant > 0. */
static mhc_status run_course(dump *d, int variant, course *out) {
    MHC__TRY(load_weights(d));
    for (int i = 0; variant > 0 && i < mhc__model_parameter_count(d->model); i++) {
        const mhc__parameter *p = mhc__model_parameter(d->model, i);
        float *weights = mhc__model_weights(d->model) + p->offset;
        float *noise = mhc__model_gradients(d->model) + p->offset; /* the trainer zeroes them before it uses them */
        mhc__uniform_fill((uint64_t)variant, (uint64_t)i, 0x1p-23f, noise, p->count);
        for (int64_t k = 0; k < p->count; k++)
            weights[k] += weights[k] * noise[k];
    }
    mhc__trainer_options options = {.model = d->model, .config = &d->train, .train = {d, fill}};
    mhc__trainer *trainer = NULL;
    MHC__TRY(mhc__trainer_create(&options, &trainer, d->check->error));
    mhc_status status = run_steps(d, trainer, out);
    mhc__trainer_destroy(trainer);
    return status;
}

/* The larger of the two, NaN if either is. */
static double larger(double a, double b) {
    return isnan(a) || a > b ? a : b;
}

/* How far two courses are apart up to each step: what rounding alone can do. */
static void widen(const dump *d, const course *a, const course *b, course *spread) {
    double losses = 0.0, norms = 0.0;
    for (int64_t step = 0; step < d->losses->count; step++) {
        losses = larger(losses, fabs(a->losses[step] - b->losses[step]));
        norms = larger(norms, fabs(a->norms[step] - b->norms[step]));
        spread->losses[step] = larger(spread->losses[step], losses);
        spread->norms[step] = larger(spread->norms[step], norms);
    }
}

/* The row of a series: the step that is worst against its tolerance decides. */
static mhc__check_row compare_series(const mhc__tensor *expected, const double *found, const double *spread,
                                     double tolerance, bool relative) {
    mhc__check_row row = {.by_absolute = true};
    mhc__difference all = {0};
    double worst = -1.0;
    for (int64_t step = 0; step < expected->count; step++) {
        double value = mhc__check_element(expected, step), apart = fabs(found[step] - value);
        double allowed = larger(tolerance * (relative ? fabs(value) : 1.0), 2.0 * spread[step]);
        mhc__difference_add(&all, found[step], value);
        if (worst >= 0.0 && !(apart / allowed > worst || isnan(apart)))
            continue;
        worst = isnan(apart) ? INFINITY : apart / allowed;
        row.absolute = apart;
        row.tolerance = allowed;
    }
    row.relative = mhc__difference_relative(&all);
    return row;
}

static mhc_status compare_course(const dump *d, const course *found, const course *spread, bool spread_known,
                                 bool *agrees) {
    mhc__check_row loss = compare_series(d->losses, found->losses, spread->losses, TOLERANCE_LOSS, false);
    mhc__check_row norm = compare_series(d->norms, found->norms, spread->norms, TOLERANCE_NORM, true);
    *agrees = loss.absolute <= loss.tolerance && norm.absolute <= norm.tolerance;
    if (!*agrees && !spread_known)
        return MHC_OK; /* the caller measures the spread and asks again */
    snprintf(loss.name, sizeof loss.name, "losses");
    snprintf(norm.name, sizeof norm.name, "grad_norms");
    loss.what = spread_known && loss.tolerance > TOLERANCE_LOSS ? "loss, own spread" : "loss";
    norm.what = spread_known ? "gradient norm, own spread" : "gradient norm";
    MHC__TRY(mhc__check_add(d->check, &loss));
    return mhc__check_add(d->check, &norm);
}

/* A run at a high rate can be ill-conditioned: AdamW's first updates of a number are its gradient's sign, so where one
 * happens to be near zero, rounding decides, and the course after it differs for good. So when the courses disagree,
 * this program is asked how far apart its own courses are, from weights that differ by rounding. */
static mhc_status compare_training(dump *d, course *found, course *other, course *spread) {
    enum { VARIANTS = 4 };
    bool agrees;
    MHC__TRY(run_course(d, 0, found));
    MHC__TRY(compare_course(d, found, spread, false, &agrees));
    if (agrees)
        return MHC_OK;
    for (int variant = 1; variant <= VARIANTS; variant++) {
        MHC__TRY(run_course(d, variant, other));
        widen(d, found, other, spread);
    }
    return compare_course(d, found, spread, true, &agrees);
}

static mhc_status check_training(dump *d) {
    size_t steps = (size_t)d->losses->count;
    double *memory = calloc(6 * steps, sizeof *memory);
    if (!memory)
        return mhc__fail(d->check->error, MHC_OUT_OF_MEMORY, "%s: no memory for %zu steps", d->check->path, steps);
    course found = {memory, memory + steps}, other = {memory + 2 * steps, memory + 3 * steps};
    course spread = {memory + 4 * steps, memory + 5 * steps};
    mhc_status status = compare_training(d, &found, &other, &spread);
    free(memory);
    return status;
}

static mhc_status check_dump(dump *d) {
    const mhc__check *check = d->check;
    MHC__TRY(read_model(check, &d->config));
    MHC__TRY(read_train(check, &d->train));
    int64_t steps = d->train.steps;
    MHC__TRY(mhc__check_tensor(check, "losses", 1, &steps, &d->losses));
    MHC__TRY(mhc__check_tensor(check, "grad_norms", 1, &steps, &d->norms));
    MHC__TRY(mhc__model_create(&d->config, 0, &d->model, check->error));
    MHC__TRY(check_names(d));
    snprintf(check->report->summary, sizeof check->report->summary, "%s, %d blocks, %d channels, %d streams; %d steps",
             d->config.connection, d->config.blocks, d->config.channels, mhc__model_spec(d->model)->streams,
             (int)steps);
    MHC__TRY(load_weights(d));
    MHC__TRY(check_gradients(d));
    return check_training(d);
}

mhc_status mhc__check_model(const mhc__check *check) {
    dump d = {.check = check};
    mhc_status status = check_dump(&d);
    mhc__model_destroy(d.model);
    return status;
}
