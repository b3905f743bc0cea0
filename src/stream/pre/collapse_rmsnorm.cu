/* y = the RMSNorm of u = sum_j w_j X_j on the device. A token to a block, which makes u twice: X is read once from
 * memory, and again from the caches. */
#include "stream/cuda/operations.h"
#include "stream/cuda/packs.h"
#include "stream/mapping/norm.h"

namespace {

enum { THREADS = 256 };

struct params {
    mhc_streams x;
    mhc_rows y;
    const float *weights; /* NULL: 1 for stream 0 */
    int64_t stride, tokens, channels;
    mhc_rmsnorm norm;
    int n;
};

/* A pack of u, in the order of the CPU's; zeros past the end of the row. */
template <typename E, bool PACKED> MHC__DEVICE void collapse(const params &p, int64_t t, int64_t c, float *u) {
    constexpr int COUNT = mhc__pack<E>::COUNT;
    const float *w = p.weights + t * p.stride;
    float x[COUNT];
    mhc__pack_read<E, PACKED>(mhc__at<E>(p.x, t, 0), c, p.channels, u);
    for (int k = 0; k < COUNT && p.weights; k++)
        u[k] *= w[0];
    for (int j = 1; j < p.n && p.weights; j++) {
        mhc__pack_read<E, PACKED>(mhc__at<E>(p.x, t, j), c, p.channels, x);
        for (int k = 0; k < COUNT; k++)
            u[k] = fmaf(w[j], x[k], u[k]);
    }
}

/* The sum of squares of u over the block, for all threads; memory [THREADS]. In double, which has the range. */
template <typename E, bool PACKED> MHC__DEVICE double squares_of(const params &p, int64_t t, double *memory) {
    constexpr int COUNT = mhc__pack<E>::COUNT;
    double sum = 0.0;
    for (int64_t c = (int64_t)threadIdx.x * COUNT; c < p.channels; c += THREADS * COUNT) {
        float u[COUNT];
        collapse<E, PACKED>(p, t, c, u);
        for (int k = 0; k < COUNT; k++)
            sum += (double)u[k] * (double)u[k];
    }
    memory[threadIdx.x] = sum;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        mhc__sync_block();
        if ((int)threadIdx.x < half)
            memory[threadIdx.x] += memory[threadIdx.x + half];
    }
    mhc__sync_block();
    return memory[0];
}

template <typename E, bool PACKED> MHC__KERNEL collapse_rmsnorm(MHC__GIVEN params p) {
    constexpr int COUNT = mhc__pack<E>::COUNT;
    double *memory = (double *)mhc__shared();
    for (int64_t t = blockIdx.x; t < p.tokens; t += gridDim.x) {
        float r, g;
        mhc__norm(p.channels, MHC_EPS_INSIDE, p.norm.eps, squares_of<E, PACKED>(p, t, memory), &r, &g);
        for (int64_t c = (int64_t)threadIdx.x * COUNT; c < p.channels; c += THREADS * COUNT) {
            float u[COUNT];
            collapse<E, PACKED>(p, t, c, u);
            for (int k = 0; k < COUNT && c + k < p.channels; k++)
                u[k] = u[k] * r * p.norm.weight[c + k];
            mhc__pack_write<E, PACKED>(u, mhc__at<E>(p.y, t), c, p.channels);
        }
        mhc__sync_block(); /* the next token's sums take the same place */
    }
}

} // namespace

mhc_status mhc__cuda_collapse_rmsnorm_run(const mhc__cuda_call *call, mhc_streams x, const float *weights,
                                          int64_t stride, mhc_rmsnorm norm, mhc_rows y) {
    const mhc__shape *s = call->shape;
    const params p = {x, y, weights, stride, call->tokens, s->channels, norm, s->n};
    const bool packed =
        mhc__whole_packs(s->channels, s->type) && mhc__aligned_streams(x, s->type) && mhc__aligned_rows(y, s->type);
#define RUN(E, PACKED)                                                                                                 \
    return mhc__launch(collapse_rmsnorm<E, PACKED>, mhc__grid(p.tokens), THREADS, THREADS * sizeof(double),            \
                       call->queue, p, call->name, call->error)
    MHC__BY_PACKS(s->type, packed, RUN);
#undef RUN
}
