/* dx on the device: what merge, collapse and projection leave of the gradients that come back to the streams, written
 * once. */
#include "stream/cuda/mapping.h"
#include "stream/cuda/packs.h"

namespace {

/* A block takes TOKENS tokens and a stripe of columns of all their streams. First each thread computes the shares of a
 * pack of one stream for all tokens, which use fn's values together, and leaves them in shared memory; then the threads
 * take packs of all streams of one token each: so dx may be dout. */
enum { TOKENS = 8, THREADS = 128 };

struct params {
    mhc__cuda_spread s;
    mhc__projection p;
    int64_t tokens, columns, stripes, items;
    int logits, stripe; /* logits: floats of a token's e; stripe: columns */
};

/* In shared memory. */
struct staged {
    float *e;       /* [logits, TOKENS] */
    float *weights; /* [TOKENS, n n + n]: res, pre */
    float *shares;  /* [TOKENS, n, stripe] */
};

size_t staged_floats(const params &p) {
    const int n = p.p.n;
    size_t floats = (size_t)(TOKENS * (n * n + n + 4) / 4 * 4);
    return p.s.products.e ? floats + (size_t)TOKENS * (size_t)(p.logits + n * p.stripe) : floats;
}

MHC__DEVICE staged staged_of(const params &p) {
    float *memory = (float *)mhc__shared();
    staged m = {memory, memory, memory};
    if (p.s.products.e) {
        m.shares = m.e + p.logits * TOKENS;
        m.weights = m.shares + TOKENS * p.p.n * p.stripe;
    }
    return m;
}

MHC__DEVICE void stage(const params &p, const staged &m, int64_t first, int tokens) {
    const int n = p.p.n, each = n * n + n;
    for (int k = threadIdx.x; k < p.logits * TOKENS && p.s.products.e; k += THREADS) {
        int v = k / p.logits, row = k % p.logits;
        m.e[row * TOKENS + v] = v < tokens ? p.s.products.e[(first + v) * p.logits + row] : 0.0f;
    }
    for (int k = threadIdx.x; k < tokens * each; k += THREADS) {
        int64_t t = first + k / each;
        int at = k % each, j = at - n * n;
        if (j < 0)
            m.weights[k] = p.s.res ? p.s.res[t * p.s.res_stride + at] : 1.0f;
        else
            m.weights[k] = p.s.pre ? p.s.pre[t * p.s.pre_stride + j] : j == 0 ? 1.0f : 0.0f;
    }
}

/* The shares of stream j of all tokens, the pack at column c; in the order of the CPU. */
template <typename E, bool PACKED>
MHC__DEVICE void shares_of(const params &p, const staged &m, int64_t first, int tokens, int j, int64_t c, float *to) {
    constexpr int COUNT = mhc__pack<E>::COUNT;
    const mhc__cuda_products_back *b = &p.s.products;
    const int group = p.p.groups == 1 ? 0 : j;
    const float *e = m.e + group * p.p.width * TOKENS, *fn = b->fn + (p.p.groups == 1 ? j * p.p.channels : 0);
    float sum[TOKENS][COUNT] = {};
    for (int v = 0; v < TOKENS; v++) {
        if (v >= tokens)
            continue;
        float r = b->saved.r[(first + v) * b->saved.stride + group], s = b->s[(first + v) * p.p.groups + group];
        mhc__pack_read<E, PACKED>(mhc__at<E>(b->x, first + v, j), c, p.p.channels, sum[v]);
        for (int k = 0; k < COUNT; k++)
            sum[v][k] = -s * (r * sum[v][k]);
    }
    for (int row = 0; row < p.p.width; row++) {
        float weight[COUNT], of[TOKENS];
        mhc__pack_floats<E, PACKED>(fn + row * p.columns, c, p.p.channels, weight);
        for (int v = 0; v < TOKENS; v += 4)
            mhc__unpack(mhc__load(e + row * TOKENS + v), of + v, e);
        for (int v = 0; v < TOKENS; v++)
            for (int k = 0; k < COUNT; k++)
                sum[v][k] = fmaf(of[v], weight[k], sum[v][k]);
    }
    for (int v = 0; v < TOKENS; v++)
        for (int k = 0; k < COUNT; k += 4)
            mhc__store(to + v * p.p.n * p.stripe + k, mhc__packed(sum[v] + k, e));
}

/* All streams of token t, the pack at column c. N: room for streams. */
template <typename E, bool PACKED, int N>
MHC__DEVICE void write(const params &p, int64_t t, int64_t c, const float *weights, const float *shares) {
    constexpr int COUNT = mhc__pack<E>::COUNT;
    const int n = p.p.n;
    const bool merged = p.s.dout.data;
    float d[N][COUNT], du[COUNT], dx[COUNT];
    mhc__pack_read<E, PACKED>(mhc__at<E>(p.s.du, t), c, p.p.channels, du);
    for (int i = 0; i < N; i++)
        if (i < n && merged)
            mhc__pack_read<E, PACKED>(mhc__at<E>(p.s.dout, t, i), c, p.p.channels, d[i]);
    for (int j = 0; j < N; j++) {
        if (j >= n)
            continue;
        const float pre = weights[n * n + j];
        if (!merged && p.s.add)
            mhc__pack_read<E, PACKED>(mhc__at<E>(p.s.dx, t, j), c, p.p.channels, dx);
        for (int k = 0; k < COUNT; k++) {
            if (merged) {
                dx[k] = weights[j] * d[0][k];
                for (int i = 1; i < N; i++)
                    dx[k] = i < n ? fmaf(weights[i * n + j], d[i][k], dx[k]) : dx[k];
                dx[k] = fmaf(pre, du[k], dx[k]);
            } else {
                dx[k] = p.s.add ? fmaf(pre, du[k], dx[k]) : pre * du[k];
            }
            if (shares)
                dx[k] += shares[j * p.stripe + k];
        }
        mhc__pack_write<E, PACKED>(dx, mhc__at<E>(p.s.dx, t, j), c, p.p.channels);
    }
}

template <typename E, bool PACKED, int N> MHC__KERNEL spread(MHC__GIVEN params p) {
    constexpr int COUNT = mhc__pack<E>::COUNT;
    const staged m = staged_of(p);
    const int n = p.p.n, packs = p.stripe / COUNT;
    for (int64_t item = blockIdx.x; item < p.items; item += gridDim.x) {
        const int64_t first = item / p.stripes * TOKENS, c0 = item % p.stripes * p.stripe;
        const int tokens = (int)mhc__min(TOKENS, p.tokens - first);
        stage(p, m, first, tokens);
        mhc__sync_block();
        for (int k = threadIdx.x; k < n * packs && p.s.products.e; k += THREADS)
            if (c0 + k % packs * COUNT < p.p.channels)
                shares_of<E, PACKED>(p, m, first, tokens, k / packs, c0 + k % packs * COUNT, m.shares + k * COUNT);
        mhc__sync_block();
        for (int k = threadIdx.x; k < tokens * packs; k += THREADS) {
            const int v = k / packs, at = k % packs * COUNT;
            if (c0 + at < p.p.channels)
                write<E, PACKED, N>(p, first + v, c0 + at, m.weights + v * (n * n + n),
                                    p.s.products.e ? m.shares + v * n * p.stripe + at : NULL);
        }
        mhc__sync_block(); /* the next item is staged in the same place */
    }
}

bool packed_of(const params &p) {
    const mhc__cuda_spread *s = &p.s;
    const mhc_type type = p.p.type;
    return mhc__whole_packs(p.p.channels, type) && mhc__aligned_streams(s->dout, type) &&
           mhc__aligned_streams(s->dx, type) && mhc__aligned_rows(s->du, type) &&
           (!s->products.e || (mhc__aligned_streams(s->products.x, type) && mhc__aligned(s->products.fn)));
}

} // namespace

mhc_status mhc__cuda_spread_run(const mhc__cuda_call *call, const mhc__projection *p, const mhc__cuda_spread *job) {
    const int count = 16 / mhc_type_size(p->type);
    params k = {*job, *p, call->tokens, mhc__projection_columns(p), 0, 0, p->groups * p->width, 0};
    k.stripe = (int)mhc__min(THREADS * count / p->n / count, mhc__blocks(p->channels, count)) * count;
    k.stripes = mhc__blocks(p->channels, k.stripe);
    k.items = mhc__blocks(k.tokens, TOKENS) * k.stripes;
    const bool packed = packed_of(k);
    const size_t shared = staged_floats(k) * sizeof(float);
#define RUN(E, PACKED)                                                                                                 \
    return mhc__launch(p->n <= 4 ? spread<E, PACKED, 4> : spread<E, PACKED, MHC__CUDA_STREAMS>, mhc__grid(k.items),    \
                       THREADS, shared, call->queue, k, call->name, call->error)
    MHC__BY_PACKS(p->type, packed, RUN);
#undef RUN
}
