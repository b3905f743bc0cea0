/* How a model is trained, as plain data. */
#ifndef MHC_TRAIN_CONFIG_H
#define MHC_TRAIN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "gemm/gemm.h"

typedef enum mhc__schedule {
    MHC__SCHEDULE_CONSTANT,
    MHC__SCHEDULE_COSINE, /* floor + (1 - floor) (1 + cos(pi progress)) / 2 after warm-up */
    MHC__SCHEDULE_STEP    /* x step_factor_1 from step_at_1 of the steps on, x step_factor_2 from step_at_2 (arXiv
                             2512.24880 table 5) */
} mhc__schedule;

typedef enum mhc__decay {
    MHC__DECAY_MATRICES, /* tensors of two dimensions: not norms, biases, hc.base, hc.scale */
    MHC__DECAY_ALL       /* everything: what reproducing-mhc does */
} mhc__decay;

typedef enum mhc__on_nan { MHC__NAN_STOP, MHC__NAN_ROLLBACK } mhc__on_nan;

/* What is measured during training: src/probe/probe_log.h. */
typedef enum mhc__probe_level {
    MHC__PROBE_OFF,
    MHC__PROBE_LIGHT, /* the numbers of a step */
    MHC__PROBE_FULL   /* and their values by site and depth */
} mhc__probe_level;

typedef struct mhc__train_config {
    int64_t steps;
    int batch, accumulate; /* rows of one micro-batch; micro-batches of one step */
    uint64_t seed;
    float lr, beta1, beta2, eps, weight_decay;
    bool bias_correction; /* of AdamW's moments */
    mhc__decay decay;
    float clip; /* global L2 norm; 0: off */
    mhc__schedule schedule;
    int64_t warmup; /* steps: factor (s + 1) / warmup */
    float floor;    /* of the cosine, as a factor of lr */
    float step_at_1, step_factor_1, step_at_2, step_factor_2;
    mhc__on_nan on_nan;
    int max_rollbacks;
    int64_t eval_every, checkpoint_every, log_every; /* steps; 0: never (a checkpoint is always written at the end) */
    bool tensorboard;                                /* what is logged is also written as TensorBoard events */
    int eval_batches;
    int keep_checkpoints;     /* older ones are removed; 0 keeps all */
    mhc__precision precision; /* of matrix products */
    bool recompute;           /* streams are computed again in backward: less memory, the same results */
    int recompute_sites;      /* at a time; 0: what takes least, arXiv 2512.24880 eq. 20 */
    mhc__probe_level probe;
    int64_t probe_every;  /* steps; 0: never */
    int64_t probe_tokens; /* of the pass that are looked at, spread over it; 0: all */
    int threads;          /* 0: all */
} mhc__train_config;

mhc__train_config mhc__train_config_default(void);
mhc_status mhc__train_config_check(const mhc__train_config *config, mhc_error *error); /* messages name "train.FIELD" */
int mhc__train_recompute(const mhc__train_config *config);                             /* as mhc__pass.recompute */
/* Learning rate of step s (0, 1, …). */
double mhc__train_lr(const mhc__train_config *config, int64_t step);

#endif
