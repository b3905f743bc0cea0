/* A corpus: tokens, their tokenizer, a train and a held-out part, as batch sources.
 *   path  a text file, a folder of text files (read in the order of their paths, joined by line feeds), a packed token
 * file of `mhc data pack`, or one of the built-in names "builtin" (generated language-like text, data/builtin.h) and
 * "increment" (rows start, start + 1, … mod 256 from a random start: the depth sweep's task, mhc-poc) */
#ifndef MHC_DATA_CORPUS_H
#define MHC_DATA_CORPUS_H

#include <stdint.h>

#include "data/sampling.h"
#include "data/tokenizer.h"
#include "train/source.h"

typedef struct mhc__data_config {
    char path[1024];          /* "builtin" by default */
    char eval_path[1024];     /* held-out text; empty: the last eval_share of path */
    char tokenizer[16];       /* "byte", "char", "gpt2" */
    char tokenizer_dir[1024]; /* gpt2: where encoder.json and vocab.bpe are */
    bool skip_invalid;        /* char: skip bytes that aren't UTF-8 instead of failing */
    mhc__sampling sampling;
    float eval_share; /* 0..0.5; 0: no held-out part */
} mhc__data_config;

mhc__data_config mhc__data_config_default(void);
mhc_status mhc__data_config_check(const mhc__data_config *config, mhc_error *error); /* messages name "data.FIELD" */
/* What --data may be; NULL, when it isn't given, as well. Messages name the option. */
mhc_status mhc__check_data_option(const char *text, mhc_error *error);

typedef struct mhc__corpus mhc__corpus;

/* Opens what config says for rows of `sequence` tokens; seed drives the sampling. tokenizer: one to use instead of
 * building one (from a run folder), or NULL; it stays the caller's. Errors name the file and what is wrong: missing,
 * empty, shorter than a row, not UTF-8. */
mhc_status mhc__corpus_open(const mhc__data_config *config, int sequence, uint64_t seed,
                            const mhc__tokenizer *tokenizer, mhc__corpus **out, mhc_error *error);
void mhc__corpus_close(mhc__corpus *corpus);

const mhc__tokenizer *mhc__corpus_tokenizer(const mhc__corpus *corpus); /* never NULL: byte for the built-ins */
int mhc__corpus_vocabulary(const mhc__corpus *corpus);
int64_t mhc__corpus_train_tokens(const mhc__corpus *corpus);
int64_t mhc__corpus_eval_tokens(const mhc__corpus *corpus); /* 0 where there are none, or no end of them */
/* Of the training part: reads it once. Empty for increment, which has no end. */
mhc__data_mark mhc__corpus_mark(const mhc__corpus *corpus);
mhc__source mhc__corpus_train(mhc__corpus *corpus);
mhc__source mhc__corpus_eval(mhc__corpus *corpus); /* consecutive rows; fill is NULL without a held-out part */

#endif
