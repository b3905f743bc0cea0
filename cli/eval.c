#include <math.h>
#include <stdio.h>

#include "base/threads.h"
#include "command.h"
#include "data/corpus.h"
#include "mhc/context.h"
#include "run_folder.h"
#include "stop.h"
#include "train/evaluate.h"

typedef struct evaluation {
    mhc__trained trained;
    mhc__corpus *corpus;
    int64_t rows;
    double loss; /* mean over rows */
} evaluation;

static mhc_status open_text(const char *text, evaluation *eval, mhc_error *error) {
    const mhc__data_config *data = &eval->trained.config.data;
    MHC__TRY(mhc__trained_open_text(&eval->trained, text, &eval->corpus, error));
    if (!mhc__corpus_eval(eval->corpus).fill)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "data.eval_share: %g leaves no held-out part of %s; give a text with --data",
                         (double)data->eval_share, data->path);
    return MHC_OK;
}

/* The whole held-out part, or so many batches; of an endless one as many as training evaluates. */
static int64_t rows_to_do(const mhc__arguments *arguments, const evaluation *eval) {
    const mhc__config *config = &eval->trained.config;
    int64_t tokens = mhc__corpus_eval_tokens(eval->corpus);
    int64_t batches = mhc__option_integer(arguments, "batches",
                                          tokens ? INT64_MAX / config->train.batch : config->train.eval_batches);
    int64_t rows = batches * config->train.batch;
    return tokens ? mhc__min(mhc__evaluation_rows(tokens, config->model.sequence), rows) : rows;
}

static mhc_status evaluate(const mhc__arguments *arguments, evaluation *eval, mhc_error *error) {
    MHC__TRY(mhc__trained_open(mhc__operand(arguments, 0), &eval->trained, error));
    MHC__TRY(open_text(mhc__option_text(arguments, "data"), eval, error));
    const mhc__config *config = &eval->trained.config;
    eval->rows = rows_to_do(arguments, eval);
    mhc__evaluation what = {.source = mhc__corpus_eval(eval->corpus),
                            .rows = eval->rows,
                            .batch = config->train.batch,
                            .sequence = config->model.sequence,
                            .precision = config->train.precision};
    mhc_context context = mhc_context_cpu((int)mhc__option_integer(arguments, "threads", 0));
    what.stop = mhc__stop_on_signals();
    return mhc__evaluate(eval->trained.model, &context, &what, NULL, &eval->loss, error);
}

int mhc__command_eval(const mhc__arguments *arguments) {
    evaluation eval = {0};
    mhc_error error = {0};
    mhc_status status = evaluate(arguments, &eval, &error);
    if (status == MHC_OK)
        printf("%s: loss %.6f nats (%.6f bits) per token, perplexity %.4f, over %lld tokens\n", eval.trained.checkpoint,
               eval.loss, eval.loss / log(2.0), exp(eval.loss),
               (long long)(eval.rows * eval.trained.config.model.sequence));
    if (eval.corpus)
        mhc__corpus_close(eval.corpus);
    mhc__trained_close(&eval.trained);
    return status == MHC_OK ? MHC__EXIT_FINE : mhc__failed(&error);
}
