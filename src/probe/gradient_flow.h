/* How large the gradient of the streams is at each depth, measured during backward. Definition: docs/metrics.md, state
 * gradient. */
#ifndef MHC_PROBE_GRADIENT_FLOW_H
#define MHC_PROBE_GRADIENT_FLOW_H

#include "model/model.h"

typedef struct mhc__gradient_flow {
    mhc__model *model;
    int sites, threads;
    double *norm; /* [sites + 1]: sqrt(mean_t ||dL/dX_t||_F^2) entering site s; the last: before contraction. Written by
                     each backward; 0 before the first. */
} mhc__gradient_flow;

/* Watches every backward of the model (its only watcher) until stopped, with so many threads (0: all; the results are
 * the same). The flow must stay where it is. */
mhc_status mhc__gradient_flow_start(mhc__gradient_flow *flow, mhc__model *model, int threads, mhc_error *error);
void mhc__gradient_flow_stop(mhc__gradient_flow *flow);

#endif
