/* How large the gradient of the streams is at each depth, measured during backward. Definition: docs/metrics.md, state
 * gradient. */
#ifndef MHC_PROBE_GRADIENT_FLOW_H
#define MHC_PROBE_GRADIENT_FLOW_H

#include "model/model.h"

typedef struct mhc__gradient_flow {
    mhc__model *model;
    int sites, threads;
    int64_t tokens; /* looked at, spread over the pass (mhc__sample); 0: all, which start sets */
    bool paused;    /* true: a backward leaves the norms as they are and costs nothing */
    /* [sites + 1]: root mean square over tokens of ||g||_F, g = dL/dX_t entering site s; the last: before contraction.
     * Of g, of its mean over streams in each of them, and of the rest, so that norm^2 = of_mean^2 + of_differences^2.
     * Written by each backward; 0 before the first. */
    double *norm, *of_mean, *of_differences;
} mhc__gradient_flow;

/* Watches every backward of the model (its only watcher) until stopped, with so many threads (0: all; the results are
 * the same). The flow must stay where it is. */
mhc_status mhc__gradient_flow_start(mhc__gradient_flow *flow, mhc__model *model, int threads, mhc_error *error);
void mhc__gradient_flow_stop(mhc__gradient_flow *flow);

#endif
