#include "nn/relu.h"

#include "base/compiler.h"
#include "base/threads.h"

#define BLOCK 16384

MHC__CLONES static void forward(int64_t count, const float *x, float *y) {
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

MHC__CLONES static void backward(int64_t count, const float *y, const float *dy, float *dx) {
    for (int64_t i = 0; i < count; i++)
        dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

void mhc__relu_forward(int threads, int64_t count, const float *x, float *y) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t b = 0; b < mhc__blocks(count, BLOCK); b++)
        forward(mhc__min(BLOCK, count - b * BLOCK), x + b * BLOCK, y + b * BLOCK);
}

void mhc__relu_backward(int threads, int64_t count, const float *y, const float *dy, float *dx) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t b = 0; b < mhc__blocks(count, BLOCK); b++)
        backward(mhc__min(BLOCK, count - b * BLOCK), y + b * BLOCK, dy + b * BLOCK, dx + b * BLOCK);
}
