/* What the two kinds of check share: access to the dump, and rows of the report. */
#ifndef MHC_PROBE_CHECK_INTERNAL_H
#define MHC_PROBE_CHECK_INTERNAL_H

#include "file/safetensors.h"
#include "probe/check.h"

typedef struct mhc__check {
    const char *path;
    const mhc__safetensors *file;
    const mhc_context *context;
    mhc__check_report *report;
    mhc_error *error;
} mhc__check;

/* The tensor with exactly this shape (dims of it), or an error that names what was found. */
mhc_status mhc__check_tensor(const mhc__check *check, const char *name, int dims, const int64_t *shape,
                             const mhc__tensor **out);
/* Its elements (F32 or F64) as doubles: malloc'd. */
mhc_status mhc__check_doubles(const mhc__check *check, const mhc__tensor *tensor, double **out);
double mhc__check_element(const mhc__tensor *tensor, int64_t index);

typedef struct mhc__difference {
    double error, expected, absolute; /* L2 norms of found - expected and of expected; max |found - expected| */
} mhc__difference;

/* The next element of a comparison; start from zeros, end with mhc__difference_end. */
void mhc__difference_add(mhc__difference *difference, double found, double expected);
double mhc__difference_relative(const mhc__difference *difference); /* error / expected; error where expected is 0 */
mhc__difference mhc__difference_floats(const float *found, const mhc__tensor *expected);
mhc__difference mhc__difference_doubles(const double *found, const mhc__tensor *expected);

mhc_status mhc__check_add(const mhc__check *check, const mhc__check_row *row); /* sets row.ok, counts failures */

mhc_status mhc__check_model(const mhc__check *check);
mhc_status mhc__check_sites(const mhc__check *check);

#endif
