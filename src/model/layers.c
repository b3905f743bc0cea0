/* What attention and feed-forward share: dropout and scale of what they give, and the residual addition. */
#include <string.h>

#include "base/threads.h"
#include "model/internal.h"

mhc__dropout mhc__run_dropout(const mhc__run *run, float rate, int block, int kind) {
    mhc__dropout dropout = {.rate = run->pass->train ? rate : 0.0f,
                            .seed = run->pass->seed,
                            .step = run->pass->step,
                            .place = (uint32_t)(4 * block + kind)};
    return dropout;
}

mhc_status mhc__add_rows(const mhc__run *run, float *x, const float *z) {
    static const float ones[3] = {1.0f, 1.0f, 1.0f}; /* pre | post | res of the plain residual */
    int64_t channels = run->model->widths.channels;
    mhc_streams state = mhc_streams_of(x, 1, channels);
    return mhc_merge_forward(run->context, &run->model->plain, run->at->tokens, state,
                             mhc_rows_of((float *)z, channels), ones, state, run->error);
}

void mhc__copy_rows(const mhc__run *run, float *to, const float *from) {
    memcpy(to, from, (size_t)(run->at->tokens * run->model->widths.channels) * sizeof *to);
}

/* x = model.branch_scale x, [T, C]. */
static void scale_branch(const mhc__run *run, float *x) {
    const float scale = run->model->config.branch_scale;
    const int64_t count = run->at->tokens * run->model->widths.channels;
    if (scale == 1.0f)
        return;
#pragma omp parallel for simd num_threads(run->context->threads) schedule(static)
    for (int64_t i = 0; i < count; i++)
        x[i] *= scale;
}

void mhc__branch_forward(const mhc__run *run, int block, int kind, float *z) {
    mhc__dropout dropout = mhc__run_dropout(run, run->model->config.dropout_output, block, kind);
    mhc__dropout_apply(run->context->threads, &dropout, 0, run->at->tokens * run->model->widths.channels, z);
    scale_branch(run, z);
}

const float *mhc__branch_backward(const mhc__run *run, int block, int kind, const float *d_z) {
    mhc__dropout dropout = mhc__run_dropout(run, run->model->config.dropout_output, block, kind);
    if (dropout.rate == 0.0f && run->model->config.branch_scale == 1.0f)
        return d_z;
    mhc__activations *at = run->at;
    if (at->d_masked != d_z)
        mhc__copy_rows(run, at->d_masked, d_z);
    mhc__dropout_apply(run->context->threads, &dropout, 0, at->tokens * run->model->widths.channels, at->d_masked);
    scale_branch(run, at->d_masked);
    return at->d_masked;
}
