/* Causal multi-head attention with grouped key/value heads. No S x S matrix is stored: scores are rebuilt block by
 * block. o_h = softmax(q_h k_g^T / sqrt(d) + causal) v_g,   g = h / (heads / kv_heads) qkv [B*S, (heads + 2 kv_heads)
 * d]: q | k | v, each head after head. out [B*S, heads * d]. */
#ifndef MHC_NN_ATTENTION_H
#define MHC_NN_ATTENTION_H

#include <stdint.h>

#include "base/error.h"
#include "nn/dropout.h"

typedef struct mhc__attention {
    int64_t batch, sequence;
    int heads, kv_heads, width; /* width = d of one head */
    mhc__dropout dropout;       /* of the probabilities; element = ((b * heads + h) * S + row) * S + column */
} mhc__attention;

int64_t mhc__attention_scratch(int threads, const mhc__attention *attention); /* floats, for either direction */
/* lse [B * heads * S]: log of the sum of exponentials per row, kept for backward. */
mhc_status mhc__attention_forward(int threads, const mhc__attention *attention, const float *qkv, float *out,
                                  float *lse, float *scratch, mhc_error *error);
/* dqkv written. out and lse as forward left them. */
mhc_status mhc__attention_backward(int threads, const mhc__attention *attention, const float *qkv, const float *out,
                                   const float *lse, const float *dout, float *dqkv, float *scratch, mhc_error *error);

#endif
