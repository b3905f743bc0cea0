/* What the three kinds of tokenizer have in common behind tokenizer.h. */
#ifndef MHC_DATA_TOKENIZER_INTERNAL_H
#define MHC_DATA_TOKENIZER_INTERNAL_H

#include "data/bpe.h"
#include "data/tokenizer.h"

struct mhc__tokenizer {
    mhc__tokenizer_kind kind;
    int vocabulary;
    int32_t *code_points; /* char: sorted, `vocabulary` of them */
    mhc__bpe *bpe;        /* gpt2 */
};

#endif
