/* y = x W^T + b: x [T, in], W [out, in], y [T, out], as PyTorch stores it. */
#ifndef MHC_NN_LINEAR_H
#define MHC_NN_LINEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "gemm/gemm.h"

mhc_status mhc__linear_forward(mhc__gemm_how how, int64_t tokens, int64_t in, int64_t out, const float *x,
                               const float *weight, const float *bias, float *y, mhc_error *error);

int64_t mhc__linear_backward_scratch(int64_t tokens, int64_t out); /* floats, 0 without bias is fine */
/* dx written (or added to when add_dx; NULL to skip); dweight and dbias (may be NULL) added to. */
mhc_status mhc__linear_backward(mhc__gemm_how how, int64_t tokens, int64_t in, int64_t out, const float *x,
                                const float *weight, const float *dy, float *dx, bool add_dx, float *dweight,
                                float *dbias, float *scratch, mhc_error *error);

#endif
