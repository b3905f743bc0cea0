#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"
#include "file/safetensors.h"

static bool shape_holds(const mhc__tensor *tensor) {
    int64_t count = 1, bytes;
    if (tensor->dims < 0 || tensor->dims > MHC__TENSOR_MAX_DIMS)
        return false;
    for (int d = 0; d < tensor->dims; d++)
        if (tensor->shape[d] < 0 || __builtin_mul_overflow(count, tensor->shape[d], &count))
            return false;
    return count == tensor->count && !__builtin_mul_overflow(count, (int64_t)mhc__dtype_size(tensor->dtype), &bytes);
}

static json_t *entry_of(const mhc__tensor *tensor, json_int_t begin, json_int_t end) {
    json_t *shape = json_array();
    for (int d = 0; d < tensor->dims; d++)
        json_array_append_new(shape, json_integer(tensor->shape[d]));
    return json_pack("{s:s,s:o,s:[I,I]}", "dtype", mhc__dtype_name(tensor->dtype), "shape", shape, "data_offsets",
                     begin, end);
}

/* Into header, where a name that is there already, or isn't UTF-8, would leave a hole in the data: both are errors. */
static mhc_status fill_header(json_t *header, const char *path, const mhc__tensor *tensors, int count,
                              const mhc__metadata *metadata, int metadata_count, mhc_error *error) {
    json_t *fields = metadata_count > 0 ? json_object() : NULL;
    if (fields && json_object_set_new(header, "__metadata__", fields) != 0)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for the header", path);
    for (int i = 0; i < metadata_count; i++)
        if (json_object_set_new(fields, metadata[i].key, json_string(metadata[i].value)) != 0)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: metadata %s is not UTF-8", path, metadata[i].key);
    json_int_t at = 0;
    for (int i = 0; i < count; i++) {
        const mhc__tensor *tensor = &tensors[i];
        if (!shape_holds(tensor))
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: tensor %s: its shape does not have %lld elements", path,
                             tensor->name, (long long)tensor->count);
        json_int_t end = at + tensor->count * (json_int_t)mhc__dtype_size(tensor->dtype);
        if (json_object_get(header, tensor->name) ||
            json_object_set_new(header, tensor->name, entry_of(tensor, at, end)) != 0)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: tensor %s: the name is not UTF-8, or there twice", path,
                             tensor->name);
        at = end;
    }
    return MHC_OK;
}

/* The file: the length of the header, the header, and the tensors where they lie. */
static mhc_status write_pieces(const char *path, const char *json, const mhc__tensor *tensors, int count,
                               mhc_error *error) {
    static const char spaces[] = "       ";
    size_t length = strlen(json), padding = (8 - length % 8) % 8;
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)((uint64_t)(length + padding) >> 8 * i);
    mhc__piece *pieces = malloc(((size_t)count + 3) * sizeof *pieces);
    if (!pieces)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a list of %d tensors", path, count);
    pieces[0] = (mhc__piece){prefix, sizeof prefix};
    pieces[1] = (mhc__piece){json, length};
    pieces[2] = (mhc__piece){spaces, padding};
    for (int i = 0; i < count; i++)
        pieces[3 + i] = (mhc__piece){tensors[i].data, (size_t)tensors[i].count * mhc__dtype_size(tensors[i].dtype)};
    mhc_status status = mhc__write_pieces(path, pieces, count + 3, error);
    free(pieces);
    return status;
}

mhc_status mhc__safetensors_write(const char *path, const mhc__tensor *tensors, int count,
                                  const mhc__metadata *metadata, int metadata_count, mhc_error *error) {
    json_t *header = json_object();
    mhc_status status = fill_header(header, path, tensors, count, metadata, metadata_count, error);
    char *json = status == MHC_OK ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (!json)
        return status != MHC_OK ? status : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for the header", path);
    status = write_pieces(path, json, tensors, count, error);
    free(json);
    return status;
}
