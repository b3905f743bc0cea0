/* Any bytes as a safetensors file: an error, or tensors whose every byte can be read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "file/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const mhc__safetensors *file, const uint8_t *data, size_t size) {
    static volatile uint8_t sink;
    for (int i = 0; i < mhc__safetensors_count(file); i++) {
        const mhc__tensor *tensor = mhc__safetensors_at(file, i);
        size_t bytes = (size_t)tensor->count * mhc__dtype_size(tensor->dtype);
        const uint8_t *from = tensor->data;
        if (tensor->dims < 0 || tensor->dims > MHC__TENSOR_MAX_DIMS || tensor->count < 0)
            abort();
        if (bytes && (from < data || bytes > size || from > data + (size - bytes)))
            abort();
        for (size_t b = 0; b < bytes; b++)
            sink = (uint8_t)(sink + from[b]);
        if (mhc__safetensors_find(file, tensor->name) == NULL)
            abort();
    }
    const char *value = mhc__safetensors_metadata(file, "format");
    sink = (uint8_t)(sink + (value ? strlen(value) : 0));
    if (mhc__safetensors_find(file, "no such tensor, surely\n") && mhc__safetensors_count(file) == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mhc__safetensors *file = NULL;
    mhc_error error;
    mhc_status status = mhc__safetensors_parse(data, size, "fuzz", &file, &error);
    if (status == MHC_OK) {
        use(file, data, size);
        mhc__safetensors_close(file);
    } else if (error.status != status || !*error.message || strchr(error.message, '\n')) {
        abort(); /* a failure is one line */
    }
    return 0;
}
