/* <du_t, x_tj> on the device: the gradient of the weights of a collapse. */
#include "stream/cuda/mapping.h"
#include "stream/cuda/packs.h"

namespace {

enum { THREADS = 128 };

struct params {
    mhc__cuda_weights_back b;
    int64_t tokens, channels;
    int n;
};

/* A token to a block. N: room for streams. */
template <typename E, bool PACKED, int N> MHC__KERNEL dots(MHC__GIVEN params p) {
    constexpr int COUNT = mhc__pack<E>::COUNT;
    float *memory = (float *)mhc__shared();
    for (int64_t t = blockIdx.x; t < p.tokens; t += gridDim.x) {
        float sum[N] = {};
        for (int64_t c = (int64_t)threadIdx.x * COUNT; c < p.channels; c += THREADS * COUNT) {
            float du[COUNT], x[COUNT];
            mhc__pack_read<E, PACKED>(mhc__at<E>(p.b.du, t), c, p.channels, du);
            for (int j = 0; j < N; j++) {
                if (j >= p.n)
                    continue;
                mhc__pack_read<E, PACKED>(mhc__at<E>(p.b.x, t, j), c, p.channels, x);
                for (int k = 0; k < COUNT; k++)
                    sum[j] = fmaf(du[k], x[k], sum[j]);
            }
        }
        mhc__block_sums<N>(sum, memory);
        mhc__sync_block();
        const int j = threadIdx.x;
        if (j < p.n) {
            float dot = mhc__block_sum<N, THREADS>(memory, j);
            if (p.b.sums)
                p.b.sums[j * p.tokens + t] = (double)dot;
            else
                p.b.d_weights[t * p.b.stride + j] = dot;
        }
        mhc__sync_block(); /* the next token's sums take the same place */
    }
}

} // namespace

mhc_status mhc__cuda_collapse_dots(const mhc__cuda_call *call, const mhc__cuda_weights_back *back) {
    const mhc__shape *s = call->shape;
    params p = {*back, call->tokens, s->channels, s->n};
    bool packed = mhc__whole_packs(s->channels, s->type) && mhc__aligned_streams(back->x, s->type) &&
                  mhc__aligned_rows(back->du, s->type);
#define RUN(E, PACKED)                                                                                                 \
    return mhc__launch(s->n <= 4 ? dots<E, PACKED, 4> : dots<E, PACKED, MHC__CUDA_STREAMS>, mhc__grid(p.tokens),       \
                       THREADS, (size_t)mhc__block_floats(MHC__CUDA_STREAMS, THREADS) * sizeof(float), call->queue, p, \
                       call->name, call->error)
    MHC__BY_PACKS(s->type, packed, RUN);
#undef RUN
}
