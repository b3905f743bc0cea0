#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Large arrays lie in large pages where the system leaves that to programs: a kernel that asks for rows ahead otherwise
 * waits for their addresses. */
enum { LARGE_PAGE = 2 << 20, LEAST_PAGES = 2 };

static void *take(size_t bytes) {
    if (bytes < (size_t)LEAST_PAGES * LARGE_PAGE)
        return aligned_alloc(64, bytes);
    void *memory = aligned_alloc(LARGE_PAGE, (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE);
#if defined(MADV_HUGEPAGE)
    if (memory)
        madvise(memory, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* a wish: without it pages are small */
#endif
    return memory;
}

mhc_status mhc__allocate(void **out, int64_t count, size_t size, const char *what, mhc_error *error) {
    *out = NULL;
    if (count < 0 || (count > 0 && size > (SIZE_MAX / 2 - 63) / (size_t)count))
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: %lld elements of %zu bytes do not fit in memory", what,
                         (long long)count, size);
    size_t bytes = ((size_t)count * size + 63) / 64 * 64;
    if (bytes == 0)
        bytes = 64;
    void *memory = take(bytes);
    if (!memory)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for %zu bytes", what, bytes);
    memset(memory, 0, bytes);
    *out = memory;
    return MHC_OK;
}

void mhc__release(void *memory) {
    free(memory);
}
