/* The operations of libmhc as a table: how to call one, and what it has to move and compute. To add one: its call, its
 * cost and its row in operations.c; the tables of bench_ops and the counts of bench_count then have it. */
#ifndef MHC_BENCH_OPERATIONS_H
#define MHC_BENCH_OPERATIONS_H

#include "machine.h"
#include "subject.h"

typedef struct mhc__operation {
    const char *name; /* of the option --ops */
    const char *what;
    int whole_channels; /* 0: its work does not depend on C */
    mhc_status (*run)(const mhc_context *context, const mhc__subject *subject, mhc_error *error);
    mhc__cost (*cost)(const mhc__subject *subject);
} mhc__operation;

/* Ends with a row whose name is NULL. */
extern const mhc__operation MHC__OPERATIONS[];

/* One operation, and perhaps another after it, on a subject: what mhc__measure runs. */
typedef struct mhc__call {
    const mhc__operation *first, *then; /* then may be NULL */
    const mhc__subject *subject;
    mhc_context context;
    mhc_error error;   /* written, */
    mhc_status status; /* with the first failure, after which nothing runs any more */
} mhc__call;
void mhc__call_run(void *call);

/* Runs what the ways back follow: leaves coefficients, saved and X' as a forward pass does. */
mhc_status mhc__operations_prepare(const mhc_context *context, const mhc__subject *subject, mhc_error *error);

#endif
