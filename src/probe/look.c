#include "probe/look.h"

#include "base/memory.h"
#include "train/plan.h"

static mhc_status open_text(const char *text, mhc__look *look, mhc_error *error) {
    const mhc__config *config = &look->trained.config;
    if (config->model.family != MHC__FAMILY_TRANSFORMER)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "%s: expected a transformer, which reads text; found a bag of words",
                         look->trained.checkpoint);
    MHC__TRY(mhc__trained_open_text(&look->trained, text, &look->corpus, error));
    look->held_out = mhc__corpus_eval(look->corpus).fill != NULL;
    return MHC_OK;
}

static mhc_status fill(mhc__look *look, mhc_error *error) {
    const mhc__config *config = &look->trained.config;
    int batch = config->train.batch, sequence = config->model.sequence;
    mhc__source source = look->held_out ? mhc__corpus_eval(look->corpus) : mhc__corpus_train(look->corpus);
    MHC__TRY(MHC__ALLOCATE(look->tokens, (int64_t)batch * (sequence + 1), "a batch", error));
    look->pass = (mhc__pass){.batch = batch,
                             .sequence = sequence,
                             .tokens = look->tokens,
                             .train = true,
                             .precision = config->train.precision,
                             .recompute = mhc__train_recompute(&config->train),
                             .scale = 1.0f};
    return source.fill(source.self, 0, batch, sequence, look->tokens, error);
}

mhc_status mhc__look_open(const char *path, const char *text, mhc__look *look, mhc_error *error) {
    *look = (mhc__look){0};
    mhc_status status = mhc__trained_open_to_measure(path, &look->trained, error);
    if (status == MHC_OK)
        status = open_text(text, look, error);
    if (status == MHC_OK)
        status = fill(look, error);
    if (status != MHC_OK)
        mhc__look_close(look);
    return status;
}

void mhc__look_close(mhc__look *look) {
    mhc__release(look->tokens);
    mhc__corpus_close(look->corpus);
    mhc__trained_close(&look->trained);
    *look = (mhc__look){0};
}
