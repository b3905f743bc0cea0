/* What studies share in reading their options. */
#ifndef MHC_STUDY_SETTINGS_H
#define MHC_STUDY_SETTINGS_H

#include "config/config.h"
#include "study/study.h"

#define MHC__STUDY_MAX_CHOICES 16
#define MHC__STUDY_MAX_SEEDS   1000

/* A line to the log, if there is one. */
void mhc__study_note(const mhc__study_options *options, const char *format, ...) MHC__PRINTF(2, 3);
/* MHC_INTERRUPTED when the stop flag is set. */
mhc_status mhc__study_stopped(const mhc__study_options *options, mhc_error *error);

/* The last "study.NAME=VALUE" of options->set, or `otherwise`. */
const char *mhc__study_setting(const mhc__study_options *options, const char *name, const char *otherwise);
/* Fails on a "study.X=" whose X is not in names (NULL at the end). */
mhc_status mhc__study_settings_check(const mhc__study_options *options, const char *const *names, mhc_error *error);
/* The next piece of a comma-separated list into piece, cut to its size; false at the end. */
bool mhc__study_next_piece(const char **list, char *piece, size_t size);
/* "12,24,48" into integers of 1..1000, in the order given. */
mhc_status mhc__study_integers(const char *list, const char *name, int *values, int *count, mhc_error *error);

/* Applies options->steps, --data, --seed, threads and every "--set" that isn't "study.*" to config, whose fields hold
 * the study's own values. warmup_share: the warm-up is this share of the steps, unless --set train.warmup says else.
 * What the study sets itself is an error that names its own option: model.connection, train.seed and the NULL-ended
 * pairs {field, own option} of `own` (may be NULL); so is train.on_nan=rollback. */
mhc_status mhc__study_configure(const mhc__study_options *options, double warmup_share, const char *const (*own)[2],
                                mhc__config *config, mhc_error *error);

/* Whether a "--set FIELD=" is there. */
bool mhc__study_is_set(const mhc__study_options *options, const char *field);
/* How many, 1 unless --seeds says else. */
mhc_status mhc__study_seeds(const mhc__study_options *options, int *seeds, mhc_error *error);

typedef struct mhc__study_folder {
    char out[1024], report[1100]; /* OUT and OUT/report */
} mhc__study_folder;
/* --out, else runs/NAME. */
mhc_status mhc__study_folders(const mhc__study_options *options, const char *name, mhc__study_folder *folder,
                              mhc_error *error);

#endif
