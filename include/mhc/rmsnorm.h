/* pre and the seam with the RMSNorm of the layer that follows, for inference: where a layer begins with one, u is
 * normalised before it is written, and no pass over u is needed for it. Of a token
 *
 *     u   = sum_j pre_j X_j                            in fp32, not rounded
 *     y_c = u_c weight_c / sqrt(mean_c u_c^2 + eps)    written in place of u, rounded once    (arXiv 1910.07467)
 *
 * y has the rows of u, T of C elements of spec->type. Squares beyond fp32's range are taken in double; where all of u
 * is zero, y is. A NaN in u makes NaN of all the token's y.
 *
 * There is no backward of its own: mhc_pre_backward and mhc_seam_backward take the gradient of u itself, so who trains
 * makes u again (mhc_recompute) and goes back through the norm before calling them. */
#ifndef MHC_RMSNORM_H
#define MHC_RMSNORM_H

#include "mhc/seam.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mhc_rmsnorm {
    const float *weight; /* [channels], fp32; on the device for a context on one */
    float eps;           /* >= 0 */
} mhc_rmsnorm;

/* mhc_pre_forward with y in place of u. Errors: as that, and MHC_INVALID_ARGUMENT for a norm or weight that is NULL or
 * an eps that is negative or not finite. Without u there is nothing to normalise, and norm is not looked at. */
MHC_API mhc_status mhc_pre_rmsnorm_forward(const mhc_context *context, const mhc_spec *spec,
                                           const mhc_site_params *params, int64_t tokens, mhc_streams x,
                                           const float *carried, float *coefficients, float *saved,
                                           const mhc_rmsnorm *norm, mhc_rows y, void *workspace, size_t workspace_size,
                                           mhc_error *error);

/* mhc_seam_forward with y in place of next_u: the bits of mhc_merge_forward and mhc_pre_rmsnorm_forward. */
MHC_API mhc_status mhc_seam_rmsnorm_forward(const mhc_context *context, const mhc_spec *spec, int64_t tokens,
                                            mhc_streams x, mhc_rows z, const float *coefficients, mhc_streams out,
                                            const mhc_site_params *next, float *next_coefficients, float *next_saved,
                                            const mhc_rmsnorm *norm, mhc_rows next_y, void *workspace,
                                            size_t workspace_size, mhc_error *error);

#ifdef __cplusplus
}
#endif

#endif
