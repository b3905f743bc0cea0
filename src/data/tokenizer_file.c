#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer_internal.h"
#include "file/atomic.h"

#define FORMAT "mhc-tokenizer"

static const char *const KINDS[] = {"byte", "char", "gpt2"};

static json_t *to_json(const mhc__tokenizer *tokenizer) {
    json_t *root = json_pack("{s:s,s:i,s:s}", "format", FORMAT, "version", 1, "kind", KINDS[tokenizer->kind]);
    if (tokenizer->kind == MHC__TOKENIZER_CHAR) {
        json_t *code_points = json_array();
        for (int i = 0; i < tokenizer->vocabulary; i++)
            json_array_append_new(code_points, json_integer(tokenizer->code_points[i]));
        json_object_set_new(root, "code_points", code_points);
    }
    if (tokenizer->kind == MHC__TOKENIZER_GPT2) {
        const char *encoder, *merges;
        mhc__bpe_sources(tokenizer->bpe, &encoder, &merges);
        json_object_set_new(root, "encoder", json_string(encoder));
        json_object_set_new(root, "merges", json_string(merges));
    }
    return root;
}

mhc_status mhc__tokenizer_save(const mhc__tokenizer *tokenizer, const char *path, mhc_error *error) {
    json_t *root = to_json(tokenizer);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", path);
    mhc_status status = mhc__write_file(path, text, strlen(text), error);
    free(text);
    return status;
}

static mhc_status read_code_points(const json_t *list, const char *path, mhc__tokenizer *tokenizer, mhc_error *error) {
    size_t count = json_array_size(list);
    if (count < 1 || count > 0x110000)
        return mhc__fail(error, MHC_CORRUPT, "%s: expected 1 to 1114112 code_points, found %zu", path, count);
    tokenizer->vocabulary = (int)count;
    tokenizer->code_points = malloc(count * sizeof(int32_t));
    if (!tokenizer->code_points)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", path);
    json_int_t before = -1;
    for (size_t i = 0; i < count; i++) {
        json_int_t code = json_integer_value(json_array_get(list, i));
        if (!json_is_integer(json_array_get(list, i)) || code <= before || code > 0x10FFFF ||
            (code >= 0xD800 && code <= 0xDFFF))
            return mhc__fail(error, MHC_CORRUPT, "%s: code_points[%zu] is not a code point above the one before", path,
                             i);
        tokenizer->code_points[i] = (int32_t)code;
        before = code;
    }
    return MHC_OK;
}

static mhc_status read_bpe(const json_t *root, const char *path, mhc__tokenizer *tokenizer, mhc_error *error) {
    const json_t *encoder = json_object_get(root, "encoder"), *merges = json_object_get(root, "merges");
    if (!json_is_string(encoder) || !json_is_string(merges))
        return mhc__fail(error, MHC_CORRUPT, "%s: expected the texts encoder and merges", path);
    MHC__TRY(mhc__bpe_parse(json_string_value(encoder), json_string_length(encoder), json_string_value(merges),
                            json_string_length(merges), path, &tokenizer->bpe, error));
    tokenizer->vocabulary = mhc__bpe_vocabulary(tokenizer->bpe);
    return MHC_OK;
}

static mhc_status from_json(const json_t *root, const char *path, mhc__tokenizer *tokenizer, mhc_error *error) {
    const char *format = json_string_value(json_object_get(root, "format"));
    const char *kind = json_string_value(json_object_get(root, "kind"));
    if (!format || strcmp(format, FORMAT) != 0)
        return mhc__fail(error, MHC_CORRUPT, "%s: not a tokenizer file (format %s)", path, format ? format : "missing");
    if (kind && !strcmp(kind, KINDS[MHC__TOKENIZER_BYTE])) {
        tokenizer->kind = MHC__TOKENIZER_BYTE;
        tokenizer->vocabulary = 256;
        return MHC_OK;
    }
    if (kind && !strcmp(kind, KINDS[MHC__TOKENIZER_CHAR])) {
        tokenizer->kind = MHC__TOKENIZER_CHAR;
        return read_code_points(json_object_get(root, "code_points"), path, tokenizer, error);
    }
    if (kind && !strcmp(kind, KINDS[MHC__TOKENIZER_GPT2])) {
        tokenizer->kind = MHC__TOKENIZER_GPT2;
        return read_bpe(root, path, tokenizer, error);
    }
    return mhc__fail(error, MHC_CORRUPT, "%s: unknown kind of tokenizer: %s", path, kind ? kind : "missing");
}

mhc_status mhc__tokenizer_parse(const char *bytes, size_t size, const char *name, mhc__tokenizer **out,
                                mhc_error *error) {
    json_error_t reason;
    *out = NULL;
    json_t *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &reason);
    if (!root)
        return mhc__fail(error, MHC_CORRUPT, "%s: not valid JSON: line %d: %s", name, reason.line, reason.text);
    mhc__tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    mhc_status status = tokenizer ? from_json(root, name, tokenizer, error)
                                  : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", name);
    json_decref(root);
    if (status != MHC_OK) {
        mhc__tokenizer_destroy(tokenizer);
        return status;
    }
    *out = tokenizer;
    return MHC_OK;
}

mhc_status mhc__tokenizer_load(const char *path, mhc__tokenizer **out, mhc_error *error) {
    char *bytes = NULL;
    size_t size = 0;
    *out = NULL;
    MHC__TRY(mhc__read_file(path, &bytes, &size, error));
    mhc_status status = mhc__tokenizer_parse(bytes, size, path, out, error);
    free(bytes);
    return status;
}
