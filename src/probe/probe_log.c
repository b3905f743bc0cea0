#include "probe/probe_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/json_lines.h"
#include "probe/copies.h"
#include "probe/probe.h"

/* By construction the first and the last mixer may be dead (docs/metrics.md), and single measurements mean little. */
enum { DEAD_BY_DESIGN = 2, DEAD_IN_A_ROW = 3 };

struct mhc__probe_log {
    mhc__train_config config;
    mhc__model *model;
    mhc__gradient_flow flow;
    mhc_status (*tell)(void *self, const char *text, mhc_error *error);
    void *self;
    FILE *file;
    char *path;
    bool told_copies, told_dead;
    int dead_in_a_row;
};

static bool due(const mhc__probe_log *log, int64_t step) {
    return log->config.probe != MHC__PROBE_OFF && log->config.probe_every > 0 && step % log->config.probe_every == 0;
}

static mhc_status open_file(mhc__probe_log *log, const char *path, int64_t from_step, mhc_error *error) {
    log->path = mhc__format("%s", path);
    if (!log->path)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for its name", path);
    MHC__TRY(mhc__json_lines_drop(path, from_step, error));
    log->file = fopen(path, "a");
    return log->file ? MHC_OK : mhc__fail(error, MHC_IO, "%s: can't open for writing: %s", path, strerror(errno));
}

mhc_status mhc__probe_log_open(mhc__model *model, const mhc__probe_log_options *options, mhc__probe_log **out,
                               mhc_error *error) {
    *out = NULL;
    mhc__probe_log *log = calloc(1, sizeof *log);
    if (!log)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "probes: no memory");
    log->config = *options->config;
    log->model = model;
    log->tell = options->tell;
    log->self = options->self;
    mhc_status status = MHC_OK;
    if (log->config.probe != MHC__PROBE_OFF)
        status = mhc__gradient_flow_start(&log->flow, model, log->config.threads, error);
    log->flow.tokens = log->config.probe_tokens;
    log->flow.paused = !due(log, options->from_step);
    if (status == MHC_OK && options->path && log->config.probe == MHC__PROBE_FULL)
        status = open_file(log, options->path, options->from_step, error);
    if (status != MHC_OK) {
        mhc__probe_log_close(log);
        return status;
    }
    *out = log;
    return MHC_OK;
}

void mhc__probe_log_close(mhc__probe_log *log) {
    if (!log)
        return;
    mhc__gradient_flow_stop(&log->flow);
    if (log->file)
        fclose(log->file);
    free(log->path);
    free(log);
}

static mhc_status write_lines(mhc__probe_log *log, const mhc__probe *probe, int64_t step, mhc_error *error) {
    mhc__text text = {0};
    mhc__probe_lines(probe, step, &text);
    mhc_status status = MHC_OK;
    if (text.failed)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for its lines", log->path);
    else if (fwrite(text.data, 1, text.length, log->file) != text.length || fflush(log->file) != 0)
        status = mhc__fail(error, MHC_IO, "%s: can't write: %s", log->path, strerror(errno));
    mhc__text_free(&text);
    return status;
}

static mhc_status say(mhc__probe_log *log, int64_t step, mhc__text *text, mhc_error *error) {
    if (text->failed)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "probes: no memory for a note");
    char *whole = mhc__format("step %" PRId64 ": %s", step, text->data);
    mhc_status status = whole ? log->tell(log->self, whole, error)
                              : mhc__fail(error, MHC_OUT_OF_MEMORY, "probes: no memory for a note");
    free(whole);
    return status;
}

/* Copies that training can part are worth a word only if it hasn't after warm-up. */
static mhc_status tell_copies(mhc__probe_log *log, const mhc__probe *probe, int64_t step, mhc_error *error) {
    mhc__text text = {0};
    mhc__copies found =
        mhc__copies_explain(log->model, mhc__states_spread(&probe->states), log->config.probe_tokens, &text);
    mhc_status status = MHC_OK;
    if (found == MHC__COPIES_FOR_GOOD || (found == MHC__COPIES_FOR_NOW && step > log->config.warmup)) {
        log->told_copies = true;
        status = say(log, step, &text, error);
    }
    mhc__text_free(&text);
    return status;
}

static mhc_status tell_dead(mhc__probe_log *log, const mhc__gradients *gradients, int64_t step, mhc_error *error) {
    mhc__text text = {0};
    bool dead = step > log->config.warmup && gradients->dead_mixers > DEAD_BY_DESIGN;
    log->dead_in_a_row = dead ? log->dead_in_a_row + 1 : 0;
    if (log->dead_in_a_row < DEAD_IN_A_ROW)
        return MHC_OK;
    log->told_dead = true;
    mhc__text_format(&text, "%d of %d mixers are dead: the gradient of H_res is 0, or below 1e-6 of that of H_pre",
                     gradients->dead_mixers, gradients->sites);
    mhc_status status = say(log, step, &text, error);
    mhc__text_free(&text);
    return status;
}

static mhc_status report(mhc__probe_log *log, const mhc__probe *probe, mhc__train_record *record, mhc_error *error) {
    double values[MHC__PROBE_NUMBERS];
    mhc__probe_numbers(probe, values);
    for (int i = 0; i < MHC__PROBE_NUMBERS; i++)
        mhc__train_record_add(record, mhc__probe_name(i), values[i]);
    if (log->file)
        MHC__TRY(write_lines(log, probe, record->step, error));
    if (log->tell && !log->told_copies)
        MHC__TRY(tell_copies(log, probe, record->step, error));
    return log->tell && !log->told_dead && !log->told_copies ? tell_dead(log, &probe->gradients, record->step, error)
                                                             : MHC_OK;
}

static mhc_status before_update(void *self, mhc__model *model, mhc__train_record *record, mhc_error *error) {
    mhc__probe_log *log = self;
    if (!due(log, record->step))
        return MHC_OK;
    mhc__mixing_options options = {log->config.threads, log->config.probe_tokens, log->config.probe == MHC__PROBE_FULL};
    mhc__probe probe;
    /* After a roll back the step that is due may not have been watched. */
    MHC__TRY(mhc__probe_measure(model, log->flow.paused ? NULL : &log->flow, &options, &probe, error));
    mhc_status status = report(log, &probe, record, error);
    mhc__probe_free(&probe);
    return status;
}

static mhc_status after_step(void *self, mhc__model *model, const mhc__train_record *record, mhc_error *error) {
    (void)model;
    (void)error;
    mhc__probe_log *log = self;
    log->flow.paused = !due(log, record->step + 1);
    return MHC_OK;
}

mhc__train_observer mhc__probe_log_observer(mhc__probe_log *log) {
    mhc__train_observer observer = {log, before_update, after_step, NULL};
    return observer;
}
