/* Gain measurements of a training pass. docs/metrics.md has the formulas, and a name of its own for each author's
 * metric: activation gain (reproducing-mhc's "amax gain"), amax gains of single sites and of their product (arXiv
 * 2512.24880, figure 3), gain proxy (mhc-poc), stream spread (ours). */
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

/* After a training forward. Residual models: H = 1. threads: 0 for all; the results are the same. max_tokens bounds the
 * tokens whose dynamic coefficients are looked at, for single and composite gains (0: all). */
mhc_status mhc__gains_measure(mhc__model *model, int threads, int64_t max_tokens, mhc__gains *gains, mhc_error *error);

/* The activation alone; NaN without a training forward right before it. */
double mhc__activation_gain(mhc__model *model, int threads);

/* ||x||_2 of the streams entering each site (and before contraction: sites + 1 values), mean over tokens; of the n
 * streams together as root mean square over streams, and of the mean stream. */
mhc_status mhc__norms_by_depth(mhc__model *model, int threads, double *per_stream, double *of_mean, mhc_error *error);

#endif
