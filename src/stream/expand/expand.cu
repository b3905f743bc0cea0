/* X_ti = x_t on the device, and its gradient, the sum over the streams. */
#include "stream/cuda/columns.h"
#include "stream/cuda/operations.h"

namespace {

struct params {
    mhc_streams streams;
    mhc_rows rows;
    int64_t channels;
    mhc__cut cut;
    int n;
};

template <typename E, int COUNT> MHC__KERNEL expand(MHC__GIVEN params p) {
    for (int64_t item = blockIdx.x; item < p.cut.items; item += gridDim.x) {
        int64_t t = item / p.cut.parts, c = mhc__cut_column(p.cut, item, COUNT);
        if (c >= p.channels)
            continue;
        const E *x = mhc__at<E>(p.rows, t) + c;
        for (int i = 0; i < p.n; i++)
            mhc__copy<COUNT>(x, mhc__at<E>(p.streams, t, i) + c);
    }
}

/* In order, as on the CPU: the same bits. N: the streams where that is known, else 0. */
template <typename E, int COUNT, int N> MHC__KERNEL expand_back(MHC__GIVEN params p) {
    const int n = N ? N : p.n;
    for (int64_t item = blockIdx.x; item < p.cut.items; item += gridDim.x) {
        int64_t t = item / p.cut.parts, c = mhc__cut_column(p.cut, item, COUNT);
        if (c >= p.channels)
            continue;
        float sum[COUNT], x[COUNT];
        mhc__read<COUNT>(mhc__at<E>(p.streams, t, 0) + c, sum);
        for (int i = 1; i < n; i++) {
            mhc__read<COUNT>(mhc__at<E>(p.streams, t, i) + c, x);
            for (int k = 0; k < COUNT; k++)
                sum[k] += x[k];
        }
        mhc__write<COUNT>(sum, mhc__at<E>(p.rows, t) + c);
    }
}

params params_of(const mhc__cuda_call *call, mhc_streams streams, mhc_rows rows) {
    return {streams, rows, call->shape->channels, {}, call->shape->n};
}

bool is_packed(const mhc__shape *s, mhc_streams streams, mhc_rows rows) {
    return mhc__whole_packs(s->channels, s->type) && mhc__aligned_streams(streams, s->type) &&
           mhc__aligned_rows(rows, s->type);
}

} // namespace

mhc_status mhc__cuda_expand_run(const mhc__cuda_call *call, mhc_rows x, mhc_streams out) {
    const mhc__shape *s = call->shape;
    params p = params_of(call, out, x);
#define RUN(E, COUNT)                                                                                                  \
    p.cut = mhc__cut_of(call->tokens, s->channels, COUNT);                                                             \
    return mhc__launch(expand<E, COUNT>, mhc__grid(p.cut.items), p.cut.threads, 0, call->queue, p, call->name,         \
                       call->error)
    MHC__BY_COLUMNS(s->type, is_packed(s, out, x), RUN);
#undef RUN
}

mhc_status mhc__cuda_expand_back_run(const mhc__cuda_call *call, mhc_streams dout, mhc_rows dx) {
    const mhc__shape *s = call->shape;
    params p = params_of(call, dout, dx);
#define RUN(E, COUNT)                                                                                                  \
    p.cut = mhc__cut_of(call->tokens, s->channels, COUNT);                                                             \
    return mhc__launch(s->n == 4 ? expand_back<E, COUNT, 4> : expand_back<E, COUNT, 0>, mhc__grid(p.cut.items),        \
                       p.cut.threads, 0, call->queue, p, call->name, call->error)
    MHC__BY_COLUMNS(s->type, is_packed(s, dout, dx), RUN);
#undef RUN
}
