/* Measures a training run now and then: an observer that adds the probes' numbers to the record of a step, which the
 * run's log writes into metrics.jsonl, and, where it is asked for, all arrays to a file of their own. */
#ifndef MHC_PROBE_PROBE_LOG_H
#define MHC_PROBE_PROBE_LOG_H

#include "train/train.h"

typedef struct mhc__probe_log mhc__probe_log;

typedef struct mhc__probe_log_options {
    const mhc__train_config *config; /* probe, probe_every, probe_tokens, threads, warmup; copied */
    const char *path;                /* of the arrays, probes.jsonl, with train.probe: full; NULL for none */
    int64_t from_step;               /* of the run; lines of this step and later, from a run that was killed, go away */
    /* Hears, once each, that streams are copies or that mixers get no gradient. NULL: nobody. */
    mhc_status (*tell)(void *self, const char *text, mhc_error *error);
    void *self;
} mhc__probe_log_options;

/* Watches the model's gradients (its only watcher) from now to close. The measuring is not part of a step's time. */
mhc_status mhc__probe_log_open(mhc__model *model, const mhc__probe_log_options *options, mhc__probe_log **out,
                               mhc_error *error);
void mhc__probe_log_close(mhc__probe_log *log);
mhc__train_observer mhc__probe_log_observer(mhc__probe_log *log);

#endif
