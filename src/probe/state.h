/* The streams of a pass at each depth. Definitions: docs/metrics.md. */
#ifndef MHC_PROBE_STATE_H
#define MHC_PROBE_STATE_H

#include "base/error.h"
#include "model/model.h"

typedef enum mhc__state_metric {
    MHC__STATE_NORM, /* of all streams: root mean square over them */
    MHC__STATE_NORM_OF_MEAN,
    MHC__STATE_ENERGY_MEAN,
    MHC__STATE_ENERGY_DIFFERENCES,
    MHC__STATE_DIFFERENCE_SHARE,
    MHC__STATE_COSINE,
    MHC__STATE_EFFECTIVE_RANK,
    MHC__STATE_PARTICIPATION,
    MHC__STATE_DOMINANT_SHARE,
    MHC__STATE_SPREAD,
    MHC__STATE_METRICS
} mhc__state_metric;

const char *mhc__state_metric_name(mhc__state_metric metric); /* as in files and tables */

typedef struct mhc__states {
    int points, streams; /* points: sites + 1, the streams that enter each site and those before contraction */
    int64_t tokens;      /* looked at */
    double *values;      /* [points][MHC__STATE_METRICS] */
    double *norms;       /* [points][streams]: mean over tokens of ||x_i||_2 */
} mhc__states;

/* After a training forward. threads: 0 for all; the results are the same. tokens: how many are looked at, spread over
 * the pass (mhc__sample); 0: all. NaN or Inf in a state gives NaN or Inf in its numbers. Where streams are recomputed,
 * they are made again here. */
mhc_status mhc__states_measure(mhc__model *model, int threads, int64_t tokens, mhc__states *states, mhc_error *error);
void mhc__states_free(mhc__states *states);
double mhc__states_spread(const mhc__states *states); /* the largest of all points */

static inline double mhc__state_at(const mhc__states *states, int point, mhc__state_metric metric) {
    return states->values[point * MHC__STATE_METRICS + (int)metric];
}

#endif
