/* The two ends of the streams: expand after the embedding, contract before the final norm. Once each per network: the
 * streams persist in between. */
#ifndef MHC_ENDS_H
#define MHC_ENDS_H

#include "mhc/site.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X_ti = x_t for every stream i. */
MHC_API mhc_status mhc_expand_forward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_rows x,
                                      mhc_streams out, mhc_error *error);
/* dx_t = sum_i dX_ti (written). */
MHC_API mhc_status mhc_expand_backward(const mhc_context *context, const mhc_spec *spec, int64_t tokens,
                                       mhc_streams dout, mhc_rows dx, mhc_error *error);

/* Parameters of the learned head: fn [n, nC], base [n], scale [1]; all NULL for the other contractions. */
typedef struct mhc_head_params {
    float *fn, *base, *scale;
} mhc_head_params;

typedef struct mhc_contract_sizes {
    int64_t saved;         /* floats that contract_forward hands to contract_backward for T tokens */
    size_t workspace;      /* bytes for either call */
    size_t cuda_workspace; /* the same on a CUDA device, 16-byte aligned; 0 from a library without CUDA */
} mhc_contract_sizes;

MHC_API mhc_status mhc_contract_sizes_query(const mhc_spec *spec, int64_t tokens, mhc_contract_sizes *sizes,
                                            mhc_error *error);

/* scale and fn as a site's; base 0. params with NULL members for the other contractions. */
MHC_API mhc_status mhc_head_init(const mhc_spec *spec, uint64_t seed, const mhc_head_params *params, mhc_error *error);

/* y_t = sum_i w_ti X_ti with w = 1/n (mean), 1 (sum), the head's, or the pre part of `carried`, the last site's
 * coefficients. */
MHC_API mhc_status mhc_contract_forward(const mhc_context *context, const mhc_spec *spec, const mhc_head_params *params,
                                        int64_t tokens, mhc_streams x, const float *carried, float *saved, mhc_rows y,
                                        void *workspace, size_t workspace_size, mhc_error *error);
/* Writes dx; adds to gradients; carried: writes the pre part of d_carried, the d_coefficients of the last site. saved,
 * carried, d_carried and gradients may be NULL where the contraction has no use for them. */
MHC_API mhc_status mhc_contract_backward(const mhc_context *context, const mhc_spec *spec,
                                         const mhc_head_params *params, int64_t tokens, mhc_streams x,
                                         const float *carried, const float *saved, mhc_rows dy, float *d_carried,
                                         mhc_streams dx, const mhc_head_params *gradients, void *workspace,
                                         size_t workspace_size, mhc_error *error);

#ifdef __cplusplus
}
#endif

#endif
