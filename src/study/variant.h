/* What a study compares: connections, and what else differs between its models. */
#ifndef MHC_STUDY_VARIANT_H
#define MHC_STUDY_VARIANT_H

#include "config/config.h"
#include "study/study.h"

#define MHC__VARIANT_SETS 6

/* One of a study's own: a preset, with settings that hold for this model alone. */
typedef struct mhc__variant {
    const char *name;                   /* in study.connections and in the names of folders */
    const char *label;                  /* in tables and pictures; NULL: as for a preset */
    const char *connection;             /* a preset */
    const char *set[MHC__VARIANT_SETS]; /* "model.wrap=block", …, NULL at the end */
} mhc__variant;

/* A model that was chosen for a run. */
typedef struct mhc__choice {
    char name[32], label[48];
    mhc__variant variant; /* of a preset: nothing set, without a name */
    int style; /* gnuplot's line style: 1 residual, 2 the first of the HC kinds, 3 the first of the mHC kinds, from 4 on
                  the others, each its own */
} mhc__choice;

/* Reads study.connections, a list of `variants` (up to one without a name; may be NULL) and presets, `otherwise` where
 * it is not set. A preset is called "baseline", "HC" or "mHC" where that is said of one alone, else by its name. */
mhc_status mhc__study_choose(const mhc__study_options *options, const mhc__variant *variants, const char *otherwise,
                             mhc__choice *choices, int *count, mhc_error *error);
/* The place of a name among the choices; -1: it is not there. */
int mhc__choice_find(const mhc__choice *choices, int count, const char *name);
/* Makes config that of the choice: its connection, its settings, and one stream for the plain residual. */
mhc_status mhc__choice_apply(const mhc__choice *choice, mhc__config *config, mhc_error *error);
bool mhc__choice_is_residual(const mhc__choice *choice);

#endif
