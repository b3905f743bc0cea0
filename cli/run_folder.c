#include "run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "file/atomic.h"

mhc_status mhc__join(const char *folder, const char *name, char **path, mhc_error *error) {
    *path = mhc__format("%s/%s", folder, name);
    return *path ? MHC_OK : mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the path of %s", name);
}

mhc_status mhc__folder_has(const char *folder, const char *name, bool *has, mhc_error *error) {
    char *path;
    MHC__TRY(mhc__join(folder, name, &path, error));
    mhc_status status = mhc__path_exists(path, has, error);
    free(path);
    return status;
}

mhc_status mhc__check_data_option(const char *text, mhc_error *error) {
    mhc__data_config data;
    if (!text || (*text && strlen(text) < sizeof data.path))
        return MHC_OK;
    return *text ? mhc__fail(error, MHC_INVALID_ARGUMENT, "--data: the path is longer than %zu bytes",
                             sizeof data.path - 1)
                 : mhc__fail(error, MHC_INVALID_ARGUMENT, "--data: expected a text file or a folder, found nothing");
}

mhc_status mhc__run_lock(const char *folder, int *lock, mhc_error *error) {
    char *path;
    MHC__TRY(mhc__join(folder, "lock", &path, error));
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    mhc_status status = MHC_OK;
    if (file < 0)
        status = mhc__fail(error, MHC_IO, "%s: can't open: %s", path, strerror(errno));
    else if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        status = mhc__fail(error, MHC_IO, "%s: another mhc is training here", folder);
    /* Any other failure means a file system without locks, where a run does without. */
    if (status != MHC_OK && file >= 0)
        close(file);
    else
        *lock = file;
    free(path);
    return status;
}

mhc_status mhc__checkpoint_config(const char *checkpoint, mhc__config *config, mhc_error *error) {
    char *path = NULL, *json = NULL;
    size_t size = 0;
    MHC__TRY(mhc__join(checkpoint, "config.json", &path, error));
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
        char *path;
        MHC__TRY(mhc__join(checkpoint, places[i], &path, error));
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
