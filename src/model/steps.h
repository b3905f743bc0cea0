/* Views of a run's state that the way forward and the way back share. */
#ifndef MHC_MODEL_STEPS_H
#define MHC_MODEL_STEPS_H

#include "base/clock.h"
#include "mhc/seam.h"
#include "model/internal.h"

static inline mhc_streams mhc__state(const mhc__run *run, int site) {
    return mhc_streams_of(run->at->streams[site], run->model->spec.streams, run->model->spec.channels);
}

static inline const mhc__connection_at *mhc__connection_of(const mhc__model *model, int site) {
    return mhc__wraps_blocks(model) || mhc__is_bag(model) ? &model->blocks[site].connections[0]
                                                          : &model->blocks[site / 2].connections[site % 2];
}

static inline mhc_site_params mhc__site_weights(const mhc__model *model, int site) {
    const mhc__connection_at *at = mhc__connection_of(model, site);
    mhc_site_params params = {mhc__weight(model, at->fn), mhc__weight(model, at->base), mhc__weight(model, at->scale)};
    return params;
}

static inline mhc_site_params mhc__site_gradients(const mhc__model *model, int site) {
    const mhc__connection_at *at = mhc__connection_of(model, site);
    mhc_site_params params = {mhc__gradient(model, at->fn), mhc__gradient(model, at->base),
                              mhc__gradient(model, at->scale)};
    return params;
}

static inline mhc_head_params mhc__head_weights(const mhc__model *model) {
    const mhc__connection_at *at = &model->contraction;
    mhc_head_params params = {mhc__weight(model, at->fn), mhc__weight(model, at->base), mhc__weight(model, at->scale)};
    return params;
}

static inline mhc_head_params mhc__head_gradients(const mhc__model *model) {
    const mhc__connection_at *at = &model->contraction;
    mhc_head_params params = {mhc__gradient(model, at->fn), mhc__gradient(model, at->base),
                              mhc__gradient(model, at->scale)};
    return params;
}

static inline const float *mhc__contract_carried(const mhc__run *run) {
    return run->model->spec.contraction == MHC_CONTRACT_CARRIED ? run->at->sites[run->model->sites - 1].coefficients
                                                                : NULL;
}

/* The clock of a pass starts, or starts again after what is nobody's. */
static inline void mhc__start_lap(const mhc__run *run) {
    run->model->lap = mhc__clock_seconds();
}

/* The time since the last lap was this part's. */
static inline void mhc__end_lap(const mhc__run *run, mhc__model_part part) {
    double now = mhc__clock_seconds();
    run->model->seconds[part] += now - run->model->lap;
    run->model->lap = now;
}

#endif
