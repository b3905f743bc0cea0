/* LayerNorm and RMSNorm over rows of C channels.
 *   layernorm  y = (x - mean) / sqrt(var + eps) * weight + bias         (Ba et al., arXiv 1607.06450)
 *   rmsnorm    y = x / sqrt(mean(x^2) + eps) * weight                   (Zhang & Sennrich, arXiv 1910.07467) */
#ifndef MHC_NN_NORM_H
#define MHC_NN_NORM_H

#include <stdint.h>

typedef enum mhc__norm_kind { MHC__LAYERNORM, MHC__RMSNORM } mhc__norm_kind;

/* x, y [T, C] contiguous; weight [C]; bias [C] or NULL. mean [T] (layernorm only, else may be NULL) and rstd [T] are
 * kept for backward. */
void mhc__norm_forward(int threads, mhc__norm_kind kind, float eps, int64_t tokens, int64_t channels, const float *x,
                       const float *weight, const float *bias, float *y, float *mean, float *rstd);

int64_t mhc__norm_backward_scratch(int64_t tokens, int64_t channels); /* floats */
/* dx written (may be dy); dweight and dbias (may be NULL) added to, reduced over fixed token blocks. */
void mhc__norm_backward(int threads, mhc__norm_kind kind, int64_t tokens, int64_t channels, const float *x,
                        const float *weight, const float *mean, const float *rstd, const float *dy, float *dx,
                        float *dweight, float *dbias, float *scratch);

#endif
