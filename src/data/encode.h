/* From a text and a name of a tokenizer to tokens. */
#ifndef MHC_DATA_ENCODE_H
#define MHC_DATA_ENCODE_H

#include "data/token_array.h"
#include "data/tokenizer.h"

/* "byte", "char" (vocabulary from this text) or "gpt2" (encoder.json and vocab.bpe from `directory`). */
mhc_status mhc__tokenizer_make(const char *kind, const char *directory, const char *text, size_t size,
                               bool skip_invalid, mhc__tokenizer **out, mhc_error *error);
/* text: bytes (width 1). With the byte tokenizer *tokens takes text over, and text is left empty. */
mhc_status mhc__encode_text(const mhc__tokenizer *tokenizer, mhc__token_array *text, bool skip_invalid,
                            mhc__token_array *tokens, mhc_error *error);

#endif
