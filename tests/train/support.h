/* A small model, a source of numbered batches, and trainers over them. */
#ifndef MHC_TESTS_TRAIN_SUPPORT_H
#define MHC_TESTS_TRAIN_SUPPORT_H

#include <math.h>

#include "base/philox.h"
#include "file/support.h"
#include "train/checkpoint.h"
#include "train/checkpoint_folder.h"
#include "train/train.h"

enum { VOCABULARY = 11 };

static inline mhc__model_config small_model(void) {
    mhc__model_config config = mhc__model_config_default();
    config.vocabulary = VOCABULARY;
    config.sequence = 6;
    config.channels = 12;
    config.blocks = 1;
    config.heads = 2;
    config.ffn = 20;
    config.init_std = 0.3f;
    config.streams = 3;
    config.dropout_embedding = config.dropout_output = 0.1f;
    snprintf(config.connection, sizeof config.connection, "paper");
    return config;
}

static inline mhc__train_config short_run(int64_t steps) {
    mhc__train_config config = mhc__train_config_default();
    config.steps = steps;
    config.batch = 2;
    config.lr = 0.01f;
    config.warmup = 2;
    config.eval_every = config.checkpoint_every = 0;
    config.keep_checkpoints = 0;
    config.threads = 1;
    return config;
}

/* Batch number index is drawn from its number; log keeps the numbers that were asked for. */
typedef struct numbered {
    int64_t log[256];
    int count;
} numbered;

static inline mhc_status fill_numbered(void *self, int64_t index, int batch, int sequence, int32_t *tokens,
                                       mhc_error *error) {
    (void)error;
    numbered *source = self;
    if (source && source->count < 256)
        source->log[source->count++] = index;
    for (int i = 0; i < batch * (sequence + 1); i++)
        tokens[i] = (int32_t)(mhc__philox_at(7, (uint64_t)i, (uint64_t)index).v[0] % VOCABULARY);
    return MHC_OK;
}

static inline mhc__model *make_model(const mhc__model_config *config) {
    mhc__model *model = NULL;
    mhc_error error = {0};
    if (mhc__model_create(config, 1, &model, &error) != MHC_OK)
        fail_msg("%s", error.message);
    return model;
}

static inline mhc__trainer *make_trainer(mhc__trainer_options options) {
    mhc__trainer *trainer = NULL;
    mhc_error error = {0};
    if (mhc__trainer_create(&options, &trainer, &error) != MHC_OK)
        fail_msg("%s", error.message);
    return trainer;
}

static inline bool same_file(const char *a, const char *b) {
    size_t size_a, size_b;
    char *bytes_a = get(a, &size_a), *bytes_b = get(b, &size_b);
    bool same = size_a == size_b && !memcmp(bytes_a, bytes_b, size_a);
    free(bytes_a);
    free(bytes_b);
    return same;
}

/* Two checkpoints of the same step agree in every bit: weights, moments, step, shift, rollbacks. */
static inline void assert_same_checkpoint(const char *run_a, const char *run_b, int64_t step) {
    static const char *const files[] = {"model.safetensors", "optimizer.safetensors", "config.json", "state.json"};
    char *a = mhc__checkpoint_path(run_a, step), *b = mhc__checkpoint_path(run_b, step);
    for (int i = 0; i < 4; i++) {
        char *x = mhc__format("%s/%s", a, files[i]), *y = mhc__format("%s/%s", b, files[i]);
        if (!same_file(x, y))
            fail_msg("%s and %s differ", x, y);
        free(x);
        free(y);
    }
    free(a);
    free(b);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

#endif
