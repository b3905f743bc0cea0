#include "data/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer_internal.h"
#include "data/utf8.h"

#define CODE_POINTS 0x110000

/* A set of code points, one bit each. */
typedef struct code_set {
    uint64_t words[CODE_POINTS / 64];
} code_set;

static mhc_status no_memory(mhc_error *error) {
    return mhc__fail(error, MHC_OUT_OF_MEMORY, "tokenizer: no memory");
}

static mhc_status make(mhc__tokenizer_kind kind, int vocabulary, mhc__tokenizer **out, mhc_error *error) {
    *out = calloc(1, sizeof **out);
    if (!*out)
        return no_memory(error);
    (*out)->kind = kind;
    (*out)->vocabulary = vocabulary;
    return MHC_OK;
}

mhc_status mhc__tokenizer_byte(mhc__tokenizer **out, mhc_error *error) {
    return make(MHC__TOKENIZER_BYTE, 256, out, error);
}

static mhc_status mark_code_points(const char *text, size_t size, bool skip_invalid, code_set *seen, mhc_error *error) {
    const unsigned char *bytes = (const unsigned char *)text;
    int length;
    for (size_t at = 0; at < size; at += (size_t)length) {
        int32_t code = mhc__utf8_decode(bytes + at, size - at, &length);
        if (code >= 0)
            seen->words[code / 64] |= (uint64_t)1 << code % 64;
        else if (!skip_invalid)
            return mhc__fail(error, MHC_INVALID_ARGUMENT,
                             "byte %zu (0x%02X) is not UTF-8: use the byte tokenizer, or data.skip_invalid=true", at,
                             bytes[at]);
    }
    return MHC_OK;
}

/* The set in order, malloc'd. */
static mhc_status list_code_points(const code_set *seen, int32_t **out, int *count, mhc_error *error) {
    int total = 0;
    for (int word = 0; word < CODE_POINTS / 64; word++)
        for (uint64_t bits = seen->words[word]; bits; bits &= bits - 1)
            total++;
    if (total == 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "the text has no character: expected at least one");
    int32_t *list = malloc((size_t)total * sizeof *list), *end = list;
    if (!list)
        return no_memory(error);
    for (int32_t word = 0; word < CODE_POINTS / 64; word++)
        for (int32_t bit = 0; seen->words[word] && bit < 64; bit++)
            if (seen->words[word] >> bit & 1)
                *end++ = 64 * word + bit;
    *out = list;
    *count = total;
    return MHC_OK;
}

mhc_status mhc__tokenizer_char(const char *text, size_t size, bool skip_invalid, mhc__tokenizer **out,
                               mhc_error *error) {
    *out = NULL;
    code_set *seen = calloc(1, sizeof *seen);
    int32_t *code_points = NULL;
    int vocabulary = 0;
    mhc_status status = seen ? mark_code_points(text, size, skip_invalid, seen, error) : no_memory(error);
    if (status == MHC_OK)
        status = list_code_points(seen, &code_points, &vocabulary, error);
    free(seen);
    if (status == MHC_OK)
        status = make(MHC__TOKENIZER_CHAR, vocabulary, out, error);
    if (status == MHC_OK)
        (*out)->code_points = code_points;
    else
        free(code_points);
    return status;
}

mhc_status mhc__tokenizer_gpt2(const char *encoder_json, const char *vocab_bpe, mhc__tokenizer **out,
                               mhc_error *error) {
    mhc__bpe *bpe = NULL;
    *out = NULL;
    MHC__TRY(mhc__bpe_read(encoder_json, vocab_bpe, &bpe, error));
    mhc_status status = make(MHC__TOKENIZER_GPT2, mhc__bpe_vocabulary(bpe), out, error);
    if (status == MHC_OK)
        (*out)->bpe = bpe;
    else
        mhc__bpe_destroy(bpe);
    return status;
}

void mhc__tokenizer_destroy(mhc__tokenizer *tokenizer) {
    if (!tokenizer)
        return;
    mhc__bpe_destroy(tokenizer->bpe);
    free(tokenizer->code_points);
    free(tokenizer);
}

mhc__tokenizer_kind mhc__tokenizer_kind_of(const mhc__tokenizer *tokenizer) {
    return tokenizer->kind;
}

int mhc__tokenizer_vocabulary(const mhc__tokenizer *tokenizer) {
    return tokenizer->vocabulary;
}

bool mhc__tokenizer_same(const mhc__tokenizer *a, const mhc__tokenizer *b) {
    if (a->kind != b->kind || a->vocabulary != b->vocabulary)
        return false;
    const char *encoder[2], *merges[2];
    switch (a->kind) {
    case MHC__TOKENIZER_BYTE:
        break;
    case MHC__TOKENIZER_CHAR:
        return !memcmp(a->code_points, b->code_points, (size_t)a->vocabulary * sizeof *a->code_points);
    case MHC__TOKENIZER_GPT2:
        mhc__bpe_sources(a->bpe, &encoder[0], &merges[0]);
        mhc__bpe_sources(b->bpe, &encoder[1], &merges[1]);
        return !strcmp(encoder[0], encoder[1]) && !strcmp(merges[0], merges[1]);
    }
    return true;
}

/* The id of a code point, -1 when the vocabulary lacks it. */
static int32_t id_of(const mhc__tokenizer *tokenizer, int32_t code) {
    int low = 0, high = tokenizer->vocabulary - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        if (tokenizer->code_points[middle] == code)
            return middle;
        if (tokenizer->code_points[middle] < code)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return -1;
}

static mhc_status encode_char(const mhc__tokenizer *tokenizer, const char *text, size_t size, bool skip_invalid,
                              int32_t *ids, int64_t *count, mhc_error *error) {
    const unsigned char *bytes = (const unsigned char *)text;
    int length;
    *count = 0;
    for (size_t at = 0; at < size; at += (size_t)length) {
        int32_t code = mhc__utf8_decode(bytes + at, size - at, &length);
        if (code < 0 && skip_invalid)
            continue;
        if (code < 0)
            return mhc__fail(error, MHC_INVALID_ARGUMENT,
                             "byte %zu (0x%02X) is not UTF-8: use the byte tokenizer, or data.skip_invalid=true", at,
                             bytes[at]);
        int32_t id = id_of(tokenizer, code);
        if (id < 0)
            return mhc__fail(error, MHC_INVALID_ARGUMENT,
                             "byte %zu: U+%04" PRIX32 " is not in the vocabulary of %d characters", at, (uint32_t)code,
                             tokenizer->vocabulary);
        ids[(*count)++] = id;
    }
    return MHC_OK;
}

mhc_status mhc__tokenizer_encode(const mhc__tokenizer *tokenizer, const char *text, size_t size, bool skip_invalid,
                                 int32_t **ids, int64_t *count, mhc_error *error) {
    *ids = NULL;
    *count = 0;
    if (tokenizer->kind == MHC__TOKENIZER_GPT2)
        return mhc__bpe_encode(tokenizer->bpe, text, size, ids, count, error);
    int32_t *out = malloc((size ? size : 1) * sizeof *out);
    if (!out)
        return no_memory(error);
    mhc_status status = MHC_OK;
    if (tokenizer->kind == MHC__TOKENIZER_BYTE) {
        for (size_t i = 0; i < size; i++)
            out[i] = (unsigned char)text[i];
        *count = (int64_t)size;
    } else {
        status = encode_char(tokenizer, text, size, skip_invalid, out, count, error);
    }
    if (status != MHC_OK) {
        free(out);
        *count = 0;
        return status;
    }
    *ids = out;
    return MHC_OK;
}

mhc_status mhc__tokenizer_decode(const mhc__tokenizer *tokenizer, const int32_t *ids, int64_t count, mhc__text *text,
                                 mhc_error *error) {
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= tokenizer->vocabulary)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "token %" PRId32 " at place %" PRId64 " is not in 0..%d",
                             ids[i], i, tokenizer->vocabulary - 1);
        char bytes[4];
        switch (tokenizer->kind) {
        case MHC__TOKENIZER_BYTE:
            bytes[0] = (char)ids[i];
            mhc__text_append(text, bytes, 1);
            break;
        case MHC__TOKENIZER_CHAR:
            mhc__text_append(text, bytes, (size_t)mhc__utf8_encode(tokenizer->code_points[ids[i]], bytes));
            break;
        case MHC__TOKENIZER_GPT2:
            mhc__bpe_decode(tokenizer->bpe, ids[i], text);
            break;
        }
    }
    return text->failed ? no_memory(error) : MHC_OK;
}
