#include "train/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "train/adamw.h"
#include "train/checkpoint.h"
#include "train/checkpoint_folder.h"

struct mhc__trainer {
    mhc__model *model;
    mhc__train_config config;
    mhc__source train, eval;
    mhc_context context;
    char *folder, *config_json;
    mhc__train_observer *observers;
    int observer_count;
    const volatile int *stop;
    bool other_data;
    mhc__checkpoint_state state;
    int64_t saved_step; /* of the newest checkpoint of this run, -1 for none */
    float *first, *second;
    mhc__adamw_piece *pieces; /* of all tensors */
    int64_t piece_count;
    int32_t *tokens;                     /* [batch, sequence + 1] */
    double pace;                         /* seconds per step, smoothed; 0 before the first */
    double parts[MHC__TRAIN_PARTS], lap; /* seconds of this step; when the last part of it ended */
};

static mhc_status copy_text(const char *from, char **to, mhc_error *error) {
    *to = from ? mhc__format("%s", from) : NULL;
    return from && !*to ? mhc__fail(error, MHC_OUT_OF_MEMORY, "trainer: no memory") : MHC_OK;
}

/* The tensors as AdamW sees them; pieces NULL: their number alone. */
static int64_t cut_tensors(const mhc__model *model, mhc__decay decay, mhc__adamw_piece *pieces) {
    int64_t count = 0;
    for (int i = 0; i < mhc__model_parameter_count(model); i++) {
        const mhc__parameter *p = mhc__model_parameter(model, i);
        bool decays = decay == MHC__DECAY_ALL || p->dims >= 2;
        count += mhc__adamw_cut(p->offset, p->count, decays, pieces ? pieces + count : NULL);
    }
    return count;
}

static mhc_status allocate(mhc__trainer *trainer, const mhc__trainer_options *options, mhc_error *error) {
    int64_t sequence = mhc__model_configuration(options->model)->sequence, size = mhc__model_size(options->model);
    MHC__TRY(copy_text(options->folder, &trainer->folder, error));
    MHC__TRY(copy_text(options->config_json, &trainer->config_json, error));
    MHC__TRY(MHC__ALLOCATE(trainer->observers, options->observer_count, "trainer: observers", error));
    MHC__TRY(MHC__ALLOCATE(trainer->first, size, "trainer: first moments", error));
    MHC__TRY(MHC__ALLOCATE(trainer->second, size, "trainer: second moments", error));
    trainer->piece_count = cut_tensors(options->model, options->config->decay, NULL);
    MHC__TRY(MHC__ALLOCATE(trainer->pieces, trainer->piece_count, "trainer: a list of tensors", error));
    cut_tensors(options->model, options->config->decay, trainer->pieces);
    return MHC__ALLOCATE(trainer->tokens, options->config->batch * (sequence + 1), "trainer: a batch of tokens", error);
}

mhc_status mhc__trainer_create(const mhc__trainer_options *options, mhc__trainer **out, mhc_error *error) {
    *out = NULL;
    MHC__TRY(mhc__train_config_check(options->config, error));
    if (!options->model || !options->train.fill)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "trainer: expected a model and a source of batches");
    mhc__trainer *trainer = calloc(1, sizeof *trainer);
    if (!trainer)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "trainer: no memory");
    trainer->model = options->model;
    trainer->config = *options->config;
    trainer->train = options->train;
    trainer->eval = options->eval;
    trainer->context = mhc_context_cpu(options->config->threads);
    trainer->observer_count = options->observer_count;
    trainer->stop = options->stop;
    trainer->state.seed = options->config->seed;
    trainer->state.data = options->data;
    trainer->other_data = options->other_data;
    trainer->saved_step = -1;
    mhc_status status = allocate(trainer, options, error);
    if (status != MHC_OK) {
        mhc__trainer_destroy(trainer);
        return status;
    }
    for (int i = 0; i < options->observer_count; i++)
        trainer->observers[i] = options->observers[i];
    *out = trainer;
    return MHC_OK;
}

void mhc__trainer_destroy(mhc__trainer *trainer) {
    if (!trainer)
        return;
    mhc__release(trainer->tokens);
    mhc__release(trainer->pieces);
    mhc__release(trainer->second);
    mhc__release(trainer->first);
    mhc__release(trainer->observers);
    free(trainer->config_json);
    free(trainer->folder);
    free(trainer);
}

int64_t mhc__trainer_steps_done(const mhc__trainer *trainer) {
    return trainer->state.step;
}

/* What decides on batches and dropout after the checkpoint has to be what it was before. */
static mhc_status check_state(const mhc__trainer *trainer, const char *checkpoint, mhc_error *error) {
    mhc__checkpoint_state state;
    const mhc__data_mark *now = &trainer->state.data, *before = &state.data;
    MHC__TRY(mhc__checkpoint_state_read(checkpoint, &state, error));
    if (state.seed != trainer->config.seed)
        return mhc__fail(error, MHC_MISMATCH,
                         "%s: train.seed: %" PRIu64 " before, %" PRIu64 " now: the seed of a run that goes on can't "
                         "change",
                         checkpoint, state.seed, trainer->config.seed);
    if (!trainer->other_data && now->tokens > 0 && before->tokens > 0 &&
        (now->tokens != before->tokens || now->checksum != before->checksum))
        return mhc__fail(error, MHC_MISMATCH,
                         "%s: trained on %" PRId64 " tokens of CRC-32 %08" PRIx32 ", found %" PRId64 " of %08" PRIx32
                         ": the text has changed; name it with --data to go on with it",
                         checkpoint, before->tokens, before->checksum, now->tokens, now->checksum);
    return MHC_OK;
}

mhc_status mhc__trainer_resume(mhc__trainer *trainer, const char *checkpoint, mhc_error *error) {
    mhc__checkpoint_state state;
    MHC__TRY(check_state(trainer, checkpoint, error));
    MHC__TRY(mhc__checkpoint_load(checkpoint, trainer->model, trainer->first, trainer->second, &state, error));
    state.data = trainer->state.data;
    trainer->state = state;
    trainer->saved_step = state.step;
    return MHC_OK;
}

static mhc_status note(mhc__trainer *trainer, const char *text, mhc_error *error) {
    for (int i = 0; i < trainer->observer_count; i++)
        if (trainer->observers[i].note)
            MHC__TRY(trainer->observers[i].note(trainer->observers[i].self, text, error));
    return MHC_OK;
}

/* What was just written is whole whatever becomes of the old ones. */
static mhc_status prune(mhc__trainer *trainer, mhc_error *error) {
    mhc_error reason = {0};
    if (mhc__checkpoint_prune(trainer->folder, trainer->config.keep_checkpoints, trainer->state.step, &reason) ==
        MHC_OK)
        return MHC_OK;
    char text[sizeof reason.message + 32];
    snprintf(text, sizeof text, "old checkpoints stay: %s", reason.message);
    return note(trainer, text, error);
}

mhc_status mhc__trainer_save(mhc__trainer *trainer, mhc_error *error) {
    if (!trainer->folder)
        return MHC_OK;
    /* A checkpoint of NaN would push out the last one that a run can go back to. */
    if (!isfinite(mhc__norm_of(trainer->context.threads, mhc__model_size(trainer->model),
                               mhc__model_weights(trainer->model))))
        return mhc__fail(error, MHC_NOT_FINITE, "step %" PRId64 ": weights are not finite: no checkpoint written",
                         trainer->state.step);
    char *path = mhc__checkpoint_path(trainer->folder, trainer->state.step);
    if (!path)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", trainer->folder);
    mhc_status status = mhc__checkpoint_save(path, trainer->model, trainer->first, trainer->second, &trainer->state,
                                             trainer->config_json, error);
    if (status == MHC_OK) {
        trainer->saved_step = trainer->state.step;
        status = prune(trainer, error);
    }
    free(path);
    return status;
}

/* ---- one step ---- */

static mhc__pass pass_of(const mhc__trainer *trainer, int64_t batch_index, bool train) {
    return (mhc__pass){
        .batch = trainer->config.batch,
        .sequence = mhc__model_configuration(trainer->model)->sequence,
        .tokens = trainer->tokens,
        .train = train,
        .seed = trainer->state.seed,
        .step = (uint64_t)batch_index,
        .precision = trainer->config.precision,
        .recompute = mhc__train_recompute(&trainer->config),
        .scale = 1.0f / (float)trainer->config.accumulate,
    };
}

/* The time since the last part ended goes to this one. */
static void end_part(mhc__trainer *trainer, mhc__train_part part) {
    double now = mhc__clock_seconds();
    trainer->parts[part] += now - trainer->lap;
    trainer->lap = now;
}

const char *mhc__train_part_name(mhc__train_part part) {
    static const char *const NAMES[MHC__TRAIN_PARTS] = {
        [MHC__PART_OF_DATA] = "seconds_data",
        [MHC__PART_OF_FORWARD] = "seconds_forward",
        [MHC__PART_OF_BACKWARD] = "seconds_backward",
        [MHC__PART_OF_UPDATE] = "seconds_update",
        [MHC__PART_OF_PROBES] = "seconds_probes",
        [MHC__PART_IN_MODEL + MHC__FORWARD_CONNECTIONS] = "seconds_forward_connections",
        [MHC__PART_IN_MODEL + MHC__FORWARD_LAYERS] = "seconds_forward_layers",
        [MHC__PART_IN_MODEL + MHC__BACKWARD_CONNECTIONS] = "seconds_backward_connections",
        [MHC__PART_IN_MODEL + MHC__BACKWARD_LAYERS] = "seconds_backward_layers",
    };
    return NAMES[part];
}

static mhc_status micro_batch(mhc__trainer *trainer, int64_t index, double *loss, mhc_error *error) {
    mhc__pass pass = pass_of(trainer, index, true);
    MHC__TRY(trainer->train.fill(trainer->train.self, index, pass.batch, pass.sequence, trainer->tokens, error));
    end_part(trainer, MHC__PART_OF_DATA);
    MHC__TRY(mhc__model_forward(trainer->model, &trainer->context, &pass, loss, error));
    end_part(trainer, MHC__PART_OF_FORWARD);
    MHC__TRY(mhc__model_backward(trainer->model, &trainer->context, &pass, error));
    end_part(trainer, MHC__PART_OF_BACKWARD);
    return MHC_OK;
}

static double clip_factor(double limit, double norm) {
    /* PyTorch's clip_grad_norm_: limit / (norm + 1e-6), never above one. */
    return limit > 0.0 ? fmin(1.0, limit / (norm + 1e-6)) : 1.0;
}

static void update(mhc__trainer *trainer, double norm) {
    const mhc__train_config *c = &trainer->config;
    mhc__adamw adamw = {
        .lr = mhc__train_lr(c, trainer->state.step),
        .beta1 = (double)c->beta1,
        .beta2 = (double)c->beta2,
        .eps = (double)c->eps,
        .decay = (double)c->weight_decay,
        .scale = clip_factor((double)c->clip, norm),
        .step = c->bias_correction ? trainer->state.step + 1 : INT64_MAX,
    };
    mhc__adamw_update(trainer->context.threads, &adamw, trainer->piece_count, trainer->pieces,
                      mhc__model_gradients(trainer->model), mhc__model_weights(trainer->model), trainer->first,
                      trainer->second);
}

static mhc_status tell_before_update(mhc__trainer *trainer, mhc__train_record *record, mhc_error *error) {
    for (int i = 0; i < trainer->observer_count; i++)
        if (trainer->observers[i].before_update)
            MHC__TRY(trainer->observers[i].before_update(trainer->observers[i].self, trainer->model, record, error));
    return MHC_OK;
}

/* Forward and backward of all micro-batches; the mean loss. */
static mhc_status accumulate(mhc__trainer *trainer, double *loss, mhc_error *error) {
    int64_t count = trainer->config.accumulate;
    *loss = 0.0;
    mhc__model_zero_gradients(trainer->model, &trainer->context);
    for (int64_t micro = 0; micro < count; micro++) {
        double part = 0.0;
        MHC__TRY(micro_batch(trainer, trainer->state.step * count + micro + trainer->state.shift, &part, error));
        *loss += part / (double)count;
    }
    return MHC_OK;
}

/* Measuring is not training: its time does not count. */
static void finish(mhc__trainer *trainer, mhc__train_record *record) {
    const mhc__train_config *c = &trainer->config;
    int64_t tokens = (int64_t)c->accumulate * c->batch * mhc__model_configuration(trainer->model)->sequence;
    for (int part = 0; part < MHC__PART_OF_PROBES; part++)
        record->seconds += trainer->parts[part];
    memcpy(trainer->parts + MHC__PART_IN_MODEL, mhc__model_seconds(trainer->model),
           MHC__MODEL_PARTS * sizeof *trainer->parts);
    record->tokens = trainer->state.step * tokens;
    record->tokens_per_second = (double)tokens / record->seconds;
    for (int part = 0; part < MHC__TRAIN_PARTS && record->number_count > 0; part++)
        mhc__train_record_add(record, mhc__train_part_name((mhc__train_part)part), trainer->parts[part]);
}

mhc_status mhc__trainer_step(mhc__trainer *trainer, mhc__train_record *record, mhc_error *error) {
    int64_t step = trainer->state.step;
    double loss;
    memset(trainer->parts, 0, sizeof trainer->parts);
    memset(mhc__model_seconds(trainer->model), 0, MHC__MODEL_PARTS * sizeof(double));
    trainer->lap = mhc__clock_seconds();
    MHC__TRY(accumulate(trainer, &loss, error));
    double norm =
        mhc__norm_of(trainer->context.threads, mhc__model_size(trainer->model), mhc__model_gradients(trainer->model));
    end_part(trainer, MHC__PART_OF_UPDATE);
    *record = (mhc__train_record){.step = step,
                                  .loss = loss,
                                  .grad_norm = norm,
                                  .lr = mhc__train_lr(&trainer->config, step),
                                  .eval_loss = NAN,
                                  .remaining = NAN,
                                  .steps = trainer->config.steps};
    MHC__TRY(tell_before_update(trainer, record, error));
    end_part(trainer, MHC__PART_OF_PROBES);
    if (!isfinite(loss) || !isfinite(norm))
        return mhc__fail(error, MHC_NOT_FINITE, "step %" PRId64 ": loss %g, gradient norm %g: not finite", step, loss,
                         norm);
    update(trainer, norm);
    trainer->state.step++;
    end_part(trainer, MHC__PART_OF_UPDATE);
    finish(trainer, record);
    return MHC_OK;
}

void mhc__train_record_add(mhc__train_record *record, const char *name, double value) {
    if (record->number_count < MHC__TRAIN_NUMBERS)
        record->numbers[record->number_count++] = (mhc__train_number){name, value};
}

/* ---- the run ---- */

static mhc_status evaluate(mhc__trainer *trainer, double *loss, mhc_error *error) {
    *loss = 0.0;
    for (int i = 0; i < trainer->config.eval_batches; i++) {
        mhc__pass pass = pass_of(trainer, i, false);
        double part = 0.0;
        MHC__TRY(trainer->eval.fill(trainer->eval.self, i, pass.batch, pass.sequence, trainer->tokens, error));
        MHC__TRY(mhc__model_forward(trainer->model, &trainer->context, &pass, &part, error));
        *loss += part / trainer->config.eval_batches;
    }
    return MHC_OK;
}

static bool due(int64_t every, int64_t steps_done) {
    return every > 0 && steps_done % every == 0;
}

/* Back to the last checkpoint, and past the batches that led from there to here: they are skipped for good. */
static mhc_status roll_back(mhc__trainer *trainer, mhc_error *error) {
    int64_t failed = trainer->state.step, rollbacks = trainer->state.rollbacks + 1, shift = trainer->state.shift;
    if (trainer->config.on_nan != MHC__NAN_ROLLBACK || !trainer->folder || trainer->saved_step < 0 ||
        rollbacks > trainer->config.max_rollbacks)
        return MHC_NOT_FINITE;
    char reason[sizeof error->message];
    memcpy(reason, error->message, sizeof reason);
    char *path = mhc__checkpoint_path(trainer->folder, trainer->saved_step);
    mhc_status status = path ? mhc__trainer_resume(trainer, path, error)
                             : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", trainer->folder);
    free(path);
    if (status != MHC_OK)
        return status;
    trainer->state.rollbacks = rollbacks;
    trainer->state.shift = shift + (failed - trainer->state.step + 1) * trainer->config.accumulate;
    char *text = mhc__format("%s; back to step %" PRId64 ", its next batches are skipped (rollback %" PRId64 " of %d)",
                             reason, trainer->state.step, rollbacks, trainer->config.max_rollbacks);
    status = text ? note(trainer, text, error) : mhc__fail(error, MHC_OUT_OF_MEMORY, "trainer: no memory");
    free(text);
    return status;
}

static mhc_status after_step(mhc__trainer *trainer, mhc__train_record *record, mhc_error *error) {
    int64_t done = trainer->state.step;
    bool last = done == trainer->config.steps;
    record->evaluated =
        trainer->eval.fill && trainer->config.eval_every > 0 && (last || due(trainer->config.eval_every, done));
    if (record->evaluated)
        MHC__TRY(evaluate(trainer, &record->eval_loss, error));
    trainer->pace = trainer->pace > 0.0 ? 0.9 * trainer->pace + 0.1 * record->seconds : record->seconds;
    record->remaining = trainer->pace * (double)(trainer->config.steps - done);
    for (int i = 0; i < trainer->observer_count; i++)
        if (trainer->observers[i].after_step)
            MHC__TRY(trainer->observers[i].after_step(trainer->observers[i].self, trainer->model, record, error));
    return MHC_OK;
}

static mhc_status save_when_due(mhc__trainer *trainer, mhc_error *error) {
    bool last = trainer->state.step == trainer->config.steps;
    bool now = last || due(trainer->config.checkpoint_every, trainer->state.step);
    return now ? mhc__trainer_save(trainer, error) : MHC_OK;
}

/* A step that failed, for want of data or memory, has left the weights of the steps before it, all of which observers
 * were told of. (After a failure of theirs nothing is saved: the log would lack a step.) The error that ends the run is
 * the first one. */
static void save_before_failing(mhc__trainer *trainer) {
    if (trainer->saved_step != trainer->state.step)
        mhc__trainer_save(trainer, NULL);
}

mhc_status mhc__trainer_run(mhc__trainer *trainer, mhc_error *error) {
    mhc_error local = {0};
    if (!error)
        error = &local;
    /* Something to roll back to from the first step on. */
    if (trainer->config.on_nan == MHC__NAN_ROLLBACK && trainer->saved_step < 0)
        MHC__TRY(mhc__trainer_save(trainer, error));
    while (trainer->state.step < trainer->config.steps) {
        if (trainer->stop && __atomic_load_n(trainer->stop, __ATOMIC_RELAXED)) {
            if (trainer->saved_step != trainer->state.step)
                MHC__TRY(mhc__trainer_save(trainer, error));
            return mhc__fail(error, MHC_INTERRUPTED, "stopped on request after step %" PRId64 " of %" PRId64,
                             trainer->state.step, trainer->config.steps);
        }
        mhc__train_record record;
        mhc_status status = mhc__trainer_step(trainer, &record, error);
        if (status == MHC_OK) {
            MHC__TRY(after_step(trainer, &record, error));
            status = save_when_due(trainer, error);
        } else if (status != MHC_NOT_FINITE)
            save_before_failing(trainer);
        if (status == MHC_NOT_FINITE)
            status = roll_back(trainer, error);
        MHC__TRY(status);
    }
    return MHC_OK;
}
