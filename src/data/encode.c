#include "data/encode.h"

#include <stdlib.h>
#include <string.h>

static mhc_status make_gpt2(const char *directory, mhc__tokenizer **out, mhc_error *error) {
    if (!directory || !*directory)
        return mhc__fail(
            error, MHC_INVALID_ARGUMENT,
            "data.tokenizer_dir: empty; the gpt2 tokenizer needs the folder of encoder.json and vocab.bpe");
    char *encoder = mhc__format("%s/encoder.json", directory), *merges = mhc__format("%s/vocab.bpe", directory);
    mhc_status status = encoder && merges ? mhc__tokenizer_gpt2(encoder, merges, out, error)
                                          : mhc__fail(error, MHC_OUT_OF_MEMORY, "tokenizer: no memory");
    free(encoder);
    free(merges);
    return status;
}

mhc_status mhc__tokenizer_make(const char *kind, const char *directory, const char *text, size_t size,
                               bool skip_invalid, mhc__tokenizer **out, mhc_error *error) {
    *out = NULL;
    if (!strcmp(kind, "byte"))
        return mhc__tokenizer_byte(out, error);
    if (!strcmp(kind, "char"))
        return mhc__tokenizer_char(text, size, skip_invalid, out, error);
    if (!strcmp(kind, "gpt2"))
        return make_gpt2(directory, out, error);
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "data.tokenizer: %s is not one of byte, char, gpt2", kind);
}

mhc_status mhc__encode_text(const mhc__tokenizer *tokenizer, mhc__token_array *text, bool skip_invalid,
                            mhc__token_array *tokens, mhc_error *error) {
    if (mhc__tokenizer_kind_of(tokenizer) == MHC__TOKENIZER_BYTE) {
        *tokens = *text;
        *text = (mhc__token_array){.width = 1};
        return MHC_OK;
    }
    int32_t *ids = NULL;
    int64_t count = 0;
    MHC__TRY(mhc__tokenizer_encode(tokenizer, text->data, (size_t)text->count, skip_invalid, &ids, &count, error));
    mhc_status status = mhc__token_array_make(ids, count, mhc__tokenizer_vocabulary(tokenizer), tokens, error);
    free(ids);
    return status;
}
