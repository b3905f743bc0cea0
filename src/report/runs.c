#include "report/runs.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"

static mhc_status has(const char *folder, const char *name, bool *there, mhc_error *error) {
    char *path = mhc__format("%s/%s", folder, name);
    if (!path)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a path", folder);
    mhc_status status = mhc__path_exists(path, there, error);
    free(path);
    return status;
}

mhc_status mhc__run_config(const char *folder, mhc__config *config, bool *there, mhc_error *error) {
    char *yaml = mhc__format("%s/config.yaml", folder), *json = mhc__format("%s/config.json", folder), *text;
    size_t size;
    mhc_status status = yaml && json ? mhc__path_exists(yaml, there, error)
                                     : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a path", folder);
    if (status == MHC_OK && *there) {
        status = mhc__config_load(yaml, NULL, 0, config, error);
    } else if (status == MHC_OK && (status = mhc__path_exists(json, there, error)) == MHC_OK && *there) {
        status = mhc__read_file(json, &text, &size, error);
        if (status == MHC_OK) {
            status = mhc__config_from_json(text, size, json, config, error);
            free(text);
        }
    }
    free(yaml);
    free(json);
    return status;
}

/* A configuration that this program can't read, as of another version, is no reason not to draw the run. */
static void load_config(mhc__run *run) {
    mhc_error why = {0};
    bool there = false;
    mhc_status status = mhc__run_config(run->folder, &run->config, &there, &why);
    run->has_config = status == MHC_OK && there;
    if (status != MHC_OK)
        snprintf(run->complaint, sizeof run->complaint, "%.250s", why.message);
}

static mhc_status add_run(mhc__runs *runs, const char *folder, mhc_error *error) {
    if (runs->count == MHC__MAX_RUNS)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: more than %d runs; choose fewer", folder, MHC__MAX_RUNS);
    mhc__run *run = &runs->run[runs->count++];
    run->folder = mhc__format("%s", folder);
    char *path = mhc__format("%s/metrics.jsonl", folder);
    mhc_status status = run->folder && path ? mhc__metrics_start(&run->metrics, path, error)
                                            : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", folder);
    if (status == MHC_OK)
        status = mhc__metrics_follow(&run->metrics, NULL, error);
    if (status == MHC_OK && run->metrics.rows == 0)
        status = mhc__fail(error, MHC_IO, "%s: expected steps, found none", path);
    free(path);
    if (status == MHC_OK)
        load_config(run);
    return status;
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static mhc_status add_runs_within(mhc__runs *runs, const char *folder, mhc_error *error) {
    struct dirent **entries;
    int count = scandir(folder, &entries, visible, alphasort), before = runs->count;
    if (count < 0)
        return mhc__fail(error, MHC_IO, "%s: expected a run's folder, with metrics.jsonl in it, or one that holds runs",
                         folder);
    mhc_status status = MHC_OK;
    for (int i = 0; i < count; i++) {
        char *within = mhc__format("%s/%s", folder, entries[i]->d_name);
        bool there = false;
        if (status == MHC_OK && !within)
            status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a path", folder);
        if (status == MHC_OK)
            status = has(within, "metrics.jsonl", &there, error);
        if (status == MHC_OK && there)
            status = add_run(runs, within, error);
        free(within);
        free(entries[i]);
    }
    free(entries);
    if (status == MHC_OK && runs->count == before)
        return mhc__fail(error, MHC_IO, "%s: expected a run's folder, with metrics.jsonl in it, or one that holds runs",
                         folder);
    return status;
}

static int same_ends(const char *a, const char *b) {
    size_t length = strlen(b), whole = strlen(a);
    return whole >= length && !strcmp(a + whole - length, b) && (whole == length || a[whole - length - 1] == '/');
}

/* The shortest end of its path, in whole parts, that no other run has. */
static void name_run(mhc__runs *runs, int index) {
    const char *folder = runs->run[index].folder, *name = folder + strlen(folder);
    for (bool alone = false; !alone && name > folder;) {
        do
            name--;
        while (name > folder && name[-1] != '/');
        alone = *name != '\0' && *name != '/';
        for (int i = 0; i < runs->count; i++)
            alone &= i == index || !same_ends(runs->run[i].folder, name);
    }
    runs->run[index].name = name;
}

mhc_status mhc__runs_load(const char *const *folders, int count, mhc__runs *runs, mhc_error *error) {
    *runs = (mhc__runs){0};
    for (int i = 0; i < count; i++) {
        bool is_run;
        char *folder = mhc__format("%s", folders[i]);
        if (!folder)
            return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a path", folders[i]);
        for (size_t length = strlen(folder); length > 1 && folder[length - 1] == '/'; length--)
            folder[length - 1] = '\0';
        mhc_status status = has(folder, "metrics.jsonl", &is_run, error);
        if (status == MHC_OK)
            status = is_run ? add_run(runs, folder, error) : add_runs_within(runs, folder, error);
        free(folder);
        MHC__TRY(status);
    }
    for (int i = 0; i < runs->count; i++)
        name_run(runs, i);
    return MHC_OK;
}

void mhc__runs_free(mhc__runs *runs) {
    for (int i = 0; i < runs->count; i++) {
        mhc__metrics_free(&runs->run[i].metrics);
        free(runs->run[i].folder);
    }
    *runs = (mhc__runs){0};
}

double mhc__run_last(const mhc__run *run, const char *column) {
    const double *values = mhc__metrics_column(&run->metrics, column);
    for (int64_t i = run->metrics.rows - 1; values && i >= 0; i--)
        if (isfinite(values[i]))
            return values[i];
    return NAN;
}

double mhc__run_tail(const mhc__run *run, const char *column, double share) {
    const double *values = mhc__metrics_column(&run->metrics, column);
    int64_t rows = run->metrics.rows, used = (int64_t)ceil(share * (double)rows);
    double sum = 0;
    for (int64_t i = rows - used; values && i < rows; i++)
        sum += values[i];
    return values ? sum / (double)used : NAN;
}

static double extreme(const mhc__run *run, const char *column, double sign) {
    const double *values = mhc__metrics_column(&run->metrics, column);
    double most = NAN;
    for (int64_t i = 0; values && i < run->metrics.rows; i++)
        if (isfinite(values[i]) && !(sign * values[i] <= sign * most))
            most = values[i];
    return most;
}

double mhc__run_least(const mhc__run *run, const char *column) {
    return extreme(run, column, -1);
}

double mhc__run_most(const mhc__run *run, const char *column) {
    return extreme(run, column, 1);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double mhc__run_median(const mhc__run *run, const char *column) {
    const double *values = mhc__metrics_column(&run->metrics, column);
    double *sorted = values ? malloc((size_t)run->metrics.rows * sizeof *sorted) : NULL;
    int64_t count = 0;
    for (int64_t i = 0; sorted && i < run->metrics.rows; i++)
        if (isfinite(values[i]))
            sorted[count++] = values[i];
    if (count)
        qsort(sorted, (size_t)count, sizeof *sorted, by_value);
    double median = count ? (sorted[(count - 1) / 2] + sorted[count / 2]) / 2 : NAN;
    free(sorted);
    return median;
}

double mhc__run_sum(const mhc__run *run, const char *column) {
    const double *values = mhc__metrics_column(&run->metrics, column);
    double sum = values ? 0 : NAN;
    for (int64_t i = 0; values && i < run->metrics.rows; i++)
        sum += isfinite(values[i]) ? values[i] : 0;
    return sum;
}

double mhc__run_step_tokens(const mhc__run *run) {
    const mhc__config *config = &run->config;
    return run->has_config ? (double)config->train.batch * config->train.accumulate * config->model.sequence : NAN;
}
