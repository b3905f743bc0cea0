/* Gain measurements of a training pass. Definitions: docs/metrics.md (each author's metric has its own name).
 *   activation gain  max|x_L| / max|x_0|; x_0 = streams entering site 0, x_L = streams before contraction
 * (reproducing-mhc) amax gain        forward max_i |sum_j H_ij|, backward max_j |sum_i H_ij|: of one site's res, mean
 * over tokens; and of the composite product over all sites, per token, mean over tokens (arXiv 2512.24880 fig. 3) gain
 * proxy       log10 max(max|P_ij|, 1e-12), P = the product of res over all sites                      (mhc-poc) stream
 * spread    max over sites of max|x_i - mean_i x_i| / rms(x) */
#ifndef MHC_PROBE_GAINS_H
#define MHC_PROBE_GAINS_H

#include "model/model.h"

typedef struct mhc__gains {
    double activation;
    double single_forward, single_backward; /* the largest over sites */
    double composite_forward, composite_backward;
    double composite_column_min; /* smallest column sum of the composite: amax hides attenuation */
    double proxy;
    double spread;
} mhc__gains;

/* After a training forward. Residual models: H = 1. max_tokens bounds the tokens used for dynamic composites (0: all).
 */
mhc_status mhc__gains_measure(mhc__model *model, int64_t max_tokens, mhc__gains *gains, mhc_error *error);

/* ||x||_2 of the streams entering each site (and before contraction: sites + 1 values), mean over tokens; of the n
 * streams together as root mean square over streams, and of the mean stream. */
mhc_status mhc__norms_by_depth(mhc__model *model, double *per_stream, double *of_mean, mhc_error *error);

#endif
