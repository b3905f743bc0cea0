#include "probe/gradient_flow.h"

#include <math.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/threads.h"
#include "mhc/context.h"

enum { BLOCK = 64 }; /* tokens of one partial sum */

MHC__CLONES
static double squares_of(const float *x, int64_t count) {
    double lanes[MHC__LANES] = {0}, total = 0.0;
    int64_t i = 0;
    for (; i + MHC__LANES <= count; i += MHC__LANES)
        for (int l = 0; l < MHC__LANES; l++)
            lanes[l] += (double)x[i + l] * (double)x[i + l];
    for (; i < count; i++)
        lanes[i % MHC__LANES] += (double)x[i] * (double)x[i];
    for (int l = 0; l < MHC__LANES; l++)
        total += lanes[l];
    return total;
}

static void watch(void *self, int site, int64_t tokens, mhc_streams gradient) {
    mhc__gradient_flow *flow = self;
    const mhc_spec *spec = mhc__model_spec(flow->model);
    int64_t width = spec->streams * spec->channels, blocks = mhc__blocks(tokens, BLOCK);
    double total = 0.0;
    /* Blocks in order, a batch of them at a time: no allocation, and one sum for any thread count. */
    for (int64_t first = 0; first < blocks; first += 64) {
        double partial[64] = {0};
        int64_t here = mhc__min(64, blocks - first);
#pragma omp parallel for num_threads(flow->threads) schedule(static)
        for (int64_t b = 0; b < here; b++)
            for (int64_t t = (first + b) * BLOCK; t < mhc__min(tokens, (first + b + 1) * BLOCK); t++)
                partial[b] += squares_of((const float *)gradient.data + t * gradient.token_stride, width);
        for (int64_t b = 0; b < here; b++)
            total += partial[b];
    }
    flow->norm[site] = sqrt(total / (double)tokens);
}

mhc_status mhc__gradient_flow_start(mhc__gradient_flow *flow, mhc__model *model, int threads, mhc_error *error) {
    flow->model = model;
    flow->threads = mhc_context_cpu(threads).threads;
    flow->sites = mhc__model_sites(model);
    MHC__TRY(MHC__ALLOCATE(flow->norm, flow->sites + 1, "the gradient flow", error));
    mhc__model_watch_gradients(model, watch, flow);
    return MHC_OK;
}

void mhc__gradient_flow_stop(mhc__gradient_flow *flow) {
    if (flow->model)
        mhc__model_watch_gradients(flow->model, NULL, NULL);
    mhc__release(flow->norm);
    flow->model = NULL;
    flow->norm = NULL;
}
