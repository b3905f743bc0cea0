#include "data/packed.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/encode.h"
#include "data/text_files.h"
#include "file/atomic.h"
#include "file/checksum.h"

#define MAGIC   "MHCTOKEN"
#define VERSION 1
#define HEADER  64

typedef struct header {
    char magic[8];
    uint32_t version, width, vocabulary, crc;
    uint64_t count;
    unsigned char zeros[HEADER - 32];
} header;

bool mhc__packed_is(const char *path) {
    char magic[8] = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    bool packed = fread(magic, 1, sizeof magic, file) == sizeof magic && !memcmp(magic, MAGIC, sizeof magic);
    fclose(file);
    return packed;
}

char *mhc__packed_tokenizer_path(const char *path) {
    return mhc__format("%s.tokenizer.json", path);
}

mhc_status mhc__packed_write(const char *path, const mhc__token_array *tokens, const mhc__tokenizer *tokenizer,
                             mhc_error *error) {
    size_t data = (size_t)tokens->count * (size_t)tokens->width;
    header head = {.magic = {0},
                   .version = VERSION,
                   .width = (uint32_t)tokens->width,
                   .vocabulary = (uint32_t)mhc__tokenizer_vocabulary(tokenizer),
                   .crc = mhc__checksum(tokens->data, data),
                   .count = (uint64_t)tokens->count};
    memcpy(head.magic, MAGIC, sizeof head.magic);
    char *bytes = malloc(HEADER + data), *beside = mhc__packed_tokenizer_path(path);
    mhc_status status = bytes && beside ? MHC_OK : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", path);
    if (status == MHC_OK) {
        memcpy(bytes, &head, HEADER);
        if (data)
            memcpy(bytes + HEADER, tokens->data, data);
        status = mhc__write_file(path, bytes, HEADER + data, error);
    }
    if (status == MHC_OK)
        status = mhc__tokenizer_save(tokenizer, beside, error);
    free(beside);
    free(bytes);
    return status;
}

mhc_status mhc__packed_parse(const void *bytes, size_t size, const char *name, mhc__token_array *tokens,
                             int *vocabulary, mhc_error *error) {
    header head;
    *tokens = (mhc__token_array){.width = 1};
    if (size < HEADER)
        return mhc__fail(error, MHC_CORRUPT, "%s: expected a packed token file, found only %zu bytes", name, size);
    memcpy(&head, bytes, HEADER);
    if (memcmp(head.magic, MAGIC, sizeof head.magic) != 0 || head.version != VERSION)
        return mhc__fail(error, MHC_CORRUPT, "%s: not a packed token file of version %d", name, VERSION);
    if ((head.width != 1 && head.width != 2 && head.width != 4) || head.vocabulary < 1 || head.vocabulary > 1u << 24)
        return mhc__fail(error, MHC_CORRUPT,
                         "%s: tokens of %" PRIu32 " bytes and a vocabulary of %" PRIu32 ": the header is damaged", name,
                         head.width, head.vocabulary);
    for (size_t i = 0; i < sizeof head.zeros; i++)
        if (head.zeros[i])
            return mhc__fail(error, MHC_CORRUPT, "%s: byte %zu of the header is not zero: it is damaged", name,
                             offsetof(header, zeros) + i);
    size_t data = size - HEADER;
    if (head.count > data || head.count * head.width != data)
        return mhc__fail(error, MHC_CORRUPT, "%s: expected %" PRIu64 " tokens of %" PRIu32 " bytes, found %zu bytes",
                         name, head.count, head.width, data);
    if (mhc__checksum((const char *)bytes + HEADER, data) != head.crc)
        return mhc__fail(error, MHC_CORRUPT, "%s: checksum differs: the file is damaged", name);
    mhc__token_array view = {
        .data = (const char *)bytes + HEADER, .width = (int)head.width, .count = (int64_t)head.count};
    for (int64_t i = 0; i < view.count; i++)
        if (mhc__token_at(&view, i) < 0 || mhc__token_at(&view, i) >= (int32_t)head.vocabulary)
            return mhc__fail(error, MHC_CORRUPT, "%s: token %" PRId64 " is not below the vocabulary of %" PRIu32, name,
                             i, head.vocabulary);
    *tokens = view;
    *vocabulary = (int)head.vocabulary;
    return MHC_OK;
}

mhc_status mhc__packed_open(const char *path, mhc__token_array *tokens, int *vocabulary, mhc_error *error) {
    mhc__token_array file;
    mhc_status status = mhc__token_array_map(path, &file, error);
    if (status == MHC_OK)
        status = mhc__packed_parse(file.data, (size_t)file.count, path, tokens, vocabulary, error);
    if (status != MHC_OK) {
        mhc__token_array_free(&file);
        return status;
    }
    tokens->mapped = file.mapped;
    tokens->mapped_size = file.mapped_size;
    return MHC_OK;
}

static bool same_file(const char *a, const char *b) {
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/* Neither of the two files that are written may be the text. */
static mhc_status check_output(const char *input, const char *output, mhc_error *error) {
    char *beside = mhc__packed_tokenizer_path(output);
    if (!beside)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", output);
    bool overwrites = same_file(input, output) || same_file(input, beside);
    free(beside);
    return overwrites ? mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: would overwrite the text %s; choose another --out",
                                  output, input)
                      : MHC_OK;
}

mhc_status mhc__data_pack(const char *input, const char *tokenizer, const char *tokenizer_dir, bool skip_invalid,
                          const char *output, int64_t *count, int *vocabulary, mhc_error *error) {
    mhc__token_array text = {0}, tokens = {0};
    mhc__tokenizer *made = NULL;
    mhc_status status = check_output(input, output, error);
    if (status == MHC_OK)
        status = mhc__text_files_read(input, &text, error);
    if (status == MHC_OK && text.count == 0)
        status = mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: the text is empty", input);
    if (status == MHC_OK)
        status =
            mhc__tokenizer_make(tokenizer, tokenizer_dir, text.data, (size_t)text.count, skip_invalid, &made, error);
    if (status == MHC_OK)
        status = mhc__encode_text(made, &text, skip_invalid, &tokens, error);
    if (status == MHC_OK)
        status = mhc__packed_write(output, &tokens, made, error);
    if (status == MHC_OK) {
        *count = tokens.count;
        *vocabulary = mhc__tokenizer_vocabulary(made);
    }
    mhc__token_array_free(&tokens);
    mhc__token_array_free(&text);
    mhc__tokenizer_destroy(made);
    return status;
}
