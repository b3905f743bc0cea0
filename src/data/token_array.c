#include "data/token_array.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

mhc_status mhc__token_array_make(const int32_t *ids, int64_t count, int vocabulary, mhc__token_array *out,
                                 mhc_error *error) {
    int width = vocabulary <= 1 << 8 ? 1 : vocabulary <= 1 << 16 ? 2 : 4;
    *out = (mhc__token_array){.width = width, .count = count};
    out->owned = malloc(count ? (size_t)count * (size_t)width : 1);
    if (!out->owned)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for %lld tokens", (long long)count);
    for (int64_t i = 0; i < count; i++) {
        if (width == 1)
            ((uint8_t *)out->owned)[i] = (uint8_t)ids[i];
        else if (width == 2)
            ((uint16_t *)out->owned)[i] = (uint16_t)ids[i];
        else
            ((int32_t *)out->owned)[i] = ids[i];
    }
    out->data = out->owned;
    return MHC_OK;
}

mhc_status mhc__token_array_map(const char *path, mhc__token_array *out, mhc_error *error) {
    *out = (mhc__token_array){.width = 1};
    int file = open(path, O_RDONLY);
    if (file < 0)
        return mhc__fail(error, MHC_IO, "%s: can't open: %s", path, strerror(errno));
    struct stat info;
    mhc_status status = MHC_OK;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        status = mhc__fail(error, MHC_IO, "%s: expected a file", path);
    else if (info.st_size > 0) {
        out->mapped_size = (size_t)info.st_size;
        out->mapped = mmap(NULL, out->mapped_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (out->mapped == MAP_FAILED) {
            out->mapped = NULL;
            status = mhc__fail(error, MHC_IO, "%s: can't map: %s", path, strerror(errno));
        }
        out->data = out->mapped;
        out->count = out->mapped ? info.st_size : 0;
    }
    close(file);
    return status;
}

mhc__token_array mhc__token_array_of(mhc__text text) {
    return (mhc__token_array){.data = text.data, .width = 1, .count = (int64_t)text.length, .owned = text.data};
}

void mhc__token_array_free(mhc__token_array *tokens) {
    if (tokens->mapped)
        munmap(tokens->mapped, tokens->mapped_size);
    free(tokens->owned);
    *tokens = (mhc__token_array){0};
}
