/* The non-linear parts of the feed-forward layers, element by element.
 *   gelu    y = x Phi(x), Phi by erf (exact, not the tanh approximation)
 *   swiglu  y = silu(gate) * up,  silu(x) = x sigmoid(x) */
#ifndef MHC_NN_ACTIVATION_H
#define MHC_NN_ACTIVATION_H

#include <stdint.h>

void mhc__gelu_forward(int threads, int64_t count, const float *x, float *y);
void mhc__gelu_backward(int threads, int64_t count, const float *x, const float *dy, float *dx); /* dx may be dy */
void mhc__swiglu_forward(int threads, int64_t count, const float *gate, const float *up, float *y);
/* dgate and dup written; either may be dy. */
void mhc__swiglu_backward(int threads, int64_t count, const float *gate, const float *up, const float *dy, float *dgate,
                          float *dup);

#endif
