/* Files of one JSON object per line that a run appends to, each with the "step" it belongs to. */
#ifndef MHC_FILE_JSON_LINES_H
#define MHC_FILE_JSON_LINES_H

#include <stdint.h>

#include "base/error.h"

/* Rewrites the file without the lines of steps from from_step on, which a run that was killed has left, and without a
 * last line that the kill cut short. Lines without a step stay. Nothing happens to a file that is absent or not a
 * regular one. */
mhc_status mhc__json_lines_drop(const char *path, int64_t from_step, mhc_error *error);

#endif
