#include "probe/gradient_flow.h"

#include <math.h>

#include "base/memory.h"
#include "base/threads.h"
#include "mhc/context.h"
#include "probe/statistics.h"
#include "probe/stream_sums.h"

enum { BLOCK = 64 }; /* tokens of one partial sum, and partial sums at a time */

typedef struct sums {
    double all, mean, differences;
} sums;

static void add_token(const float *gradient, int n, int64_t channels, sums *sum) {
    mhc__split split = mhc__split_streams(gradient, n, channels);
    sum->all += mhc__squares(gradient, n * channels);
    sum->mean += split.mean;
    sum->differences += split.differences;
}

static void watch(void *self, int site, int64_t tokens, mhc_streams gradient) {
    mhc__gradient_flow *flow = self;
    if (flow->paused)
        return;
    const mhc_spec *spec = mhc__model_spec(flow->model);
    int64_t count = flow->tokens > 0 ? mhc__min(flow->tokens, tokens) : tokens, blocks = mhc__blocks(count, BLOCK);
    sums total = {0};
    /* Blocks in order, a batch of them at a time: no allocation, and one sum for any thread count. */
    for (int64_t first = 0; first < blocks; first += BLOCK) {
        sums partial[BLOCK] = {0};
        int64_t here = mhc__min(BLOCK, blocks - first);
#pragma omp parallel for num_threads(flow->threads) schedule(static)
        for (int64_t b = 0; b < here; b++)
            for (int64_t k = (first + b) * BLOCK; k < mhc__min(count, (first + b + 1) * BLOCK); k++)
                add_token((const float *)gradient.data + mhc__sample(tokens, count, k) * gradient.token_stride,
                          spec->streams, spec->channels, &partial[b]);
        for (int64_t b = 0; b < here; b++) {
            total.all += partial[b].all;
            total.mean += partial[b].mean;
            total.differences += partial[b].differences;
        }
    }
    flow->norm[site] = sqrt(total.all / (double)count);
    flow->of_mean[site] = sqrt(total.mean / (double)count);
    flow->of_differences[site] = sqrt(total.differences / (double)count);
}

mhc_status mhc__gradient_flow_start(mhc__gradient_flow *flow, mhc__model *model, int threads, mhc_error *error) {
    int points = mhc__model_sites(model) + 1;
    *flow = (mhc__gradient_flow){
        .model = model, .threads = mhc_context_cpu(threads).threads, .sites = mhc__model_sites(model)};
    mhc_status status = MHC__ALLOCATE(flow->norm, points, "the gradient flow", error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(flow->of_mean, points, "the gradient flow", error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(flow->of_differences, points, "the gradient flow", error);
    if (status == MHC_OK)
        mhc__model_watch_gradients(model, watch, flow);
    else
        mhc__gradient_flow_stop(flow);
    return status;
}

void mhc__gradient_flow_stop(mhc__gradient_flow *flow) {
    if (flow->model)
        mhc__model_watch_gradients(flow->model, NULL, NULL);
    mhc__release(flow->norm);
    mhc__release(flow->of_mean);
    mhc__release(flow->of_differences);
    *flow = (mhc__gradient_flow){0};
}
