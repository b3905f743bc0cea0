#include "data/bpe.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "data/bpe_merge.h"
#include "data/bpe_split.h"
#include "data/utf8.h"
#include "file/atomic.h"

struct mhc__bpe {
    int vocabulary;
    char **token_bytes; /* by id, owned; the length is in token_sizes */
    int *token_sizes;
    int32_t byte_ids[256];
    mhc__pair_table pairs;
    mhc__splitter *splitter;
    char *encoder_source, *merges_source;
};

/* GPT-2 writes bytes as characters: the printable ones of Latin-1 as themselves, the others as U+0100, U+0101, … in
 * order. */
static void byte_characters(int32_t characters[256]) {
    int32_t next = 0x100;
    for (int b = 0; b < 256; b++) {
        bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        characters[b] = printable ? b : next++;
    }
}

/* The bytes that a token's text stands for, into out[0..strlen]; -1 when a character stands for none. */
static int token_to_bytes(const char *token, const int16_t from_character[0x200], char *out) {
    int size = 0, length;
    for (size_t at = 0, end = strlen(token); at < end; at += (size_t)length) {
        int32_t c = mhc__utf8_decode((const unsigned char *)token + at, end - at, &length);
        if (c < 0 || c >= 0x200 || from_character[c] < 0)
            return -1;
        out[size++] = (char)from_character[c];
    }
    return size;
}

static mhc_status read_tokens(mhc__bpe *bpe, const json_t *encoder, const char *name, mhc_error *error) {
    int32_t characters[256];
    int16_t from_character[0x200];
    byte_characters(characters);
    memset(from_character, -1, sizeof from_character);
    for (int b = 0; b < 256; b++) {
        from_character[characters[b]] = (int16_t)b;
        bpe->byte_ids[b] = -1;
    }
    const char *token;
    json_t *value;
    json_object_foreach((json_t *)encoder, token, value) {
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= bpe->vocabulary || bpe->token_bytes[id])
            return mhc__fail(error, MHC_CORRUPT, "%s: the ids are not 0..%d, each once (token %.40s)", name,
                             bpe->vocabulary - 1, token);
        char *bytes = malloc(strlen(token) + 1);
        if (!bytes)
            return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", name);
        bpe->token_bytes[id] = bytes;
        int size = token_to_bytes(token, from_character, bytes);
        if (size < 0)
            return mhc__fail(error, MHC_CORRUPT, "%s: token %.40s has a character that stands for no byte", name,
                             token);
        bpe->token_sizes[id] = size;
        if (size == 1)
            bpe->byte_ids[(unsigned char)bytes[0]] = (int32_t)id;
    }
    for (int b = 0; b < 256; b++)
        if (bpe->byte_ids[b] < 0)
            return mhc__fail(error, MHC_CORRUPT, "%s: no token for byte 0x%02X", name, b);
    return MHC_OK;
}

static int32_t id_of(const json_t *encoder, const char *text, size_t size) {
    const json_t *value = json_object_getn(encoder, text, size);
    return value ? (int32_t)json_integer_value(value) : -1;
}

/* One line "left right" becomes the merge of rank `rank`. */
static mhc_status read_merge(mhc__bpe *bpe, const json_t *encoder, const char *line, size_t size, int32_t rank,
                             int64_t number, const char *name, mhc_error *error) {
    const char *space = memchr(line, ' ', size);
    size_t left = space ? (size_t)(space - line) : size;
    char joined[1024];
    if (!space || left == 0 || left + 1 >= size || size > sizeof joined)
        return mhc__fail(error, MHC_CORRUPT, "%s: merges line %" PRId64 ": expected two tokens", name, number);
    memcpy(joined, line, left);
    memcpy(joined + left, space + 1, size - left - 1);
    int32_t a = id_of(encoder, line, left), b = id_of(encoder, space + 1, size - left - 1);
    int32_t whole = id_of(encoder, joined, size - 1);
    if (a < 0 || b < 0 || whole < 0)
        return mhc__fail(error, MHC_CORRUPT, "%s: merges line %" PRId64 ": a token is not in the vocabulary", name,
                         number);
    mhc__pair_slot *slot = mhc__pair_find(&bpe->pairs, a, b);
    if (slot->left >= 0)
        return mhc__fail(error, MHC_CORRUPT, "%s: merges line %" PRId64 ": this pair was there before", name, number);
    *slot = (mhc__pair_slot){.left = a, .right = b, .rank = rank, .merged = whole};
    return MHC_OK;
}

static mhc_status read_merges(mhc__bpe *bpe, const json_t *encoder, const char *text, size_t size, const char *name,
                              mhc_error *error) {
    int32_t rank = 0;
    int64_t number = 0;
    for (size_t at = 0; at < size;) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        size_t length = end ? (size_t)(end - line) : size - at;
        at += length + 1;
        number++;
        if (length && line[length - 1] == '\r')
            length--;
        bool comment = number == 1 && length >= 8 && !memcmp(line, "#version", 8);
        if (length && !comment)
            MHC__TRY(read_merge(bpe, encoder, line, length, rank++, number, name, error));
    }
    return MHC_OK;
}

/* Slots for as many pairs as the merges have lines, twice over. */
static mhc_status make_pairs(mhc__bpe *bpe, const char *merges, size_t size, const char *name, mhc_error *error) {
    uint32_t slots = 1024;
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += merges[i] == '\n';
    if (lines > 1 << 24)
        return mhc__fail(error, MHC_CORRUPT, "%s: %zu merges are more than 2^24", name, lines);
    while (slots < 2 * lines)
        slots *= 2;
    bpe->pairs.slots = malloc(slots * sizeof *bpe->pairs.slots);
    if (!bpe->pairs.slots)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", name);
    bpe->pairs.mask = slots - 1;
    for (uint32_t i = 0; i < slots; i++)
        bpe->pairs.slots[i].left = -1;
    return MHC_OK;
}

/* Saving the tokenizer writes the merges as a JSON string, which holds neither NUL nor what isn't UTF-8. */
static mhc_status check_text(const char *text, size_t size, const char *name, mhc_error *error) {
    int length;
    for (size_t at = 0; at < size; at += (size_t)length)
        if (mhc__utf8_decode((const unsigned char *)text + at, size - at, &length) <= 0)
            return mhc__fail(error, MHC_CORRUPT, "%s: merges: byte %zu is not text in UTF-8", name, at);
    return MHC_OK;
}

static char *copy_bytes(const char *bytes, size_t size) {
    char *copy = malloc(size + 1);
    if (copy) {
        memcpy(copy, bytes, size);
        copy[size] = '\0';
    }
    return copy;
}

static mhc_status build(mhc__bpe *bpe, const json_t *encoder, const char *merges, size_t merges_size, const char *name,
                        mhc_error *error) {
    size_t vocabulary = json_object_size(encoder);
    if (!json_is_object(encoder) || vocabulary < 256 || vocabulary > 1 << 24)
        return mhc__fail(error, MHC_CORRUPT, "%s: expected an object of 256 or more tokens, found %zu", name,
                         vocabulary);
    bpe->vocabulary = (int)vocabulary;
    bpe->token_bytes = calloc(vocabulary, sizeof *bpe->token_bytes);
    bpe->token_sizes = calloc(vocabulary, sizeof *bpe->token_sizes);
    if (!bpe->token_bytes || !bpe->token_sizes)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", name);
    MHC__TRY(read_tokens(bpe, encoder, name, error));
    MHC__TRY(check_text(merges, merges_size, name, error));
    MHC__TRY(make_pairs(bpe, merges, merges_size, name, error));
    MHC__TRY(read_merges(bpe, encoder, merges, merges_size, name, error));
    return mhc__splitter_create(&bpe->splitter, error);
}

mhc_status mhc__bpe_parse(const char *encoder, size_t encoder_size, const char *merges, size_t merges_size,
                          const char *name, mhc__bpe **out, mhc_error *error) {
    *out = NULL;
    json_error_t reason;
    json_t *root = json_loadb(encoder, encoder_size, JSON_REJECT_DUPLICATES, &reason);
    if (!root)
        return mhc__fail(error, MHC_CORRUPT, "%s: not valid JSON: line %d: %s", name, reason.line, reason.text);
    mhc__bpe *bpe = calloc(1, sizeof *bpe);
    mhc_status status = bpe ? MHC_OK : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", name);
    if (status == MHC_OK) {
        bpe->encoder_source = copy_bytes(encoder, encoder_size);
        bpe->merges_source = copy_bytes(merges, merges_size);
        status = bpe->encoder_source && bpe->merges_source ? build(bpe, root, merges, merges_size, name, error)
                                                           : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", name);
    }
    json_decref(root);
    if (status == MHC_OK)
        *out = bpe;
    else
        mhc__bpe_destroy(bpe);
    return status;
}

mhc_status mhc__bpe_read(const char *encoder_json, const char *vocab_bpe, mhc__bpe **out, mhc_error *error) {
    char *encoder = NULL, *merges = NULL;
    size_t encoder_size = 0, merges_size = 0;
    *out = NULL;
    mhc_status status = mhc__read_file(encoder_json, &encoder, &encoder_size, error);
    if (status == MHC_OK)
        status = mhc__read_file(vocab_bpe, &merges, &merges_size, error);
    if (status == MHC_OK)
        status = mhc__bpe_parse(encoder, encoder_size, merges, merges_size, encoder_json, out, error);
    free(encoder);
    free(merges);
    return status;
}

void mhc__bpe_destroy(mhc__bpe *bpe) {
    if (!bpe)
        return;
    for (int i = 0; bpe->token_bytes && i < bpe->vocabulary; i++)
        free(bpe->token_bytes[i]);
    free(bpe->token_bytes);
    free(bpe->token_sizes);
    free(bpe->pairs.slots);
    mhc__splitter_destroy(bpe->splitter);
    free(bpe->encoder_source);
    free(bpe->merges_source);
    free(bpe);
}

int mhc__bpe_vocabulary(const mhc__bpe *bpe) {
    return bpe->vocabulary;
}

void mhc__bpe_sources(const mhc__bpe *bpe, const char **encoder, const char **merges) {
    *encoder = bpe->encoder_source;
    *merges = bpe->merges_source;
}

/* Texts repeat their words: a piece seen before copies the tokens it gave then. The slots point into the text and the
 * output, so that the cache owns nothing. */
#define CACHE_SLOTS  (1u << 15)
#define CACHE_LENGTH 32

typedef struct cached {
    const char *piece; /* NULL: empty */
    uint32_t length, count;
    int64_t first; /* place of its tokens in the output */
} cached;

typedef struct encoder {
    const mhc__bpe *bpe;
    mhc__merge merge;
    cached *cache;
    int32_t *out;
    int64_t total;
} encoder;

static cached *cache_slot(const encoder *e, const char *piece, size_t length) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)piece[i]) * 16777619u;
    return &e->cache[(hash ^ hash >> 16) & (CACHE_SLOTS - 1)];
}

/* Appends the tokens of a piece; false when memory is out. There is room: a piece has no more tokens than bytes. */
static bool encode_piece(encoder *e, const char *piece, size_t length) {
    cached *slot = length <= CACHE_LENGTH ? cache_slot(e, piece, length) : NULL;
    int32_t *ids = e->out + e->total;
    if (slot && slot->piece && slot->length == length && !memcmp(slot->piece, piece, length)) {
        memcpy(ids, e->out + slot->first, slot->count * sizeof *ids);
        e->total += slot->count;
        return true;
    }
    for (size_t i = 0; i < length; i++)
        ids[i] = e->bpe->byte_ids[(unsigned char)piece[i]];
    size_t count = mhc__merge_run(&e->merge, &e->bpe->pairs, ids, length);
    if (slot)
        *slot = (cached){piece, (uint32_t)length, (uint32_t)count, e->total};
    e->total += (int64_t)count;
    return count > 0;
}

static mhc_status encode_pieces(encoder *e, const char *text, size_t size, mhc_error *error) {
    mhc__split split;
    MHC__TRY(mhc__split_begin(&split, e->bpe->splitter, text, size, error));
    mhc_status status = MHC_OK;
    size_t at = 0;
    for (size_t length; status == MHC_OK && (length = mhc__split_next(&split)) > 0; at += length)
        if (!encode_piece(e, text + at, length))
            status = mhc__fail(error, MHC_OUT_OF_MEMORY, "tokenizer: no memory for a piece of %zu bytes", length);
    mhc__split_end(&split);
    return status;
}

mhc_status mhc__bpe_encode(const mhc__bpe *bpe, const char *text, size_t size, int32_t **ids, int64_t *count,
                           mhc_error *error) {
    *ids = NULL;
    *count = 0;
    encoder e = {.bpe = bpe,
                 .cache = calloc(CACHE_SLOTS, sizeof *e.cache),
                 .out = size > SIZE_MAX / 8 ? NULL : malloc((size ? size : 1) * sizeof *e.out)};
    mhc_status status = e.cache && e.out
                            ? encode_pieces(&e, text, size, error)
                            : mhc__fail(error, MHC_OUT_OF_MEMORY, "tokenizer: no memory for %zu bytes of text", size);
    mhc__merge_free(&e.merge);
    free(e.cache);
    if (status != MHC_OK) {
        free(e.out);
        return status;
    }
    int32_t *fitting = realloc(e.out, ((size_t)e.total + 1) * sizeof *fitting);
    *ids = fitting ? fitting : e.out;
    *count = e.total;
    return MHC_OK;
}

void mhc__bpe_decode(const mhc__bpe *bpe, int32_t id, mhc__text *text) {
    mhc__text_append(text, bpe->token_bytes[id], (size_t)bpe->token_sizes[id]);
}
