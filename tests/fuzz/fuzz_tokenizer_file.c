/* Any bytes as the tokenizer file of a run folder. */
#include <string.h>

#include "data/tokenizer.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mhc__tokenizer *tokenizer = NULL;
    mhc_error error;
    mhc_status status = mhc__tokenizer_load(scratch_write(data, size), &tokenizer, &error);
    if (status != MHC_OK) {
        if (!*error.message || strchr(error.message, '\n'))
            abort();
        return 0;
    }
    int32_t id = mhc__tokenizer_vocabulary(tokenizer) - 1;
    mhc__text text = {0};
    if (mhc__tokenizer_decode(tokenizer, &id, 1, &text, &error) != MHC_OK)
        abort();
    mhc__text_free(&text);
    int32_t *ids = NULL;
    int64_t count = 0;
    if (mhc__tokenizer_encode(tokenizer, "ab \xC3\xA9", 5, false, &ids, &count, &error) == MHC_OK)
        free(ids);
    mhc__tokenizer_destroy(tokenizer);
    return 0;
}
