/* Mapping and collapse of a site on the device: X is read for the sums, and again for u. */
#include "stream/cuda/mapping.h"

namespace {

MHC__KERNEL write_ones(float *coefficients) {
    coefficients[threadIdx.x] = 1.0f;
}

mhc_status dynamic_coefficients(const mhc__cuda_call *call, const mhc__cuda_pre *pre) {
    const mhc__projection p = mhc__cuda_projection(call->spec, call->shape);
    float *saved = pre->saved ? pre->saved : (float *)call->workspace;
    const mhc__mixes mixes = mhc__cuda_mixes(call->shape, saved);
    const mhc__cuda_gates gates = {mixes, pre->params.scale, pre->params.base, pre->coefficients};
    MHC__TRY(mhc__cuda_project(call, &p, pre->x, pre->params.fn, mixes));
    return mhc__cuda_coefficients(call, &gates);
}

} // namespace

size_t mhc__cuda_site_workspace(const mhc_spec *spec, const mhc__shape *s, int64_t tokens) {
    const size_t sizes[] = {(size_t)(tokens * s->saved) * sizeof(float), mhc__cuda_pre_pipeline_workspace(s, tokens),
                            mhc__cuda_pre_back_workspace(spec, s, tokens),
                            mhc__cuda_pre_back_pipeline_workspace(s, tokens),
                            mhc__cuda_merge_back_workspace(s, tokens)};
    size_t most = 0;
    for (size_t size : sizes)
        most = size > most ? size : most;
    return most;
}

mhc_status mhc__cuda_pre_run(const mhc__cuda_call *call, const mhc__cuda_pre *pre) {
    const mhc__shape *s = call->shape;
    mhc_status status;
    if (mhc__cuda_pre_pipeline(call, NULL, pre, &status))
        return status;
    if (s->plain && pre->coefficients)
        MHC__TRY(
            mhc__launch(write_ones, 1, s->coefficients, 0, call->queue, pre->coefficients, call->name, call->error));
    if (s->dynamic) {
        MHC__TRY(dynamic_coefficients(call, pre));
    } else if (!s->plain) {
        const mhc__cuda_gates gates = {{}, NULL, pre->params.base, pre->coefficients};
        MHC__TRY(mhc__cuda_coefficients(call, &gates));
    }
    if (!pre->u.data)
        return MHC_OK;
    const float *weights = mhc__cuda_pre_weights(s, pre->coefficients, pre->carried);
    if (pre->norm.weight)
        return mhc__cuda_collapse_rmsnorm_run(call, pre->x, weights, mhc__cuda_stride(s), pre->norm, pre->u);
    return mhc__cuda_collapse_run(call, pre->x, weights, mhc__cuda_stride(s), pre->u);
}
