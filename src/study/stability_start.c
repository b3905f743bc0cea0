/* The models of the stability study as they start: whether two of them are the same function. */
#include <math.h>

#include "base/memory.h"
#include "data/corpus.h"
#include "study/stability.h"

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

/* All models of one seed against number `mhc`. */
static mhc_status compare(mhc__stability *study, int mhc, int seed, mhc_error *error) {
    const mhc__arm *arm = mhc__stability_arm(study, mhc, seed);
    const mhc__model_config *model = &arm->config.model;
    start_run run = {0};
    mhc_status status = make(&run, arm, error);
    if (status == MHC_OK)
        status = logits_at_start(arm, run.tokens, run.rows, run.logits, error);
    for (int c = 0; status == MHC_OK && c < study->choice_count; c++) {
        status = logits_at_start(mhc__stability_arm(study, c, seed), run.tokens, run.rows, run.others, error);
        mhc__range off = {0, study->starts[c].logits_off};
        double squares = 0;
        int64_t count = (int64_t)run.rows * model->sequence * model->vocabulary;
        for (int64_t i = 0; status == MHC_OK && i < count; i++) {
            mhc__widen(&off, fabs((double)run.others[i] - (double)run.logits[i]));
            squares += (double)run.logits[i] * (double)run.logits[i];
        }
        study->starts[c] = (mhc__stability_start){off.high, sqrt(squares / (double)count)};
    }
    mhc__corpus_close(run.corpus);
    mhc__release(run.tokens);
    mhc__release(run.logits);
    mhc__release(run.others);
    return status;
}

mhc_status mhc__stability_compare_starts(mhc__stability *study, mhc_error *error) {
    int mhc = mhc__choice_find(study->choices, study->choice_count, "reproducing-mhc");
    for (int c = 0; c < study->choice_count; c++)
        study->starts[c] = mhc < 0 ? (mhc__stability_start){NAN, NAN} : (mhc__stability_start){0, 0};
    for (int seed = 0; mhc >= 0 && seed < study->seeds; seed++)
        MHC__TRY(compare(study, mhc, seed, error));
    return MHC_OK;
}
