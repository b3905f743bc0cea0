#include "file/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_LIMIT 100000000 /* bytes; the format's own cap */

struct mhc__safetensors {
    const unsigned char *bytes;
    size_t size;
    bool mapped;
    json_t *header; /* owns names and metadata */
    mhc__tensor *tensors;
    int count;
};

static const struct {
    const char *name;
    size_t size;
} DTYPES[] = {
    [MHC__F32] = {"F32", 4},   [MHC__F64] = {"F64", 8}, [MHC__BF16] = {"BF16", 2}, [MHC__F16] = {"F16", 2},
    [MHC__I64] = {"I64", 8},   [MHC__I32] = {"I32", 4}, [MHC__I16] = {"I16", 2},   [MHC__I8] = {"I8", 1},
    [MHC__U8] = {"U8", 1},     [MHC__U16] = {"U16", 2}, [MHC__U32] = {"U32", 4},   [MHC__U64] = {"U64", 8},
    [MHC__BOOL] = {"BOOL", 1},
};
#define DTYPE_COUNT ((int)(sizeof DTYPES / sizeof DTYPES[0]))

size_t mhc__dtype_size(mhc__dtype dtype) {
    return DTYPES[dtype].size;
}

const char *mhc__dtype_name(mhc__dtype dtype) {
    return DTYPES[dtype].name;
}

static mhc_status parse_shape(const json_t *shape, const char *file, mhc__tensor *tensor, mhc_error *error) {
    if (!json_is_array(shape) || json_array_size(shape) > MHC__TENSOR_MAX_DIMS)
        return mhc__fail(error, MHC_CORRUPT, "%s: tensor %s: expected a shape of at most %d dimensions", file,
                         tensor->name, MHC__TENSOR_MAX_DIMS);
    tensor->dims = (int)json_array_size(shape);
    tensor->count = 1;
    bool empty = false;
    for (int d = 0; d < tensor->dims; d++) {
        const json_t *extent = json_array_get(shape, (size_t)d);
        json_int_t value = json_integer_value(extent);
        if (!json_is_integer(extent) || value < 0)
            return mhc__fail(error, MHC_CORRUPT, "%s: tensor %s: dimension %d is not a whole number >= 0", file,
                             tensor->name, d);
        empty = empty || value == 0;
        if (value > 0 && tensor->count > INT64_MAX / 16 / value)
            return mhc__fail(error, MHC_CORRUPT, "%s: tensor %s: shape overflows", file, tensor->name);
        tensor->shape[d] = value;
        tensor->count *= value > 0 ? value : 1;
    }
    if (empty)
        tensor->count = 0;
    return MHC_OK;
}

static mhc_status parse_tensor(const char *name, const json_t *entry, const char *file, const unsigned char *data,
                               size_t data_size, mhc__tensor *tensor, mhc_error *error) {
    tensor->name = name;
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    int kind = 0;
    while (dtype && kind < DTYPE_COUNT && strcmp(dtype, DTYPES[kind].name) != 0)
        kind++;
    if (!dtype || kind == DTYPE_COUNT)
        return mhc__fail(error, MHC_CORRUPT, "%s: tensor %s: unknown dtype %s", file, name, dtype ? dtype : "(none)");
    tensor->dtype = (mhc__dtype)kind;
    MHC__TRY(parse_shape(json_object_get(entry, "shape"), file, tensor, error));

    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return mhc__fail(error, MHC_CORRUPT, "%s: tensor %s: expected two data_offsets", file, name);
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > data_size)
        return mhc__fail(error, MHC_CORRUPT,
                         "%s: tensor %s: bytes %lld..%lld are not inside the file's %zu bytes of data", file, name,
                         (long long)begin, (long long)end, data_size);
    int64_t expected = tensor->count * (int64_t)DTYPES[kind].size;
    if (end - begin != expected)
        return mhc__fail(error, MHC_CORRUPT, "%s: tensor %s: expected %lld bytes for its shape, found %lld", file, name,
                         (long long)expected, (long long)(end - begin));
    tensor->data = data + begin;
    return MHC_OK;
}

static int by_offset(const void *a, const void *b) {
    const mhc__tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    if (x->count != y->count && (x->count == 0 || y->count == 0))
        return x->count == 0 ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* In order of their data, tensors must follow each other without hole or overlap, to the end of the file. */
static mhc_status check_layout(const mhc__safetensors *file, const char *name, const unsigned char *data,
                               size_t data_size, mhc_error *error) {
    size_t at = 0;
    for (int i = 0; i < file->count; i++) {
        const mhc__tensor *tensor = &file->tensors[i];
        size_t begin = (size_t)((const unsigned char *)tensor->data - data);
        if (begin != at)
            return mhc__fail(error, MHC_CORRUPT, "%s: tensor %s: expected its data at byte %zu, found %zu", name,
                             tensor->name, at, begin);
        at = begin + (size_t)tensor->count * DTYPES[tensor->dtype].size;
    }
    if (at != data_size)
        return mhc__fail(error, MHC_CORRUPT, "%s: expected %zu bytes of data, found %zu", name, at, data_size);
    return MHC_OK;
}

static mhc_status parse_header(mhc__safetensors *file, const char *name, const unsigned char *data, size_t data_size,
                               mhc_error *error) {
    if (!json_is_object(file->header))
        return mhc__fail(error, MHC_CORRUPT, "%s: the header is not a JSON object", name);
    file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
    if (!file->tensors)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for the tensor table", name);
    const char *key;
    json_t *entry;
    json_object_foreach(file->header, key, entry) {
        if (!strcmp(key, "__metadata__")) {
            const char *field;
            json_t *value;
            if (!json_is_object(entry))
                return mhc__fail(error, MHC_CORRUPT, "%s: __metadata__ is not an object", name);
            json_object_foreach(entry, field, value) if (!json_is_string(value)) return mhc__fail(
                error, MHC_CORRUPT, "%s: __metadata__.%s is not a string", name, field);
            continue;
        }
        MHC__TRY(parse_tensor(key, entry, name, data, data_size, &file->tensors[file->count], error));
        file->count++;
    }
    qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, by_offset);
    return check_layout(file, name, data, data_size, error);
}

static mhc_status parse(mhc__safetensors *file, const char *name, mhc_error *error) {
    if (file->size < 8)
        return mhc__fail(error, MHC_CORRUPT, "%s: expected a safetensors file, found only %zu bytes", name, file->size);
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | file->bytes[i];
    if (length > HEADER_LIMIT || length > file->size - 8)
        return mhc__fail(error, MHC_CORRUPT,
                         "%s: a header of %llu bytes does not fit in a file of %zu: truncated, or not safetensors",
                         name, (unsigned long long)length, file->size);
    json_error_t reason;
    file->header = json_loadb((const char *)file->bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &reason);
    if (!file->header)
        return mhc__fail(error, MHC_CORRUPT, "%s: the header is not valid JSON: %s (byte %d)", name, reason.text,
                         reason.position + 8);
    return parse_header(file, name, file->bytes + 8 + length, file->size - 8 - (size_t)length, error);
}

static mhc_status open_bytes(const void *bytes, size_t size, bool mapped, const char *name, mhc__safetensors **out,
                             mhc_error *error) {
    mhc__safetensors *file = calloc(1, sizeof *file);
    if (!file) {
        if (mapped)
            munmap((void *)bytes, size);
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for the reader", name);
    }
    file->bytes = bytes;
    file->size = size;
    file->mapped = mapped;
    mhc_status status = parse(file, name, error);
    if (status != MHC_OK) {
        mhc__safetensors_close(file);
        return status;
    }
    *out = file;
    return MHC_OK;
}

mhc_status mhc__safetensors_parse(const void *bytes, size_t size, const char *name, mhc__safetensors **out,
                                  mhc_error *error) {
    *out = NULL;
    return open_bytes(bytes, size, false, name, out, error);
}

mhc_status mhc__safetensors_open(const char *path, mhc__safetensors **out, mhc_error *error) {
    *out = NULL;
    int descriptor = open(path, O_RDONLY);
    if (descriptor < 0)
        return mhc__fail(error, MHC_IO, "%s: can't open: %s", path, strerror(errno));
    struct stat info;
    if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(descriptor);
        return mhc__fail(error, MHC_IO, "%s: expected a file", path);
    }
    if (info.st_size < 8) {
        close(descriptor);
        return mhc__fail(error, MHC_CORRUPT, "%s: expected a safetensors file, found only %lld bytes", path,
                         (long long)info.st_size);
    }
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    int reason = errno;
    close(descriptor);
    if (bytes == MAP_FAILED)
        return mhc__fail(error, MHC_IO, "%s: can't map: %s", path, strerror(reason));
    return open_bytes(bytes, (size_t)info.st_size, true, path, out, error);
}

void mhc__safetensors_close(mhc__safetensors *file) {
    if (!file)
        return;
    json_decref(file->header);
    free(file->tensors);
    if (file->mapped)
        munmap((void *)file->bytes, file->size);
    free(file);
}

int mhc__safetensors_count(const mhc__safetensors *file) {
    return file->count;
}

const mhc__tensor *mhc__safetensors_at(const mhc__safetensors *file, int index) {
    return index >= 0 && index < file->count ? &file->tensors[index] : NULL;
}

const mhc__tensor *mhc__safetensors_find(const mhc__safetensors *file, const char *name) {
    for (int i = 0; i < file->count; i++)
        if (!strcmp(file->tensors[i].name, name))
            return &file->tensors[i];
    return NULL;
}

const char *mhc__safetensors_metadata(const mhc__safetensors *file, const char *key) {
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}
