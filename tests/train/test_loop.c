/* The loop: accumulation, clipping, decay groups, evaluation, the stop flag, the guard, exact resuming. */
#include "train/support.h"

typedef struct watcher {
    double loss, norm, eval_loss, lr;
    int steps, notes, evaluations;
    volatile int *stop;
    int64_t stop_at;   /* sets *stop after this step */
    int64_t poison_at; /* makes a weight NaN after this step, the first time; -1: never */
    int poisons;
} watcher;

static mhc_status after_step(void *self, mhc__model *model, const mhc__train_record *record, mhc_error *error) {
    (void)error;
    watcher *w = self;
    w->loss = record->loss;
    w->norm = record->grad_norm;
    w->lr = record->lr;
    w->steps++;
    assert_true(record->evaluated || isnan(record->eval_loss));
    if (record->evaluated) {
        w->eval_loss = record->eval_loss;
        w->evaluations++;
    }
    if (w->stop && record->step == w->stop_at)
        *w->stop = 1;
    if (record->step == w->poison_at && w->poisons > 0) {
        w->poisons--;
        mhc__model_weights(model)[mhc__model_parameter_find(model, "norm.weight")->offset] = NAN;
    }
    return MHC_OK;
}

static mhc_status count_note(void *self, const char *text, mhc_error *error) {
    (void)error;
    assert_true(strlen(text) > 10);
    ((watcher *)self)->notes++;
    return MHC_OK;
}

static mhc__train_observer observer_of(watcher *w) {
    return (mhc__train_observer){.self = w, .after_step = after_step, .note = count_note};
}

typedef struct outcome {
    mhc_status status;
    mhc_error error;
} outcome;

/* A run from the start, or from the newest checkpoint in folder. */
static outcome run_once(const mhc__train_config *config, const char *folder, numbered *source, watcher *w,
                        volatile int *stop, bool resume) {
    mhc__model_config shape = small_model();
    mhc__model *model = make_model(&shape);
    mhc__train_observer observer = observer_of(w);
    mhc__trainer *trainer = make_trainer((mhc__trainer_options){.model = model,
                                                                .config = config,
                                                                .train = {source, fill_numbered},
                                                                .eval = {NULL, fill_numbered},
                                                                .folder = folder,
                                                                .config_json = "{\"x\":1}",
                                                                .observers = &observer,
                                                                .observer_count = w ? 1 : 0,
                                                                .stop = stop});
    outcome out = {.status = MHC_OK};
    if (resume) {
        char *checkpoint = NULL;
        if (mhc__checkpoint_find(folder, &checkpoint, &out.error) != MHC_OK ||
            mhc__trainer_resume(trainer, checkpoint, &out.error) != MHC_OK)
            fail_msg("%s", out.error.message);
        free(checkpoint);
    }
    out.status = mhc__trainer_run(trainer, &out.error);
    mhc__trainer_destroy(trainer);
    mhc__model_destroy(model);
    return out;
}

static void resumes_bit_for_bit(void **state) {
    (void)state;
    enum { STEPS = 6 };
    mhc__train_config config = short_run(STEPS);
    config.accumulate = 2;
    assert_int_equal(run_once(&config, scratch_path("whole"), NULL, NULL, NULL, false).status, MHC_OK);
    for (int64_t at = 0; at < STEPS - 1; at++) {
        const char *folder = scratch_path("stopped");
        volatile int stop = 0;
        numbered source = {0};
        watcher w = {.stop = &stop, .stop_at = at, .poison_at = -1};
        outcome out = run_once(&config, folder, &source, &w, &stop, false);
        assert_int_equal(out.status, MHC_INTERRUPTED);
        assert_non_null(strstr(out.error.message, "stopped on request"));
        assert_int_equal(w.steps, at + 1);
        assert_int_equal(run_once(&config, folder, &source, NULL, NULL, true).status, MHC_OK);
        assert_int_equal(source.count, 2 * STEPS);
        for (int i = 0; i < source.count; i++)
            assert_int_equal(source.log[i], i); /* no batch twice, none left out */
        assert_same_checkpoint(scratch_path("whole"), folder, STEPS);
        assert_int_equal(mhc__remove_tree(folder, NULL), MHC_OK);
    }
}

/* Resumes the run in a folder with another seed or other data; MHC_OK does not run it. */
static mhc_status resume_as(const char *folder, uint64_t seed, mhc__data_mark data, bool other_data, mhc_error *error) {
    mhc__train_config config = short_run(4);
    mhc__model_config shape = small_model();
    mhc__model *model = make_model(&shape);
    char *checkpoint = NULL;
    config.seed = seed;
    mhc__trainer *trainer = make_trainer((mhc__trainer_options){.model = model,
                                                                .config = &config,
                                                                .train = {NULL, fill_numbered},
                                                                .folder = folder,
                                                                .data = data,
                                                                .other_data = other_data});
    float before = *mhc__model_weights(model);
    mhc_status status = mhc__checkpoint_find(folder, &checkpoint, error);
    if (status == MHC_OK)
        status = mhc__trainer_resume(trainer, checkpoint, error);
    assert_true((status == MHC_OK) == (*mhc__model_weights(model) != before)); /* a refusal changes nothing */
    if (status == MHC_OK)
        status = mhc__trainer_save(trainer, error);
    free(checkpoint);
    mhc__trainer_destroy(trainer);
    mhc__model_destroy(model);
    return status;
}

static void resumes_the_same_run_alone(void **state) {
    (void)state;
    mhc__train_config config = short_run(2);
    const mhc__data_mark none = {0}, text = {1000, 7}, edited = {1000, 8}, longer = {1001, 7};
    const char *folder = scratch_path("run");
    mhc_error error = {0};
    assert_int_equal(run_once(&config, folder, NULL, NULL, NULL, false).status, MHC_OK);
    assert_int_equal(resume_as(folder, config.seed + 1, none, true, &error), MHC_MISMATCH);
    assert_non_null(strstr(error.message, "train.seed: 42 before, 43 now"));
    /* A checkpoint without a mark, as they were, takes any data, and has a mark from then on. */
    assert_int_equal(resume_as(folder, config.seed, text, false, &error), MHC_OK);
    assert_int_equal(resume_as(folder, config.seed, edited, false, &error), MHC_MISMATCH);
    assert_non_null(strstr(error.message, "the text has changed"));
    assert_int_equal(resume_as(folder, config.seed, longer, false, &error), MHC_MISMATCH);
    assert_int_equal(resume_as(folder, config.seed, text, false, &error), MHC_OK);
    assert_int_equal(resume_as(folder, config.seed, longer, true, &error), MHC_OK);
    assert_int_equal(resume_as(folder, config.seed, longer, false, &error), MHC_OK);
}

static void stop_before_the_first_step(void **state) {
    (void)state;
    volatile int stop = 1;
    mhc__train_config config = short_run(3);
    watcher w = {.poison_at = -1};
    assert_int_equal(run_once(&config, scratch_path("a"), NULL, &w, &stop, false).status, MHC_INTERRUPTED);
    assert_int_equal(w.steps, 0);
    assert_true(is_there(scratch_path("a/checkpoints/step-00000000/state.json")));
}

static void nan_stops(void **state) {
    (void)state;
    mhc__train_config config = short_run(6);
    config.checkpoint_every = 1;
    watcher w = {.poison_at = 2, .poisons = 1};
    outcome out = run_once(&config, scratch_path("a"), NULL, &w, NULL, false);
    assert_int_equal(out.status, MHC_NOT_FINITE);
    assert_non_null(strstr(out.error.message, "not finite"));
    /* The NaN of step 2 came before its checkpoint: the last one is whole and finite. */
    assert_true(is_there(scratch_path("a/checkpoints/step-00000002")));
    assert_false(is_there(scratch_path("a/checkpoints/step-00000003")));
}

static void nan_rolls_back(void **state) {
    (void)state;
    mhc__train_config config = short_run(6);
    config.on_nan = MHC__NAN_ROLLBACK;
    config.checkpoint_every = 2;
    numbered source = {0};
    watcher w = {.poison_at = 2, .poisons = 1};
    assert_int_equal(run_once(&config, scratch_path("a"), &source, &w, NULL, false).status, MHC_OK);
    /* Steps 0 1 2, then NaN in step 3: back to step 2 with batches 2 and 3 behind it. */
    const int64_t expected[] = {0, 1, 2, 3, 4, 5, 6, 7};
    assert_int_equal(source.count, 8);
    assert_memory_equal(source.log, expected, sizeof expected);
    assert_int_equal(w.notes, 1);

    /* A stop right after, and resuming, changes nothing: shift and count are in the checkpoint. */
    volatile int stop = 0;
    watcher again = {.poison_at = 2, .poisons = 1, .stop = &stop, .stop_at = 4};
    assert_int_equal(run_once(&config, scratch_path("b"), NULL, &again, &stop, false).status, MHC_INTERRUPTED);
    assert_int_equal(run_once(&config, scratch_path("b"), NULL, NULL, NULL, true).status, MHC_OK);
    assert_same_checkpoint(scratch_path("a"), scratch_path("b"), 6);
}

static void rollbacks_are_bounded(void **state) {
    (void)state;
    mhc__train_config config = short_run(6);
    config.on_nan = MHC__NAN_ROLLBACK;
    config.max_rollbacks = 2;
    watcher w = {.poison_at = 1, .poisons = 100};
    outcome out = run_once(&config, scratch_path("a"), NULL, &w, NULL, false);
    assert_int_equal(out.status, MHC_NOT_FINITE);
    assert_int_equal(w.notes, 2);
}

/* k micro-batches of b rows are one batch of k b rows, up to rounding, without dropout. */

static mhc_status fill_split(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    (void)error;
    (void)self;
    int64_t first = index * batch; /* rows are numbered through */
    for (int r = 0; r < batch; r++)
        for (int i = 0; i <= sequence; i++)
            tokens[r * (sequence + 1) + i] =
                (int32_t)(mhc__philox_at(7, (uint64_t)i, (uint64_t)(first + r)).v[0] % VOCABULARY);
    return MHC_OK;
}

static void accumulation_is_one_big_batch(void **state) {
    (void)state;
    float *weights[2];
    double loss[2], norm[2];
    int64_t size = 0;
    mhc__model_config shape = small_model();
    shape.dropout_embedding = shape.dropout_output = 0.0f;
    mhc__model *model[2];
    for (int k = 0; k < 2; k++) {
        mhc__train_config config = short_run(4);
        config.batch = k ? 2 : 8;
        config.accumulate = k ? 4 : 1;
        watcher w = {.poison_at = -1};
        mhc__train_observer observer = observer_of(&w);
        model[k] = make_model(&shape);
        mhc__trainer *trainer = make_trainer((mhc__trainer_options){.model = model[k],
                                                                    .config = &config,
                                                                    .train = {NULL, fill_split},
                                                                    .observers = &observer,
                                                                    .observer_count = 1});
        assert_int_equal(mhc__trainer_run(trainer, NULL), MHC_OK);
        weights[k] = mhc__model_weights(model[k]);
        size = mhc__model_size(model[k]);
        loss[k] = w.loss;
        norm[k] = w.norm;
        mhc__trainer_destroy(trainer);
    }
    assert_true(fabs(loss[0] - loss[1]) < 1e-5 && fabs(norm[0] / norm[1] - 1.0) < 1e-4);
    double difference = 0.0, total = 0.0;
    for (int64_t i = 0; i < size; i++) {
        difference += pow((double)weights[0][i] - (double)weights[1][i], 2.0);
        total += pow((double)weights[0][i], 2.0);
    }
    assert_true(sqrt(difference / total) < 1e-4);
    mhc__model_destroy(model[0]);
    mhc__model_destroy(model[1]);
}

/* One step at lr with eps so large that the update is linear in the clipped gradient, and decay so visible that its
 * groups show. */
static void clip_and_decay_groups(void **state) {
    (void)state;
    mhc__model_config shape = small_model();
    shape.dropout_embedding = shape.dropout_output = 0.0f;
    for (int all = 0; all < 2; all++) {
        mhc__model *model = make_model(&shape);
        int64_t size = mhc__model_size(model);
        float *before = malloc((size_t)size * sizeof *before), *after = mhc__model_weights(model);
        memcpy(before, after, (size_t)size * sizeof *before);
        mhc__train_config config = short_run(1);
        config.schedule = MHC__SCHEDULE_CONSTANT;
        config.warmup = 0;
        config.lr = 0.5f;
        config.eps = 1.0f;
        config.clip = 1e-3f;
        config.weight_decay = 0.5f;
        config.decay = all ? MHC__DECAY_ALL : MHC__DECAY_MATRICES;
        mhc__trainer *trainer =
            make_trainer((mhc__trainer_options){.model = model, .config = &config, .train = {NULL, fill_numbered}});
        mhc__train_record record;
        assert_int_equal(mhc__trainer_step(trainer, &record, NULL), MHC_OK);
        assert_true(record.grad_norm > 0.01); /* clipping has work to do */
        double moved = 0.0;
        for (int p = 0; p < mhc__model_parameter_count(model); p++) {
            const mhc__parameter *q = mhc__model_parameter(model, p);
            double keep = all || q->dims >= 2 ? 0.75 : 1.0;
            for (int64_t i = q->offset; i < q->offset + q->count; i++)
                moved += pow((double)after[i] - keep * (double)before[i], 2.0);
        }
        /* lr g / (|g| + 1) with |g| <= 1e-3: the clipped norm, a thousandth less at most. */
        assert_true(fabs(sqrt(moved) / (0.5 * 1e-3) - 1.0) < 2e-3);
        mhc__trainer_destroy(trainer);
        mhc__model_destroy(model);
        free(before);
    }
}

static mhc_status all_ones(void *self, mhc__model *model, mhc__train_record *record, mhc_error *error) {
    (void)self, (void)record, (void)error;
    for (int64_t i = 0; i < mhc__model_size(model); i++)
        mhc__model_gradients(model)[i] = 1.0f;
    return MHC_OK;
}

/* Under a constant gradient the corrected moments are exactly that gradient, so that every step is lr: but only with
 * the right t. */
static void bias_correction_follows_the_step(void **state) {
    (void)state;
    mhc__model_config shape = small_model();
    mhc__model *model = make_model(&shape);
    mhc__train_config config = short_run(5);
    config.schedule = MHC__SCHEDULE_CONSTANT;
    config.warmup = 0;
    config.lr = 0.5f;
    config.clip = config.weight_decay = 0.0f;
    mhc__train_observer observer = {.before_update = all_ones};
    mhc__trainer *trainer = make_trainer((mhc__trainer_options){.model = model,
                                                                .config = &config,
                                                                .train = {NULL, fill_numbered},
                                                                .observers = &observer,
                                                                .observer_count = 1});
    float *weight = mhc__model_weights(model) + mhc__model_parameter(model, 0)->offset;
    double start = (double)*weight;
    for (int64_t step = 1; step <= 5; step++) {
        mhc__train_record record;
        assert_int_equal(mhc__trainer_step(trainer, &record, NULL), MHC_OK);
        assert_true(fabs((double)*weight - (start - 0.5 * (double)step)) < 1e-4);
    }
    mhc__trainer_destroy(trainer);
    mhc__model_destroy(model);
}

static void evaluates_without_disturbing(void **state) {
    (void)state;
    mhc__train_config config = short_run(5);
    watcher quiet = {.poison_at = -1}, loud = {.poison_at = -1};
    assert_int_equal(run_once(&config, scratch_path("a"), NULL, &quiet, NULL, false).status, MHC_OK);
    config.eval_every = 2;
    config.eval_batches = 3;
    assert_int_equal(run_once(&config, scratch_path("b"), NULL, &loud, NULL, false).status, MHC_OK);
    assert_int_equal(quiet.evaluations, 0);
    assert_int_equal(loud.evaluations, 3); /* after 2, 4 and the last */
    assert_true(loud.eval_loss > 0.0 && loud.eval_loss < 10.0);
    assert_same_checkpoint(scratch_path("a"), scratch_path("b"), 5);
}

static mhc_status failing_fill(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    if (index == 2)
        return mhc__fail(error, MHC_IO, "data.bin: can't read");
    return fill_numbered(self, index, batch, sequence, tokens, error);
}

static void a_failing_source_ends_the_run(void **state) {
    (void)state;
    mhc__model_config shape = small_model();
    mhc__model *model = make_model(&shape);
    mhc__train_config config = short_run(5);
    mhc__trainer *trainer = make_trainer((mhc__trainer_options){
        .model = model, .config = &config, .train = {NULL, failing_fill}, .folder = scratch_path("run")});
    mhc_error error = {0};
    assert_int_equal(mhc__trainer_run(trainer, &error), MHC_IO);
    assert_string_equal(error.message, "data.bin: can't read");
    assert_int_equal(mhc__trainer_steps_done(trainer), 2);
    /* The two steps that were made are kept. */
    assert_true(is_there(scratch_path("run/checkpoints/step-00000002/state.json")));
    mhc__trainer_destroy(trainer);
    mhc__model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(resumes_bit_for_bit),
        IN_SCRATCH(resumes_the_same_run_alone),
        IN_SCRATCH(stop_before_the_first_step),
        IN_SCRATCH(nan_stops),
        IN_SCRATCH(nan_rolls_back),
        IN_SCRATCH(rollbacks_are_bounded),
        cmocka_unit_test(accumulation_is_one_big_batch),
        cmocka_unit_test(clip_and_decay_groups),
        cmocka_unit_test(bias_correction_follows_the_step),
        IN_SCRATCH(evaluates_without_disturbing),
        IN_SCRATCH(a_failing_source_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
