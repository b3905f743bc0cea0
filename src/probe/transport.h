/* How long the differences between streams live: those that are there when site `from` begins, carried on by the mixing
 * matrices alone, against what the sites after it add. Definition: docs/metrics.md, transport. */
#ifndef MHC_PROBE_TRANSPORT_H
#define MHC_PROBE_TRANSPORT_H

#include "probe/mixing.h"

typedef struct mhc__transport {
    int from, points; /* points: the streams that enter site `from`, …, those before contraction */
    int64_t tokens;   /* looked at */
    /* [points], both NaN for one stream, and where a token's streams are copies at `from`. */
    mhc__statistics *kept; /* ln of the energy of the differences of `from` that is left, over what it was: 0 first */
    double *share;         /* mean over tokens of what is left over the energy of all differences there: 1 first; Inf or
                      NaN where a token's streams are copies there */
} mhc__transport;

/* After a training forward. mixing: of the same pass; its tokens are looked at, and it says whether differences stay
 * among themselves. 0 <= from <= sites. threads: 0 for all; the results are the same. */
mhc_status mhc__transport_measure(mhc__model *model, const mhc__mixing *mixing, int from, int threads,
                                  mhc__transport *transport, mhc_error *error);
void mhc__transport_free(mhc__transport *transport);

#endif
