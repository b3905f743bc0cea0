/* Mapping and collapse, and the seam, of a few tokens, as in decoding: one launch, which needs nothing to be zero. For
 * what pre_pipeline.cu takes, with its bits; on devices that have clusters of blocks.
 *
 * A cluster takes 16 tokens, each of its blocks some slices of their channels: fn, 2.75 MB at 7,168 channels, comes in
 * through as many processors. The blocks read each other's sums where they lie, in shared memory:
 *
 *     1   [X' = merge, written;] the sums of the block's slices                         all blocks
 *     2   a token's sums over the slices, in order; r, mix, the weights of u            block t % blocks
 *     3   [the squares of u, by all blocks, in the same way;] u = sum_j pre_j X_j of    all; block t % blocks
 *         the block's slices, or its norm; beside it, res and all the rest
 *
 * The times of its parts are estimated in docs/decisions/0040. */
#define MHC__MOST_STREAMS 4
#include "stream/cuda/arithmetic.h"

#include "stream/pre/rmsnorm_stages.h"

namespace {

enum { WARPS = 8, THREADS = 32 * WARPS, MOST_TOKENS = 128 };

struct params {
    site_call of;
    int blocks, own;  /* of a cluster; tokens of a cluster for which a block does the second step */
    int slices, each; /* of a token; of a block */
    int steps;        /* of a slice */
    bool has_last;    /* else there is no u */
    float *weights;   /* of u: [tokens, N] */
};

/* Of a block. */
struct memory {
    float *step;           /* [each * STEPS, SUMS, ROWS]; then, in the place of its first step, those of a slice */
    float *slice;          /* [own, slices, SUMS] */
    float *sum;            /* [own, SUMS] */
    double *square, *part; /* [own], [SQUARERS] */
};

MHC__SHARED_CODE inline int64_t step_floats(const params &p) {
    return (int64_t)p.each * p.steps * SUMS * ROWS;
}

size_t shared_bytes(const params &p) {
    return (size_t)(p.own + SQUARERS) * sizeof(double) +
           (size_t)(step_floats(p) + (int64_t)p.own * (p.slices + 1) * SUMS) * sizeof(float);
}

MHC__DEVICE memory memory_of(const params &p) {
    memory m;
    m.square = (double *)mhc__shared();
    m.part = m.square + p.own;
    m.step = (float *)(m.part + SQUARERS);
    m.slice = m.step + step_floats(p);
    m.sum = m.slice + p.own * p.slices * SUMS;
    return m;
}

/* fn of a step, this lane's. Of 16-bit streams, which leave the registers for it, it is on its way before it is needed.
 */
struct fn_ahead {
    mhc__eight<float> eight[N][TILES];
};
struct fn_later {
    const site_call *of;
    int64_t c;
};
template <typename E> struct fn_step { typedef fn_later type; };
template <> struct fn_step<mhc__bf16> { typedef fn_ahead type; };
template <> struct fn_step<mhc__fp16> { typedef fn_ahead type; };

MHC__DEVICE int fn_row(int tile) {
    return tile * 8 + (int)threadIdx.x % 32 / 4;
}

MHC__DEVICE void begin_fn(const site_call &p, int64_t c, fn_ahead *fn) {
    MHC__UNROLL
    for (int j = 0; j < N; j++)
        MHC__UNROLL
    for (int tile = 0; tile < TILES; tile++)
        fn->eight[j][tile] = fn_at(p, fn_row(tile), j, c);
}
MHC__DEVICE void begin_fn(const site_call &p, int64_t c, fn_later *fn) {
    *fn = {&p, c};
}

MHC__DEVICE fn_split fn_of(const fn_ahead &fn, int stream) {
    fn_split split;
    MHC__UNROLL
    for (int tile = 0; tile < TILES; tile++)
        fn_parts(fn.eight[stream][tile], split.word[tile]);
    return split;
}
MHC__DEVICE fn_split fn_of(const fn_later &fn, int stream) {
    fn_split split;
    MHC__UNROLL
    for (int tile = 0; tile < TILES; tile++)
        fn_parts(fn_at(*fn.of, fn_row(tile), stream, fn.c), split.word[tile]);
    return split;
}

/* Eight columns of a token: those that a block has are numbered from 0 on, tokens of the cluster times eighths of its
 * columns, which may end beyond the channels. */
struct piece {
    int64_t t, c;
};

MHC__DEVICE int pieces_of(const params &p, int64_t begin) {
    return (int)mhc__min(ROWS, p.of.tokens - begin) * p.each * p.steps * (STEP / 8);
}

MHC__DEVICE piece piece_of(const params &p, int64_t begin, int rank, int at) {
    const int across = p.each * p.steps * (STEP / 8);
    return {begin + at / across, ((int64_t)rank * across + at % across) * 8};
}

template <typename E> MHC__DEVICE void merge_pieces(const params &p, int64_t begin, int rank) {
    for (int at = (int)threadIdx.x; at < pieces_of(p, begin); at += THREADS) {
        const piece own = piece_of(p, begin, rank, at);
        mhc__eight<E> out[N];
        merging m;
        if (own.c >= p.of.channels)
            continue;
        load_merging(p.of, own.t, &m);
        merge_eight<E>(p.of, own.t, own.c, m, out);
    }
}

/* By all warps but the first. r: NULL, or that of each token of the cluster. */
template <typename E> MHC__DEVICE void write_pieces(const params &p, int64_t begin, int rank, const float *r) {
    for (int at = (int)threadIdx.x - 32; at < pieces_of(p, begin); at += THREADS - 32) {
        const piece own = piece_of(p, begin, rank, at);
        const float *w = p.weights + own.t * N;
        float u[8];
        if (own.c >= p.of.channels)
            continue;
        if (r) {
            write_normed<E>(p.of, own.t, own.c, w, r[own.t - begin]);
            continue;
        }
        collapse_again<E>(p.of, own.t, own.c, w, u);
        mhc__store8(mhc__at<E>(p.of.pre.u, own.t) + own.c, u);
    }
}

/* 1 / RMS of u of each token of the cluster, from the squares of all blocks: in shared memory. */
template <typename E> MHC__DEVICE const float *norms_of(const params &p, int64_t begin, int rank, const memory &m) {
    const int tokens = (int)mhc__min(ROWS, p.of.tokens - begin), count = pieces_of(p, begin);
    float *squares = m.step, *sum = m.slice, *r = m.sum; /* [tokens, each], [tokens], [tokens] */
    for (int first = 0; first < count; first += THREADS) {
        const int at = first + (int)threadIdx.x;
        const piece own = piece_of(p, begin, rank, at < count ? at : 0);
        const bool has = at < count && own.c < p.of.channels;
        const float of_slice = slice_squares<E>(p.of, has, own.t, own.c, p.weights + own.t * N);
        if (at < count && at % slice_of<E>::EIGHTHS == 0)
            squares[at / slice_of<E>::EIGHTHS] = of_slice;
    }
    mhc__sync_cluster();
    if ((int)threadIdx.x < tokens) {
        float all = 0.0f;
        for (int slice = 0; slice < p.slices; slice++)
            all += mhc__of_block(squares + (int)threadIdx.x * p.each + slice % p.each, slice / p.each);
        sum[threadIdx.x] = all;
    }
    mhc__sync_block();
    for (int k = 0; k < tokens; k++) {
        const float own = rms_of<E>(p.of, begin + k, p.weights + (begin + k) * N, sum[k], m.part);
        if (threadIdx.x == 0)
            r[k] = own;
    }
    mhc__sync_cluster(); /* no block is gone before all have read its squares */
    return r;
}

/* A warp takes a step, and the sums of the four steps of a slice are added when all are there. */
template <typename E, bool MERGES>
MHC__DEVICE void sums_of_slices(const params &p, int64_t begin, int rank, const memory &m) {
    constexpr int STEPS = slice_of<E>::STEPS;
    const int lane = (int)threadIdx.x % 32, steps = p.each * STEPS, parts = mhc__parts_of(p.of.spec.precision);
    const int64_t column = (int64_t)rank * steps * STEP + lane % 4 * 8;
    int step = (int)threadIdx.x / 32;
    typename fn_step<E>::type fn;
    begin_fn(p.of, column + step * STEP, &fn);
    if (MERGES) {
        merge_pieces<E>(p, begin, rank);
        mhc__sync_block();
    }
    MHC__ROLLED
    for (; step < steps; step += WARPS) {
        step_of<E> x;
        sums s;
        clear(&s);
        MHC__UNROLL
        for (int half = 0; half < 2; half++)
            load_half<E, false>(p.of, begin + lane / 4 + 8 * half, column + step * STEP, half, &x);
        add_step<E>(x, fn, parts, &s);
        begin_fn(p.of, step + WARPS < steps ? column + (step + WARPS) * STEP : p.of.channels, &fn);
        leave(s, m.step + step * SUMS * ROWS, ROWS);
    }
    mhc__sync_block();
    for (int at = (int)threadIdx.x; at < p.each * SUMS * ROWS; at += THREADS) {
        float *of = m.step + at / (SUMS * ROWS) * STEPS * SUMS * ROWS + at % (SUMS * ROWS), sum = 0.0f;
        for (int k = 0; k < STEPS; k++)
            sum += of[k * SUMS * ROWS];
        *of = sum;
    }
}

/* From all blocks of the cluster: the sums of this block's tokens, token number own * rank + k of the cluster. */
MHC__DEVICE void sums_of_tokens(const params &p, int64_t begin, int rank, const memory &m) {
    for (int at = (int)threadIdx.x; at < p.own * p.slices * SUMS; at += THREADS) {
        const int k = at % SUMS, slice = at / SUMS % p.slices, row = rank * p.own + at / SUMS / p.slices;
        if (row < ROWS && begin + row < p.of.tokens)
            m.slice[at] = mhc__of_block(m.step + (slice % p.each * p.steps * SUMS + k) * ROWS + row, slice / p.each);
    }
    mhc__sync_block();
    for (int at = (int)threadIdx.x; at < p.own * SUMS; at += THREADS) {
        const float *of = m.slice + at / SUMS * p.slices * SUMS + at % SUMS;
        float chain[MHC__CHAINS] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (int slice = 0; slice < p.slices; slice += MHC__CHAINS)
            MHC__UNROLL
        for (int k = 0; k < MHC__CHAINS; k++)
            chain[k] += slice + k < p.slices ? of[(slice + k) * SUMS] : 0.0f;
        m.sum[at] = mhc__add_chains(chain);
    }
    mhc__sync_block();
}

template <typename E, bool MERGES> MHC__KERNEL __launch_bounds__(THREADS, 1) pre_few(MHC__GIVEN params p) {
    const int rank = (int)blockIdx.x % p.blocks;
    const int64_t begin = (int64_t)(blockIdx.x / p.blocks) * ROWS;
    const memory m = memory_of(p);
    sums_of_slices<E, MERGES>(p, begin, rank, m);
    mhc__sync_cluster();
    sums_of_tokens(p, begin, rank, m);
    const int64_t first = begin + rank * p.own, end = mhc__min(p.of.tokens, mhc__min(first + p.own, begin + ROWS));
    for (int64_t t = first; t < end; t++) {
        double square = squares_of<E>(p.of, t, m.sum[(t - first) * SUMS + WIDTH], m.part);
        if (threadIdx.x == 0)
            m.square[t - first] = square;
    }
    mhc__sync_block();
    const int64_t t = first + threadIdx.x;
    float mix[WIDTH];
    if (t < end) {
        mix_of(p.of, t, m.sum + threadIdx.x * SUMS, 1, m.square[threadIdx.x], mix);
        if (p.has_last && p.of.shape.shifted)
            known_weights(p.of, t, p.weights + t * N);
        else if (p.has_last)
            own_weights(p.of, mix, p.weights + t * N);
    }
    mhc__sync_cluster();
    const float *r = p.has_last && p.of.pre.norm.weight ? norms_of<E>(p, begin, rank, m) : NULL;
    if (t < end)
        coefficients_of(p.of, t, mix);
    else if (p.has_last && threadIdx.x >= 32)
        write_pieces<E>(p, begin, rank, r);
}

params params_of(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre, int blocks) {
    params p = {call_of(call, merge, pre), blocks, 0, 0, 0, 0, pre->u.data != NULL, (float *)call->workspace};
    p.own = (int)mhc__blocks(mhc__min(ROWS, call->tokens), blocks);
    p.slices = (int)slices_of(call->shape);
    p.steps = SLICE_BYTES / mhc_type_size(call->shape->type) / STEP;
    p.each = (int)mhc__blocks(p.slices, blocks);
    return p;
}

template <typename E, bool MERGES>
bool run(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre, mhc_status *status) {
    for (int blocks = MHC__CLUSTER_MOST; blocks >= MHC__CLUSTER_LEAST; blocks /= 2) {
        const params p = params_of(call, merge, pre, blocks);
        const size_t shared = shared_bytes(p);
        if (!mhc__has_clusters(pre_few<E, MERGES>, mhc__blocks(call->tokens, ROWS), blocks, THREADS, shared))
            continue;
        *status = mhc__launch_clusters(pre_few<E, MERGES>, mhc__blocks(call->tokens, ROWS), blocks, THREADS, shared,
                                       call->queue, p, call->name, call->error);
        return true;
    }
    return false;
}

} // namespace

size_t mhc__cuda_pre_few_workspace(int64_t tokens) {
    return tokens <= MOST_TOKENS ? (size_t)tokens * N * sizeof(float) : 0;
}

bool mhc__cuda_pre_few(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre,
                       mhc_status *status) {
    if (call->tokens > MOST_TOKENS)
        return false;
#define RUN(E) return merge ? run<E, true>(call, merge, pre, status) : run<E, false>(call, merge, pre, status)
    MHC__BY_TYPE(call->shape->type, RUN);
#undef RUN
}
