/* Tokens in one, two or four bytes each, in memory or mapped from a file. Bytes of a text are its byte tokens: nothing
 * is copied. */
#ifndef MHC_DATA_TOKEN_ARRAY_H
#define MHC_DATA_TOKEN_ARRAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

typedef struct mhc__token_array {
    const void *data;
    int width; /* bytes of a token: 1, 2, 4; little-endian */
    int64_t count;
    void *owned;  /* malloc'd memory behind data, or NULL */
    void *mapped; /* mapping behind data, or NULL */
    size_t mapped_size;
} mhc__token_array;

static inline int32_t mhc__token_at(const mhc__token_array *tokens, int64_t index) {
    switch (tokens->width) {
    case 1:
        return ((const uint8_t *)tokens->data)[index];
    case 2:
        return ((const uint16_t *)tokens->data)[index];
    default:
        return ((const int32_t *)tokens->data)[index];
    }
}

/* Narrows ids to the smallest width that holds the vocabulary. */
mhc_status mhc__token_array_make(const int32_t *ids, int64_t count, int vocabulary, mhc__token_array *out,
                                 mhc_error *error);
/* Maps a whole file as bytes. An empty file has count 0. */
mhc_status mhc__token_array_map(const char *path, mhc__token_array *out, mhc_error *error);
/* Takes the memory of a text, a byte each. */
mhc__token_array mhc__token_array_of(mhc__text text);
void mhc__token_array_free(mhc__token_array *tokens);

#endif
