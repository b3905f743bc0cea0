/* LayerNorm and RMSNorm over rows of C channels.
 *   layernorm  y = (x - mean) / sqrt(var + eps) * weight + bias         (Ba et al., arXiv 1607.06450)
 *   rmsnorm    y = x / sqrt(mean(x^2) + eps) * weight                   (Zhang & Sennrich, arXiv 1910.07467) */
#ifndef MHC_NN_NORM_H
#define MHC_NN_NORM_H

#include <stdbool.h>
#include <stdint.h>

/* A row whose sum of squares overflows fp32 (|x| from about 1e19 on) is scaled down and summed again, so that y is
 * right for any finite row. The next two kinds do to such a row what a LayerNorm does that sums in fp32 alone, for
 * experiments that ran into it: NaN as in PyTorch, and y = bias as in MLX, where the factor is 1 / sqrt(Inf) = 0. Other
 * rows are those of LayerNorm, bit for bit. */
typedef enum mhc__norm_kind {
    MHC__LAYERNORM,
    MHC__RMSNORM,
    MHC__LAYERNORM_PYTORCH,
    MHC__LAYERNORM_MLX,
    MHC__NORM_NONE /* no norm at all; the functions below don't take it */
} mhc__norm_kind;

static inline bool mhc__norm_has_mean(mhc__norm_kind kind) {
    return kind != MHC__RMSNORM;
}

/* x, y [T, C] contiguous; weight [C]; bias [C] or NULL. mean [T] (may be NULL with rmsnorm) and rstd [T] are
 * kept for backward. */
void mhc__norm_forward(int threads, mhc__norm_kind kind, float eps, int64_t tokens, int64_t channels, const float *x,
                       const float *weight, const float *bias, float *y, float *mean, float *rstd);

int64_t mhc__norm_backward_scratch(int64_t tokens, int64_t channels); /* floats */
/* dx written (may be dy); dweight and dbias (may be NULL) added to, reduced over fixed token blocks. */
void mhc__norm_backward(int threads, mhc__norm_kind kind, int64_t tokens, int64_t channels, const float *x,
                        const float *weight, const float *mean, const float *rstd, const float *dy, float *dx,
                        float *dweight, float *dbias, float *scratch);

#endif
