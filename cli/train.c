#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "data/corpus.h"
#include "file/atomic.h"
#include "probe/probe_log.h"
#include "report/run_log.h"
#include "run_folder.h"
#include "stop.h"
#include "train/checkpoint.h"
#include "train/plan.h"
#include "train/train.h"

/* Everything that a run holds; freed by close_run. */
typedef struct training {
    const mhc__arguments *arguments;
    char *folder;
    bool resumed;
    mhc__config config;
    mhc__tokenizer *tokenizer; /* of a run that goes on; NULL: the corpus makes one */
    mhc__corpus *corpus;
    mhc__model *model;
    mhc__trainer *trainer;
    mhc__run_log *log;
    mhc__probe_log *probes;
    mhc__text json;
    mhc__train_record last; /* of the last step; its step is -1 before the first */
    bool evaluated;
    double eval_loss; /* the newest */
    int lock;         /* file of the folder's lock, -1 without */
} training;

static mhc_status remember(void *self, mhc__model *model, const mhc__train_record *record, mhc_error *error) {
    (void)model;
    (void)error;
    training *run = self;
    run->last = *record;
    if (record->evaluated)
        run->eval_loss = record->eval_loss;
    run->evaluated = run->evaluated || record->evaluated;
    return MHC_OK;
}

static void close_run(training *run) {
    if (run->trainer)
        mhc__trainer_destroy(run->trainer);
    mhc__probe_log_close(run->probes);
    if (run->log)
        mhc__run_log_close(run->log);
    if (run->model)
        mhc__model_destroy(run->model);
    if (run->corpus)
        mhc__corpus_close(run->corpus);
    if (run->tokenizer)
        mhc__tokenizer_destroy(run->tokenizer);
    mhc__text_free(&run->json);
    free(run->folder);
    if (run->lock >= 0)
        close(run->lock);
}

/* FILE, then --data, then --set. */
static mhc_status load_config(const mhc__arguments *arguments, const char *file, mhc__config *config,
                              mhc_error *error) {
    int count, used = 0;
    const char *const *sets = mhc__option_list(arguments, "set", &count);
    const char *data = mhc__option_text(arguments, "data");
    MHC__TRY(mhc__check_data_option(data, error));
    const char **all = malloc(((size_t)count + 1) * sizeof *all);
    char *path = data ? mhc__format("data.path=%s", data) : NULL;
    mhc_status status = MHC_OK;
    if (!all || (data && !path))
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the overrides");
    else if (path)
        all[used++] = path;
    for (int i = 0; i < count && status == MHC_OK; i++)
        all[used++] = sets[i];
    if (status == MHC_OK)
        status = mhc__config_load(file, all, used, config, error);
    free(path);
    free(all);
    return status;
}

/* Makes runs/CONNECTION-TIME, with the first suffix that is free: whoever made a folder owns it, so that two runs that
 * start in one second don't share one. */
static mhc_status claim_default_folder(training *run, mhc_error *error) {
    char when[32];
    time_t now = time(NULL);
    struct tm local;
    if (!localtime_r(&now, &local) || !strftime(when, sizeof when, "%Y%m%d-%H%M%S", &local))
        return mhc__fail(error, MHC_UNSUPPORTED, "the time has no name to call a folder by; choose one with --out");
    MHC__TRY(mhc__make_folders("runs", error));
    for (int i = 1; i < 1000; i++) {
        run->folder = i == 1 ? mhc__format("runs/%s-%s", run->config.model.connection, when)
                             : mhc__format("runs/%s-%s-%d", run->config.model.connection, when, i);
        if (!run->folder)
            return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the run's folder");
        if (mkdir(run->folder, 0777) == 0)
            return MHC_OK;
        if (errno != EEXIST)
            break;
        free(run->folder);
        run->folder = NULL;
    }
    return mhc__fail(error, MHC_IO, "%s: can't make a folder for the run: %s", run->folder ? run->folder : "runs",
                     strerror(errno));
}

/* The vocabulary of the text, unless the configuration asks for a larger one. */
static mhc_status resolve_vocabulary(training *run, mhc_error *error) {
    int needed = mhc__corpus_vocabulary(run->corpus), *vocabulary = &run->config.model.vocabulary;
    if (*vocabulary == 0)
        *vocabulary = needed;
    if (*vocabulary < needed)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.vocabulary: expected at least %d, what %s needs, found %d",
                         needed, run->config.data.path, *vocabulary);
    return MHC_OK;
}

static mhc_status write_config(training *run, mhc_error *error) {
    mhc__text yaml = {0};
    char *path = NULL;
    mhc_status status = mhc__config_yaml(&run->config, true, &yaml, error);
    if (status == MHC_OK)
        status = mhc__join(run->folder, "config.yaml", &path, error);
    if (status == MHC_OK)
        status = mhc__write_file(path, yaml.data, yaml.length, error);
    free(path);
    mhc__text_free(&yaml);
    return status;
}

static mhc_status refuse_another_run(const training *run, mhc_error *error) {
    bool taken;
    MHC__TRY(mhc__folder_has(run->folder, "config.yaml", &taken, error));
    return taken ? mhc__fail(error, MHC_INVALID_ARGUMENT,
                             "%s: holds a run already; go on with it (mhc train --resume %s) or choose another --out",
                             run->folder, run->folder)
                 : MHC_OK;
}

/* config.yaml comes last: a folder that has one is a run that can go on. */
static mhc_status write_folder(training *run, mhc_error *error) {
    MHC__TRY(run->folder ? mhc__make_folders(run->folder, error) : claim_default_folder(run, error));
    MHC__TRY(mhc__run_lock(run->folder, &run->lock, error));
    MHC__TRY(refuse_another_run(run, error)); /* it may have begun since the first look */
    char *path;
    MHC__TRY(mhc__join(run->folder, "tokenizer.json", &path, error));
    mhc_status status = mhc__tokenizer_save(mhc__corpus_tokenizer(run->corpus), path, error);
    free(path);
    return status == MHC_OK ? write_config(run, error) : status;
}

static mhc_status open_data(training *run, mhc_error *error) {
    MHC__TRY(mhc__corpus_open(&run->config.data, run->config.model.sequence, run->config.train.seed, run->tokenizer,
                              &run->corpus, error));
    return resolve_vocabulary(run, error);
}

static mhc_status prepare(training *run, mhc_error *error) {
    MHC__TRY(open_data(run, error));
    MHC__TRY(mhc__model_create(&run->config.model, run->config.train.seed, &run->model, error));
    return mhc__config_json(&run->config, &run->json, error);
}

static mhc_status load_fresh(training *run, mhc_error *error) {
    return load_config(run->arguments, mhc__operand(run->arguments, 0), &run->config, error);
}

static mhc_status start_fresh(training *run, mhc_error *error) {
    const char *out = mhc__option_text(run->arguments, "out");
    MHC__TRY(load_fresh(run, error));
    if (out) {
        run->folder = mhc__format("%s", out);
        if (!run->folder)
            return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the run's folder");
        MHC__TRY(refuse_another_run(run, error));
    }
    MHC__TRY(prepare(run, error));
    return write_folder(run, error);
}

static mhc_status load_resumed(training *run, mhc_error *error) {
    char *path;
    run->resumed = true;
    run->folder = mhc__format("%s", mhc__option_text(run->arguments, "resume"));
    if (!run->folder)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the run's folder");
    bool is_run;
    MHC__TRY(mhc__folder_has(run->folder, "config.yaml", &is_run, error));
    if (!is_run)
        return mhc__fail(error, MHC_IO, "%s: expected a run's folder, with config.yaml in it", run->folder);
    MHC__TRY(mhc__join(run->folder, "config.yaml", &path, error));
    mhc_status status = load_config(run->arguments, path, &run->config, error);
    free(path);
    MHC__TRY(status);
    MHC__TRY(mhc__join(run->folder, "tokenizer.json", &path, error));
    status = mhc__tokenizer_load(path, &run->tokenizer, error);
    free(path);
    return status;
}

static mhc_status start_resumed(training *run, mhc_error *error) {
    MHC__TRY(load_resumed(run, error));
    MHC__TRY(mhc__run_lock(run->folder, &run->lock, error));
    return prepare(run, error);
}

static void print_part(const char *name, int64_t bytes, const char *what) {
    printf("    %-12s %10.1f MiB%s%s\n", name, (double)bytes / (1024 * 1024), *what ? "  " : "", what);
}

/* Reads the text, because the vocabulary may depend on it; takes none of the memory that it prints. */
static mhc_status dry_run(training *run, mhc_error *error) {
    mhc__train_memory memory;
    const mhc__config *config = &run->config;
    MHC__TRY(mhc__option_given(run->arguments, "resume") ? load_resumed(run, error) : load_fresh(run, error));
    MHC__TRY(open_data(run, error));
    MHC__TRY(
        mhc__train_plan(&config->model, &config->train, mhc__corpus_eval(run->corpus).fill != NULL, &memory, error));
    char recomputed[80];
    snprintf(recomputed, sizeof recomputed, "X, u and norm(u), recomputed %d sites at a time", memory.model.span);
    printf("%s, %d blocks of %d channels, batches of %d x %d tokens:\n", config->model.connection, config->model.blocks,
           config->model.channels, config->train.batch, config->model.sequence);
    print_part("weights", memory.model.weights, "");
    print_part("gradients", memory.model.gradients, "");
    print_part("optimizer", memory.optimizer, "the two moments of AdamW");
    print_part("streams", memory.model.streams, memory.model.span ? recomputed : "X, u and norm(u) of every site");
    print_part("activations", memory.model.activations, "what else backward needs of forward");
    print_part("backward", memory.model.backward, "gradients of activations");
    print_part("workspace", memory.model.workspace, "of the operation in progress");
    print_part("evaluation", memory.model.evaluation, "");
    print_part("batch", memory.batch, "");
    print_part("total", memory.total, "without text, program and libraries");
    return MHC_OK;
}

/* The run's config.yaml, which a person may have edited, against what the checkpoint was trained with: another model is
 * refused, the rest is told. */
static mhc_status compare_config(const training *run, const char *checkpoint, mhc_error *error) {
    static const char *const sections[] = {"train", "data"};
    mhc__config before;
    mhc__text lines = {0};
    mhc_status status = MHC_OK;
    MHC__TRY(mhc__checkpoint_config(checkpoint, &before, error));
    mhc__config_differences(&before, &run->config, "model", &lines);
    if (lines.length > 0)
        status = mhc__fail(error, MHC_MISMATCH, "%s/config.yaml: the model of a run that goes on can't change; %.*s",
                           run->folder, (int)strcspn(lines.data, "\n"), lines.data);
    for (int i = 0; i < 2 && status == MHC_OK; i++)
        mhc__config_differences(&before, &run->config, sections[i], &lines);
    if (status == MHC_OK && lines.length > 0 && !mhc__option_given(run->arguments, "quiet"))
        fputs(lines.data, stderr);
    mhc__text_free(&lines);
    return status;
}

/* A run that was killed before its first checkpoint goes on from the start. */
static mhc_status load_checkpoint(training *run, mhc_error *error) {
    char *checkpoint;
    MHC__TRY(mhc__checkpoint_newest(run->folder, &checkpoint, error));
    if (!checkpoint)
        return MHC_OK;
    mhc_status status = compare_config(run, checkpoint, error);
    if (status == MHC_OK)
        status = mhc__trainer_resume(run->trainer, checkpoint, error);
    free(checkpoint);
    return status;
}

static mhc_status open_log(training *run, int64_t from_step, mhc_error *error) {
    char *path;
    MHC__TRY(mhc__join(run->folder, "metrics.jsonl", &path, error));
    FILE *progress = mhc__option_given(run->arguments, "quiet") ? NULL : stderr;
    mhc_status status = mhc__run_log_open(path, run->config.train.tensorboard ? run->folder : NULL, from_step, progress,
                                          run->config.model.connection, run->config.train.log_every, &run->log, error);
    free(path);
    return status;
}

static mhc_status log_note(void *self, const char *text, mhc_error *error) {
    training *run = self;
    mhc__train_observer observer = mhc__run_log_observer(run->log);
    return observer.note ? observer.note(observer.self, text, error) : MHC_OK;
}

static mhc_status open_probes(training *run, int64_t from_step, mhc_error *error) {
    char *path;
    MHC__TRY(mhc__join(run->folder, "probes.jsonl", &path, error));
    mhc__probe_log_options options = {
        .config = &run->config.train, .path = path, .from_step = from_step, .tell = log_note, .self = run};
    mhc_status status = mhc__probe_log_open(run->model, &options, &run->probes, error);
    free(path);
    return status;
}

/* The log's observer is needed to create the trainer, and the log must know the step that the trainer resumes at: it is
 * reached through one more step of indirection. */
static mhc_status log_step(void *self, mhc__model *model, const mhc__train_record *record, mhc_error *error) {
    training *run = self;
    mhc__train_observer probes = mhc__probe_log_observer(run->probes), log = mhc__run_log_observer(run->log);
    MHC__TRY(probes.after_step(probes.self, model, record, error));
    return log.after_step(log.self, model, record, error);
}

static mhc_status measure(void *self, mhc__model *model, mhc__train_record *record, mhc_error *error) {
    training *run = self;
    mhc__train_observer probes = mhc__probe_log_observer(run->probes);
    return probes.before_update(probes.self, model, record, error);
}

/* Whether the command line names the data: then it is meant to be another text. */
static bool names_data(const mhc__arguments *arguments) {
    int count;
    const char *const *sets = mhc__option_list(arguments, "set", &count);
    bool named = mhc__option_given(arguments, "data");
    for (int i = 0; i < count; i++)
        named = named || strncmp(sets[i], "data.", 5) == 0;
    return named;
}

static mhc_status train(training *run, mhc_error *error) {
    mhc__train_observer observers[] = {{run, NULL, remember, NULL}, {run, measure, log_step, log_note}};
    mhc__trainer_options options = {.model = run->model,
                                    .config = &run->config.train,
                                    .train = mhc__corpus_train(run->corpus),
                                    .eval = mhc__corpus_eval(run->corpus),
                                    .folder = run->folder,
                                    .config_json = run->json.data,
                                    .observers = observers,
                                    .observer_count = 2,
                                    .stop = mhc__stop_on_signals(),
                                    .data = mhc__corpus_mark(run->corpus),
                                    .other_data = names_data(run->arguments)};
    MHC__TRY(mhc__trainer_create(&options, &run->trainer, error));
    if (run->resumed) {
        MHC__TRY(load_checkpoint(run, error));
        MHC__TRY(write_config(run, error));
    }
    MHC__TRY(open_log(run, mhc__trainer_steps_done(run->trainer), error));
    MHC__TRY(open_probes(run, mhc__trainer_steps_done(run->trainer), error));
    mhc_status status = mhc__trainer_run(run->trainer, error);
    /* Ends the progress line before anything else is printed. */
    mhc__run_log_close(run->log);
    run->log = NULL;
    return status;
}

static void print_result(const training *run) {
    printf("%s: %lld steps", run->folder, (long long)mhc__trainer_steps_done(run->trainer));
    if (run->last.step >= 0)
        printf(", loss %.4f", run->last.loss);
    if (run->evaluated)
        printf(", held-out loss %.4f", run->eval_loss);
    printf("\n");
    if (run->config.train.steps == 0)
        printf("train.steps is 0: nothing was trained or saved.\n");
    else if (run->last.step < 0)
        printf("All of its steps were done before; --set train.steps=N trains longer.\n");
    else
        printf("Try: mhc sample %s\n", run->folder);
}

static int check_use(const mhc__arguments *arguments) {
    int count;
    const char *const *sets = mhc__option_list(arguments, "set", &count);
    if (!mhc__option_given(arguments, "resume"))
        return MHC__EXIT_FINE;
    if (mhc__operand(arguments, 0))
        return mhc__misused(arguments->command, "--resume takes the run's own config.yaml: leave %s out",
                            mhc__operand(arguments, 0));
    if (mhc__option_given(arguments, "out"))
        return mhc__misused(arguments->command, "--resume goes on in the run's own folder: leave --out out");
    for (int i = 0; i < count; i++)
        if (strncmp(sets[i], "model.", 6) == 0 || strncmp(sets[i], "data.tokenizer", 14) == 0)
            return mhc__misused(arguments->command, "--set %.80s: the model of a run that goes on can't change",
                                sets[i]);
    return MHC__EXIT_FINE;
}

int mhc__command_train(const mhc__arguments *arguments) {
    int code = check_use(arguments);
    if (code != MHC__EXIT_FINE)
        return code;
    training run = {.arguments = arguments, .last = {.step = -1}, .lock = -1};
    mhc_error error = {0};
    if (mhc__option_given(arguments, "dry-run")) {
        if (dry_run(&run, &error) != MHC_OK)
            code = mhc__failed(&error);
        close_run(&run);
        return code;
    }
    mhc_status status =
        mhc__option_given(arguments, "resume") ? start_resumed(&run, &error) : start_fresh(&run, &error);
    if (status == MHC_OK)
        status = train(&run, &error);
    if (status == MHC_OK)
        print_result(&run);
    else if (status == MHC_INTERRUPTED)
        fprintf(stderr, "mhc: %s, and saved; go on with: mhc train --resume %s\n", error.message, run.folder);
    else
        code = mhc__failed(&error);
    if (status == MHC_INTERRUPTED)
        code = MHC__EXIT_FAILED;
    close_run(&run);
    return code;
}
