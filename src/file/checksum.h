/* CRC-32 as zlib counts it: what checkpoints, packed tokens and zip files carry. */
#ifndef MHC_FILE_CHECKSUM_H
#define MHC_FILE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

uint32_t mhc__checksum(const void *bytes, size_t size);
/* Of a file, read in pieces: a checkpoint need not fit in memory once more. */
mhc_status mhc__checksum_file(const char *path, uint32_t *checksum, int64_t *size, mhc_error *error);

#endif
