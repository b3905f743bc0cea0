/* u_t = sum_j w_tj X_tj and its gradient: the pre of a site, and the contraction at the end. */
#ifndef MHC_STREAM_PRE_COLLAPSE_H
#define MHC_STREAM_PRE_COLLAPSE_H

#include "mhc/site.h"

/* Weights of token t at weights + t * stride (stride 0: the same for all). */
void mhc__collapse_forward(int threads, int n, int64_t channels, int64_t tokens, mhc_streams x, const float *weights,
                           int64_t stride, mhc_rows u);

/* dx_tj += w_tj du_t (add) or = (not add). d_weights: NULL, or <du_t, X_tj> written to d_weights + t * d_stride; with
 * d_stride 0 the sum over tokens, for which partials holds n floats per MHC__TOKEN_BLOCK tokens. */
void mhc__collapse_backward(int threads, int n, int64_t channels, int64_t tokens, mhc_streams x, const float *weights,
                            int64_t stride, mhc_rows du, bool add, mhc_streams dx, float *d_weights, int64_t d_stride,
                            float *partials);

#endif
