#include "config/trained.h"

#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"

mhc_status mhc__checkpoint_config(const char *checkpoint, mhc__config *config, mhc_error *error) {
    char *path = mhc__format("%s/config.json", checkpoint), *json = NULL;
    size_t size = 0;
    if (!path)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the path of config.json");
    mhc_status status = mhc__read_file(path, &json, &size, error);
    if (status == MHC_OK)
        status = mhc__config_from_json(json, size, path, config, error);
    free(json);
    free(path);
    return status;
}

/* The tokenizer lies in the run's folder: the checkpoint's own, or up to two above it. NULL where there is none. */
static mhc_status load_tokenizer(const char *checkpoint, mhc__tokenizer **tokenizer, mhc_error *error) {
    static const char *const places[] = {"tokenizer.json", "../tokenizer.json", "../../tokenizer.json"};
    for (int i = 0; i < 3; i++) {
        char *path = mhc__format("%s/%s", checkpoint, places[i]);
        if (!path)
            return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the path of %s", places[i]);
        bool there;
        mhc_status status = mhc__path_exists(path, &there, error);
        if (status == MHC_OK && there)
            status = mhc__tokenizer_load(path, tokenizer, error);
        free(path);
        if (status != MHC_OK || there)
            return status;
    }
    return MHC_OK;
}

static mhc_status open_model(const char *path, bool dropout, mhc__trained *trained, mhc_error *error) {
    MHC__TRY(mhc__checkpoint_find(path, &trained->checkpoint, error));
    MHC__TRY(mhc__checkpoint_config(trained->checkpoint, &trained->config, error));
    mhc__model_config *model = &trained->config.model;
    if (!dropout)
        model->dropout_embedding = model->dropout_attention = model->dropout_output = 0.0f;
    MHC__TRY(mhc__model_create(&trained->config.model, trained->config.train.seed, &trained->model, error));
    return mhc__checkpoint_load(trained->checkpoint, trained->model, NULL, NULL, &trained->state, error);
}

static mhc_status open_tokenizer(mhc__trained *trained, mhc_error *error) {
    MHC__TRY(load_tokenizer(trained->checkpoint, &trained->tokenizer, error));
    if (!trained->tokenizer)
        return MHC_OK;
    int vocabulary = mhc__tokenizer_vocabulary(trained->tokenizer);
    if (trained->config.model.vocabulary < vocabulary)
        return mhc__fail(error, MHC_MISMATCH, "%s: model.vocabulary is %d, but the tokenizer has %d ids",
                         trained->checkpoint, trained->config.model.vocabulary, vocabulary);
    return MHC_OK;
}

mhc_status mhc__trained_open_model(const char *path, mhc__trained *trained, mhc_error *error) {
    *trained = (mhc__trained){0};
    mhc_status status = open_model(path, true, trained, error);
    if (status != MHC_OK)
        mhc__trained_close(trained);
    return status;
}

mhc_status mhc__trained_open_to_measure(const char *path, mhc__trained *trained, mhc_error *error) {
    *trained = (mhc__trained){0};
    mhc_status status = open_model(path, false, trained, error);
    if (status == MHC_OK)
        status = open_tokenizer(trained, error);
    if (status != MHC_OK)
        mhc__trained_close(trained);
    return status;
}

mhc_status mhc__trained_open(const char *path, mhc__trained *trained, mhc_error *error) {
    MHC__TRY(mhc__trained_open_model(path, trained, error));
    mhc_status status = open_tokenizer(trained, error);
    if (status == MHC_OK && !trained->tokenizer)
        status = mhc__fail(error, MHC_IO, "%s: expected tokenizer.json in the run's folder, found none",
                           trained->checkpoint);
    if (status != MHC_OK)
        mhc__trained_close(trained);
    return status;
}

void mhc__trained_close(mhc__trained *trained) {
    if (trained->model)
        mhc__model_destroy(trained->model);
    if (trained->tokenizer)
        mhc__tokenizer_destroy(trained->tokenizer);
    free(trained->checkpoint);
    *trained = (mhc__trained){0};
}

mhc_status mhc__trained_open_text(const mhc__trained *trained, const char *text, mhc__corpus **corpus,
                                  mhc_error *error) {
    mhc__data_config data = trained->config.data;
    MHC__TRY(mhc__check_data_option(text, error));
    if (text) {
        memset(data.path, 0, sizeof data.path);
        memcpy(data.path, text, strlen(text));
        memcpy(data.eval_path, data.path, sizeof data.eval_path);
    }
    return mhc__corpus_open(&data, trained->config.model.sequence, trained->config.train.seed, trained->tokenizer,
                            corpus, error);
}
