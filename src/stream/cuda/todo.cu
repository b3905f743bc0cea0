/* Entries that are not written yet. */
#include "stream/cuda/operations.h"

size_t mhc__cuda_site_workspace(const mhc_spec *, const mhc__shape *s, int64_t tokens) {
    const size_t sizes[] = {mhc__cuda_pre_pipeline_workspace(s, tokens),
                            mhc__cuda_pre_back_pipeline_workspace(s, tokens),
                            mhc__cuda_merge_back_workspace(s, tokens)};
    size_t most = 0;
    for (size_t size : sizes)
        most = size > most ? size : most;
    return most;
}

size_t mhc__cuda_contract_workspace(const mhc_spec *, const mhc__shape *, int64_t) {
    return 0;
}

mhc_status mhc__cuda_pre_run(const mhc__cuda_call *call, const mhc__cuda_pre *pre) {
    if (mhc__cuda_pre_pipeline_takes(call, NULL, pre))
        return mhc__cuda_pre_pipeline(call, NULL, pre);
    return mhc__fail(call->error, MHC_UNSUPPORTED, "%s: not written for CUDA yet", call->name);
}

mhc_status mhc__cuda_pre_back_run(const mhc__cuda_call *call, const mhc__cuda_pre_back *back) {
    if (mhc__cuda_pre_back_pipeline_takes(call, back, NULL))
        return mhc__cuda_pre_back_pipeline(call, back, NULL);
    return mhc__fail(call->error, MHC_UNSUPPORTED, "%s: not written for CUDA yet", call->name);
}

mhc_status mhc__cuda_seam_run(const mhc__cuda_call *call, const mhc__cuda_merge *m, const mhc__cuda_pre *pre) {
    if (mhc__cuda_pre_pipeline_takes(call, m, pre))
        return mhc__cuda_pre_pipeline(call, m, pre);
    return mhc__fail(call->error, MHC_UNSUPPORTED, "%s: not written for CUDA yet", call->name);
}

mhc_status mhc__cuda_seam_back_run(const mhc__cuda_call *call, const mhc__cuda_pre_back *next,
                                   const mhc__cuda_merge_back *merge) {
    if (mhc__cuda_pre_back_pipeline_takes(call, next, merge))
        return mhc__cuda_pre_back_pipeline(call, next, merge);
    return mhc__fail(call->error, MHC_UNSUPPORTED, "%s: not written for CUDA yet", call->name);
}

mhc_status mhc__cuda_contract_run(const mhc__cuda_call *call, const mhc__cuda_contract *) {
    return mhc__fail(call->error, MHC_UNSUPPORTED, "%s: not written for CUDA yet", call->name);
}

mhc_status mhc__cuda_contract_back_run(const mhc__cuda_call *call, const mhc__cuda_contract *) {
    return mhc__fail(call->error, MHC_UNSUPPORTED, "%s: not written for CUDA yet", call->name);
}
