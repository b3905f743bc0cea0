#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "model/internal.h"

/* Everything but the numbers: widths, specs, the table of tensors. */
static mhc_status describe(mhc__model *model, mhc_error *error) {
    mhc__model_config *config = &model->config;
    if (config->vocabulary < 1)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.vocabulary: expected at least 1, found %d",
                         config->vocabulary);
    MHC__TRY(mhc__model_config_check(config, error));
    MHC__TRY(mhc__model_config_spec(config, &model->spec, error));
    MHC__TRY(mhc_spec_preset(&model->plain, "residual", 1, config->channels, error));
    mhc__widths *w = &model->widths;
    w->channels = config->channels;
    w->ffn = config->ffn ? config->ffn : 4 * (int64_t)config->channels;
    w->heads = config->heads;
    w->kv_heads = config->kv_heads ? config->kv_heads : config->heads;
    w->head = config->channels / config->heads;
    w->qkv = (w->heads + 2 * (int64_t)w->kv_heads) * w->head;
    w->norm_eps = config->norm_eps > 0.0f ? config->norm_eps : mhc__norm_has_mean(config->norm) ? 1e-5f : 1e-6f;
    w->embedding = config->embedding ? config->embedding : config->channels;
    model->sites = mhc__model_config_sites(config);
    MHC__TRY(MHC__ALLOCATE(model->blocks, config->blocks, "the blocks of the model", error));
    return mhc__parameters_plan(model, error);
}

static mhc_status build(mhc__model *model, mhc_error *error) {
    MHC__TRY(describe(model, error));
    MHC__TRY(MHC__ALLOCATE(model->weights, model->size, "the weights of the model", error));
    MHC__TRY(MHC__ALLOCATE(model->gradients, model->size, "the gradients of the model", error));
    return mhc__parameters_start(model, error);
}

/* NULL when there is no memory. */
static mhc__model *empty(const mhc__model_config *config, uint64_t seed, mhc_error *error) {
    mhc__model *model = calloc(1, sizeof *model);
    if (!model) {
        mhc__fail(error, MHC_OUT_OF_MEMORY, "model: no memory");
        return NULL;
    }
    model->config = *config;
    model->seed = seed;
    return model;
}

mhc_status mhc__model_create(const mhc__model_config *config, uint64_t seed, mhc__model **out, mhc_error *error) {
    *out = NULL;
    mhc__model *model = empty(config, seed, error);
    if (!model)
        return MHC_OUT_OF_MEMORY;
    mhc_status status = build(model, error);
    if (status == MHC_OK)
        *out = model;
    else
        mhc__model_destroy(model);
    return status;
}

mhc_status mhc__model_plan(const mhc__model_config *config, int batch, int threads, int recompute,
                           mhc__model_memory *memory, mhc_error *error) {
    mhc__arena_parts train, eval;
    mhc__model *model = empty(config, 0, error);
    if (!model)
        return MHC_OUT_OF_MEMORY;
    mhc_status status = describe(model, error);
    mhc__layout layout = {.batch = batch, .sequence = config->sequence, .threads = threads};
    if (status == MHC_OK)
        status = mhc__activations_plan(model, &layout, &eval, error);
    if (status == MHC_OK) {
        layout.train = true;
        layout.span = mhc__span_of(model, recompute);
        status = mhc__activations_plan(model, &layout, &train, error);
    }
    if (status == MHC_OK)
        *memory = (mhc__model_memory){
            .weights = model->size * (int64_t)sizeof *model->weights,
            .gradients = model->size * (int64_t)sizeof *model->gradients,
            .streams = train.bytes[MHC__PART_STREAMS],
            .activations = train.bytes[MHC__PART_ACTIVATIONS],
            .backward = train.bytes[MHC__PART_BACKWARD],
            .workspace = train.bytes[MHC__PART_WORKSPACE],
            .evaluation =
                eval.bytes[MHC__PART_STREAMS] + eval.bytes[MHC__PART_ACTIVATIONS] + eval.bytes[MHC__PART_WORKSPACE],
            .span = layout.span,
        };
    mhc__model_destroy(model);
    return status;
}

void mhc__model_destroy(mhc__model *model) {
    if (!model)
        return;
    mhc__activations_free(&model->train);
    mhc__activations_free(&model->eval);
    mhc__release(model->weights);
    mhc__release(model->gradients);
    mhc__release(model->blocks);
    free(model->parameters);
    free(model);
}

const mhc__model_config *mhc__model_configuration(const mhc__model *model) {
    return &model->config;
}

const mhc_spec *mhc__model_spec(const mhc__model *model) {
    return &model->spec;
}

int64_t mhc__model_size(const mhc__model *model) {
    return model->size;
}

int64_t mhc__model_parameters_total(const mhc__model *model) {
    return model->total;
}

int mhc__model_parameter_count(const mhc__model *model) {
    return model->parameter_count;
}

const mhc__parameter *mhc__model_parameter(const mhc__model *model, int index) {
    return index >= 0 && index < model->parameter_count ? &model->parameters[index] : NULL;
}

const mhc__parameter *mhc__model_parameter_find(const mhc__model *model, const char *name) {
    for (int i = 0; i < model->parameter_count; i++)
        if (strcmp(model->parameters[i].name, name) == 0)
            return &model->parameters[i];
    return NULL;
}

float *mhc__model_weights(mhc__model *model) {
    return model->weights;
}

float *mhc__model_gradients(mhc__model *model) {
    return model->gradients;
}

void mhc__model_zero_gradients(mhc__model *model, const mhc_context *context) {
    const int64_t piece = 1 << 18;
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(model->size, piece); block++)
        memset(model->gradients + block * piece, 0,
               (size_t)mhc__min(piece, model->size - block * piece) * sizeof *model->gradients);
}

int mhc__model_sites(const mhc__model *model) {
    return model->sites;
}

int64_t mhc__model_tokens(const mhc__model *model) {
    return model->last ? model->last->tokens : 0;
}

mhc_streams mhc__model_streams(mhc__model *model, int site) {
    mhc_streams none = {NULL, 0, 0};
    if (model->last != &model->train || site < 0 || site > model->sites)
        return none;
    const mhc_context context = mhc_context_cpu(model->train.layout.threads);
    const mhc__run run = {model, &context, NULL, &model->train, NULL};
    if (!mhc__is_present(&model->train, model->sites, site) && mhc__recall(&run, site) != MHC_OK)
        return none;
    return mhc_streams_of(model->train.streams[site], model->spec.streams, model->spec.channels);
}

const float *mhc__model_class_logits(const mhc__model *model) {
    return model->last && mhc__is_bag(model) ? model->last->logits : NULL;
}

const float *mhc__model_coefficients(const mhc__model *model, int site) {
    if (!model->last || mhc__is_plain(model) || site < 0 || site >= model->sites)
        return NULL;
    return model->last->sites[site].coefficients;
}

double *mhc__model_seconds(mhc__model *model) {
    return model->seconds;
}

void mhc__model_watch_gradients(mhc__model *model, mhc__gradient_watch *watch, void *self) {
    model->watch = watch;
    model->watch_self = self;
}

void mhc__model_override_coefficients(mhc__model *model, mhc__coefficient_override *override, void *self) {
    model->override = override;
    model->override_self = self;
}
