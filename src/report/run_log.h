/* An observer that writes metrics.jsonl and the progress line of a run. */
#ifndef MHC_REPORT_RUN_LOG_H
#define MHC_REPORT_RUN_LOG_H

#include <stdbool.h>
#include <stdio.h>

#include "train/train.h"

typedef struct mhc__run_log mhc__run_log;

/* metrics: FOLDER/metrics.jsonl, appended to (NULL: none): one object per step
 * {"step":0,"loss":…,"grad_norm":…,"lr":…,"tokens":…, "seconds":…} plus "eval_loss" where there is one, and what
 * observers measured in the step (record.numbers); steps at or past `from_step` already in the file (from a run that
 * was killed) are dropped first. events: the folder that gets the same numbers as TensorBoard events (NULL: none).
 * progress: where the line goes (NULL: none); rewritten in place when it is a terminal, else one line per log_every. */
mhc_status mhc__run_log_open(const char *metrics, const char *events, int64_t from_step, FILE *progress,
                             const char *label, int64_t log_every, mhc__run_log **out, mhc_error *error);
void mhc__run_log_close(mhc__run_log *log);
mhc__train_observer mhc__run_log_observer(mhc__run_log *log);

/* "42s", "3m 07s", "2h 05m", "1d 04h"; "–" for NaN and what is not a duration. */
void mhc__duration(double seconds, char *text, size_t size);

#endif
