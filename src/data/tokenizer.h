/* Text to tokens and back. Three kinds:
 *   byte    256 ids, any file
 *   char    Unicode code points; vocabulary = the sorted distinct code points of a text (reference: reproducing-mhc)
 *   gpt2    byte-level BPE of GPT-2, from encoder.json and vocab.bpe (50,257 ids) */
#ifndef MHC_DATA_TOKENIZER_H
#define MHC_DATA_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

typedef enum mhc__tokenizer_kind { MHC__TOKENIZER_BYTE, MHC__TOKENIZER_CHAR, MHC__TOKENIZER_GPT2 } mhc__tokenizer_kind;

typedef struct mhc__tokenizer mhc__tokenizer;

mhc_status mhc__tokenizer_byte(mhc__tokenizer **out, mhc_error *error);
/* Vocabulary from UTF-8 text. Invalid bytes are an error that names the offset, or skipped when skip_invalid. */
mhc_status mhc__tokenizer_char(const char *text, size_t size, bool skip_invalid, mhc__tokenizer **out,
                               mhc_error *error);
mhc_status mhc__tokenizer_gpt2(const char *encoder_json, const char *vocab_bpe, mhc__tokenizer **out, mhc_error *error);
void mhc__tokenizer_destroy(mhc__tokenizer *tokenizer);

mhc__tokenizer_kind mhc__tokenizer_kind_of(const mhc__tokenizer *tokenizer);
int mhc__tokenizer_vocabulary(const mhc__tokenizer *tokenizer);
/* Whether both give every text the same ids. */
bool mhc__tokenizer_same(const mhc__tokenizer *a, const mhc__tokenizer *b);
/* malloc'd ids. char: invalid UTF-8 is skipped or MHC_INVALID_ARGUMENT, a code point outside the vocabulary always the
 * latter (the message names it and its offset). */
mhc_status mhc__tokenizer_encode(const mhc__tokenizer *tokenizer, const char *text, size_t size, bool skip_invalid,
                                 int32_t **ids, int64_t *count, mhc_error *error);
/* Appends the bytes of the ids to text. */
mhc_status mhc__tokenizer_decode(const mhc__tokenizer *tokenizer, const int32_t *ids, int64_t count, mhc__text *text,
                                 mhc_error *error);
/* A self-contained file that mhc__tokenizer_load reads: kept in the run folder, so that eval and sample need no corpus.
 */
mhc_status mhc__tokenizer_save(const mhc__tokenizer *tokenizer, const char *path, mhc_error *error);
mhc_status mhc__tokenizer_load(const char *path, mhc__tokenizer **out, mhc_error *error);
/* The same over bytes in memory; `name` is for messages. */
mhc_status mhc__tokenizer_parse(const char *bytes, size_t size, const char *name, mhc__tokenizer **out,
                                mhc_error *error);

#endif
