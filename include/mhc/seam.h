/* The seam between two sites of one spec: merge of the one and pre of the next in one pass, so that the streams are
 * read once and written once where they pass from layer to layer: (2 n + 2) C values per token, the lower bound. In a
 * network
 *
 *     pre, F, seam, F, seam, F, ... seam, F, merge
 *
 * does what pre, F, merge, pre, F, merge, ... does, with the same bits. (On a CUDA device one tensor is summed in
 * another order where four streams have their own kernel: the d_coefficients that mhc_seam_backward writes.) */
#ifndef MHC_SEAM_H
#define MHC_SEAM_H

#include "mhc/site.h"

#ifdef __cplusplus
extern "C" {
#endif

/* mhc_merge_forward of a site, then mhc_pre_forward of the next on its result:
 *
 *     x, z, coefficients              -> out, the streams X' between the two; may be x
 *     next, out                       -> next_coefficients, next_saved, next_u
 *
 * Under the shifted schedule the next site collapses with `coefficients`. next_saved NULL: there will be no backward.
 * Sizes are those of mhc_site_sizes_query. Errors: as the two calls. */
MHC_API mhc_status mhc_seam_forward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x,
                                    mhc_rows z, const float *coefficients, mhc_streams out, const mhc_site_params *next,
                                    float *next_coefficients, float *next_saved, mhc_rows next_u, void *workspace,
                                    size_t workspace_size, mhc_error *error);

/* What the next site, whose pre goes first on the way back, brings along: as mhc_pre_backward names them. dout is the
 * gradient of that site's output, whose merge_backward was given no dx. */
typedef struct mhc_seam_next {
    const mhc_site_params *params;
    mhc_streams x; /* X' */
    const float *coefficients, *saved;
    mhc_rows du;
    float *d_coefficients;
    mhc_streams dout;
    const mhc_site_params *gradients;
} mhc_seam_next;

/* mhc_pre_backward of the next site, then mhc_merge_backward of this one on its result:
 *
 *     next                            -> dx_next, the gradient of X'; may be next->dout
 *     x, z, coefficients, dx_next     -> dz, d_coefficients (post and res; pre as well under the shifted schedule)
 *
 * The gradient of x is left to this site's own pre_backward or seam. dz may be next->du. */
MHC_API mhc_status mhc_seam_backward(const mhc_context *context, const mhc_spec *spec, int64_t tokens,
                                     const mhc_seam_next *next, mhc_streams dx_next, mhc_streams x, mhc_rows z,
                                     const float *coefficients, mhc_rows dz, float *d_coefficients, void *workspace,
                                     size_t workspace_size, mhc_error *error);

#ifdef __cplusplus
}
#endif

#endif
