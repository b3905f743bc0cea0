/* u = sum_j w_j X_j on the device: X is read once, u is written once. */
#include "stream/cuda/columns.h"
#include "stream/cuda/operations.h"

namespace {

struct params {
    mhc_streams x;
    mhc_rows u;
    const float *weights; /* NULL: 1 for stream 0 */
    int64_t stride, channels;
    mhc__cut cut;
    int n;
};

/* Streams in turn, as on the CPU: the same bits. N: the streams where that is known, else 0. */
template <typename E, int COUNT, int N> MHC__KERNEL collapse(MHC__GIVEN params p) {
    const int n = N ? N : p.n;
    for (int64_t item = blockIdx.x; item < p.cut.items; item += gridDim.x) {
        int64_t t = item / p.cut.parts, c = mhc__cut_column(p.cut, item, COUNT);
        if (c >= p.channels)
            continue;
        const float *w = p.weights + t * p.stride;
        float sum[COUNT], x[COUNT];
        mhc__read<COUNT>(mhc__at<E>(p.x, t, 0) + c, sum);
        for (int k = 0; k < COUNT; k++)
            sum[k] *= w[0];
        for (int j = 1; j < n; j++) {
            mhc__read<COUNT>(mhc__at<E>(p.x, t, j) + c, x);
            for (int k = 0; k < COUNT; k++)
                sum[k] = fmaf(w[j], x[k], sum[k]);
        }
        mhc__write<COUNT>(sum, mhc__at<E>(p.u, t) + c);
    }
}

template <typename E, int COUNT> MHC__KERNEL copy_first(MHC__GIVEN params p) {
    for (int64_t item = blockIdx.x; item < p.cut.items; item += gridDim.x) {
        int64_t t = item / p.cut.parts, c = mhc__cut_column(p.cut, item, COUNT);
        float x[COUNT];
        if (c >= p.channels)
            continue;
        mhc__read<COUNT>(mhc__at<E>(p.x, t, 0) + c, x);
        mhc__write<COUNT>(x, mhc__at<E>(p.u, t) + c);
    }
}

} // namespace

mhc_status mhc__cuda_collapse_run(const mhc__cuda_call *call, mhc_streams x, const float *weights, int64_t stride,
                                  mhc_rows u) {
    const mhc__shape *s = call->shape;
    params p = {x, u, weights, stride, s->channels, {}, s->n};
    bool packed =
        mhc__whole_packs(s->channels, s->type) && mhc__aligned_streams(x, s->type) && mhc__aligned_rows(u, s->type);
#define RUN(E, COUNT)                                                                                                  \
    p.cut = mhc__cut_of(call->tokens, s->channels, COUNT);                                                             \
    return mhc__launch(!weights    ? copy_first<E, COUNT>                                                              \
                       : s->n == 4 ? collapse<E, COUNT, 4>                                                             \
                                   : collapse<E, COUNT, 0>,                                                            \
                       mhc__grid(p.cut.items), p.cut.threads, 0, call->queue, p, call->name, call->error)
    MHC__BY_COLUMNS(s->type, packed, RUN);
#undef RUN
}
