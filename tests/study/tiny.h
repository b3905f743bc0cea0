/* What tests of whole studies share: options of tiny models, and looks at what was written. */
#ifndef MHC_TESTS_STUDY_TINY_H
#define MHC_TESTS_STUDY_TINY_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/plot.h"
#include "scratch.h"
#include "study/held_out.h"
#include "study/measurement.h"
#include "study/study.h"

/* The last one is for stability alone: sweeps have study.depths. */
static const char *const TINY[] = {"model.channels=16", "model.heads=2", "model.ffn=32",
                                   "model.sequence=16", "train.batch=2", "train.checkpoint_every=2",
                                   "model.blocks=2"};
enum { TINY_COUNT = sizeof TINY / sizeof TINY[0] };

static inline mhc__study_options tiny(const char *out) {
    mhc__study_options options = mhc__study_options_default();
    options.out = out;
    options.steps = 5;
    options.set = TINY;
    options.set_count = TINY_COUNT;
    options.threads = 1;
    return options;
}

/* tiny(), for demo and depth: TINY without its last, and two settings of the study. set: TINY_COUNT + 1 of them. */
static inline mhc__study_options tiny_depth(const char *out, const char **set, const char *connections,
                                            const char *depths) {
    mhc__study_options options = tiny(out);
    memcpy(set, TINY, sizeof TINY);
    set[TINY_COUNT - 1] = connections;
    set[TINY_COUNT] = depths;
    options.set = set;
    options.set_count = TINY_COUNT + 1;
    return options;
}

/* Whether OUT/report/index.html says it. */
static inline bool says(const char *out, const char *words) {
    char path[1200], *page;
    size_t size;
    snprintf(path, sizeof path, "%s/report/index.html", out);
    assert_int_equal(mhc__read_file(path, &page, &size, NULL), MHC_OK);
    bool found = strstr(page, words) != NULL;
    free(page);
    return found;
}

static inline void assert_says(const char *out, const char *words) {
    if (!says(out, words))
        fail_msg("the report does not say \"%s\"", words);
}

/* Where there is a gnuplot, it drew every picture. */
static inline void assert_drawn(const char *out) {
    if (mhc__plot_available(NULL) == MHC_OK && says(out, "is not drawn"))
        fail_msg("%s: a picture is not drawn", out);
}

static inline void write_text_file(const char *path) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 60; i++)
        fprintf(file, "line %d: caf\xc3\xa9 \xff and so on, %d times %d\n", i, i * i, 61 - i);
    fclose(file);
}

static inline void run_study(const char *name, const mhc__study_options *options) {
    mhc_error error = {0};
    if (mhc__study_find(name)->run(options, &error) != MHC_OK)
        fail_msg("%s", error.message);
}

static inline void assert_there(const char *folder, const char *name) {
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (access(path, F_OK) != 0)
        fail_msg("%s is not there", path);
}

#endif
