/* The table of a library with CUDA. */
#include "stream/cuda/operations.h"

namespace {

const mhc__cuda_table TABLE = {
    .site_workspace = mhc__cuda_site_workspace,
    .contract_workspace = mhc__cuda_contract_workspace,
    .expand = mhc__cuda_expand_run,
    .expand_back = mhc__cuda_expand_back_run,
    .merge = mhc__cuda_merge_run,
    .merge_back = mhc__cuda_merge_back_run,
    .pre = mhc__cuda_pre_run,
    .pre_back = mhc__cuda_pre_back_run,
    .seam = mhc__cuda_seam_run,
    .seam_back = mhc__cuda_seam_back_run,
    .collapse = mhc__cuda_collapse_run,
    .contract = mhc__cuda_contract_run,
    .contract_back = mhc__cuda_contract_back_run,
    .constraint = mhc__cuda_constraint_run,
    .constraint_back = mhc__cuda_constraint_back_run,
};

} // namespace

const mhc__cuda_table *const mhc__cuda = &TABLE;
