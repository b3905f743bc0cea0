/* Recomputation of streams: backward needs X and u of every site, (n + 1) C values per token and site, but they follow
 * from far less. Forward keeps X where a span of L sites begins, and every z and the coefficients; backward replays the
 * span's merges and collapses, without the layers F in between (arXiv 2512.24880 section 4.3.2). The bits are those of
 * the forward pass. */
#ifndef MHC_RECOMPUTE_H
#define MHC_RECOMPUTE_H

#include "mhc/site.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One site of a span. */
typedef struct mhc_recompute_step {
    const float *coefficients; /* of this site, as its pre_forward or seam_forward wrote them */
    mhc_rows z;                /* output of its layer; looked at where out is wanted */
    mhc_rows u;                /* written: the input of its layer, sum_j pre_j X_j; {NULL, 0}: not wanted */
    mhc_streams out;           /* written: X after the site; {NULL} in the last step alone: not wanted */
} mhc_recompute_step;

/* From x, the streams before the first of `count` sites, all that the steps ask for, one block of tokens at a time
 * through the whole span: x is read once.
 *   carried   shifted schedule: the coefficients of the site before the span, or NULL at the first site of the network.
 *             NULL otherwise.
 * Outputs must not overlap inputs or each other. Errors: MHC_INVALID_ARGUMENT, with the number of the step. Needs no
 * workspace. */
MHC_API mhc_status mhc_recompute(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x,
                                 const float *carried, const mhc_recompute_step *steps, int count, mhc_error *error);

/* The length L of spans that takes the least memory for a network of so many sites: it minimises
 *
 *     n C ceil(sites / L) + (n + 2) C L      values per token
 *
 * the states at the beginnings, and X, u and the layer's normalised input of one span (arXiv 2512.24880 eq. 20); about
 * sqrt(n sites / (n + 2)). The shortest where several are best; 1 for sites < 1 or streams < 1. */
MHC_API int mhc_recompute_span(int streams, int sites);

#ifdef __cplusplus
}
#endif

#endif
