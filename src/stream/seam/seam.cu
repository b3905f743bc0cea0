/* The seam on the device: a pipeline, or its two parts one after the other. */
#include "stream/cuda/operations.h"

mhc_status mhc__cuda_seam_run(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *next) {
    mhc_status status;
    if (mhc__cuda_pre_pipeline(call, merge, next, &status))
        return status;
    MHC__TRY(mhc__cuda_merge_run(call, merge));
    return mhc__cuda_pre_run(call, next);
}

mhc_status mhc__cuda_seam_back_run(const mhc__cuda_call *call, const mhc__cuda_pre_back *next,
                                   const mhc__cuda_merge_back *merge) {
    mhc_status status;
    if (mhc__cuda_pre_back_pipeline(call, next, merge, &status))
        return status;
    MHC__TRY(mhc__cuda_pre_back_run(call, next));
    return mhc__cuda_merge_back_run(call, merge);
}
