/* The loss of a model on text that it is not trained on. */
#ifndef MHC_TRAIN_EVALUATE_H
#define MHC_TRAIN_EVALUATE_H

#include "model/model.h"
#include "train/source.h"

typedef struct mhc__evaluation {
    mhc__source source;
    int64_t rows; /* the first so many of the source, at least 1; the last batch may be a smaller one */
    int batch, sequence;
    mhc__precision precision;
    const volatile int *stop; /* not 0: MHC_INTERRUPTED. May be NULL */
} mhc__evaluation;

/* Rows of `sequence` tokens, each with its next one, in so many tokens: at least 1. */
int64_t mhc__evaluation_rows(int64_t tokens, int sequence);
/* Of the rows: ceil(rows / batch). */
int64_t mhc__evaluation_batches(const mhc__evaluation *what);
/* loss: mean over rows, in nats per token, which may be NaN. losses: of each batch, [batches]; may be NULL. Errors:
 * what source and model say, MHC_INTERRUPTED. */
mhc_status mhc__evaluate(mhc__model *model, const mhc_context *context, const mhc__evaluation *what, double *losses,
                         double *loss, mhc_error *error);

#endif
