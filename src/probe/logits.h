/* How far apart the logits of a mixing matrix lie: where they are exponentiated, a range beyond what the arithmetic
 * resolves makes the matrix a constant. Definitions: docs/metrics.md. */
#ifndef MHC_PROBE_LOGITS_H
#define MHC_PROBE_LOGITS_H

#include "probe/mixing.h"

/* Decades of exp(logits), 0 to 1, 1 to 2, …, 20 and more. */
enum { MHC__LOGIT_BINS = 21 };
/* Saturated: the range that arXiv 2601.05732 counts, smallest over largest entry below 1e-13. */
#define MHC__LOGIT_SATURATED 13.0

typedef struct mhc__logit_ranges {
    int sites;              /* 0: the constraint exponentiates no n x n logits, and the rest is NULL */
    int64_t tokens;         /* looked at; 1 of static mappings */
    mhc__statistics *range; /* [sites]: (max - min) / ln 10 over the logits of res of a token */
    double *histogram;      /* [sites][MHC__LOGIT_BINS]: shares of tokens, a NaN in none */
    double *saturated;      /* [sites]: share of tokens */
} mhc__logit_ranges;

/* After a training forward: logits are computed anew in double precision, from the streams and parameters of each site.
 * Of Sinkhorn's iteration, its exact limit, row softmax and exp. */
mhc_status mhc__logits_measure(mhc__model *model, const mhc__mixing_options *options, mhc__logit_ranges *ranges,
                               mhc_error *error);
void mhc__logits_free(mhc__logit_ranges *ranges);

#endif
