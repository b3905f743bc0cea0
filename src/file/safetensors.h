/* Safetensors files: reading (memory-mapped, every field of the header checked: hostile input is an error, never a
 * crash) and writing. Format: u64 little-endian header length, a JSON object {name: {dtype, shape, data_offsets}}, then
 * the bytes. https://github.com/huggingface/safetensors */
#ifndef MHC_FILE_SAFETENSORS_H
#define MHC_FILE_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MHC__TENSOR_MAX_DIMS 8

typedef enum mhc__dtype {
    MHC__F32,
    MHC__F64,
    MHC__BF16,
    MHC__F16,
    MHC__I64,
    MHC__I32,
    MHC__I16,
    MHC__I8,
    MHC__U8,
    MHC__U16,
    MHC__U32,
    MHC__U64,
    MHC__BOOL
} mhc__dtype;

size_t mhc__dtype_size(mhc__dtype dtype);
const char *mhc__dtype_name(mhc__dtype dtype); /* "F32", ... as in the file */

typedef struct mhc__tensor {
    const char *name;
    mhc__dtype dtype;
    int dims;
    int64_t shape[MHC__TENSOR_MAX_DIMS];
    int64_t count; /* elements: product of shape */
    const void
        *data; /* count elements; aligned to the element where the writer aligned it: copy with memcpy to be safe */
} mhc__tensor;

typedef struct mhc__metadata {
    const char *key, *value;
} mhc__metadata;

typedef struct mhc__safetensors mhc__safetensors;

/* Maps path. Errors: MHC_IO (can't open), MHC_CORRUPT (says what is wrong and where). Close with
 * mhc__safetensors_close. */
mhc_status mhc__safetensors_open(const char *path, mhc__safetensors **out, mhc_error *error);
/* The same over bytes in memory (kept by the caller while the reader is open); `name` is for messages. For fuzzing. */
mhc_status mhc__safetensors_parse(const void *bytes, size_t size, const char *name, mhc__safetensors **out,
                                  mhc_error *error);
void mhc__safetensors_close(mhc__safetensors *file);

int mhc__safetensors_count(const mhc__safetensors *file);
const mhc__tensor *mhc__safetensors_at(const mhc__safetensors *file, int index);          /* in the order of the data */
const mhc__tensor *mhc__safetensors_find(const mhc__safetensors *file, const char *name); /* NULL when absent */
const char *mhc__safetensors_metadata(const mhc__safetensors *file, const char *key);     /* NULL when absent */

/* Writes path whole: beside it, flushed to the disk, renamed. metadata may be NULL. Errors: MHC_IO (with errno's text).
 */
mhc_status mhc__safetensors_write(const char *path, const mhc__tensor *tensors, int count,
                                  const mhc__metadata *metadata, int metadata_count, mhc_error *error);

#endif
