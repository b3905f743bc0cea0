/* The models of studies as they start: whether they are the same function. */
#include "study/start.h"

#include <math.h>

#include "base/memory.h"
#include "data/corpus.h"
#include "probe/range.h"

enum { ROWS = 4 };

/* Logits [rows, sequence, vocabulary] of the arm's model before training. */
static mhc_status logits_at_start(const mhc__arm *arm, const int32_t *tokens, int rows, float *logits,
                                  mhc_error *error) {
    const mhc__model_config *config = &arm->config.model;
    mhc_context context = mhc_context_cpu(arm->config.train.threads);
    mhc__model *model = NULL;
    mhc_status status = mhc__model_create(config, arm->config.train.seed, &model, error);
    for (int row = 0; status == MHC_OK && row < rows; row++)
        status = mhc__model_logits_of_row(model, &context, arm->config.train.precision,
                                          tokens + (int64_t)row * (config->sequence + 1), config->sequence,
                                          logits + (int64_t)row * config->sequence * config->vocabulary, error);
    mhc__model_destroy(model);
    return status;
}

typedef struct start_run {
    mhc__corpus *corpus;
    int32_t *tokens;        /* [rows, sequence + 1] */
    float *logits, *others; /* [rows, sequence, vocabulary] */
    int rows;
} start_run;

static mhc_status make(start_run *run, const mhc__arm *arm, mhc_error *error) {
    const mhc__model_config *model = &arm->config.model;
    run->rows = arm->config.train.batch < ROWS ? arm->config.train.batch : ROWS;
    int64_t count = (int64_t)run->rows * model->sequence * model->vocabulary;
    MHC__TRY(mhc__corpus_open(&arm->config.data, model->sequence, arm->config.train.seed, NULL, &run->corpus, error));
    MHC__TRY(MHC__ALLOCATE(run->tokens, (int64_t)run->rows * (model->sequence + 1), "rows of tokens", error));
    MHC__TRY(MHC__ALLOCATE(run->logits, count, "logits", error));
    MHC__TRY(MHC__ALLOCATE(run->others, count, "logits", error));
    mhc__source source = mhc__corpus_train(run->corpus);
    return source.fill(source.self, 0, run->rows, model->sequence, run->tokens, error);
}

static mhc_status compare(start_run *run, const mhc__arm *arm, mhc__start_difference *found, mhc_error *error) {
    const mhc__model_config *model = &arm->config.model;
    int64_t count = (int64_t)run->rows * model->sequence * model->vocabulary;
    MHC__TRY(logits_at_start(arm, run->tokens, run->rows, run->others, error));
    mhc__range off = {0, 0};
    double squares = 0;
    for (int64_t i = 0; i < count; i++) {
        mhc__widen(&off, fabs((double)run->others[i] - (double)run->logits[i]));
        squares += (double)run->logits[i] * (double)run->logits[i];
    }
    *found = (mhc__start_difference){off.high, sqrt(squares / (double)count)};
    return MHC_OK;
}

mhc_status mhc__starts_compare(const mhc__arm *reference, const mhc__arm *const *arms, int count,
                               mhc__start_difference *found, mhc_error *error) {
    start_run run = {0};
    mhc_status status = make(&run, reference, error);
    if (status == MHC_OK)
        status = logits_at_start(reference, run.tokens, run.rows, run.logits, error);
    for (int i = 0; status == MHC_OK && i < count; i++)
        status = compare(&run, arms[i], &found[i], error);
    mhc__corpus_close(run.corpus);
    mhc__release(run.tokens);
    mhc__release(run.logits);
    mhc__release(run.others);
    return status;
}
