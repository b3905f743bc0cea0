/* What a study records at each step of an arm, and the file it is kept in: metrics.jsonl, one object per line. */
#ifndef MHC_STUDY_MEASUREMENT_H
#define MHC_STUDY_MEASUREMENT_H

#include <stdint.h>
#include <stdio.h>

#include "probe/gains.h"
#include "probe/probe.h"
#include "report/events.h"
#include "train/train.h"

/* What the probes of a run measure in some of its steps, in the order of mhc__probe_name, and the parts of such a
 * step's time. */
enum { MHC__STUDY_NUMBERS = MHC__PROBE_NUMBERS + MHC__TRAIN_PARTS };
const char *mhc__study_number_name(int number);

typedef struct mhc__measurement {
    int64_t step;
    double loss, grad_norm, lr, seconds; /* NaN where the run was not finite */
    mhc__gains gains;                    /* of the training pass of this step, before its update */
    bool probed;                         /* whether numbers were measured in this step */
    double numbers[MHC__STUDY_NUMBERS];  /* NaN where there is none */
} mhc__measurement;

/* step 0, 1, … without gaps. */
typedef struct mhc__series {
    mhc__measurement *at;
    int64_t count;
} mhc__series;

/* The numbers of the record, if there are any, become the measurement's. */
void mhc__measurement_take(mhc__measurement *measurement, const mhc__train_record *record);

/* One line; flushed. The same to the events (NULL: none). path is for the message. */
mhc_status mhc__measurement_append(FILE *file, const char *path, mhc__events *events,
                                   const mhc__measurement *measurement, mhc_error *error);
/* An absent file gives an empty series. A last line cut short by a kill is left out. MHC_CORRUPT for anything else that
 * is not step 0, 1, …. */
mhc_status mhc__series_load(const char *path, mhc__series *series, mhc_error *error);
/* The first `count` lines, written whole. */
mhc_status mhc__series_save(const char *path, const mhc__series *series, int64_t count, mhc_error *error);
void mhc__series_free(mhc__series *series);

/* All fields NaN. */
mhc__gains mhc__gains_unknown(void);

#endif
