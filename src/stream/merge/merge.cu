/* X'_i = sum_j res_ij X_j + post_i z on the device: X and z are read once, X' is written once. */
#include "stream/cuda/columns.h"
#include "stream/cuda/operations.h"

namespace {

enum { THREADS = 256 };

struct params {
    mhc__cuda_merge m;
    int64_t tokens, channels, stride; /* between the coefficients of two tokens */
    int n;                            /* merge.coefficients NULL: the residual, whose coefficients are 1 */
};

/* In the order of the CPU, sources in turn and z last: the same bits. */
MHC__DEVICE float combined(int n, const float *res, float post, const float *x, float z) {
    float sum = res[0] * x[0];
    for (int j = 1; j < n; j++)
        sum = fmaf(res[j], x[j], sum);
    return fmaf(post, z, sum);
}

/* A token to a block, 16 bytes of each stream to a thread. */
template <typename E, int N> MHC__KERNEL merge_packed(MHC__GIVEN params p) {
    enum { COUNT = mhc__pack<E>::COUNT };
    for (int64_t t = blockIdx.x; t < p.tokens; t += gridDim.x) {
        const float *coefficients = p.m.coefficients + t * p.stride;
        float w[N * (N + 1)]; /* post, then res */
        for (int e = 0; e < N * (N + 1); e++)
            w[e] = coefficients[N + e];
        for (int64_t c = (int64_t)threadIdx.x * COUNT; c < p.channels; c += (int64_t)blockDim.x * COUNT) {
            float x[N][COUNT], z[COUNT], out[COUNT];
            for (int j = 0; j < N; j++)
                mhc__unpack(mhc__load_once(mhc__at<E>(p.m.x, t, j) + c), x[j], (const E *)0);
            mhc__unpack(mhc__load_once(mhc__at<E>(p.m.z, t) + c), z, (const E *)0);
            for (int i = 0; i < N; i++) {
                for (int k = 0; k < COUNT; k++) {
                    float column[N];
                    for (int j = 0; j < N; j++)
                        column[j] = x[j][k];
                    out[k] = combined(N, w + N + i * N, w[i], column, z[k]);
                }
                mhc__store(mhc__at<E>(p.m.out, t, i) + c, mhc__packed(out, (const E *)0));
            }
        }
    }
}

/* Any number of streams, channels and any strides; an element of each stream to a thread. */
template <typename E> MHC__KERNEL merge_any(MHC__GIVEN params p) {
    const float one = 1.0f;
    for (int64_t t = blockIdx.x; t < p.tokens; t += gridDim.x) {
        const float *post = p.m.coefficients ? p.m.coefficients + t * p.stride + p.n : &one;
        const float *res = p.m.coefficients ? post + p.n : &one;
        for (int64_t c = threadIdx.x; c < p.channels; c += blockDim.x) {
            float x[MHC__CUDA_STREAMS], z = mhc__value(mhc__at<E>(p.m.z, t)[c]);
            for (int j = 0; j < p.n; j++)
                x[j] = mhc__value(mhc__at<E>(p.m.x, t, j)[c]);
            for (int i = 0; i < p.n; i++)
                mhc__round(combined(p.n, res + i * p.n, post[i], x, z), mhc__at<E>(p.m.out, t, i) + c);
        }
    }
}

} // namespace

mhc_status mhc__cuda_merge_run(const mhc__cuda_call *call, const mhc__cuda_merge *m) {
    const mhc__shape *s = call->shape;
    params p = {*m, call->tokens, s->channels, s->dynamic ? s->coefficients : 0, s->n};
    if (s->plain)
        p.m.coefficients = NULL;
    bool packed = s->n == 4 && mhc__whole_packs(s->channels, s->type) && mhc__aligned_streams(m->x, s->type) &&
                  mhc__aligned_rows(m->z, s->type) && mhc__aligned_streams(m->out, s->type);
    /* THREADS or, for rows of packs, as many as leave the fewest idle. */
    const int count = 16 / mhc_type_size(s->type),
              threads = packed ? mhc__cut_of(1, s->channels, count).threads : THREADS;
#define RUN(E)                                                                                                         \
    return mhc__launch(packed ? merge_packed<E, 4> : merge_any<E>, mhc__grid(p.tokens), threads, 0, call->queue, p,    \
                       call->name, call->error)
    MHC__BY_TYPE(s->type, RUN);
#undef RUN
}
