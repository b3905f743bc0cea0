#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

mhc_status mhc__allocate(void **out, int64_t count, size_t size, const char *what, mhc_error *error) {
    *out = NULL;
    if (count < 0 || (count > 0 && size > (SIZE_MAX / 2 - 63) / (size_t)count))
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: %lld elements of %zu bytes do not fit in memory", what,
                         (long long)count, size);
    size_t bytes = ((size_t)count * size + 63) / 64 * 64;
    if (bytes == 0)
        bytes = 64;
    void *memory = aligned_alloc(64, bytes);
    if (!memory)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for %zu bytes", what, bytes);
    memset(memory, 0, bytes);
    *out = memory;
    return MHC_OK;
}

void mhc__release(void *memory) {
    free(memory);
}
