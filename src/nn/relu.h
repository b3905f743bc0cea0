/* y = max(x, 0). NaN stays NaN. */
#ifndef MHC_NN_RELU_H
#define MHC_NN_RELU_H

#include <stdint.h>

void mhc__relu_forward(int threads, int64_t count, const float *x, float *y); /* y may be x */
/* dx = dy where y > 0, else 0; y is what forward wrote. dx may be dy. */
void mhc__relu_backward(int threads, int64_t count, const float *y, const float *dy, float *dx);

#endif
