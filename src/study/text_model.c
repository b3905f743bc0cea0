#include "study/text_model.h"

#include <stdio.h>

mhc__config mhc__study_text_model(void) {
    mhc__config config = mhc__config_default();
    mhc__model_config *model = &config.model;
    model->vocabulary = 0;
    model->sequence = 128;
    model->channels = 128;
    model->blocks = 4;
    model->heads = 4;
    model->ffn = 512;
    model->norm = MHC__LAYERNORM;
    model->position = MHC__POSITION_LEARNED;
    model->mlp = MHC__MLP_GELU;
    model->tied = true;
    model->init_std = 0.02f;
    model->streams = 4;
    mhc__train_config *train = &config.train;
    train->batch = 16;
    train->lr = 1e-3f;
    train->beta1 = 0.9f;
    train->beta2 = 0.95f;
    train->weight_decay = 0.1f;
    train->decay = MHC__DECAY_MATRICES;
    train->clip = 1.0f;
    train->schedule = MHC__SCHEDULE_COSINE;
    train->floor = 0.1f;
    train->on_nan = MHC__NAN_STOP;
    train->eval_every = 0;
    train->checkpoint_every = 100;
    train->keep_checkpoints = 1;
    train->log_every = 20;
    snprintf(config.data.tokenizer, sizeof config.data.tokenizer, "char");
    config.data.skip_invalid = true;
    config.data.sampling = MHC__SAMPLING_SHUFFLED;
    config.data.eval_share = 0.05f;
    return config;
}

mhc__config mhc__study_deep_text_model(void) {
    mhc__config config = mhc__study_text_model();
    config.model.blocks = 30;
    config.model.channels = 32;
    config.model.ffn = 128;
    config.model.sequence = 64;
    config.model.contract = MHC__CONTRACT_MEAN;
    config.train.batch = 4;
    config.train.lr = 2e-3f;
    return config;
}

mhc_status mhc__study_needs_held_out(const mhc__data_config *data, mhc_error *error) {
    if (data->eval_share > 0.0f || data->eval_path[0])
        return MHC_OK;
    return mhc__fail(error, MHC_INVALID_ARGUMENT,
                     "data.eval_share: expected more than 0, or a data.eval_path: losses are those of held-out text");
}
