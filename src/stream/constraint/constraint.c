/* The constraint by itself. */
#include "mhc/constraint.h"
#include "stream/cuda.h"
#include "stream/kernels.h"
#include "stream/shape.h"

static mhc_status enter(const mhc_context *context, const mhc_spec *spec, int64_t rows, mhc__shape *shape,
                        mhc_error *error) {
    MHC__TRY(mhc__site_enter(context, spec, rows, shape, error));
    if (spec->mapping == MHC_MAPPING_NONE)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "mhc_constraint: the plain residual has no constraint");
    return MHC_OK;
}

mhc_status mhc_constraint_forward(const mhc_context *context, const mhc_spec *spec, int64_t rows, const float *logits,
                                  float *res, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(enter(context, spec, rows, &s, error));
    if (rows == 0)
        return MHC_OK;
    if (s.res > 0)
        MHC__TRY(mhc__need(logits, "mhc_constraint_forward", "logits", error));
    MHC__TRY(mhc__need(res, "mhc_constraint_forward", "res", error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, rows, NULL, "mhc_constraint_forward", error);
        return mhc__cuda->constraint(&cuda, logits, res);
    }
    const mhc__logit_kernels *kernels = mhc__logit_kernels_chosen();
    int64_t w = mhc__lanes_of(s.n), blocks = mhc__blocks(rows, w);
#pragma omp parallel for num_threads(context->threads) schedule(static) if (blocks > 1)
    for (int64_t block = 0; block < blocks; block++)
        kernels->constraint(spec, s.res, block * w, rows, logits, res);
    return MHC_OK;
}

mhc_status mhc_constraint_backward(const mhc_context *context, const mhc_spec *spec, int64_t rows, const float *logits,
                                   const float *d_res, float *d_logits, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(enter(context, spec, rows, &s, error));
    if (rows == 0 || s.res == 0)
        return MHC_OK;
    MHC__TRY(mhc__need(logits, "mhc_constraint_backward", "logits", error));
    MHC__TRY(mhc__need(d_res, "mhc_constraint_backward", "d_res", error));
    MHC__TRY(mhc__need(d_logits, "mhc_constraint_backward", "d_logits", error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, rows, NULL, "mhc_constraint_backward", error);
        return mhc__cuda->constraint_back(&cuda, logits, d_res, d_logits);
    }
    const mhc__logit_kernels *kernels = mhc__logit_kernels_chosen();
    int64_t w = mhc__lanes_of(s.n), blocks = mhc__blocks(rows, w);
#pragma omp parallel for num_threads(context->threads) schedule(static) if (blocks > 1)
    for (int64_t block = 0; block < blocks; block++)
        kernels->constraint_back(spec, s.res, block * w, rows, logits, d_res, d_logits);
    return MHC_OK;
}
