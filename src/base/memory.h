/* Large arrays: 64-byte aligned, sizes checked, released with mhc__release. */
#ifndef MHC_BASE_MEMORY_H
#define MHC_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* count * size bytes, zeroed, 64-byte aligned, into *out (NULL for count 0 is never returned: at least one line). On
 * failure *out is NULL and the message names `what`. */
mhc_status mhc__allocate(void **out, int64_t count, size_t size, const char *what, mhc_error *error);
void mhc__release(void *memory);

#define MHC__ALLOCATE(pointer, count, what, error)                                                                     \
    mhc__allocate((void **)&(pointer), (count), sizeof *(pointer), (what), (error))

#endif
