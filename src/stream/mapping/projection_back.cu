/* d_fn_kc += sum_t e_tk x_tc on the device: ranges of tokens side by side, added in order. */
#include "stream/cuda/mapping.h"
#include "stream/cuda/packs.h"

namespace {

/* A block takes a range of tokens, FNS rows of d_fn and a pack of columns to a thread. As on the CPU the tokens of a
 * chunk are added up first, in registers; the sums of chunks are each thread's own, in shared memory. */
enum { FNS = 8, THREADS = 128, ADD_THREADS = 256 };

struct params {
    mhc__cuda_products_back b;
    mhc__projection p;
    float *to;
    int64_t tokens, range_tokens, columns, stripes, items;
    int segments, tiles, logits; /* logits: floats of a token's e */
    bool add;                    /* there is one range: to d_fn itself */
};

struct work {
    int range, segment, fn, fns;
    int64_t c; /* this thread's first column; may be past the end */
};

template <int COUNT> MHC__DEVICE work work_of(const params &p, int64_t item) {
    work w;
    w.fn = (int)(item % p.tiles) * FNS;
    w.fns = (int)mhc__min(FNS, p.p.width - w.fn);
    w.c = (item / p.tiles % p.stripes * THREADS + threadIdx.x) * COUNT;
    w.segment = (int)(item / p.tiles / p.stripes % p.segments);
    w.range = (int)(item / p.tiles / p.stripes / p.segments);
    return w;
}

/* e of a chunk, one group: [MHC__CHUNK, FNS], zeros where there is none. */
MHC__DEVICE void stage(const params &p, const work &w, int group, int64_t first, int64_t end, float *e) {
    for (int k = threadIdx.x; k < MHC__CHUNK * FNS; k += THREADS) {
        int64_t t = first + k / FNS;
        int f = k % FNS;
        e[k] = t < end && f < w.fns ? p.b.e[t * p.logits + group * p.p.width + w.fn + f] : 0.0f;
    }
}

template <typename E, bool PACKED>
MHC__DEVICE void add_chunk(const params &p, const work &w, int group, int64_t first, int64_t end, const float *e,
                           float *total) {
    constexpr int COUNT = mhc__pack<E>::COUNT;
    float sum[FNS][COUNT] = {};
    for (int64_t t = first; t < end; t++) {
        float x[COUNT], weight[FNS];
        mhc__pack_read<E, PACKED>(mhc__at<E>(p.b.x, t, w.segment + group), w.c, p.p.channels, x);
        for (int f = 0; f < FNS; f += 4)
            mhc__unpack(mhc__load(e + (t - first) * FNS + f), weight + f, e);
        for (int f = 0; f < FNS; f++)
            for (int k = 0; k < COUNT; k++)
                sum[f][k] = fmaf(weight[f], x[k], sum[f][k]);
    }
    for (int f = 0; f < FNS; f++)
        for (int k = 0; k < COUNT; k++)
            total[(f * COUNT + k) * THREADS + threadIdx.x] += sum[f][k];
}

/* Row f of this thread's totals. */
template <typename E, bool PACKED> MHC__DEVICE void put(const params &p, const work &w, int f, const float *total) {
    constexpr int COUNT = mhc__pack<E>::COUNT, STEP = mhc__pack<float>::COUNT;
    float *to = p.to + (w.range * (int64_t)p.p.width + w.fn + f) * p.columns + w.segment * p.p.channels;
    for (int k = 0; k < COUNT && w.c + k < p.p.channels; k += STEP) {
        float v[STEP];
        mhc__pack_read<float, PACKED>(to, w.c + k, p.p.channels, v);
        for (int q = 0; q < STEP; q++) {
            float sum = total[(f * COUNT + k + q) * THREADS + threadIdx.x];
            v[q] = p.add ? v[q] + sum : sum;
        }
        mhc__pack_write<float, PACKED>(v, to, w.c + k, p.p.channels);
    }
}

template <typename E, bool PACKED> MHC__KERNEL fn_back(MHC__GIVEN params p) {
    constexpr int COUNT = mhc__pack<E>::COUNT;
    float *e = (float *)mhc__shared(), *total = e + MHC__CHUNK * FNS;
    for (int64_t item = blockIdx.x; item < p.items; item += gridDim.x) {
        const work w = work_of<COUNT>(p, item);
        const int64_t begin = w.range * p.range_tokens, end = mhc__min(p.tokens, begin + p.range_tokens);
        for (int k = 0; k < FNS * COUNT; k++)
            total[k * THREADS + threadIdx.x] = 0.0f;
        for (int64_t first = begin; first < end; first += MHC__CHUNK)
            for (int group = 0; group < p.p.groups; group++) {
                int64_t last = mhc__min(end, first + MHC__CHUNK);
                stage(p, w, group, first, last, e);
                mhc__sync_block();
                if (w.c < p.p.channels)
                    add_chunk<E, PACKED>(p, w, group, first, last, e, total);
                mhc__sync_block();
            }
        for (int f = 0; f < w.fns; f++)
            put<E, PACKED>(p, w, f, total);
    }
}

struct adding {
    const float *parts;
    float *d_fn;
    int64_t count;
    int ranges;
};

MHC__KERNEL add_parts(MHC__GIVEN adding p) {
    for (int64_t i = blockIdx.x * (int64_t)ADD_THREADS + threadIdx.x; i < p.count;
         i += gridDim.x * (int64_t)ADD_THREADS) {
        float sum = p.d_fn[i];
        for (int range = 0; range < p.ranges; range++)
            sum += p.parts[range * p.count + i];
        p.d_fn[i] = sum;
    }
}

} // namespace

int64_t mhc__cuda_fn_floats(const mhc__projection *p, int64_t tokens) {
    int ranges = mhc__ranges(tokens);
    return ranges > 1 ? ranges * p->width * mhc__projection_columns(p) : 0;
}

mhc_status mhc__cuda_fn_back(const mhc__cuda_call *call, const mhc__projection *p, const mhc__cuda_products_back *back,
                             float *d_fn, float *parts) {
    const int ranges = mhc__ranges(call->tokens), count = 16 / mhc_type_size(p->type);
    params k = {
        *back, *p,         ranges > 1 ? parts : d_fn, call->tokens, mhc__range_tokens(call->tokens), 0, 0, 0, 0, 0,
        0,     ranges <= 1};
    k.columns = mhc__projection_columns(p);
    k.segments = p->groups == 1 ? p->n : 1;
    k.tiles = (int)mhc__blocks(p->width, FNS);
    k.logits = p->groups * p->width;
    k.stripes = mhc__blocks(p->channels, THREADS * count);
    k.items = ranges * k.segments * k.stripes * k.tiles;
    bool packed =
        mhc__whole_packs(p->channels, p->type) && mhc__aligned_streams(back->x, p->type) && mhc__aligned(k.to);
    size_t shared = (size_t)(MHC__CHUNK * FNS + FNS * count * THREADS) * sizeof(float);
#define RUN(E, PACKED)                                                                                                 \
    MHC__TRY(                                                                                                          \
        mhc__launch(fn_back<E, PACKED>, mhc__grid(k.items), THREADS, shared, call->queue, k, call->name, call->error))
    MHC__BY_PACKS(p->type, packed, RUN);
#undef RUN
    adding a = {parts, d_fn, p->width * k.columns, ranges};
    if (ranges <= 1)
        return MHC_OK;
    return mhc__launch(add_parts, mhc__grid(mhc__blocks(a.count, ADD_THREADS)), ADD_THREADS, 0, call->queue, a,
                       call->name, call->error);
}
