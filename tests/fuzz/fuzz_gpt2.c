/* Any bytes as text for a small byte-level BPE: ids give the bytes back. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/bpe.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mhc__bpe *bpe;

/* GPT-2 writes byte b as a printable code point: itself where it is one, else the next free one from 256 up. */
static void write_byte(mhc__text *text, int byte, int *free_point) {
    int shown = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    mhc__text_format(text, "\\u%04x", shown ? byte : (*free_point)++);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    mhc__text encoder = {0};
    int free_point = 256, id = 0;
    mhc__text_format(&encoder, "{");
    for (int byte = 0; byte < 256; byte++) {
        mhc__text_format(&encoder, "%s\"", byte ? "," : "");
        write_byte(&encoder, byte, &free_point);
        mhc__text_format(&encoder, "\":%d", id++);
    }
    static const char *const joined[] = {"th",         "the", "in",   "an", "and", "\\u0120t",
                                         "\\u0120the", "aa",  "aaaa", "'s", "12"};
    for (size_t i = 0; i < sizeof joined / sizeof joined[0]; i++)
        mhc__text_format(&encoder, ",\"%s\":%d", joined[i], id++);
    mhc__text_format(&encoder, "}");
    static const char merges[] =
        "#version: 0.2\nt h\nth e\ni n\na n\nan d\n\xC4\xA0 t\n\xC4\xA0t he\na a\naa aa\n' s\n1 2\n";
    mhc_error error;
    if (encoder.failed ||
        mhc__bpe_parse(encoder.data, encoder.length, merges, sizeof merges - 1, "fuzz", &bpe, &error)) {
        /* "he" isn't a token of its own: drop the merge that needs it, should the reader insist. */
        static const char fewer[] = "#version: 0.2\nt h\nth e\ni n\na n\nan d\n\xC4\xA0 t\na a\naa aa\n' s\n1 2\n";
        if (mhc__bpe_parse(encoder.data, encoder.length, fewer, sizeof fewer - 1, "fuzz", &bpe, &error)) {
            fprintf(stderr, "the small vocabulary was refused: %s\n", error.message);
            exit(1);
        }
    }
    mhc__text_free(&encoder);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int32_t *ids = NULL;
    int64_t count = 0;
    mhc_error error;
    if (mhc__bpe_encode(bpe, (const char *)data, size, &ids, &count, &error) != MHC_OK)
        abort(); /* every byte string has an encoding */
    mhc__text back = {0};
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= mhc__bpe_vocabulary(bpe))
            abort();
        mhc__bpe_decode(bpe, ids[i], &back);
    }
    if (back.length != size || (size && memcmp(back.data, data, size) != 0))
        abort();
    mhc__text_free(&back);
    free(ids);
    return 0;
}
