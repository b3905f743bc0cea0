#include "file/checksum.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define PIECE ((size_t)1 << 30) /* zlib counts in an unsigned int */

static uint32_t go_on(uint32_t sum, const unsigned char *bytes, size_t size) {
    while (size) {
        size_t part = size < PIECE ? size : PIECE;
        sum = (uint32_t)crc32(sum, bytes, (uInt)part);
        bytes += part;
        size -= part;
    }
    return sum;
}

uint32_t mhc__checksum(const void *bytes, size_t size) {
    return go_on(0, bytes, size);
}

mhc_status mhc__checksum_file(const char *path, uint32_t *checksum, int64_t *size, mhc_error *error) {
    *checksum = 0;
    *size = 0;
    FILE *file = fopen(path, "rb");
    if (!file)
        return mhc__fail(error, MHC_IO, "%s: can't open: %s", path, strerror(errno));
    unsigned char part[65536];
    for (size_t count; (count = fread(part, 1, sizeof part, file)) > 0; *size += (int64_t)count)
        *checksum = go_on(*checksum, part, count);
    mhc_status status = ferror(file) ? mhc__fail(error, MHC_IO, "%s: can't read: %s", path, strerror(errno)) : MHC_OK;
    fclose(file);
    return status;
}
