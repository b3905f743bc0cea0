#include "data/text_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "data/unpack.h"
#include "file/atomic.h"

#define LARGEST_CONTENT ((size_t)1 << 36) /* bytes of text out of one packed file */

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* An archive of files is refused: mhc__unpack would take its first. */
static mhc_status packing_of_text(const char *path, const void *bytes, size_t size, mhc__packing *packing,
                                  mhc_error *error) {
    mhc_status status = mhc__packing_of(bytes, size, packing, error);
    if (status == MHC_OK && *packing == MHC__PACKING_ZIP)
        status = mhc__fail(error, MHC_UNSUPPORTED, "a zip archive: unpack it first");
    return status == MHC_OK ? MHC_OK : mhc__fail_in(error, status, "%s", path);
}

static mhc_status append_content(const char *path, mhc__packing packing, const void *bytes, size_t size,
                                 mhc__text *text, mhc_error *error) {
    mhc_status status = mhc__unpack(packing, bytes, size, text->length + LARGEST_CONTENT, text, error);
    return status == MHC_OK ? MHC_OK : mhc__fail_in(error, status, "%s", path);
}

static mhc_status append_path(const char *path, mhc__text *text, mhc_error *error);

static mhc_status append_folder(const char *path, mhc__text *text, mhc_error *error) {
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, visible, by_name);
    if (count < 0)
        return mhc__fail(error, MHC_IO, "%s: can't open the folder: %s", path, strerror(errno));
    mhc_status status = MHC_OK;
    for (int i = 0; i < count; i++) {
        char *child = status == MHC_OK ? mhc__format("%s/%s", path, entries[i]->d_name) : NULL;
        if (status == MHC_OK)
            status =
                child ? append_path(child, text, error) : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", path);
        free(child);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static mhc_status append_path(const char *path, mhc__text *text, mhc_error *error) {
    struct stat info;
    if (stat(path, &info) != 0)
        return mhc__fail(error, MHC_IO, "%s: can't open: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return append_folder(path, text, error);
    if (!S_ISREG(info.st_mode))
        return MHC_OK;
    char *bytes = NULL;
    size_t size = 0;
    MHC__TRY(mhc__read_file(path, &bytes, &size, error));
    if (text->length)
        mhc__text_append(text, "\n", 1);
    mhc__packing packing;
    mhc_status status = packing_of_text(path, bytes, size, &packing, error);
    if (status == MHC_OK)
        status = append_content(path, packing, bytes, size, text, error);
    free(bytes);
    return status;
}

static mhc_status take_text(mhc_status status, mhc__text *text, mhc__token_array *bytes) {
    if (status != MHC_OK) {
        mhc__text_free(text);
        return status;
    }
    *bytes = mhc__token_array_of(*text);
    return MHC_OK;
}

/* A text that is packed can't stay mapped. */
static mhc_status read_file(const char *path, mhc__token_array *bytes, mhc_error *error) {
    mhc__packing packing;
    mhc__text text = {0};
    MHC__TRY(mhc__token_array_map(path, bytes, error));
    mhc__token_array packed = *bytes;
    mhc_status status = packing_of_text(path, packed.data, (size_t)packed.count, &packing, error);
    if (status == MHC_OK && packing == MHC__PACKING_NONE)
        return MHC_OK;
    if (status == MHC_OK)
        status = append_content(path, packing, packed.data, (size_t)packed.count, &text, error);
    *bytes = (mhc__token_array){0};
    mhc__token_array_free(&packed);
    return take_text(status, &text, bytes);
}

mhc_status mhc__text_files_read(const char *path, mhc__token_array *bytes, mhc_error *error) {
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return read_file(path, bytes, error);
    mhc__text text = {0};
    return take_text(append_folder(path, &text, error), &text, bytes);
}
