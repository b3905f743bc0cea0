/* The non-linear parts of the feed-forward layers, element by element.
 *   gelu    y = x Phi(x), Phi by erf (exact, not the tanh approximation)
 *   swiglu  y = silu(gate) * up,  silu(x) = x sigmoid(x) */
#ifndef MHC_NN_ACTIVATION_H
#define MHC_NN_ACTIVATION_H

#include <stdint.h>

void mhc__gelu_forward(int threads, int64_t count, const float *x, float *y);
/* The same bits of y, and slope = dy/dx, for backward: half of what it needs is computed here anyway. slope may be x.
 */
void mhc__gelu_slopes(int threads, int64_t count, const float *x, float *y, float *slope);
void mhc__gelu_backward(int threads, int64_t count, const float *slope, const float *dy, float *dx); /* dx may be dy */
/* No slopes here: to write and read them takes as long as to compute the sigmoid twice. */
void mhc__swiglu_forward(int threads, int64_t count, const float *gate, const float *up, float *y);
/* dgate and dup written; either may be dy. */
void mhc__swiglu_backward(int threads, int64_t count, const float *gate, const float *up, const float *dy, float *dgate,
                          float *dup);

#endif
