#include "train/step_time.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/philox.h"

/* A noisy walk: the next token follows from the last one, nine times of ten. */
static mhc_status fill(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    (void)error;
    const mhc__step_timer *timer = self;
    uint32_t vocabulary = (uint32_t)timer->model.vocabulary, current = 0;
    for (int64_t i = 0; i < (int64_t)batch * (sequence + 1); i++) {
        mhc__philox draw = mhc__philox_at(7, (uint64_t)i, (uint64_t)index);
        current = draw.v[0] % 10 ? (current * 5 + 3) % vocabulary : draw.v[1] % vocabulary;
        tokens[i] = (int32_t)current;
    }
    return MHC_OK;
}

mhc_status mhc__step_timer_open(mhc__step_timer *timer, int warmup, int steps, mhc_error *error) {
    timer->train.steps = warmup + steps;
    timer->train.eval_every = timer->train.checkpoint_every = 0;
    MHC__TRY(mhc__train_plan(&timer->model, &timer->train, false, &timer->memory, error));
    MHC__TRY(mhc__model_create(&timer->model, 1, &timer->built, error));
    MHC__TRY(MHC__ALLOCATE(timer->seconds, steps, "times of steps", error));
    mhc__trainer_options options = {.model = timer->built, .config = &timer->train, .train = {timer, fill}};
    return mhc__trainer_create(&options, &timer->trainer, error);
}

void mhc__step_timer_close(mhc__step_timer *timer) {
    mhc__trainer_destroy(timer->trainer);
    mhc__release(timer->seconds);
    mhc__model_destroy(timer->built);
    timer->trainer = NULL;
    timer->seconds = NULL;
    timer->built = NULL;
}

static mhc_status take_step(mhc__step_timer *timer, int64_t counted, mhc_error *error) {
    mhc__train_record record;
    double start = mhc__clock_seconds();
    MHC__TRY(mhc__trainer_step(timer->trainer, &record, error));
    if (counted >= 0)
        timer->seconds[counted] = mhc__clock_seconds() - start;
    timer->loss = record.loss;
    return MHC_OK;
}

mhc_status mhc__step_timers_run(mhc__step_timer *timers, int count, int warmup, int steps, const volatile int *stop,
                                mhc_error *error) {
    for (int round = 0; round < warmup + steps; round++)
        for (int i = 0; i < count; i++) {
            if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED))
                return mhc__fail(error, MHC_INTERRUPTED, "stopped in round %d of %d", round + 1, warmup + steps);
            MHC__TRY(take_step(&timers[(round + i) % count], round - warmup, error));
        }
    return MHC_OK;
}

static mhc_status spread_over(const mhc__step_timer *timer, const mhc__step_timer *over, int steps, mhc__spread *spread,
                              mhc_error *error) {
    double *values;
    MHC__TRY(MHC__ALLOCATE(values, steps, "times of steps", error));
    for (int i = 0; i < steps; i++)
        values[i] = over ? timer->seconds[i] / over->seconds[i] : timer->seconds[i];
    *spread = mhc__spread_of(values, steps);
    mhc__release(values);
    return MHC_OK;
}

mhc_status mhc__step_seconds(const mhc__step_timer *timer, int steps, mhc__spread *spread, mhc_error *error) {
    return spread_over(timer, NULL, steps, spread, error);
}

mhc_status mhc__step_ratio(const mhc__step_timer *timer, const mhc__step_timer *over, int steps, mhc__spread *spread,
                           mhc_error *error) {
    return spread_over(timer, over, steps, spread, error);
}
