/* Small models and their passes, for the tests of this folder. */
#ifndef MHC_TESTS_MODEL_SUPPORT_H
#define MHC_TESTS_MODEL_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "model/model.h"

enum { BATCH = 2, SEQUENCE = 6, VOCABULARY = 11 };

static inline mhc__model_config small(const char *connection) {
    mhc__model_config config = mhc__model_config_default();
    config.vocabulary = VOCABULARY;
    config.sequence = SEQUENCE + 1;
    config.channels = 12;
    config.blocks = 2;
    config.heads = 2;
    config.ffn = 20;
    config.init_std = 0.3f;
    config.streams = 3;
    snprintf(config.connection, sizeof config.connection, "%s", connection);
    return config;
}

static inline void fill_tokens(int32_t *tokens, int count) {
    for (int i = 0; i < count; i++)
        tokens[i] = (int32_t)(mhc__philox_at(7, (uint64_t)i, 0).v[0] % VOCABULARY);
}

/* Every parameter away from its special start, so that no gradient vanishes by symmetry. */
static inline void shake(mhc__model *model) {
    for (int i = 0; i < mhc__model_parameter_count(model); i++) {
        const mhc__parameter *p = mhc__model_parameter(model, i);
        float *w = mhc__model_weights(model) + p->offset, *noise = malloc((size_t)p->count * sizeof *noise);
        assert_non_null(noise);
        bool scale = strstr(p->name, "hc.scale") != NULL;
        mhc__normal_fill(99, (uint64_t)i, p->dims == 2 ? 0.1f : 0.2f, noise, p->count);
        for (int64_t k = 0; k < p->count; k++)
            w[k] += noise[k] + (scale ? 0.4f : 0.0f);
        free(noise);
    }
}

static inline mhc__model *make(const mhc__model_config *config, uint64_t seed) {
    mhc__model *model = NULL;
    mhc_error error = {0};
    if (mhc__model_create(config, seed, &model, &error) != MHC_OK)
        fail_msg("%s: %s", config->connection, error.message);
    return model;
}

static inline mhc__pass training(const int32_t *tokens) {
    mhc__pass pass = {
        .batch = BATCH, .sequence = SEQUENCE, .tokens = tokens, .train = true, .seed = 5, .step = 3, .scale = 1.0f};
    return pass;
}

static inline double loss_of(mhc__model *model, const mhc__pass *pass, int threads) {
    mhc_context context = mhc_context_cpu(threads);
    mhc_error error = {0};
    double loss = NAN;
    if (mhc__model_forward(model, &context, pass, &loss, &error) != MHC_OK)
        fail_msg("forward: %s", error.message);
    return loss;
}

/* Zeroes, runs forward and backward. */
static inline double gradients_of(mhc__model *model, const mhc__pass *pass, int threads) {
    mhc_context context = mhc_context_cpu(threads);
    mhc_error error = {0};
    mhc__model_zero_gradients(model, &context);
    double loss = loss_of(model, pass, threads);
    if (mhc__model_backward(model, &context, pass, &error) != MHC_OK)
        fail_msg("backward: %s", error.message);
    return loss;
}

static inline float *copy_of(const float *values, int64_t count) {
    float *copy = malloc((size_t)count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, values, (size_t)count * sizeof *copy);
    return copy;
}

#endif
