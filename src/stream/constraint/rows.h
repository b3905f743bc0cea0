/* The constraint by itself on the device, a row of logits to a thread: the text of the CPU, and so its bits. Compiled
 * in the units cuda/arithmetic4.cu to cuda/arithmetic16.cu. */
#ifndef MHC_STREAM_CONSTRAINT_ROWS_H
#define MHC_STREAM_CONSTRAINT_ROWS_H

#include "stream/cuda/arithmetic.h"
#include "stream/cuda/operations.h"

namespace {

/* Few, so that few rows are spread over many processors: each is one long chain of operations. */
enum { ROW_THREADS = 32 };

struct row_params {
    mhc_spec spec;
    int64_t rows;
    int count; /* logits of a row */
    const float *logits, *d_res;
    float *out; /* res, or d_logits */
};

MHC__DEVICE int64_t first_row() {
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

MHC__KERNEL constrain(MHC__GIVEN row_params p) {
    float x[MHC__LOGIT_FLOATS], y[MHC__MATRIX_FLOATS];
    const int n = p.spec.streams;
    for (int64_t row = first_row(); row < p.rows; row += (int64_t)gridDim.x * blockDim.x) {
        for (int e = 0; e < p.count; e++)
            x[e] = p.logits[row * p.count + e];
        mhc__constraint_lanes(&p.spec, n, 1, x, y);
        for (int e = 0; e < n * n; e++)
            p.out[row * n * n + e] = y[e];
    }
}

MHC__KERNEL constrain_back(MHC__GIVEN row_params p) {
    float x[MHC__LOGIT_FLOATS], d_x[MHC__LOGIT_FLOATS], d_y[MHC__MATRIX_FLOATS];
    const int n = p.spec.streams;
    for (int64_t row = first_row(); row < p.rows; row += (int64_t)gridDim.x * blockDim.x) {
        for (int e = 0; e < p.count; e++)
            x[e] = p.logits[row * p.count + e];
        for (int e = 0; e < n * n; e++)
            d_y[e] = p.d_res[row * n * n + e];
        mhc__constraint_lanes_back(&p.spec, n, 1, x, d_y, d_x);
        for (int e = 0; e < p.count; e++)
            p.out[row * p.count + e] = d_x[e];
    }
}

} // namespace

mhc_status MHC__OF_UNIT(mhc__cuda_constraint_rows_)(const mhc__cuda_call *call, const float *logits, const float *d_res,
                                                    float *out) {
    row_params p = {*call->spec, call->tokens, call->shape->res, logits, d_res, out};
    return mhc__launch(d_res ? constrain_back : constrain, mhc__grid(mhc__blocks(p.rows, ROW_THREADS)), ROW_THREADS, 0,
                       call->queue, p, call->name, call->error);
}

#endif
