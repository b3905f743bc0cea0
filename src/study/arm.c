#include "study/arm.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "data/questions.h"
#include "file/atomic.h"
#include "probe/probe_log.h"
#include "report/events.h"
#include "report/run_log.h"
#include "study/settings.h"
#include "train/checkpoint.h"
#include "train/train.h"

typedef struct arm_run {
    mhc__arm *arm;
    const mhc__study_options *options;
    mhc__corpus *corpus;       /* of a transformer */
    mhc__questions *questions; /* of a bag */
    mhc__model *model;
    mhc__trainer *trainer;
    mhc__run_log *log;
    mhc__events *events;
    mhc__probe_log *probes;
    FILE *file;
    char *config_path, *metrics_path, *probes_path, *checkpoints, *before_path, *after_path, *held_out_path;
    mhc__measurement pending; /* gains measured before the update, waiting for the step's record */
} arm_run;

/* What makes a run this run: everything but where, how fast and in how much memory it runs. Results don't depend on the
 * thread count, nor on recomputation. */
static mhc_status identity(mhc__config config, mhc__text *text, mhc_error *error) {
    config.train.threads = 0;
    config.train.recompute = false;
    config.train.recompute_sites = 0;
    config.train.log_every = 0;
    config.train.checkpoint_every = 0;
    config.train.keep_checkpoints = 0;
    config.train.tensorboard = false;
    config.train.probe = MHC__PROBE_OFF;
    config.train.probe_every = 0;
    config.train.probe_tokens = 0;
    MHC__TRY(mhc__config_json(&config, text, error));
    return text->failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the settings of a run") : MHC_OK;
}

/* The first line in which two texts differ, into `line`, without its indentation. */
static void first_difference(const char *old, const char *new, char *line, size_t size) {
    while (*old) {
        size_t length = strcspn(old, "\n"), other = strcspn(new, "\n");
        if (length != other || memcmp(old, new, length) != 0)
            break;
        old += length + (old[length] == '\n');
        new += other + (new[other] == '\n');
    }
    old += strspn(old, " \t");
    new += strspn(new, " \t");
    snprintf(line, size, "%.*s there, %.*s now", (int)(strcspn(old, "\n") < 200 ? strcspn(old, "\n") : 200), old,
             (int)(strcspn(new, "\n") < 200 ? strcspn(new, "\n") : 200), new);
}

/* The identity of the run that the folder holds. What its version did not know yet has its default. */
static mhc_status identity_there(const char *path, mhc__text *text, mhc_error *error) {
    char *json;
    size_t size;
    mhc__config config;
    MHC__TRY(mhc__read_file(path, &json, &size, error));
    mhc_status status = mhc__config_from_json(json, size, path, &config, error);
    free(json);
    return status == MHC_OK ? identity(config, text, error) : status;
}

static mhc_status write_config(const arm_run *run, mhc_error *error) {
    mhc__text json = {0};
    mhc_status status = mhc__config_json(&run->arm->config, &json, error);
    if (status == MHC_OK)
        status = json.failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to write it", run->config_path)
                             : mhc__write_file(run->config_path, json.data, json.length, error);
    mhc__text_free(&json);
    return status;
}

/* Writes config.json, or checks that the one from before says the same. */
static mhc_status claim_folder(arm_run *run, mhc_error *error) {
    MHC__TRY(mhc__make_folders(run->arm->folder, error));
    bool claimed = access(run->config_path, F_OK) == 0;
    mhc__text now = {0}, there = {0};
    mhc_status status = identity(run->arm->config, &now, error);
    if (status == MHC_OK)
        status = claimed ? identity_there(run->config_path, &there, error) : write_config(run, error);
    if (status == MHC_OK && claimed && strcmp(there.data, now.data) != 0) {
        char line[512];
        first_difference(there.data, now.data, line, sizeof line);
        status = mhc__fail(error, MHC_MISMATCH,
                           "%s: the folder holds a run with other settings (%s); choose another --out, or remove it",
                           run->arm->folder, line);
    }
    mhc__text_free(&now);
    mhc__text_free(&there);
    return status;
}

static bool is_finite(const mhc__measurement *m) {
    return isfinite(m->loss) && isfinite(m->grad_norm);
}

/* -1 when all measured steps are finite. */
static int64_t first_not_finite(const mhc__series *series) {
    for (int64_t i = 0; i < series->count; i++)
        if (!is_finite(&series->at[i]))
            return series->at[i].step;
    return -1;
}

static mhc__source source_of(const arm_run *run) {
    return run->questions ? mhc__questions_train(run->questions) : mhc__corpus_train(run->corpus);
}

static bool complete(const arm_run *run) {
    const mhc__series *series = &run->arm->series;
    return series->count > 0 &&
           (series->count >= run->arm->config.train.steps || !is_finite(&series->at[series->count - 1])) &&
           access(run->before_path, F_OK) == 0 && access(run->after_path, F_OK) == 0 &&
           (!mhc__held_out_is_there(run->corpus) || access(run->held_out_path, F_OK) == 0);
}

static mhc_status before_update(void *self, mhc__model *model, mhc__train_record *record, mhc_error *error) {
    arm_run *run = self;
    mhc__train_observer probes = mhc__probe_log_observer(run->probes);
    MHC__TRY(probes.before_update(probes.self, model, record, error));
    run->pending = (mhc__measurement){.step = record->step};
    mhc__measurement_take(&run->pending, record);
    return mhc__gains_measure(model, run->arm->config.train.threads, 0, &run->pending.gains, error);
}

static mhc_status append(arm_run *run, const mhc__measurement *measurement, mhc_error *error) {
    mhc__series *series = &run->arm->series;
    mhc__measurement *larger = realloc(series->at, (size_t)(series->count + 1) * sizeof *larger);
    if (!larger)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for step %lld", run->metrics_path,
                         (long long)measurement->step);
    series->at = larger;
    series->at[series->count++] = *measurement;
    return mhc__measurement_append(run->file, run->metrics_path, run->events, measurement, error);
}

static mhc_status after_step(void *self, mhc__model *model, const mhc__train_record *record, mhc_error *error) {
    arm_run *run = self;
    mhc__train_observer probes = mhc__probe_log_observer(run->probes);
    MHC__TRY(probes.after_step(probes.self, model, record, error));
    mhc__measurement measurement = {.step = record->step,
                                    .loss = record->loss,
                                    .grad_norm = record->grad_norm,
                                    .lr = record->lr,
                                    .seconds = record->seconds,
                                    .gains = run->pending.gains};
    if (run->pending.step != record->step)
        measurement.gains = mhc__gains_unknown();
    mhc__measurement_take(&measurement, record);
    return append(run, &measurement, error);
}

static mhc_status create(arm_run *run, mhc_error *error) {
    mhc__arm *arm = run->arm;
    MHC__TRY(mhc__model_create(&arm->config.model, arm->config.train.seed, &run->model, error));
    mhc__train_observer observers[3] = {{run, before_update, after_step, NULL}};
    const mhc__arm_watch *watch = arm->watch;
    bool progress = run->options->log && !run->options->quiet;
    MHC__TRY(mhc__run_log_open(NULL, NULL, 0, progress ? run->options->log : NULL, arm->label,
                               arm->config.train.log_every, &run->log, error));
    observers[1] = mhc__run_log_observer(run->log);
    observers[1].note = NULL; /* a checkpoint every 100 steps is not news here */
    if (watch)
        observers[2] = (mhc__train_observer){watch->self, watch->before_update, watch->after_step, NULL};
    mhc__text json = {0};
    mhc_status status = mhc__config_json(&arm->config, &json, error);
    mhc__trainer_options options = {.model = run->model,
                                    .config = &arm->config.train,
                                    .train = source_of(run),
                                    .folder = arm->folder,
                                    .config_json = json.data,
                                    .observers = observers,
                                    .observer_count = watch ? 3 : 2,
                                    .stop = run->options->stop};
    if (status == MHC_OK)
        status = mhc__trainer_create(&options, &run->trainer, error);
    mhc__text_free(&json);
    return status;
}

/* Loads the newest checkpoint, if the measurements up to it are there as well. */
static mhc_status go_on(arm_run *run, mhc_error *error) {
    mhc__series *series = &run->arm->series;
    char *checkpoint = NULL;
    mhc_error ignored;
    if (access(run->checkpoints, F_OK) == 0 && access(run->before_path, F_OK) == 0 &&
        mhc__checkpoint_find(run->arm->folder, &checkpoint, &ignored) == MHC_OK)
        MHC__TRY(mhc__trainer_resume(run->trainer, checkpoint, error));
    free(checkpoint);
    int64_t done = mhc__trainer_steps_done(run->trainer);
    if (series->count < done)
        return mhc__fail(error, MHC_CORRUPT,
                         "%s: the checkpoint has %lld steps but only %lld are measured; remove the folder %s",
                         run->metrics_path, (long long)done, (long long)series->count, run->arm->folder);
    if (done)
        mhc__study_note(run->options, "%s: going on at step %lld", run->arm->label, (long long)done);
    series->count = done;
    if (run->arm->watch)
        MHC__TRY(run->arm->watch->take_up(run->arm->watch->self, run->arm, done, error));
    return mhc__series_save(run->metrics_path, series, done, error);
}

static mhc_status profile(arm_run *run, const char *path, mhc_error *error) {
    mhc__source source = source_of(run);
    mhc__profile measured;
    MHC__TRY(mhc__profile_measure(run->model, &source, &run->arm->config.train, &measured, error));
    mhc_status status = mhc__profile_save(path, &measured, error);
    mhc__profile_free(&measured);
    return status;
}

/* After training, where text is held out. */
static mhc_status evaluate(arm_run *run, mhc_error *error) {
    mhc__held_out found;
    if (!mhc__held_out_is_there(run->corpus))
        return MHC_OK;
    mhc_status status =
        mhc__held_out_measure(run->model, run->corpus, &run->arm->config.train, run->options->stop, &found, error);
    if (status != MHC_OK)
        return status == MHC_INTERRUPTED ? mhc__study_stopped(run->options, error) : status;
    return mhc__held_out_save(run->held_out_path, &found, error);
}

static mhc_status train(arm_run *run, mhc_error *error) {
    mhc_status status = mhc__trainer_run(run->trainer, error);
    if (status == MHC_INTERRUPTED)
        return mhc__fail(error, status, "stopped on request and saved; run the same command again to go on");
    if (status != MHC_NOT_FINITE)
        return status;
    int64_t step = mhc__trainer_steps_done(run->trainer);
    mhc__measurement last = run->pending; /* what was measured before the update that was not made */
    if (last.step != step)
        last = (mhc__measurement){.step = step, .gains = mhc__gains_unknown()};
    last.loss = last.grad_norm = last.lr = last.seconds = NAN;
    return append(run, &last, error);
}

static mhc_status note(void *self, const char *text, mhc_error *error) {
    (void)error;
    arm_run *run = self;
    mhc__study_note(run->options, "%s: %s", run->arm->label, text);
    return MHC_OK;
}

static mhc_status open_probes(arm_run *run, mhc_error *error) {
    mhc__probe_log_options options = {.config = &run->arm->config.train,
                                      .path = run->probes_path,
                                      .from_step = mhc__trainer_steps_done(run->trainer),
                                      .tell = note,
                                      .self = run};
    return mhc__probe_log_open(run->model, &options, &run->probes, error);
}

static mhc_status run_training(arm_run *run, mhc_error *error) {
    MHC__TRY(create(run, error));
    MHC__TRY(go_on(run, error));
    if (mhc__trainer_steps_done(run->trainer) == 0)
        MHC__TRY(profile(run, run->before_path, error));
    run->file = fopen(run->metrics_path, "a");
    if (!run->file)
        return mhc__fail(error, MHC_IO, "%s: can't open for writing: %s", run->metrics_path, strerror(errno));
    if (run->arm->config.train.tensorboard)
        MHC__TRY(mhc__events_open(run->arm->folder, mhc__trainer_steps_done(run->trainer), &run->events, error));
    run->pending = (mhc__measurement){.step = -1};
    MHC__TRY(open_probes(run, error));
    mhc_status status = train(run, error);
    mhc__probe_log_close(run->probes); /* the profile watches gradients itself */
    run->probes = NULL;
    MHC__TRY(status);
    MHC__TRY(profile(run, run->after_path, error));
    return evaluate(run, error);
}

static mhc_status open_data(arm_run *run, mhc_error *error) {
    mhc__arm *arm = run->arm;
    const mhc__data_config *data = &arm->config.data;
    int sequence = arm->config.model.sequence, vocabulary;
    if (arm->config.model.family == MHC__FAMILY_BAG) {
        MHC__TRY(mhc__questions_open(data, sequence, arm->config.train.seed, &run->questions, error));
        arm->train_tokens = mhc__questions_count(run->questions, MHC__QUESTIONS_TRAIN);
        vocabulary = mhc__questions_vocabulary(run->questions);
    } else {
        MHC__TRY(mhc__corpus_open(data, sequence, arm->config.train.seed, NULL, &run->corpus, error));
        arm->train_tokens = mhc__corpus_train_tokens(run->corpus);
        vocabulary = mhc__corpus_vocabulary(run->corpus);
    }
    if (arm->config.model.vocabulary == 0)
        arm->config.model.vocabulary = vocabulary;
    return MHC_OK;
}

static mhc_status take_up_done(arm_run *run, mhc_error *error) {
    const mhc__arm *arm = run->arm;
    int64_t finite = arm->series.count - (first_not_finite(&arm->series) >= 0);
    mhc__study_note(run->options, "%s: done before, taken from %s", arm->label, arm->folder);
    return arm->watch ? arm->watch->take_up(arm->watch->self, arm, finite, error) : MHC_OK;
}

static mhc_status open_and_run(arm_run *run, mhc_error *error) {
    mhc__arm *arm = run->arm;
    MHC__TRY(open_data(run, error));
    MHC__TRY(mhc__config_check(&arm->config, error));
    MHC__TRY(claim_folder(run, error));
    MHC__TRY(mhc__series_load(run->metrics_path, &arm->series, error));
    MHC__TRY(complete(run) ? take_up_done(run, error) : run_training(run, error));
    MHC__TRY(mhc__profile_load(run->before_path, &arm->before, error));
    MHC__TRY(mhc__profile_load(run->after_path, &arm->after, error));
    arm->held_out = (mhc__held_out){NAN, 0};
    if (mhc__held_out_is_there(run->corpus))
        MHC__TRY(mhc__held_out_load(run->held_out_path, &arm->held_out, error));
    arm->not_finite_at = first_not_finite(&arm->series);
    for (int64_t i = 0; i < arm->series.count; i++)
        arm->seconds += isfinite(arm->series.at[i].seconds) ? arm->series.at[i].seconds : 0;
    if (arm->not_finite_at >= 0)
        mhc__study_note(run->options, "%s  NaN or Inf in step %lld: not trained further", arm->label,
                        (long long)arm->not_finite_at);
    return MHC_OK;
}

mhc_status mhc__arm_choose(mhc__arm *arm, const mhc__choice *choice, const mhc__config *config, uint64_t seed,
                           const char *out, const char *prefix, mhc_error *error) {
    arm->config = *config;
    arm->config.train.seed = seed;
    snprintf(arm->folder, sizeof arm->folder, "%s/%s%s-seed%llu", out, prefix, choice->name, (unsigned long long)seed);
    return mhc__choice_apply(choice, &arm->config, error);
}

mhc_status mhc__arm_run(mhc__arm *arm, const mhc__study_options *options, mhc_error *error) {
    arm_run run = {.arm = arm, .options = options};
    arm->not_finite_at = -1;
    run.config_path = mhc__format("%s/config.json", arm->folder);
    run.metrics_path = mhc__format("%s/metrics.jsonl", arm->folder);
    run.probes_path = mhc__format("%s/probes.jsonl", arm->folder);
    run.checkpoints = mhc__format("%s/checkpoints", arm->folder);
    run.before_path = mhc__format("%s/profile-before.json", arm->folder);
    run.after_path = mhc__format("%s/profile-after.json", arm->folder);
    run.held_out_path = mhc__format("%s/held-out.json", arm->folder);
    mhc_status status;
    if (run.config_path && run.metrics_path && run.probes_path && run.checkpoints && run.before_path &&
        run.after_path && run.held_out_path)
        status = open_and_run(&run, error);
    else
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", arm->folder);
    mhc__run_log_close(run.log);
    mhc__events_close(run.events);
    mhc__probe_log_close(run.probes);
    mhc__trainer_destroy(run.trainer);
    mhc__model_destroy(run.model);
    mhc__corpus_close(run.corpus);
    mhc__questions_close(run.questions);
    if (run.file)
        fclose(run.file);
    free(run.config_path);
    free(run.metrics_path);
    free(run.probes_path);
    free(run.checkpoints);
    free(run.before_path);
    free(run.after_path);
    free(run.held_out_path);
    return status;
}

void mhc__arm_free(mhc__arm *arm) {
    mhc__series_free(&arm->series);
    mhc__profile_free(&arm->before);
    mhc__profile_free(&arm->after);
}

mhc_status mhc__arms_make(int count, mhc__arm **arms, mhc_error *error) {
    *arms = calloc((size_t)count, sizeof **arms);
    return *arms ? MHC_OK : mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for %d arms", count);
}

void mhc__arms_free(mhc__arm *arms, int count) {
    for (int i = 0; arms && i < count; i++)
        mhc__arm_free(&arms[i]);
    free(arms);
}

double mhc__arms_seconds(const mhc__arm *arms, int count) {
    double seconds = 0;
    for (int i = 0; i < count; i++)
        seconds += arms[i].seconds;
    return seconds;
}

mhc_status mhc__arms_run(mhc__arm *arms, const mhc__choice *choices, int count, int seeds, const mhc__config *config,
                         const char *out, const mhc__study_options *options, mhc_error *error) {
    int width = 0; /* of labels, in bytes */
    for (int c = 0; c < count; c++)
        width = (int)strlen(choices[c].label) > width ? (int)strlen(choices[c].label) : width;
    for (int seed = 0; seed < seeds; seed++)
        for (int c = 0; c < count; c++) {
            mhc__arm *arm = &arms[c * seeds + seed];
            uint64_t number = options->seed + (uint64_t)seed;
            MHC__TRY(mhc__study_stopped(options, error));
            MHC__TRY(mhc__arm_choose(arm, &choices[c], config, number, out, "", error));
            snprintf(arm->label, sizeof arm->label, "%-*s seed %llu", width, choices[c].label,
                     (unsigned long long)number);
            MHC__TRY(mhc__arm_run(arm, options, error));
        }
    return MHC_OK;
}

double mhc__arm_held_out(const mhc__arm *arm) {
    return arm->not_finite_at < 0 ? arm->held_out.loss : NAN;
}

mhc_status mhc__arm_needs_held_out(const mhc__arm *arm, mhc_error *error) {
    if (arm->held_out.tokens > 0)
        return MHC_OK;
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "data.path: %s has no held-out part that ends; expected a text",
                     arm->config.data.path);
}
