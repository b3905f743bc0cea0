#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"
#include "file/safetensors.h"

static json_t *header_of(const mhc__tensor *tensors, int count, const mhc__metadata *metadata, int metadata_count) {
    json_t *header = json_object();
    if (metadata_count > 0) {
        json_t *fields = json_object();
        for (int i = 0; i < metadata_count; i++)
            json_object_set_new(fields, metadata[i].key, json_string(metadata[i].value));
        json_object_set_new(header, "__metadata__", fields);
    }
    json_int_t at = 0;
    for (int i = 0; i < count; i++) {
        json_t *shape = json_array();
        for (int d = 0; d < tensors[i].dims; d++)
            json_array_append_new(shape, json_integer(tensors[i].shape[d]));
        json_int_t end = at + tensors[i].count * (json_int_t)mhc__dtype_size(tensors[i].dtype);
        json_t *offsets = json_array();
        json_array_append_new(offsets, json_integer(at));
        json_array_append_new(offsets, json_integer(end));
        json_t *entry = json_object();
        json_object_set_new(entry, "dtype", json_string(mhc__dtype_name(tensors[i].dtype)));
        json_object_set_new(entry, "shape", shape);
        json_object_set_new(entry, "data_offsets", offsets);
        json_object_set_new(header, tensors[i].name, entry);
        at = end;
    }
    return header;
}

mhc_status mhc__safetensors_write(const char *path, const mhc__tensor *tensors, int count,
                                  const mhc__metadata *metadata, int metadata_count, mhc_error *error) {
    json_t *header = header_of(tensors, count, metadata, metadata_count);
    char *json = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    if (!json)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for the header", path);
    size_t length = strlen(json), padded = (length + 7) / 8 * 8, size = 8 + padded;
    for (int i = 0; i < count; i++)
        size += (size_t)tensors[i].count * mhc__dtype_size(tensors[i].dtype);
    unsigned char *bytes = malloc(size);
    if (!bytes) {
        free(json);
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a file of %zu bytes", path, size);
    }
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(padded >> 8 * i);
    memcpy(bytes + 8, json, length);
    memset(bytes + 8 + length, ' ', padded - length);
    free(json);
    unsigned char *at = bytes + 8 + padded;
    for (int i = 0; i < count; i++) {
        size_t part = (size_t)tensors[i].count * mhc__dtype_size(tensors[i].dtype);
        if (part)
            memcpy(at, tensors[i].data, part);
        at += part;
    }
    mhc_status status = mhc__write_file(path, bytes, size, error);
    free(bytes);
    return status;
}
