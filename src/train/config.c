#include "train/config.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

#include "model/model.h"

mhc__train_config mhc__train_config_default(void) {
    return (mhc__train_config){
        .steps = 1000,
        .batch = 16,
        .accumulate = 1,
        .seed = 42,
        .lr = 1e-3f,
        .beta1 = 0.9f,
        .beta2 = 0.95f,
        .eps = 1e-8f,
        .bias_correction = true,
        .weight_decay = 0.1f,
        .decay = MHC__DECAY_MATRICES,
        .clip = 1.0f,
        .schedule = MHC__SCHEDULE_COSINE,
        .warmup = 50,
        .floor = 0.1f,
        .step_at_1 = 0.8f,
        .step_factor_1 = 0.316f,
        .step_at_2 = 0.9f,
        .step_factor_2 = 0.1f,
        .on_nan = MHC__NAN_STOP,
        .max_rollbacks = 3,
        .eval_every = 100,
        .checkpoint_every = 200,
        .log_every = 10,
        .tensorboard = true,
        .eval_batches = 8,
        .keep_checkpoints = 2,
        .probe = MHC__PROBE_LIGHT,
        .probe_every = 10,
        .probe_tokens = 64,
        .threads = 0,
    };
}

typedef struct range {
    const char *field;
    double value, low, high;
} range;

mhc_status mhc__train_config_check(const mhc__train_config *c, mhc_error *error) {
    const range ranges[] = {
        {"steps", (double)c->steps, 0, 1e12},
        {"batch", c->batch, 1, 1e6},
        {"accumulate", c->accumulate, 1, 1e6},
        {"lr", c->lr, 0, 1e3},
        {"beta1", c->beta1, 0, 0.9999999},
        {"beta2", c->beta2, 0, 0.9999999},
        {"eps", c->eps, FLT_MIN, 1}, /* with 0 a gradient of zero gives 0 / 0 */
        {"weight_decay", c->weight_decay, 0, 1e3},
        {"clip", c->clip, 0, 1e30},
        {"warmup", (double)c->warmup, 0, 1e12},
        {"floor", c->floor, 0, 1},
        {"step_at_1", c->step_at_1, 0, 1},
        {"step_factor_1", c->step_factor_1, 0, 1e3},
        {"step_at_2", c->step_at_2, 0, 1},
        {"step_factor_2", c->step_factor_2, 0, 1e3},
        {"max_rollbacks", c->max_rollbacks, 0, 1e6},
        {"eval_every", (double)c->eval_every, 0, 1e12},
        {"checkpoint_every", (double)c->checkpoint_every, 0, 1e12},
        {"log_every", (double)c->log_every, 0, 1e12},
        {"eval_batches", c->eval_batches, 1, 1e9},
        {"keep_checkpoints", c->keep_checkpoints, 0, 1e6},
        {"precision", c->precision, 0, MHC__PRECISION_BF16},
        {"recompute_sites", c->recompute_sites, 0, 1e6},
        {"probe", c->probe, 0, MHC__PROBE_FULL},
        {"probe_every", (double)c->probe_every, 0, 1e12},
        {"probe_tokens", (double)c->probe_tokens, 0, 1e12},
        {"threads", c->threads, 0, 4096},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const range *r = &ranges[i];
        if (!(r->value >= r->low && r->value <= r->high))
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "train.%s: %.9g is not in %.9g..%.9g", r->field, r->value,
                             r->low, r->high);
    }
    if (c->step_at_2 < c->step_at_1)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "train.step_at_2: %.9g comes before train.step_at_1, %.9g",
                         (double)c->step_at_2, (double)c->step_at_1);
    return MHC_OK;
}

int mhc__train_recompute(const mhc__train_config *config) {
    if (!config->recompute)
        return 0;
    return config->recompute_sites > 0 ? config->recompute_sites : MHC__RECOMPUTE_BEST;
}

double mhc__train_lr(const mhc__train_config *config, int64_t step) {
    double lr = (double)config->lr, steps = (double)config->steps, warmup = (double)config->warmup;
    if (step < config->warmup)
        return lr * (double)(step + 1) / warmup;
    switch (config->schedule) {
    case MHC__SCHEDULE_CONSTANT:
        break;
    case MHC__SCHEDULE_COSINE: {
        double progress = steps > warmup ? ((double)step - warmup) / (steps - warmup) : 1.0;
        double floor = (double)config->floor;
        return lr * (floor + (1.0 - floor) * 0.5 * (1.0 + cos(3.141592653589793 * fmin(progress, 1.0))));
    }
    case MHC__SCHEDULE_STEP:
        if ((double)step >= (double)config->step_at_2 * steps)
            return lr * (double)config->step_factor_2;
        if ((double)step >= (double)config->step_at_1 * steps)
            return lr * (double)config->step_factor_1;
        break;
    }
    return lr;
}
