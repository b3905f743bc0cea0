/* The entries of the table (stream/cuda.h), each in a .cu file of its operation's folder. */
#ifndef MHC_STREAM_CUDA_OPERATIONS_H
#define MHC_STREAM_CUDA_OPERATIONS_H

#include "stream/cuda.h"

/* Blocks of a kernel that takes a token to a block, one after the other where there are more tokens than blocks. */
static inline int64_t mhc__grid(int64_t tokens) {
    return mhc__min(tokens, 0x7fffffff);
}

mhc_status mhc__cuda_merge_run(const mhc__cuda_call *call, const mhc__cuda_merge *merge);
size_t mhc__cuda_site_workspace(const mhc_spec *spec, const mhc__shape *shape, int64_t tokens);
/* Its share for pre_back. */
size_t mhc__cuda_pre_back_workspace(const mhc_spec *spec, const mhc__shape *shape, int64_t tokens);
size_t mhc__cuda_contract_workspace(const mhc_spec *spec, const mhc__shape *shape, int64_t tokens);

mhc_status mhc__cuda_expand_run(const mhc__cuda_call *call, mhc_rows x, mhc_streams out);
mhc_status mhc__cuda_expand_back_run(const mhc__cuda_call *call, mhc_streams dout, mhc_rows dx);
/* Bytes at call->workspace that merge_back_run uses: 0 where each token has coefficients of its own. */
size_t mhc__cuda_merge_back_workspace(const mhc__shape *shape, int64_t tokens);
mhc_status mhc__cuda_merge_back_run(const mhc__cuda_call *call, const mhc__cuda_merge_back *back);
mhc_status mhc__cuda_pre_run(const mhc__cuda_call *call, const mhc__cuda_pre *pre);
mhc_status mhc__cuda_pre_back_run(const mhc__cuda_call *call, const mhc__cuda_pre_back *back);
mhc_status mhc__cuda_seam_run(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *next);
mhc_status mhc__cuda_seam_back_run(const mhc__cuda_call *call, const mhc__cuda_pre_back *next,
                                   const mhc__cuda_merge_back *merge);
mhc_status mhc__cuda_collapse_run(const mhc__cuda_call *call, mhc_streams x, const float *weights, int64_t stride,
                                  mhc_rows u);
/* y = the RMSNorm of u, which is not written. */
mhc_status mhc__cuda_collapse_rmsnorm_run(const mhc__cuda_call *call, mhc_streams x, const float *weights,
                                          int64_t stride, mhc_rmsnorm norm, mhc_rows y);
mhc_status mhc__cuda_contract_run(const mhc__cuda_call *call, const mhc__cuda_contract *contract);
mhc_status mhc__cuda_contract_back_run(const mhc__cuda_call *call, const mhc__cuda_contract *contract);
mhc_status mhc__cuda_constraint_run(const mhc__cuda_call *call, const float *logits, float *res);
mhc_status mhc__cuda_constraint_back_run(const mhc__cuda_call *call, const float *logits, const float *d_res,
                                         float *d_logits);

/* Four streams with the flat norm: as pre, or, with a merge before it whose out is pre->x, as seam. False where it does
 * nothing: other shapes, and devices with too little room; else with a status. */
size_t mhc__cuda_pre_pipeline_workspace(const mhc__shape *shape, int64_t tokens);
bool mhc__cuda_pre_pipeline(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre,
                            mhc_status *status);
/* For what the pipeline takes, few tokens in one launch. */
size_t mhc__cuda_pre_few_workspace(int64_t tokens);
bool mhc__cuda_pre_few(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre,
                       mhc_status *status);

/* The same for pre_back, or, with the merge below, whose dout is back->dx, for seam_back. */
size_t mhc__cuda_pre_back_pipeline_workspace(const mhc__shape *shape, int64_t tokens);
bool mhc__cuda_pre_back_pipeline(const mhc__cuda_call *call, const mhc__cuda_pre_back *back,
                                 const mhc__cuda_merge_back *below, mhc_status *status);

/* Room for 4, 8 and 16 streams. d_res NULL: out is res; else it is d_logits. */
typedef mhc_status mhc__cuda_constraint_rows(const mhc__cuda_call *call, const float *logits, const float *d_res,
                                             float *out);
mhc__cuda_constraint_rows mhc__cuda_constraint_rows_4, mhc__cuda_constraint_rows_8, mhc__cuda_constraint_rows_16;

#endif
