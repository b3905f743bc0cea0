/* Byte-level byte-pair encoding as in GPT-2: text is split by a pattern, the bytes of each piece start as single
 * tokens, and neighbouring tokens join in the order of the merges' ranks (Sennrich et al., arXiv 1508.07909). */
#ifndef MHC_DATA_BPE_H
#define MHC_DATA_BPE_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

typedef struct mhc__bpe mhc__bpe;

/* From the two published files: encoder.json {token: id} and vocab.bpe (a merge a line). */
mhc_status mhc__bpe_read(const char *encoder_json, const char *vocab_bpe, mhc__bpe **out, mhc_error *error);
/* The same from their bytes; `name` is for messages. */
mhc_status mhc__bpe_parse(const char *encoder, size_t encoder_size, const char *merges, size_t merges_size,
                          const char *name, mhc__bpe **out, mhc_error *error);
void mhc__bpe_destroy(mhc__bpe *bpe);

int mhc__bpe_vocabulary(const mhc__bpe *bpe);
/* The two files' bytes as they were read, kept for saving the tokenizer. */
void mhc__bpe_sources(const mhc__bpe *bpe, const char **encoder, const char **merges);
/* Any bytes: what isn't UTF-8 becomes a piece of its own. Time grows with size log size, whatever the text. */
mhc_status mhc__bpe_encode(const mhc__bpe *bpe, const char *text, size_t size, int32_t **ids, int64_t *count,
                           mhc_error *error);
/* Appends the bytes of one id in range. */
void mhc__bpe_decode(const mhc__bpe *bpe, int32_t id, mhc__text *text);

#endif
