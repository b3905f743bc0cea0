#include "data/corpus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "data/builtin.h"
#include "data/encode.h"
#include "data/packed.h"
#include "data/text_files.h"
#include "file/atomic.h"
#include "file/checksum.h"

/* A stretch of tokens with its sampling: what a source's self points at. */
typedef struct part {
    const mhc__token_array *tokens;
    int64_t first, count;
    mhc__sampling sampling;
    uint64_t seed;
} part;

struct mhc__corpus {
    mhc__tokenizer *owned_tokenizer;
    const mhc__tokenizer *tokenizer;
    bool increment;
    mhc__token_array train_tokens, eval_tokens; /* eval: only when it comes from a file of its own */
    part train, eval;
};

mhc__data_config mhc__data_config_default(void) {
    mhc__data_config config = {.sampling = MHC__SAMPLING_WINDOWS, .eval_share = 0.05f};
    snprintf(config.path, sizeof config.path, "builtin");
    snprintf(config.tokenizer, sizeof config.tokenizer, "byte");
    return config;
}

mhc_status mhc__data_config_check(const mhc__data_config *config, mhc_error *error) {
    if (!config->path[0])
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "data.path: empty; expected a text file, a folder, builtin or increment");
    if (strcmp(config->tokenizer, "byte") != 0 && strcmp(config->tokenizer, "char") != 0 &&
        strcmp(config->tokenizer, "gpt2") != 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "data.tokenizer: %s is not one of byte, char, gpt2",
                         config->tokenizer);
    if (!(config->eval_share >= 0.0f && config->eval_share <= 0.5f))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "data.eval_share: %g is not in 0..0.5",
                         (double)config->eval_share);
    return MHC_OK;
}

mhc_status mhc__check_data_option(const char *text, mhc_error *error) {
    mhc__data_config data;
    if (!text || (*text && strlen(text) < sizeof data.path))
        return MHC_OK;
    return *text ? mhc__fail(error, MHC_INVALID_ARGUMENT, "--data: the path is longer than %zu bytes",
                             sizeof data.path - 1)
                 : mhc__fail(error, MHC_INVALID_ARGUMENT, "--data: expected a text file or a folder, found nothing");
}

/* ---- sources ---- */

static mhc_status fail_short(const part *p, int sequence, mhc_error *error) {
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "data: %" PRId64 " tokens are too few for a row of %d", p->count,
                     sequence + 1);
}

static void copy_row(const part *p, int64_t start, int sequence, int32_t *row) {
    for (int i = 0; i <= sequence; i++)
        row[i] = mhc__token_at(p->tokens, p->first + start + i);
}

static mhc_status fill_part(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    const part *p = self;
    if (p->count <= sequence)
        return fail_short(p, sequence, error);
    for (int r = 0; r < batch; r++)
        copy_row(p, mhc__sample_start(p->sampling, p->seed, p->count, sequence, index * batch + r), sequence,
                 tokens + (int64_t)r * (sequence + 1));
    return MHC_OK;
}

/* The held-out part row after row: (count - 1) / sequence whole rows, then from the start again. */
static mhc_status fill_eval(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    const part *p = self;
    if (p->count <= sequence)
        return fail_short(p, sequence, error);
    int64_t rows = sequence > 0 ? (p->count - 1) / sequence : 1;
    for (int r = 0; r < batch; r++)
        copy_row(p, (index * batch + r) % rows * sequence, sequence, tokens + (int64_t)r * (sequence + 1));
    return MHC_OK;
}

static mhc_status fill_increment(void *self, int64_t index, int batch, int sequence, int32_t *tokens,
                                 mhc_error *error) {
    (void)error;
    const part *p = self;
    for (int r = 0; r < batch; r++) {
        mhc__philox bits = mhc__philox_at(p->seed, (uint64_t)(index * batch + r), mhc__philox_place(0x19C4u, 0));
        for (int i = 0; i <= sequence; i++)
            tokens[(int64_t)r * (sequence + 1) + i] = (int32_t)((bits.v[0] + (uint32_t)i) & 255u);
    }
    return MHC_OK;
}

mhc__data_mark mhc__corpus_mark(const mhc__corpus *corpus) {
    const part *p = &corpus->train;
    if (corpus->increment)
        return (mhc__data_mark){0};
    const char *first = (const char *)p->tokens->data + p->first * p->tokens->width;
    return (mhc__data_mark){p->count, mhc__checksum(first, (size_t)(p->count * p->tokens->width))};
}

mhc__source mhc__corpus_train(mhc__corpus *corpus) {
    return (mhc__source){&corpus->train, corpus->increment ? fill_increment : fill_part};
}

mhc__source mhc__corpus_eval(mhc__corpus *corpus) {
    if (corpus->increment)
        return (mhc__source){&corpus->eval, fill_increment};
    return (mhc__source){&corpus->eval, corpus->eval.count > 0 ? fill_eval : NULL};
}

/* ---- opening ---- */

static mhc_status read_builtin(mhc__token_array *bytes, mhc_error *error) {
    mhc__text text = {0};
    mhc_status status = mhc__builtin_text(MHC__BUILTIN_SEED, MHC__BUILTIN_BYTES, &text, NULL, error);
    if (status != MHC_OK) {
        mhc__text_free(&text);
        return status;
    }
    *bytes = mhc__token_array_of(text);
    return MHC_OK;
}

/* The tokenizer of a packed file lies beside it: it becomes the corpus's own, or has to be the same as the one there
 * is. A run has its own copy, and can go on where the file beside is gone. */
static mhc_status take_tokenizer(mhc__corpus *corpus, const char *path, const char *beside, mhc_error *error) {
    bool there = true;
    if (corpus->tokenizer)
        MHC__TRY(mhc__path_exists(beside, &there, error));
    if (!there)
        return MHC_OK;
    mhc__tokenizer *packed = NULL;
    MHC__TRY(mhc__tokenizer_load(beside, &packed, error));
    if (!corpus->tokenizer) {
        corpus->owned_tokenizer = packed;
        corpus->tokenizer = packed;
        return MHC_OK;
    }
    bool same = mhc__tokenizer_same(packed, corpus->tokenizer);
    mhc__tokenizer_destroy(packed);
    return same ? MHC_OK
                : mhc__fail(error, MHC_MISMATCH, "%s: packed with another tokenizer (%s) than the one in use", path,
                            beside);
}

static mhc_status open_packed(mhc__corpus *corpus, const char *path, mhc__token_array *tokens, mhc_error *error) {
    int vocabulary = 0;
    MHC__TRY(mhc__packed_open(path, tokens, &vocabulary, error));
    char *beside = mhc__packed_tokenizer_path(path);
    mhc_status status = beside ? take_tokenizer(corpus, path, beside, error)
                               : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", path);
    free(beside);
    MHC__TRY(status);
    if (vocabulary != mhc__tokenizer_vocabulary(corpus->tokenizer))
        return mhc__fail(error, MHC_MISMATCH, "%s: packed with a vocabulary of %d, but the tokenizer's is %d", path,
                         vocabulary, mhc__tokenizer_vocabulary(corpus->tokenizer));
    return MHC_OK;
}

static mhc_status open_text(mhc__corpus *corpus, const mhc__data_config *config, const char *path,
                            mhc__token_array *tokens, mhc_error *error) {
    mhc__token_array bytes = {0};
    bool builtin = !strcmp(path, "builtin");
    MHC__TRY(builtin ? read_builtin(&bytes, error) : mhc__text_files_read(path, &bytes, error));
    if (bytes.count == 0) {
        mhc__token_array_free(&bytes);
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: the text is empty", path);
    }
    mhc_status status = MHC_OK;
    if (!corpus->tokenizer) {
        status = mhc__tokenizer_make(config->tokenizer, config->tokenizer_dir, bytes.data, (size_t)bytes.count,
                                     config->skip_invalid, &corpus->owned_tokenizer, error);
        corpus->tokenizer = corpus->owned_tokenizer;
    }
    if (status == MHC_OK)
        status = mhc__encode_text(corpus->tokenizer, &bytes, config->skip_invalid, tokens, error);
    mhc__token_array_free(&bytes);
    return status == MHC_OK ? MHC_OK : mhc__fail_in(error, status, "%s", path);
}

static mhc_status open_tokens(mhc__corpus *corpus, const mhc__data_config *config, const char *path,
                              mhc__token_array *tokens, mhc_error *error) {
    return mhc__packed_is(path) ? open_packed(corpus, path, tokens, error)
                                : open_text(corpus, config, path, tokens, error);
}

static mhc_status check_length(const char *path, const char *what, int64_t count, int sequence, mhc_error *error) {
    if (count > sequence)
        return MHC_OK;
    return mhc__fail(error, MHC_INVALID_ARGUMENT,
                     "%s: %s has %" PRId64
                     " tokens, a row needs %d: use more text, a smaller model.sequence or another data.eval_share",
                     path, what, count, sequence + 1);
}

static mhc_status open_parts(mhc__corpus *corpus, const mhc__data_config *config, int sequence, uint64_t seed,
                             mhc_error *error) {
    MHC__TRY(open_tokens(corpus, config, config->path, &corpus->train_tokens, error));
    int64_t all = corpus->train_tokens.count, held_out = (int64_t)((double)config->eval_share * (double)all);
    const char *eval_path = config->eval_path[0] ? config->eval_path : config->path;
    if (config->eval_path[0]) {
        held_out = 0;
        MHC__TRY(open_tokens(corpus, config, config->eval_path, &corpus->eval_tokens, error));
        corpus->eval = (part){&corpus->eval_tokens, 0, corpus->eval_tokens.count, MHC__SAMPLING_ROWS, 0};
    } else {
        corpus->eval = (part){&corpus->train_tokens, all - held_out, held_out, MHC__SAMPLING_ROWS, 0};
    }
    corpus->train = (part){&corpus->train_tokens, 0, all - held_out, config->sampling, seed};
    MHC__TRY(check_length(config->path, "the training part", corpus->train.count, sequence, error));
    return corpus->eval.count ? check_length(eval_path, "the held-out part", corpus->eval.count, sequence, error)
                              : MHC_OK;
}

mhc_status mhc__corpus_open(const mhc__data_config *config, int sequence, uint64_t seed,
                            const mhc__tokenizer *tokenizer, mhc__corpus **out, mhc_error *error) {
    *out = NULL;
    MHC__TRY(mhc__data_config_check(config, error));
    mhc__corpus *corpus = calloc(1, sizeof *corpus);
    if (!corpus)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", config->path);
    corpus->tokenizer = tokenizer;
    mhc_status status = MHC_OK;
    if (!strcmp(config->path, "increment")) {
        corpus->increment = true;
        corpus->train.seed = seed;
        corpus->eval.seed = ~seed;
        if (!tokenizer)
            status = mhc__tokenizer_byte(&corpus->owned_tokenizer, error);
        corpus->tokenizer = tokenizer ? tokenizer : corpus->owned_tokenizer;
    } else {
        status = open_parts(corpus, config, sequence, seed, error);
    }
    if (status != MHC_OK) {
        mhc__corpus_close(corpus);
        return status;
    }
    *out = corpus;
    return MHC_OK;
}

void mhc__corpus_close(mhc__corpus *corpus) {
    if (!corpus)
        return;
    mhc__token_array_free(&corpus->train_tokens);
    mhc__token_array_free(&corpus->eval_tokens);
    mhc__tokenizer_destroy(corpus->owned_tokenizer);
    free(corpus);
}

const mhc__tokenizer *mhc__corpus_tokenizer(const mhc__corpus *corpus) {
    return corpus->tokenizer;
}

int mhc__corpus_vocabulary(const mhc__corpus *corpus) {
    return mhc__tokenizer_vocabulary(corpus->tokenizer);
}

int64_t mhc__corpus_train_tokens(const mhc__corpus *corpus) {
    return corpus->train.count;
}

int64_t mhc__corpus_eval_tokens(const mhc__corpus *corpus) {
    return corpus->eval.count;
}
