#include "train/evaluate.h"

#include "base/memory.h"
#include "base/threads.h"

int64_t mhc__evaluation_rows(int64_t tokens, int sequence) {
    return mhc__max(1, (tokens - 1) / sequence);
}

int64_t mhc__evaluation_batches(const mhc__evaluation *what) {
    return (what->rows + what->batch - 1) / what->batch;
}

/* Rows are read one by one, so that the last batch can be a smaller one. */
static mhc_status evaluate_batch(mhc__model *model, const mhc_context *context, const mhc__evaluation *what,
                                 int64_t first, int rows, int32_t *tokens, double *loss, mhc_error *error) {
    for (int row = 0; row < rows; row++)
        MHC__TRY(what->source.fill(what->source.self, first + row, 1, what->sequence,
                                   tokens + (int64_t)row * (what->sequence + 1), error));
    mhc__pass pass = {
        .batch = rows, .sequence = what->sequence, .tokens = tokens, .precision = what->precision, .scale = 1.0f};
    return mhc__model_forward(model, context, &pass, loss, error);
}

static mhc_status evaluate(mhc__model *model, const mhc_context *context, const mhc__evaluation *what, int32_t *tokens,
                           double *losses, double *loss, mhc_error *error) {
    *loss = 0.0;
    for (int64_t first = 0; first < what->rows; first += what->batch) {
        if (what->stop && __atomic_load_n(what->stop, __ATOMIC_RELAXED))
            return mhc__fail(error, MHC_INTERRUPTED, "stopped after %lld of %lld rows", (long long)first,
                             (long long)what->rows);
        int rows = (int)mhc__min(what->batch, what->rows - first);
        double part;
        MHC__TRY(evaluate_batch(model, context, what, first, rows, tokens, &part, error));
        if (losses)
            losses[first / what->batch] = part;
        *loss = (*loss * (double)first + part * rows) / (double)(first + rows);
    }
    return MHC_OK;
}

mhc_status mhc__evaluate(mhc__model *model, const mhc_context *context, const mhc__evaluation *what, double *losses,
                         double *loss, mhc_error *error) {
    int32_t *tokens;
    MHC__TRY(MHC__ALLOCATE(tokens, what->batch * ((int64_t)what->sequence + 1), "a batch", error));
    mhc_status status = evaluate(model, context, what, tokens, losses, loss, error);
    mhc__release(tokens);
    return status;
}
