/* Any bytes through the character tokenizer, and through its own file format. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With text that is UTF-8, ids give the text back. */
static void round_trip(const mhc__tokenizer *tokenizer, const char *text, size_t size) {
    int32_t *ids = NULL;
    int64_t count = 0;
    mhc_error error;
    mhc__text back = {0};
    if (mhc__tokenizer_encode(tokenizer, text, size, false, &ids, &count, &error) != MHC_OK)
        abort();
    for (int64_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= mhc__tokenizer_vocabulary(tokenizer))
            abort();
    if (mhc__tokenizer_decode(tokenizer, ids, count, &back, &error) != MHC_OK || back.length != size ||
        memcmp(back.data, text, size) != 0)
        abort();
    mhc__text_free(&back);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mhc__tokenizer *tokenizer = NULL;
    mhc_error error;
    /* The vocabulary of the first half; then the second half is full of strangers. */
    size_t half = size / 2;
    for (int skip = 0; skip < 2; skip++) {
        if (mhc__tokenizer_char((const char *)data, half, skip, &tokenizer, &error) != MHC_OK)
            continue;
        int32_t *ids = NULL;
        int64_t count = 0;
        if (mhc__tokenizer_encode(tokenizer, (const char *)data + half, size - half, skip, &ids, &count, &error) ==
            MHC_OK)
            free(ids);
        if (!skip)
            round_trip(tokenizer, (const char *)data, half);
        int32_t hostile[3] = {-1, mhc__tokenizer_vocabulary(tokenizer), INT32_MAX};
        for (int i = 0; i < 3; i++) {
            mhc__text text = {0};
            if (mhc__tokenizer_decode(tokenizer, &hostile[i], 1, &text, &error) == MHC_OK)
                abort();
            mhc__text_free(&text);
        }
        mhc__tokenizer_destroy(tokenizer);
    }
    return 0;
}
