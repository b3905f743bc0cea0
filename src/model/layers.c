/* What attention and feed-forward share: their dropout and the residual addition. */
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

const float *mhc__output_dropout_backward(const mhc__run *run, int block, int kind, const float *d_z) {
    mhc__dropout dropout = mhc__run_dropout(run, run->model->config.dropout_output, block, kind);
    if (dropout.rate == 0.0f)
        return d_z;
    mhc__activations *at = run->at;
    int64_t count = at->tokens * run->model->widths.channels;
    if (at->d_masked != d_z)
        memcpy(at->d_masked, d_z, (size_t)count * sizeof *d_z);
    mhc__dropout_apply(run->context->threads, &dropout, 0, count, at->d_masked);
    return at->d_masked;
}
