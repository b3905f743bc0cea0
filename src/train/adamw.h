/* AdamW with decoupled weight decay (arXiv 1711.05101), in PyTorch's arithmetic:
 *   p   <- p (1 - lr decay)
 *   m   <- m + (1 - beta1) (g - m);      v <- beta2 v + (1 - beta2) g^2
 *   p   <- p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 * with g = scale * gradient: clipping is part of the same pass over the weights. */
#ifndef MHC_TRAIN_ADAMW_H
#define MHC_TRAIN_ADAMW_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mhc__adamw {
    double lr, beta1, beta2, eps, decay;
    double scale; /* of the gradient: the clipping factor */
    int64_t step; /* t = 1, 2, …; INT64_MAX: the moments as they are, without correction */
} mhc__adamw;

/* What one thread updates at a time. A model of many small tensors is a list of pieces and one pass over it, so that
 * threads wait for each other once and not once for each bias. */
typedef struct mhc__adamw_piece {
    int64_t at, count; /* floats of the arrays */
    bool decays;
} mhc__adamw_piece;

/* Cuts floats at..at + count into pieces; returns how many, or would be (pieces NULL). */
int64_t mhc__adamw_cut(int64_t at, int64_t count, bool decays, mhc__adamw_piece *pieces);

/* The arrays hold all pieces; pieces do not overlap. What no piece covers stays as it is. */
void mhc__adamw_update(int threads, const mhc__adamw *adamw, int64_t count, const mhc__adamw_piece *pieces,
                       const float *gradient, float *weight, float *first, float *second);

/* sqrt(sum x^2), in double over fixed blocks: the same for every thread count. */
double mhc__norm_of(int threads, int64_t count, const float *x);

#endif
