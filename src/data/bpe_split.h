/* How GPT-2 cuts a text into pieces before any merge: contractions, words, numbers, other signs, white space
 * (openai/gpt-2, encoder.py). */
#ifndef MHC_DATA_BPE_SPLIT_H
#define MHC_DATA_BPE_SPLIT_H

#include <stddef.h>

#include "base/error.h"

typedef struct mhc__splitter mhc__splitter;

mhc_status mhc__splitter_create(mhc__splitter **out, mhc_error *error);
void mhc__splitter_destroy(mhc__splitter *splitter);

/* One walk over a text; several may use one splitter at the same time. */
typedef struct mhc__split {
    const mhc__splitter *splitter;
    void *match; /* PCRE2's own */
    const char *text;
    size_t size, at, valid_end; /* text[at..valid_end) is known to be UTF-8 */
} mhc__split;

mhc_status mhc__split_begin(mhc__split *split, const mhc__splitter *splitter, const char *text, size_t size,
                            mhc_error *error);
/* Bytes of the next piece, which begins at text + at before the call; 0 at the end. A run of bytes that isn't UTF-8 is
 * a piece. */
size_t mhc__split_next(mhc__split *split);
void mhc__split_end(mhc__split *split);

#endif
