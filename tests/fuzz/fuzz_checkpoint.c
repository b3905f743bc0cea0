/* Any bytes as one file of a checkpoint whose other files are whole: state.json, or model.safetensors. A checkpoint
 * that is refused leaves the model as it was. */
#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "file/atomic.h"
#include "scratch_file.h"
#include "train/checkpoint.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mhc__model *model;
static float *first, *second, *before;
static char *folder, *state_path, *weights_path, *whole_state, *whole_weights;
static size_t whole_state_size, whole_weights_size, bytes;

static void clean_up(void) {
    mhc__remove_tree(folder, NULL);
    mhc__model_destroy(model);
    free(first), free(second), free(before);
    free(folder), free(state_path), free(weights_path), free(whole_state), free(whole_weights);
}

static void need(mhc_status status, const mhc_error *error) {
    if (status != MHC_OK) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    mhc__model_config config = mhc__model_config_default();
    config.vocabulary = 8, config.sequence = 4, config.channels = 8, config.blocks = 1, config.heads = 2;
    config.ffn = 8, config.streams = 2;
    mhc_error error;
    need(mhc__model_create(&config, 1, &model, &error), &error);
    bytes = (size_t)mhc__model_size(model) * sizeof(float);
    first = calloc(1, bytes), second = calloc(1, bytes), before = malloc(bytes);
    char name[256];
    scratch_name("mhc-fuzz-checkpoint", name, sizeof name);
    folder = mhc__format("%s", name);
    state_path = mhc__format("%s/state.json", folder);
    weights_path = mhc__format("%s/model.safetensors", folder);
    atexit(clean_up);
    mhc__checkpoint_state state = {.step = 3, .seed = 1};
    need(mhc__checkpoint_save(folder, model, first, second, &state, NULL, &error), &error);
    need(mhc__read_file(state_path, &whole_state, &whole_state_size, &error), &error);
    need(mhc__read_file(weights_path, &whole_weights, &whole_weights_size, &error), &error);
    return 0;
}

static void put(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        exit(1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    bool weights = *data == 'w';
    put(weights ? weights_path : state_path, data + 1, size - 1);
    memcpy(before, mhc__model_weights(model), bytes);
    mhc__checkpoint_state state;
    mhc_error error;
    mhc_status status = mhc__checkpoint_load(folder, model, first, second, &state, &error);
    if (status != MHC_OK &&
        (!*error.message || strchr(error.message, '\n') || memcmp(before, mhc__model_weights(model), bytes) != 0))
        abort();
    /* The weights file by itself, without the state that vouches for it. */
    if (weights && mhc__model_load(model, weights_path, &error) == MHC_OK)
        memcpy(mhc__model_weights(model), before, bytes);
    put(weights ? weights_path : state_path, weights ? whole_weights : whole_state,
        weights ? whole_weights_size : whole_state_size);
    return 0;
}
