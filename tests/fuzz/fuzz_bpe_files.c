/* Any bytes as encoder.json and vocab.bpe, cut at the first NUL. A vocabulary that is accepted must encode and decode.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/bpe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *cut = size ? memchr(data, 0, size) : NULL;
    size_t first = cut ? (size_t)(cut - data) : size, second = cut ? size - first - 1 : 0;
    /* As from a file: bytes with a NUL behind them. */
    char *encoder = calloc(1, first + 1), *merges = calloc(1, second + 1);
    mhc__bpe *bpe = NULL;
    mhc_error error;
    if (encoder && merges) {
        if (first)
            memcpy(encoder, data, first);
        if (second)
            memcpy(merges, cut + 1, second);
        if (mhc__bpe_parse(encoder, first, merges, second, "fuzz", &bpe, &error) == MHC_OK) {
            static const char text[] = "a banana, don't: 12\xFF";
            int32_t *ids = NULL;
            int64_t count = 0;
            mhc__text back = {0};
            if (mhc__bpe_encode(bpe, text, sizeof text - 1, &ids, &count, &error) == MHC_OK)
                for (int64_t i = 0; i < count; i++)
                    mhc__bpe_decode(bpe, ids[i], &back);
            mhc__text_free(&back);
            free(ids);
            mhc__bpe_destroy(bpe);
        } else if (!*error.message || strchr(error.message, '\n')) {
            abort();
        }
    }
    free(encoder);
    free(merges);
    return 0;
}
