/* The constraint by itself on the device, by the unit that has the least room which is enough. */
#include "stream/cuda/operations.h"

static mhc_status run(const mhc__cuda_call *call, const float *logits, const float *d_res, float *out) {
    const int n = call->shape->n;
    return (n <= 4   ? mhc__cuda_constraint_rows_4
            : n <= 8 ? mhc__cuda_constraint_rows_8
                     : mhc__cuda_constraint_rows_16)(call, logits, d_res, out);
}

mhc_status mhc__cuda_constraint_run(const mhc__cuda_call *call, const float *logits, float *res) {
    return run(call, logits, NULL, res);
}

mhc_status mhc__cuda_constraint_back_run(const mhc__cuda_call *call, const float *logits, const float *d_res,
                                         float *d_logits) {
    return run(call, logits, d_res, d_logits);
}
