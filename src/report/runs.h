/* Runs that were made, of any kind: what `mhc report` draws. */
#ifndef MHC_REPORT_RUNS_H
#define MHC_REPORT_RUNS_H

#include <stdio.h>

#include "config/config.h"
#include "report/html.h"
#include "report/metrics.h"

enum { MHC__MAX_RUNS = 24 };

typedef struct mhc__run {
    char *folder;
    const char *name; /* the end of folder that tells it from the others */
    bool has_config;
    mhc__config config;
    mhc__metrics metrics;
    char complaint[256]; /* why there is no config; "" where there is one, or no file of one */
} mhc__run;

typedef struct mhc__runs {
    mhc__run run[MHC__MAX_RUNS];
    int count;
} mhc__runs;

/* Each folder is a run (metrics.jsonl in it) or holds runs (a study's), which are taken in the order of their names.
 * The runs are the caller's to free, after an error as well. MHC_IO where there is none; MHC_INVALID_ARGUMENT for too
 * many. */
mhc_status mhc__runs_load(const char *const *folders, int count, mhc__runs *runs, mhc_error *error);
void mhc__runs_free(mhc__runs *runs);

/* The configuration of a run: config.yaml of a training run, else config.json of a study's arm. */
mhc_status mhc__run_config(const char *folder, mhc__config *config, bool *there, mhc_error *error);

/* Sums of a run's column. NaN where there is nothing. */
double mhc__run_last(const mhc__run *run, const char *column);               /* the last value there is */
double mhc__run_tail(const mhc__run *run, const char *column, double share); /* mean over the last share of the rows */
double mhc__run_least(const mhc__run *run, const char *column);
double mhc__run_most(const mhc__run *run, const char *column);
double mhc__run_median(const mhc__run *run, const char *column);
double mhc__run_sum(const mhc__run *run, const char *column);
/* Tokens of one step by the configuration; NaN without one. */
double mhc__run_step_tokens(const mhc__run *run);

/* Writes OUT/index.html, report.md, the tables and pictures. command: what repeats it. log: may be NULL. */
mhc_status mhc__runs_report(const mhc__runs *runs, const char *out, const char *command, FILE *log, mhc_error *error);
/* The pictures of that page. */
mhc_status mhc__runs_figures(const mhc__runs *runs, const char *out, mhc__html *html, FILE *log, mhc_error *error);

#endif
