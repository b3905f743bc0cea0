/* One batch of a run's own text, to look at what a trained model does with it. */
#ifndef MHC_PROBE_LOOK_H
#define MHC_PROBE_LOOK_H

#include "config/trained.h"

typedef struct mhc__look {
    mhc__trained trained; /* without dropout */
    mhc__corpus *corpus;
    bool held_out;   /* whether the batch is of the held-out part; of training text where nothing is held out */
    int32_t *tokens; /* batch number 0 */
    mhc__pass pass;  /* a training pass over it, as the run would make it */
} mhc__look;

/* path: a run's folder, its checkpoints folder or a checkpoint. text: a file or folder in place of the run's own, NULL
 * for that. Errors: what opening the model and the text says; MHC_INVALID_ARGUMENT for a bag of words, which has no
 * text. */
mhc_status mhc__look_open(const char *path, const char *text, mhc__look *look, mhc_error *error);
void mhc__look_close(mhc__look *look);

#endif
