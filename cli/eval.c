#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "command.h"
#include "data/corpus.h"
#include "mhc/context.h"
#include "run_folder.h"
#include "stop.h"

typedef struct evaluation {
    mhc__trained trained;
    mhc__corpus *corpus;
    int32_t *tokens;     /* [batch, sequence + 1] */
    int64_t rows, limit; /* done; to do */
    double loss;         /* mean over rows */
} evaluation;

static mhc_status open_text(const char *text, evaluation *eval, mhc_error *error) {
    mhc__data_config data = eval->trained.config.data;
    if (text) {
        MHC__TRY(mhc__check_data_option(text, error));
        memset(data.path, 0, sizeof data.path);
        memcpy(data.path, text, strlen(text));
        memcpy(data.eval_path, data.path, sizeof data.eval_path);
    }
    MHC__TRY(mhc__corpus_open(&data, eval->trained.config.model.sequence, eval->trained.config.train.seed,
                              eval->trained.tokenizer, &eval->corpus, error));
    if (!mhc__corpus_eval(eval->corpus).fill)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "data.eval_share: %g leaves no held-out part of %s; give a text with --data",
                         (double)data.eval_share, data.path);
    return MHC_OK;
}

/* Rows are read one by one, so that the last batch can be a smaller one. */
static mhc_status evaluate_batch(evaluation *eval, const mhc_context *context, mhc_error *error) {
    mhc__source source = mhc__corpus_eval(eval->corpus);
    int sequence = eval->trained.config.model.sequence;
    int batch = (int)mhc__min(eval->trained.config.train.batch, eval->limit - eval->rows);
    for (int row = 0; row < batch; row++)
        MHC__TRY(source.fill(source.self, eval->rows + row, 1, sequence, eval->tokens + (int64_t)row * (sequence + 1),
                             error));
    mhc__pass pass = {.batch = batch,
                      .sequence = sequence,
                      .tokens = eval->tokens,
                      .precision = eval->trained.config.train.precision,
                      .scale = 1.0f};
    double loss;
    MHC__TRY(mhc__model_forward(eval->trained.model, context, &pass, &loss, error));
    eval->loss = (eval->loss * (double)eval->rows + loss * batch) / (double)(eval->rows + batch);
    eval->rows += batch;
    return MHC_OK;
}

/* The whole held-out part, or so many batches; of an endless one as many as training evaluates. */
static int64_t rows_to_do(const mhc__arguments *arguments, const evaluation *eval) {
    const mhc__config *config = &eval->trained.config;
    int64_t tokens = mhc__corpus_eval_tokens(eval->corpus);
    int64_t batches = mhc__option_integer(arguments, "batches",
                                          tokens ? INT64_MAX / config->train.batch : config->train.eval_batches);
    int64_t rows = batches * config->train.batch;
    return tokens ? mhc__max(1, mhc__min((tokens - 1) / config->model.sequence, rows)) : rows;
}

static mhc_status evaluate(const mhc__arguments *arguments, evaluation *eval, mhc_error *error) {
    MHC__TRY(mhc__trained_open(mhc__operand(arguments, 0), &eval->trained, error));
    MHC__TRY(open_text(mhc__option_text(arguments, "data"), eval, error));
    int64_t sequence = eval->trained.config.model.sequence, batch = eval->trained.config.train.batch;
    eval->limit = rows_to_do(arguments, eval);
    MHC__TRY(MHC__ALLOCATE(eval->tokens, batch * (sequence + 1), "a batch", error));
    mhc_context context = mhc_context_cpu((int)mhc__option_integer(arguments, "threads", 0));
    mhc__stop_on_signals();
    while (eval->rows < eval->limit) {
        MHC__TRY(evaluate_batch(eval, &context, error));
        if (mhc__stop_asked())
            return mhc__fail(error, MHC_INTERRUPTED, "stopped after %lld of %lld rows", (long long)eval->rows,
                             (long long)eval->limit);
    }
    return MHC_OK;
}

int mhc__command_eval(const mhc__arguments *arguments) {
    evaluation eval = {0};
    mhc_error error = {0};
    mhc_status status = evaluate(arguments, &eval, &error);
    if (status == MHC_OK)
        printf("%s: loss %.6f nats (%.6f bits) per token, perplexity %.4f, over %lld tokens\n", eval.trained.checkpoint,
               eval.loss, eval.loss / log(2.0), exp(eval.loss),
               (long long)(eval.rows * eval.trained.config.model.sequence));
    mhc__release(eval.tokens);
    if (eval.corpus)
        mhc__corpus_close(eval.corpus);
    mhc__trained_close(&eval.trained);
    return status == MHC_OK ? MHC__EXIT_FINE : mhc__failed(&error);
}
