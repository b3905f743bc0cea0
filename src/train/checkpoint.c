#include "train/checkpoint.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "file/atomic.h"
#include "file/checksum.h"
#include "file/safetensors.h"

#define FORMAT 1

static const char *const FILES[] = {"model.safetensors", "optimizer.safetensors", "config.json"};
#define FILE_COUNT ((int)(sizeof FILES / sizeof FILES[0]))

static mhc_status no_memory(const char *path, mhc_error *error) {
    return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", path);
}

/* ---- writing ---- */

static void tensor_of(const mhc__parameter *parameter, const char *name, const float *base, mhc__tensor *tensor) {
    *tensor = (mhc__tensor){.name = name, .dtype = MHC__F32, .dims = parameter->dims, .count = parameter->count};
    for (int d = 0; d < parameter->dims; d++)
        tensor->shape[d] = parameter->shape[d];
    tensor->data = base + parameter->offset;
}

static mhc_status write_weights(const char *path, const mhc__model *model, mhc_error *error) {
    int count = mhc__model_parameter_count(model);
    mhc__tensor *tensors = calloc((size_t)count + 1, sizeof *tensors);
    if (!tensors)
        return no_memory(path, error);
    for (int i = 0; i < count; i++) {
        const mhc__parameter *parameter = mhc__model_parameter(model, i);
        tensor_of(parameter, parameter->name, mhc__model_weights((mhc__model *)model), &tensors[i]);
    }
    mhc__metadata format = {"format", "mhc"};
    mhc_status status = mhc__safetensors_write(path, tensors, count, &format, 1, error);
    free(tensors);
    return status;
}

static mhc_status write_moments(const char *path, const mhc__model *model, const float *first, const float *second,
                                mhc_error *error) {
    int count = mhc__model_parameter_count(model);
    mhc__tensor *tensors = calloc(2 * (size_t)count + 1, sizeof *tensors);
    char(*names)[80] = calloc(2 * (size_t)count + 1, sizeof *names);
    mhc_status status = tensors && names ? MHC_OK : no_memory(path, error);
    for (int i = 0; status == MHC_OK && i < count; i++) {
        const mhc__parameter *parameter = mhc__model_parameter(model, i);
        snprintf(names[2 * i], sizeof names[0], "first.%s", parameter->name);
        snprintf(names[2 * i + 1], sizeof names[0], "second.%s", parameter->name);
        tensor_of(parameter, names[2 * i], first, &tensors[2 * i]);
        tensor_of(parameter, names[2 * i + 1], second, &tensors[2 * i + 1]);
    }
    if (status == MHC_OK)
        status = mhc__safetensors_write(path, tensors, 2 * count, NULL, 0, error);
    free(names);
    free(tensors);
    return status;
}

static mhc_status describe_file(const char *folder, const char *name, json_t *files, mhc_error *error) {
    char *path = mhc__format("%s/%s", folder, name);
    uint32_t sum = 0;
    int64_t size = 0;
    mhc_status status = path ? mhc__checksum_file(path, &sum, &size, error) : no_memory(folder, error);
    free(path);
    json_t *entry = json_pack("{s:I,s:I}", "size", (json_int_t)size, "crc32", (json_int_t)sum);
    if (json_object_set_new(files, name, entry) != 0 && status == MHC_OK)
        status = no_memory(folder, error);
    return status;
}

static json_t *state_json(const mhc__checkpoint_state *state, json_t *files) {
    char seed[32]; /* text: a JSON integer ends at 2^63 */
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)state->seed);
    json_t *root =
        json_pack("{s:i,s:I,s:I,s:I,s:s,s:o}", "format", FORMAT, "step", (json_int_t)state->step, "shift",
                  (json_int_t)state->shift, "rollbacks", (json_int_t)state->rollbacks, "seed", seed, "files", files);
    if (state->data.tokens > 0)
        json_object_set_new(root, "data",
                            json_pack("{s:I,s:I}", "tokens", (json_int_t)state->data.tokens, "crc32",
                                      (json_int_t)state->data.checksum));
    char *body = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    if (body)
        json_object_set_new(root, "checksum", json_integer(mhc__checksum(body, strlen(body))));
    free(body);
    return root;
}

/* The state vouches for the other files with their sizes and checksums, and for itself with one over its own other
 * fields. */
static mhc_status write_state(const char *folder, const mhc__checkpoint_state *state, mhc_error *error) {
    json_t *files = json_object();
    mhc_status status = MHC_OK;
    for (int i = 0; status == MHC_OK && i < FILE_COUNT; i++)
        status = describe_file(folder, FILES[i], files, error);
    json_t *root = state_json(state, files);
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS), *path = mhc__format("%s/state.json", folder);
    if (status == MHC_OK)
        status = json_object_get(root, "checksum") && text && path ? mhc__write_file(path, text, strlen(text), error)
                                                                   : no_memory(folder, error);
    free(path);
    free(text);
    json_decref(root);
    return status;
}

static mhc_status write_all(const char *folder, const mhc__model *model, const float *first, const float *second,
                            const mhc__checkpoint_state *state, const char *config_json, mhc_error *error) {
    char *path[3];
    mhc_status status = MHC_OK;
    for (int i = 0; i < FILE_COUNT; i++)
        if (!(path[i] = mhc__format("%s/%s", folder, FILES[i])))
            status = no_memory(folder, error);
    if (status == MHC_OK)
        status = write_weights(path[0], model, error);
    if (status == MHC_OK)
        status = write_moments(path[1], model, first, second, error);
    if (status == MHC_OK)
        status = mhc__write_file(path[2], config_json, strlen(config_json), error);
    if (status == MHC_OK)
        status = write_state(folder, state, error);
    for (int i = 0; i < FILE_COUNT; i++)
        free(path[i]);
    return status;
}

mhc_status mhc__checkpoint_save(const char *folder, const mhc__model *model, const float *first, const float *second,
                                const mhc__checkpoint_state *state, const char *config_json, mhc_error *error) {
    char *beside = mhc__format("%s.tmp", folder);
    if (!beside)
        return no_memory(folder, error);
    mhc_status status = mhc__remove_tree(beside, error);
    if (status == MHC_OK)
        status = mhc__make_folders(beside, error);
    if (status == MHC_OK)
        status = write_all(beside, model, first, second, state, config_json ? config_json : "{}", error);
    if (status == MHC_OK)
        status = mhc__replace_folder(beside, folder, error);
    if (status != MHC_OK)
        mhc__remove_tree(beside, NULL);
    free(beside);
    return status;
}

/* ---- reading ---- */

static mhc_status read_number(const json_t *root, const char *path, const char *key, int64_t *out, mhc_error *error) {
    const json_t *value = json_object_get(root, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return mhc__fail(error, MHC_CORRUPT, "%s: %s is missing or not a whole number >= 0", path, key);
    *out = json_integer_value(value);
    return MHC_OK;
}

static mhc_status check_itself(json_t *root, const char *path, mhc_error *error) {
    json_t *claimed = json_object_get(root, "checksum");
    json_int_t expected = json_integer_value(claimed);
    if (!json_is_integer(claimed))
        return mhc__fail(error, MHC_CORRUPT, "%s: no checksum: not a checkpoint's state, or damaged", path);
    json_object_del(root, "checksum");
    char *body = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    if (!body)
        return no_memory(path, error);
    json_int_t found = mhc__checksum(body, strlen(body));
    free(body);
    return found == expected ? MHC_OK
                             : mhc__fail(error, MHC_CORRUPT, "%s: checksum differs: the file is damaged", path);
}

/* Checkpoints from before the mark have none. */
static mhc_status read_mark(const json_t *root, const char *path, mhc__data_mark *mark, mhc_error *error) {
    const json_t *data = json_object_get(root, "data");
    int64_t sum = 0;
    *mark = (mhc__data_mark){0};
    if (!data)
        return MHC_OK;
    MHC__TRY(read_number(data, path, "tokens", &mark->tokens, error));
    MHC__TRY(read_number(data, path, "crc32", &sum, error));
    mark->checksum = (uint32_t)sum;
    return MHC_OK;
}

static mhc_status read_fields(json_t *root, const char *path, mhc__checkpoint_state *state, mhc_error *error) {
    int64_t format = 0;
    MHC__TRY(check_itself(root, path, error));
    MHC__TRY(read_number(root, path, "format", &format, error));
    if (format != FORMAT)
        return mhc__fail(error, MHC_UNSUPPORTED, "%s: format %lld, this program reads %d", path, (long long)format,
                         FORMAT);
    MHC__TRY(read_number(root, path, "step", &state->step, error));
    MHC__TRY(read_number(root, path, "shift", &state->shift, error));
    MHC__TRY(read_number(root, path, "rollbacks", &state->rollbacks, error));
    const char *seed = json_string_value(json_object_get(root, "seed"));
    if (!seed)
        return mhc__fail(error, MHC_CORRUPT, "%s: no seed", path);
    state->seed = strtoull(seed, NULL, 10);
    return read_mark(root, path, &state->data, error);
}

/* *files, which may be NULL, is the caller's. */
static mhc_status read_state(const char *folder, mhc__checkpoint_state *state, json_t **files, mhc_error *error) {
    char *path = mhc__format("%s/state.json", folder), *bytes = NULL;
    size_t size = 0;
    if (!path)
        return no_memory(folder, error);
    json_t *root = NULL;
    json_error_t reason;
    mhc_status status = mhc__read_file(path, &bytes, &size, error);
    if (status == MHC_OK && !(root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &reason)))
        status = mhc__fail(error, MHC_CORRUPT, "%s:%d: %s", path, reason.line, reason.text);
    if (status == MHC_OK)
        status = read_fields(root, path, state, error);
    if (status == MHC_OK)
        *files = json_incref(json_object_get(root, "files"));
    json_decref(root);
    free(bytes);
    free(path);
    return status;
}

mhc_status mhc__checkpoint_state_read(const char *folder, mhc__checkpoint_state *state, mhc_error *error) {
    json_t *files = NULL;
    mhc_status status = read_state(folder, state, &files, error);
    json_decref(files);
    return status;
}

/* A file of the checkpoint against what the state says of it. */
static mhc_status check_file(const char *path, const json_t *files, const char *name, mhc_error *error) {
    const json_t *entry = json_object_get(files, name);
    json_int_t expected = json_integer_value(json_object_get(entry, "size"));
    uint32_t sum = 0;
    int64_t size = 0;
    MHC__TRY(mhc__checksum_file(path, &sum, &size, error));
    if (size != expected)
        return mhc__fail(error, MHC_CORRUPT, "%s: expected %lld bytes, found %lld: truncated or replaced", path,
                         (long long)expected, (long long)size);
    if (sum != json_integer_value(json_object_get(entry, "crc32")))
        return mhc__fail(error, MHC_CORRUPT, "%s: checksum differs from state.json: the file is damaged", path);
    return MHC_OK;
}

static mhc_status check_tensor(const mhc__safetensors *file, const char *where, const char *name,
                               const mhc__parameter *parameter, const mhc__tensor **out, mhc_error *error) {
    const mhc__tensor *tensor = mhc__safetensors_find(file, name);
    if (!tensor)
        return mhc__fail(error, MHC_MISMATCH, "%s: tensor %s is missing: a checkpoint of another model", where, name);
    bool same = tensor->dims == parameter->dims;
    for (int d = 0; same && d < parameter->dims; d++)
        same = tensor->shape[d] == parameter->shape[d];
    if (!same) {
        long long wanted[2] = {parameter->shape[0], parameter->dims > 1 ? parameter->shape[1] : 1};
        long long found[2] = {tensor->dims > 0 ? tensor->shape[0] : 1, tensor->dims > 1 ? tensor->shape[1] : 1};
        return mhc__fail(error, MHC_MISMATCH, "%s: tensor %s: expected shape %lld x %lld, found %lld x %lld", where,
                         name, wanted[0], wanted[1], found[0], found[1]);
    }
    if (tensor->dtype != MHC__F32)
        return mhc__fail(error, MHC_MISMATCH, "%s: tensor %s: expected F32, found %s", where, name,
                         mhc__dtype_name(tensor->dtype));
    *out = tensor;
    return MHC_OK;
}

/* Checks every tensor with the prefix, and copies when into is not NULL: call twice, so that nothing changes before all
 * is right. */
static mhc_status take(const mhc__safetensors *file, const char *where, const char *prefix, const mhc__model *model,
                       float *into, mhc_error *error) {
    for (int i = 0; i < mhc__model_parameter_count(model); i++) {
        const mhc__parameter *parameter = mhc__model_parameter(model, i);
        char name[80];
        snprintf(name, sizeof name, "%s%s", prefix, parameter->name);
        const mhc__tensor *tensor = NULL;
        MHC__TRY(check_tensor(file, where, name, parameter, &tensor, error));
        if (into && parameter->count)
            memcpy(into + parameter->offset, tensor->data, (size_t)parameter->count * sizeof(float));
    }
    return MHC_OK;
}

/* After all tensors of the model were found: no others are there. */
static mhc_status check_count(const mhc__safetensors *file, const char *where, const mhc__model *model, int each,
                              mhc_error *error) {
    int expected = each * mhc__model_parameter_count(model), found = mhc__safetensors_count(file);
    return found == expected
               ? MHC_OK
               : mhc__fail(error, MHC_MISMATCH, "%s: expected %d tensors, found %d: a checkpoint of another model",
                           where, expected, found);
}

static mhc_status check_weights(const mhc__safetensors *file, const char *where, const mhc__model *model,
                                mhc_error *error) {
    MHC__TRY(take(file, where, "", model, NULL, error));
    return check_count(file, where, model, 1, error);
}

static mhc_status check_moments(const mhc__safetensors *file, const char *where, const mhc__model *model,
                                mhc_error *error) {
    MHC__TRY(take(file, where, "first.", model, NULL, error));
    MHC__TRY(take(file, where, "second.", model, NULL, error));
    return check_count(file, where, model, 2, error);
}

static mhc_status check_config(const char *folder, const json_t *files, mhc_error *error) {
    char *path = mhc__format("%s/%s", folder, FILES[2]);
    mhc_status status = path ? check_file(path, files, FILES[2], error) : no_memory(folder, error);
    free(path);
    return status;
}

/* Mapped: the weights are not in memory twice. */
static mhc_status open_checked(const char *folder, const json_t *files, const char *name, mhc__safetensors **file,
                               mhc_error *error) {
    char *path = mhc__format("%s/%s", folder, name);
    mhc_status status = path ? check_file(path, files, name, error) : no_memory(folder, error);
    if (status == MHC_OK)
        status = mhc__safetensors_open(path, file, error);
    free(path);
    return status;
}

mhc_status mhc__checkpoint_load(const char *folder, mhc__model *model, float *first, float *second,
                                mhc__checkpoint_state *state, mhc_error *error) {
    mhc__checkpoint_state read = {0};
    json_t *files = NULL;
    mhc__safetensors *weights = NULL, *moments = NULL;
    mhc_status status = read_state(folder, &read, &files, error);
    if (status == MHC_OK)
        status = check_config(folder, files, error);
    if (status == MHC_OK)
        status = open_checked(folder, files, FILES[0], &weights, error);
    if (status == MHC_OK)
        status = check_weights(weights, folder, model, error);
    if (status == MHC_OK && first)
        status = open_checked(folder, files, FILES[1], &moments, error);
    if (status == MHC_OK && first)
        status = check_moments(moments, folder, model, error);
    if (status == MHC_OK)
        status = take(weights, folder, "", model, mhc__model_weights(model), error);
    if (status == MHC_OK && first) {
        take(moments, folder, "first.", model, first, NULL);
        take(moments, folder, "second.", model, second, NULL);
    }
    if (status == MHC_OK && state)
        *state = read;
    mhc__safetensors_close(weights);
    mhc__safetensors_close(moments);
    json_decref(files);
    return status;
}

mhc_status mhc__model_load(mhc__model *model, const char *path, mhc_error *error) {
    mhc__safetensors *file = NULL;
    MHC__TRY(mhc__safetensors_open(path, &file, error));
    mhc_status status = check_weights(file, path, model, error);
    if (status == MHC_OK)
        status = take(file, path, "", model, mhc__model_weights(model), error);
    mhc__safetensors_close(file);
    return status;
}
