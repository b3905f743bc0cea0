/* Output head and cross-entropy in one, over chunks of rows, so that all logits never exist at once:
 *   logits = h W^T;  loss = mean_t (logsumexp(logits_t) - logits_t[target_t])      in nats */
#ifndef MHC_NN_LOSS_H
#define MHC_NN_LOSS_H

#include <stdint.h>

#include "base/error.h"
#include "gemm/gemm.h"

int64_t mhc__head_loss_scratch(int64_t tokens, int64_t vocabulary); /* floats */
/* h [T, C], weight [V, C]. *loss is summed in double in a fixed order; rows whose target is < 0 don't count.
 * For training dh (written) and dweight (added to) get the gradient of scale * loss; both NULL for evaluation. */
mhc_status mhc__head_loss(mhc__gemm_how how, int64_t tokens, int64_t channels, int64_t vocabulary, const float *h,
                          const float *weight, const int32_t *targets, float scale, double *loss, float *dh,
                          float *dweight, float *scratch, mhc_error *error);

#endif
