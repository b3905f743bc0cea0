#define PCRE2_CODE_UNIT_WIDTH 8
#include "data/bpe_split.h"

#include <pcre2.h>
#include <stdbool.h>
#include <stdlib.h>

#include "data/utf8.h"

/* White space spelt out (White_Space of Unicode): PCRE2's own \s also has U+180E, which the reference doesn't. */
#define SPACE                                                                                                          \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define PATTERN                                                                                                        \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE "\\p{L}\\p{N}]+|[" SPACE "]+(?![^" SPACE "])|[" SPACE "]" \
    "+"

struct mhc__splitter {
    pcre2_code *code;
};

mhc_status mhc__splitter_create(mhc__splitter **out, mhc_error *error) {
    int number = 0;
    size_t offset = 0;
    *out = malloc(sizeof **out);
    if (!*out)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "tokenizer: no memory");
    (*out)->code =
        pcre2_compile((PCRE2_SPTR)PATTERN, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &number, &offset, NULL);
    if (!(*out)->code) {
        free(*out);
        *out = NULL;
        return mhc__fail(error, MHC_UNSUPPORTED, "tokenizer: PCRE2 refuses the pattern of GPT-2 (error %d at %zu)",
                         number, offset);
    }
    pcre2_jit_compile((*out)->code, PCRE2_JIT_COMPLETE); /* only speed: without it the interpreter runs */
    return MHC_OK;
}

void mhc__splitter_destroy(mhc__splitter *splitter) {
    if (!splitter)
        return;
    pcre2_code_free(splitter->code);
    free(splitter);
}

mhc_status mhc__split_begin(mhc__split *split, const mhc__splitter *splitter, const char *text, size_t size,
                            mhc_error *error) {
    *split = (mhc__split){.splitter = splitter, .text = text, .size = size};
    split->match = pcre2_match_data_create_from_pattern(splitter->code, NULL);
    return split->match ? MHC_OK : mhc__fail(error, MHC_OUT_OF_MEMORY, "tokenizer: no memory");
}

/* Bytes from `at` on that are all UTF-8 (want_valid) or all not. */
static size_t run_length(const mhc__split *split, size_t at, bool want_valid) {
    size_t start = at;
    while (at < split->size) {
        int length;
        bool valid = mhc__utf8_decode((const unsigned char *)split->text + at, split->size - at, &length) >= 0;
        if (valid != want_valid)
            break;
        at += (size_t)length;
    }
    return at - start;
}

size_t mhc__split_next(mhc__split *split) {
    if (split->at >= split->size)
        return 0;
    size_t length;
    if (split->at >= split->valid_end) {
        length = run_length(split, split->at, false);
        if (length) {
            split->at += length;
            return length;
        }
        split->valid_end = split->at + run_length(split, split->at, true);
    }
    int found = pcre2_match(split->splitter->code, (PCRE2_SPTR)split->text, split->valid_end, split->at,
                            PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED, split->match, NULL);
    /* The pattern matches at every place of a text. Should a limit of PCRE2 be met all the same, the rest is one piece:
     * nothing is lost. */
    length = split->valid_end - split->at;
    if (found > 0)
        length = pcre2_get_ovector_pointer(split->match)[1] - split->at;
    split->at += length;
    return length;
}

void mhc__split_end(mhc__split *split) {
    pcre2_match_data_free(split->match);
    split->match = NULL;
}
