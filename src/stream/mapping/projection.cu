/* The projection on the device: mix, r and g of all tokens. */
#include "stream/cuda/mapping.h"
#include "stream/cuda/packs.h"
#include "stream/mapping/norm.h"

namespace {

/* A block takes TOKENS rows of streams and FNS rows of fn: each value that it loads is used several times. The blocks
 * of one token all take its squares, which saves the others from waiting for one of them. */
enum { TOKENS = 4, FNS = 8, THREADS = 128, PRODUCTS = TOKENS * FNS };

struct params {
    mhc_streams x;
    const float *fn;
    mhc__mixes out;
    mhc__projection p;
    int64_t tokens, columns, items;
    int segments, tiles;
};

struct work {
    int64_t first;
    int tokens, group, fn, fns; /* from rows `first` of the tokens and `fn` of fn on */
};

MHC__DEVICE work work_of(const params &p, int64_t item) {
    work w;
    w.fn = (int)(item % p.tiles) * FNS;
    w.fns = (int)mhc__min(FNS, p.p.width - w.fn);
    w.group = (int)(item / p.tiles % p.p.groups);
    w.first = item / p.tiles / p.p.groups * TOKENS;
    w.tokens = (int)mhc__min(TOKENS, p.tokens - w.first);
    return w;
}

/* A thread's share of the products, and of each token's squares; then those of all threads. */
struct sums {
    float product[TOKENS][FNS], square[TOKENS];
};

/* Rows past the last are the last again. */
template <typename E, bool PACKED> MHC__DEVICE void products(const params &p, const work &w, sums *sum) {
    constexpr int COUNT = mhc__pack<E>::COUNT;
    for (int s = 0; s < p.segments; s++) {
        const E *row[TOKENS];
        const float *fn[FNS];
        for (int v = 0; v < TOKENS; v++)
            row[v] = mhc__at<E>(p.x, w.first + (v < w.tokens ? v : w.tokens - 1), w.group + s);
        for (int f = 0; f < FNS; f++)
            fn[f] = p.fn + (w.fn + (f < w.fns ? f : w.fns - 1)) * p.columns + s * p.p.channels;
        for (int64_t c = (int64_t)threadIdx.x * COUNT; c < p.p.channels; c += THREADS * COUNT) {
            float x[TOKENS][COUNT], weight[COUNT];
            for (int v = 0; v < TOKENS; v++) {
                mhc__pack_read<E, PACKED>(row[v], c, p.p.channels, x[v]);
                for (int k = 0; k < COUNT; k++)
                    sum->square[v] = fmaf(x[v][k], x[v][k], sum->square[v]);
            }
            for (int f = 0; f < FNS; f++) {
                mhc__pack_floats<E, PACKED>(fn[f], c, p.p.channels, weight);
                for (int v = 0; v < TOKENS; v++)
                    for (int k = 0; k < COUNT; k++)
                        sum->product[v][f] = fmaf(weight[k], x[v][k], sum->product[v][f]);
            }
        }
    }
}

/* In double; all threads call it, and all get the sum. memory [THREADS]. */
template <typename E> MHC__DEVICE double exact_squares(const params &p, const work &w, int v, double *memory) {
    double sum = 0.0;
    for (int s = 0; s < p.segments; s++)
        for (int64_t c = threadIdx.x; c < p.p.channels; c += THREADS) {
            double x = (double)mhc__value(mhc__at<E>(p.x, w.first + v, w.group + s)[c]);
            sum += x * x;
        }
    memory[threadIdx.x] = sum;
    mhc__sync_block();
    sum = 0.0;
    for (int k = 0; k < THREADS; k++)
        sum += memory[k];
    mhc__sync_block();
    return sum;
}

template <typename E, bool PACKED> MHC__KERNEL project(MHC__GIVEN params p) {
    float *product = (float *)mhc__shared(), *square = product + mhc__block_floats(PRODUCTS, THREADS);
    double *exact = (double *)(square + mhc__block_floats(TOKENS, THREADS));
    for (int64_t item = blockIdx.x; item < p.items; item += gridDim.x) {
        const work w = work_of(p, item);
        const int own = threadIdx.x / FNS, f = threadIdx.x % FNS; /* of the first threads: a product each */
        sums sum = {};
        double squares = 0.0;
        products<E, PACKED>(p, w, &sum);
        mhc__block_sums<PRODUCTS>(sum.product[0], product);
        mhc__block_sums<TOKENS>(sum.square, square);
        mhc__sync_block();
        for (int v = 0; v < w.tokens; v++) {
            float plain = mhc__block_sum<TOKENS, THREADS>(square, v);
            double square = mhc__squares_in_range(plain) ? (double)plain : exact_squares<E>(p, w, v, exact);
            squares = v == own ? square : squares;
        }
        if (own < w.tokens && f < w.fns) {
            const int64_t at = (w.first + own) * p.out.stride;
            float r, g;
            mhc__norm(p.columns, p.p.eps_place, p.p.eps, squares, &r, &g);
            p.out.mix[at + w.group * p.p.width + w.fn + f] =
                mhc__block_sum<PRODUCTS, THREADS>(product, (int)threadIdx.x) * r;
            if (w.fn + f == 0) {
                p.out.r[at + w.group] = r;
                p.out.g[at + w.group] = g;
            }
        }
        mhc__sync_block(); /* the sums of the next item take the same place */
    }
}

} // namespace

mhc_status mhc__cuda_project(const mhc__cuda_call *call, const mhc__projection *p, mhc_streams x, const float *fn,
                             mhc__mixes out) {
    params k = {x, fn, out, *p, call->tokens, mhc__projection_columns(p), 0, 0, 0};
    k.segments = p->groups == 1 ? p->n : 1;
    k.tiles = (int)mhc__blocks(p->width, FNS);
    k.items = mhc__blocks(k.tokens, TOKENS) * p->groups * k.tiles;
    bool packed = mhc__whole_packs(p->channels, p->type) && mhc__aligned_streams(x, p->type) && mhc__aligned(fn);
    size_t shared = (size_t)(mhc__block_floats(PRODUCTS, THREADS) + mhc__block_floats(TOKENS, THREADS)) * sizeof(float);
    shared += THREADS * sizeof(double);
#define RUN(E, PACKED)                                                                                                 \
    return mhc__launch(project<E, PACKED>, mhc__grid(k.items), THREADS, shared, call->queue, k, call->name, call->error)
    MHC__BY_PACKS(p->type, packed, RUN);
#undef RUN
}
