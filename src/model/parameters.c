/* The table of named tensors, and their values at the start. Names and shapes: docs/tensors.md. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/philox.h"
#include "model/internal.h"
#include "model/steps.h"

enum { ALIGNMENT = 16 }; /* floats: one cache line */

/* Grows the table by one tensor [rows] or [rows, columns] and puts its offset into *at. */
static mhc_status add(mhc__model *model, int64_t *at, const char *prefix, const char *name, int64_t rows,
                      int64_t columns, mhc_error *error) {
    if (model->parameter_count == model->parameter_capacity) {
        int capacity = model->parameter_capacity ? 2 * model->parameter_capacity : 64;
        mhc__parameter *grown = realloc(model->parameters, (size_t)capacity * sizeof *grown);
        if (!grown)
            return mhc__fail(error, MHC_OUT_OF_MEMORY, "model: no memory for a table of %d tensors", capacity);
        model->parameters = grown;
        model->parameter_capacity = capacity;
    }
    mhc__parameter *parameter = &model->parameters[model->parameter_count++];
    memset(parameter, 0, sizeof *parameter);
    snprintf(parameter->name, sizeof parameter->name, "%.30s%.33s", prefix, name); /* the longest is far below */
    parameter->dims = columns ? 2 : 1;
    parameter->shape[0] = rows;
    parameter->shape[1] = columns;
    parameter->offset = model->size;
    parameter->count = rows * (columns ? columns : 1);
    model->total += parameter->count;
    model->size += (parameter->count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *at = parameter->offset;
    return MHC_OK;
}

static mhc_status add_weight(mhc__model *model, mhc__weight_at *at, const char *prefix, const char *name, int64_t out,
                             int64_t in, bool bias, mhc_error *error) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    at->bias = MHC__ABSENT;
    MHC__TRY(add(model, &at->weight, prefix, full, out, in, error));
    if (!bias)
        return MHC_OK;
    snprintf(full, sizeof full, "%s.bias", name);
    return add(model, &at->bias, prefix, full, out, 0, error);
}

static mhc_status add_norm(mhc__model *model, mhc__weight_at *at, const char *prefix, const char *name,
                           mhc_error *error) {
    return add_weight(model, at, prefix, name, model->widths.channels, 0, mhc__norm_has_mean(model->config.norm),
                      error);
}

static mhc_status add_connection(mhc__model *model, mhc__connection_at *at, const char *prefix, mhc_error *error) {
    mhc_site_sizes sizes;
    at->fn = at->base = at->scale = MHC__ABSENT;
    MHC__TRY(mhc_site_sizes_query(&model->spec, 0, &sizes, error));
    if (sizes.base)
        MHC__TRY(add(model, &at->base, prefix, "hc.base", sizes.base, 0, error));
    if (sizes.fn_rows)
        MHC__TRY(add(model, &at->fn, prefix, "hc.fn", sizes.fn_rows, sizes.fn_columns, error));
    if (sizes.scale)
        MHC__TRY(add(model, &at->scale, prefix, "hc.scale", sizes.scale, 0, error));
    return MHC_OK;
}

static mhc_status add_block(mhc__model *model, int index, mhc_error *error) {
    mhc__block_at *at = &model->blocks[index];
    const mhc__widths *w = &model->widths;
    bool bias = model->config.bias, whole = mhc__wraps_blocks(model);
    char block[64], attn[80], ffn[80];
    snprintf(block, sizeof block, "blocks.%d.", index);
    snprintf(attn, sizeof attn, "%sattn.", block);
    snprintf(ffn, sizeof ffn, "%sffn.", block);
    MHC__TRY(add_norm(model, &at->attention_norm, attn, "norm", error));
    MHC__TRY(add_weight(model, &at->qkv, attn, "qkv", w->qkv, w->channels, bias, error));
    MHC__TRY(add_weight(model, &at->proj, attn, "proj", w->channels, w->channels, bias, error));
    if (!whole)
        MHC__TRY(add_connection(model, &at->connections[0], attn, error));
    MHC__TRY(add_norm(model, &at->ffn_norm, ffn, "norm", error));
    MHC__TRY(add_weight(model, &at->up, ffn, "up", w->ffn, w->channels, bias, error));
    at->gate.weight = at->gate.bias = MHC__ABSENT;
    if (model->config.mlp == MHC__MLP_SWIGLU)
        MHC__TRY(add_weight(model, &at->gate, ffn, "gate", w->ffn, w->channels, bias, error));
    MHC__TRY(add_weight(model, &at->down, ffn, "down", w->channels, w->ffn, bias, error));
    return add_connection(model, &at->connections[whole ? 0 : 1], whole ? block : ffn, error);
}

static mhc_status add_layer(mhc__model *model, int index, mhc_error *error) {
    mhc__block_at *at = &model->blocks[index];
    const int64_t channels = model->widths.channels;
    char block[64];
    snprintf(block, sizeof block, "blocks.%d.", index);
    if (model->config.norm != MHC__NORM_NONE)
        MHC__TRY(add_norm(model, &at->layer_norm, block, "norm", error));
    MHC__TRY(add_weight(model, &at->layer, block, "linear", channels, channels, true, error));
    return add_connection(model, &at->connections[0], block, error);
}

static mhc_status add_contraction(mhc__model *model, mhc_error *error) {
    mhc__connection_at *at = &model->contraction;
    at->fn = at->base = at->scale = MHC__ABSENT;
    if (model->spec.contraction != MHC_CONTRACT_HEAD)
        return MHC_OK;
    int64_t n = model->spec.streams;
    MHC__TRY(add(model, &at->base, "head.", "hc.base", n, 0, error));
    MHC__TRY(add(model, &at->fn, "head.", "hc.fn", n, n * model->spec.channels, error));
    return add(model, &at->scale, "head.", "hc.scale", 1, 0, error);
}

static mhc_status plan_bag(mhc__model *model, mhc_error *error) {
    const mhc__model_config *config = &model->config;
    const mhc__widths *w = &model->widths;
    MHC__TRY(add_weight(model, &model->embedding, "", "embed.token", config->vocabulary, w->embedding, false, error));
    MHC__TRY(add_weight(model, &model->input, "", "input", w->channels, w->embedding, true, error));
    for (int layer = 0; layer < config->blocks; layer++)
        MHC__TRY(add_layer(model, layer, error));
    MHC__TRY(add_contraction(model, error));
    if (config->norm != MHC__NORM_NONE)
        MHC__TRY(add_norm(model, &model->norm, "", "norm", error));
    return add_weight(model, &model->head, "", "head", config->classes, w->channels, true, error);
}

mhc_status mhc__parameters_plan(mhc__model *model, mhc_error *error) {
    if (mhc__is_bag(model))
        return plan_bag(model, error);
    const mhc__model_config *config = &model->config;
    int64_t channels = model->widths.channels;
    MHC__TRY(add_weight(model, &model->embedding, "", "embed.token", config->vocabulary, channels, false, error));
    model->position.weight = model->position.bias = MHC__ABSENT;
    if (config->position == MHC__POSITION_LEARNED)
        MHC__TRY(add_weight(model, &model->position, "", "embed.position", config->sequence, channels, false, error));
    for (int block = 0; block < config->blocks; block++)
        MHC__TRY(add_block(model, block, error));
    MHC__TRY(add_contraction(model, error));
    MHC__TRY(add_norm(model, &model->norm, "", "norm", error));
    model->head = model->embedding;
    if (!config->tied)
        MHC__TRY(add_weight(model, &model->head, "", "head", config->vocabulary, channels, false, error));
    return MHC_OK;
}

/* FNV-1a, 64 bits: the place of a tensor among the random numbers of a seed. */
static uint64_t name_place(const char *name) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001B3u;
    return hash;
}

static bool ends_with(const char *text, const char *ending) {
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

static void draw_normal(mhc__model *model, const mhc__parameter *p, float deviation) {
    mhc__normal_fill(model->seed, name_place(p->name), deviation, model->weights + p->offset, p->count);
}

static void draw_uniform(mhc__model *model, const mhc__parameter *p, double bound) {
    mhc__uniform_fill(model->seed, name_place(p->name), (float)bound, model->weights + p->offset, p->count);
}

/* A matrix, or the bias that follows its matrix in the table. */
static void start_as_pytorch(mhc__model *model, const mhc__parameter *p) {
    const mhc__parameter *matrix = p->dims == 2 ? p : p - 1;
    if (!strcmp(p->name, "embed.token.weight"))
        draw_normal(model, p, model->config.init_std);
    else if (!strcmp(p->name, "embed.position.weight"))
        draw_normal(model, p, 0.01f);
    else if (ends_with(p->name, ".attn.qkv.weight"))
        draw_uniform(model, p, sqrt(6.0 / (double)(p->shape[0] + p->shape[1])));
    else if (p->dims == 2 || !strstr(p->name, ".attn."))
        draw_uniform(model, p, 1.0 / sqrt((double)matrix->shape[1]));
}

/* Linear and embedding weights are drawn by (seed, name), so that models which differ in their connection alone share
 * them: the paired comparison of the studies. */
static void start_layers(mhc__model *model) {
    const bool pytorch = model->config.init == MHC__INIT_PYTORCH;
    for (int i = 0; i < model->parameter_count; i++) {
        const mhc__parameter *p = &model->parameters[i];
        if (strstr(p->name, "hc."))
            continue;
        float *values = model->weights + p->offset;
        bool of_matrix = p->dims == 2 || (ends_with(p->name, ".bias") && i > 0 && p[-1].dims == 2);
        if (pytorch && of_matrix)
            start_as_pytorch(model, p);
        else if (p->dims == 2)
            draw_normal(model, p, model->config.init_std);
        else if (ends_with(p->name, ".weight"))
            for (int64_t k = 0; k < p->count; k++)
                values[k] = 1.0f;
    }
}

mhc_status mhc__parameters_start(mhc__model *model, mhc_error *error) {
    start_layers(model);
    for (int site = 0; site < model->sites && !mhc__is_plain(model); site++) {
        mhc_site_params params = mhc__site_weights(model, site);
        MHC__TRY(mhc_site_init(&model->spec, site, model->seed, &params, error));
    }
    if (model->spec.contraction != MHC_CONTRACT_HEAD)
        return MHC_OK;
    mhc_head_params params = mhc__head_weights(model);
    return mhc_head_init(&model->spec, model->seed, &params, error);
}
