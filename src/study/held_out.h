/* The loss on the held-out part of the text, and the file it is kept in. */
#ifndef MHC_STUDY_HELD_OUT_H
#define MHC_STUDY_HELD_OUT_H

#include "data/corpus.h"
#include "model/model.h"
#include "train/config.h"

typedef struct mhc__held_out {
    double loss;    /* nats per token; NaN: not finite */
    int64_t tokens; /* 0: nothing is held out, or it has no end */
} mhc__held_out;

/* Whether the corpus has a part held out that ends. */
bool mhc__held_out_is_there(const mhc__corpus *corpus);
/* Of the whole part, with the run's batch and precision, without dropout. stop: as in train/evaluate.h. */
mhc_status mhc__held_out_measure(mhc__model *model, mhc__corpus *corpus, const mhc__train_config *train,
                                 const volatile int *stop, mhc__held_out *found, mhc_error *error);
/* JSON. An absent file is MHC_IO. */
mhc_status mhc__held_out_save(const char *path, const mhc__held_out *found, mhc_error *error);
mhc_status mhc__held_out_load(const char *path, mhc__held_out *found, mhc_error *error);

#endif
