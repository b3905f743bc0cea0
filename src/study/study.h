/* Studies: experiments that one command repeats, from training to the report. `mhc study NAME` runs one.
 *
 * A study writes OUT/<arm>/ (config.json, metrics.jsonl, checkpoints/) for each of its arms, one arm being a model with
 * a seed, and OUT/report/ (index.html, pictures with their data and scripts, tables). A study that was stopped or
 * killed goes on where it was when it is started again with the same OUT and settings; arms that are done are not run
 * again. docs/studies.md says what each one measures. */
#ifndef MHC_STUDY_STUDY_H
#define MHC_STUDY_STUDY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

typedef enum mhc__study_size {
    MHC__SIZE_DEFAULT,
    MHC__SIZE_QUICK,    /* minutes on two cores: shows that everything works, and what needs no size */
    MHC__SIZE_PUBLISHED /* as its source ran it */
} mhc__study_size;

typedef struct mhc__study_options {
    mhc__study_size size;
    const char *data;       /* text to train on; NULL: the study's own default */
    const char *out;        /* folder of the results; NULL: runs/NAME */
    int64_t steps;          /* 0: the study's own */
    int seeds;              /* how many, from `seed` upwards; 0: the study's own */
    uint64_t seed;          /* the first */
    const char *const *set; /* "train.lr=1e-3", and "study.FIELD=VALUE" for the study's own fields (see its help) */
    int set_count;
    int threads;              /* 0: all */
    FILE *log;                /* notes and the progress line; NULL: none */
    const volatile int *stop; /* not 0: save and return MHC_INTERRUPTED. May be NULL */
    bool quiet;               /* notes, but no progress line */
} mhc__study_options;

typedef struct mhc__study {
    const char *name;
    const char *summary; /* one line */
    const char *cost;    /* of each size, on two cores */
    const char *source;  /* where the experiment comes from */
    const char *help;    /* what it does, its outputs, its own fields; several lines, each ended by a line feed */
    /* MHC_OK once the report is written. Errors: MHC_INTERRUPTED (run it again to go on), or what went wrong. */
    mhc_status (*run)(const mhc__study_options *options, mhc_error *error);
} mhc__study;

/* No seeds, steps or folders set: each study's own; seed 42. */
mhc__study_options mhc__study_options_default(void);
/* Study number index, or NULL past the last. */
const mhc__study *mhc__study_at(int index);
/* NULL when there is none of that name. */
const mhc__study *mhc__study_find(const char *name);

#endif
