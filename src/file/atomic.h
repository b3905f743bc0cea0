/* Files and folders that are whole or not there: written beside, flushed, renamed. */
#ifndef MHC_FILE_ATOMIC_H
#define MHC_FILE_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Writes `size` bytes to path through path + ".tmp-PID", fsync, rename, fsync of the folder. The old file survives any
 * failure. */
mhc_status mhc__write_file(const char *path, const void *bytes, size_t size, mhc_error *error);
/* The same of several pieces, one after the other, which need not be copied together. */
typedef struct mhc__piece {
    const void *bytes;
    size_t size;
} mhc__piece;
mhc_status mhc__write_pieces(const char *path, const mhc__piece *pieces, int count, mhc_error *error);
/* Makes folder `path` and its parents. Existing folders are fine. */
mhc_status mhc__make_folders(const char *path, mhc_error *error);
/* The whole file into malloc'd memory, NUL-terminated after size bytes. Free with free(). */
mhc_status mhc__read_file(const char *path, char **bytes, size_t *size, mhc_error *error);
/* The same; MHC_INVALID_ARGUMENT for a file of more than `limit` bytes, of which no more are read. */
mhc_status mhc__read_file_up_to(const char *path, size_t limit, char **bytes, size_t *size, mhc_error *error);
/* *there: whether anything has this name. MHC_IO where that can't be told, as in a folder that may not be searched. */
mhc_status mhc__path_exists(const char *path, bool *there, mhc_error *error);
/* Puts folder `from` in the place of folder `to`, whose old content goes away after the new one is in place; flushed. A
 * kill at any moment leaves `to` as one whole version, or `from` complete beside it (mhc__recover_folder finishes the
 * job). */
mhc_status mhc__replace_folder(const char *from, const char *to, mhc_error *error);
mhc_status mhc__recover_folder(const char *path, mhc_error *error);
/* Removes a file or a folder with what is in it; absent is fine. */
mhc_status mhc__remove_tree(const char *path, mhc_error *error);

#endif
