/* Sums over all tokens, in double and in one shape: a thread takes every 128th token, a tree the threads. */
#include "stream/cuda/mapping.h"

namespace {

enum { THREADS = 128 };

struct params {
    mhc__cuda_sums s;
    int64_t tokens;
};

MHC__KERNEL add_sums(MHC__GIVEN params p) {
    double *memory = (double *)mhc__shared();
    const int64_t row = blockIdx.x;
    double sum = 0.0;
    for (int64_t t = threadIdx.x; t < p.tokens; t += THREADS)
        sum += p.s.values[row * p.tokens + t];
    memory[threadIdx.x] = sum;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        mhc__sync_block();
        if ((int)threadIdx.x < half)
            memory[threadIdx.x] += memory[threadIdx.x + half];
    }
    if (threadIdx.x > 0)
        return;
    float *to = row < p.s.split ? p.s.a + row : p.s.b + (row - p.s.split);
    *to = p.s.add ? *to + (float)memory[0] : (float)memory[0];
}

} // namespace

mhc_status mhc__cuda_add_sums(const mhc__cuda_call *call, const mhc__cuda_sums *sums) {
    params p = {*sums, call->tokens};
    return mhc__launch(add_sums, sums->rows, THREADS, THREADS * sizeof(double), call->queue, p, call->name,
                       call->error);
}
