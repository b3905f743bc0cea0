#include "report/run_log.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "file/json_lines.h"
#include "report/events.h"

/* Redrawing more often than a person can read only slows the terminal down. */
static const double REDRAW_SECONDS = 0.1;

struct mhc__run_log {
    FILE *metrics;
    mhc__events *events;
    char *path;
    FILE *progress;
    char *label;
    int64_t log_every;
    bool in_place, line_open;
    double drawn;
};

static mhc_status open_metrics(mhc__run_log *log, const char *path, int64_t from_step, mhc_error *error) {
    log->path = mhc__format("%s", path);
    if (!log->path)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for the log", path);
    MHC__TRY(mhc__json_lines_drop(path, from_step, error));
    log->metrics = fopen(path, "a");
    if (!log->metrics)
        return mhc__fail(error, MHC_IO, "%s: can't open for writing: %s", path, strerror(errno));
    return MHC_OK;
}

mhc_status mhc__run_log_open(const char *metrics, const char *events, int64_t from_step, FILE *progress,
                             const char *label, int64_t log_every, mhc__run_log **out, mhc_error *error) {
    *out = NULL;
    mhc__run_log *log = calloc(1, sizeof *log);
    if (!log)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "run log: no memory");
    log->progress = progress;
    log->log_every = log_every;
    log->in_place = progress && isatty(fileno(progress));
    log->label = mhc__format("%s", label ? label : "");
    mhc_status status = log->label ? MHC_OK : mhc__fail(error, MHC_OUT_OF_MEMORY, "run log: no memory");
    if (status == MHC_OK && metrics)
        status = open_metrics(log, metrics, from_step, error);
    if (status == MHC_OK && events)
        status = mhc__events_open(events, from_step, &log->events, error);
    if (status != MHC_OK) {
        mhc__run_log_close(log);
        return status;
    }
    *out = log;
    return MHC_OK;
}

void mhc__run_log_close(mhc__run_log *log) {
    if (!log)
        return;
    if (log->line_open)
        fputc('\n', log->progress);
    if (log->progress)
        fflush(log->progress);
    if (log->metrics)
        fclose(log->metrics);
    mhc__events_close(log->events);
    free(log->path);
    free(log->label);
    free(log);
}

/* JSON has no NaN or Inf: null. 17 digits give the same double back. */
static void json_number(mhc__text *text, const char *name, double value) {
    if (isfinite(value))
        mhc__text_format(text, ",\"%s\":%.17g", name, value);
    else
        mhc__text_format(text, ",\"%s\":null", name);
}

static mhc_status write_metrics(mhc__run_log *log, const mhc__train_record *record, mhc_error *error) {
    mhc__text line = {0};
    mhc__text_format(&line, "{\"step\":%lld", (long long)record->step);
    json_number(&line, "loss", record->loss);
    json_number(&line, "grad_norm", record->grad_norm);
    json_number(&line, "lr", record->lr);
    mhc__text_format(&line, ",\"tokens\":%lld", (long long)record->tokens);
    json_number(&line, "seconds", record->seconds);
    if (record->evaluated)
        json_number(&line, "eval_loss", record->eval_loss);
    for (int i = 0; i < record->number_count; i++)
        json_number(&line, record->numbers[i].name, record->numbers[i].value);
    mhc__text_format(&line, "}\n");
    mhc_status status = MHC_OK;
    if (line.failed)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a line", log->path);
    else if (fwrite(line.data, 1, line.length, log->metrics) != line.length || fflush(log->metrics) != 0)
        status = mhc__fail(error, MHC_IO, "%s: can't write: %s", log->path, strerror(errno));
    else if (log->events)
        status = mhc__events_line(log->events, line.data, line.length, error);
    mhc__text_free(&line);
    return status;
}

void mhc__duration(double seconds, char *text, size_t size) {
    if (!(seconds >= 0) || seconds > 1e9) {
        snprintf(text, size, "–");
        return;
    }
    long long whole = (long long)(seconds + 0.5);
    if (whole >= 86400)
        snprintf(text, size, "%lldd %02lldh", whole / 86400, whole / 3600 % 24);
    else if (whole >= 3600)
        snprintf(text, size, "%lldh %02lldm", whole / 3600, whole / 60 % 60);
    else if (whole >= 60)
        snprintf(text, size, "%lldm %02llds", whole / 60, whole % 60);
    else
        snprintf(text, size, "%llds", whole);
}

static void rate(double tokens_per_second, char *text, size_t size) {
    if (tokens_per_second >= 1e6)
        snprintf(text, size, "%.2fM", tokens_per_second / 1e6);
    else if (tokens_per_second >= 1e3)
        snprintf(text, size, "%.1fk", tokens_per_second / 1e3);
    else
        snprintf(text, size, "%.0f", tokens_per_second);
}

static void draw(mhc__run_log *log, const mhc__train_record *record) {
    bool last = record->step + 1 == record->steps;
    double now = mhc__clock_seconds();
    if (log->in_place ? !last && now - log->drawn < REDRAW_SECONDS
                      : !last && (log->log_every <= 0 || record->step % log->log_every != 0))
        return;
    log->drawn = now;
    char left[32], speed[32], eval[48] = "";
    mhc__duration(last ? 0 : record->remaining, left, sizeof left);
    rate(record->tokens_per_second, speed, sizeof speed);
    if (record->evaluated)
        snprintf(eval, sizeof eval, "  held-out %.4f", record->eval_loss);
    int digits = snprintf(NULL, 0, "%lld", (long long)record->steps);
    fprintf(log->progress, "%s%s%sstep %*lld/%lld  loss %.4f%s  gradient %.3g  %s tok/s  left %s%s",
            log->in_place ? "\r\033[K" : "", log->label, *log->label ? "  " : "", digits, (long long)record->step + 1,
            (long long)record->steps, record->loss, eval, record->grad_norm, speed, left, log->in_place ? "" : "\n");
    log->line_open = log->in_place;
    fflush(log->progress);
}

static mhc_status after_step(void *self, mhc__model *model, const mhc__train_record *record, mhc_error *error) {
    (void)model;
    mhc__run_log *log = self;
    if (log->metrics)
        MHC__TRY(write_metrics(log, record, error));
    if (log->progress)
        draw(log, record);
    return MHC_OK;
}

static mhc_status note(void *self, const char *text, mhc_error *error) {
    (void)error;
    mhc__run_log *log = self;
    if (!log->progress)
        return MHC_OK;
    fprintf(log->progress, "%s%s%s%s\n", log->line_open ? "\r\033[K" : "", log->label, *log->label ? "  " : "", text);
    log->line_open = false;
    fflush(log->progress);
    return MHC_OK;
}

mhc__train_observer mhc__run_log_observer(mhc__run_log *log) {
    mhc__train_observer observer = {log, NULL, after_step, note};
    return observer;
}
