/* One file from the web: fetched into NAME.part (which a later call goes on with), unpacked, checked, and only then put
 * in its place. */
#ifndef MHC_DATA_DOWNLOAD_H
#define MHC_DATA_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "data/unpack.h"

/* What is known of a file's content after unpacking; 0 or NULL: not known. */
typedef struct mhc__remote_file {
    const char *url, *name;
    mhc__packing packing;
    int64_t size, lines;
    const char *sha256; /* 64 lower-case hexadecimal digits */
} mhc__remote_file;

/* Called a few times a second; total is 0 while unknown. false stops with MHC_INTERRUPTED, and what came is kept. */
typedef bool (*mhc__download_progress)(void *user, const char *name, int64_t done, int64_t total);

/* Fetches file into folder. progress may be NULL. Errors: MHC_IO (network, server, disk: the part is kept for the next
 * call), MHC_MISMATCH (the content isn't what it should be: nothing is kept), MHC_CORRUPT (can't be unpacked). */
mhc_status mhc__download(const mhc__remote_file *file, const char *folder, const char *base_url,
                         mhc__download_progress progress, void *user, mhc_error *error);

/* Hexadecimal SHA-256, NUL-terminated. */
mhc_status mhc__sha256(const void *bytes, size_t size, char hex[65], mhc_error *error);

#endif
