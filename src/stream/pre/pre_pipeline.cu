/* Mapping and collapse, and the seam, of four streams with the flat norm, as a pipeline (cuda/pipeline.h): the streams
 * are read from memory once, products on tensor cores are as exact as in fp32 (cuda/tensor.h).
 *
 *     first     [X' = merge, written;] partial products of X with fn and sums of squares; u where its weights are known
 *     middle    sums over the slices, in order; r, mix, coefficients
 *     last      u = sum_j pre_j X_j
 *
 * A warp multiplies 16 tokens with all 24 rows of fn. Its mma wants two neighbouring columns of X in a word, four words
 * far apart; since the order of the columns is nobody's business, a thread takes the eight columns that it loads with
 * 16 bytes, and fn is laid out to match. */
#define MHC__MOST_STREAMS 4
#include "stream/cuda/arithmetic.h"

#include "stream/cuda/operations.h"
#include "stream/cuda/pipeline.h"
#include "stream/cuda/tensor.h"
#include "stream/mapping/norm.h"

namespace {

enum {
    N = 4,
    WIDTH = N * (N + 2),
    TILES = WIDTH / 8, /* of eight rows of fn */
    SUMS = WIDTH + 1,  /* products and the sum of squares */
    WARPS = 4,
    THREADS = 32 * WARPS,
    TOKENS = 16 * WARPS, /* of a group */
    SLICE = 128,         /* channels */
    STEP = 32,           /* channels of a thread group's loads: 8 to a thread */
    STEPS = SLICE / STEP,
    FN_PARTS = 3,
    FN_WORDS = N * STEPS * TILES * FN_PARTS * 32 * 4
};

struct params {
    mhc__cuda_pre pre;
    mhc__cuda_merge merge;
    mhc_spec spec;
    mhc__shape shape;
    mhc__pipeline pipeline;
    int64_t tokens, channels;
    bool early;           /* the weights of u are known before: */
    const float *weights; /* those of token t at + t * shape.coefficients; NULL: one-hot on stream 0 */
    float *partial;       /* [MHC__RING, slices, SUMS, TOKENS] */
};

struct shared {
    int slot, kept; /* kept: the slice whose fn is here, or -1 */
    union alignas(16) {
        uint32_t fn[FN_WORDS];
        struct { /* of the middle stage */
            float sum[SUMS][TOKENS];
            double square[TOKENS], part[THREADS];
        } middle;
    };
};

/* fn of a slice in three parts: for each stream, step, tile and part a word of 16 bytes to a lane, its row of the tile
 * (lane / 4) at its eight columns (lane % 4). */
MHC__DEVICE void keep_fn(const params &p, int slice, shared *sh) {
    for (int at = (int)threadIdx.x; at < N * STEPS * TILES * 32; at += THREADS) {
        int lane = at % 32, tile = at / 32 % TILES, step = at / 32 / TILES % STEPS, stream = at / 32 / TILES / STEPS;
        int64_t c = (int64_t)slice * SLICE + step * STEP + lane % 4 * 8;
        float v[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        int row = tile * 8 + lane / 4;
        if (c < p.channels && row < p.shape.width)
            mhc__load8(p.pre.params.fn + (row * N + stream) * p.channels + c, v);
        uint32_t word[4][FN_PARTS];
        for (int k = 0; k < 4; k++)
            mhc__split(v[2 * k], v[2 * k + 1], FN_PARTS, word[k]);
        for (int part = 0; part < FN_PARTS; part++)
            mhc__store(sh->fn + ((at / 32 * FN_PARTS + part) * 32 + lane) * 4,
                       make_uint4(word[0][part], word[1][part], word[2][part], word[3][part]));
    }
}

/* A token's eight columns of all streams: X, or X' after the merge that writes it. */
template <typename E, bool MERGES> MHC__DEVICE void streams_of(const params &p, int64_t t, int64_t c, float x[N][8]) {
    const mhc_streams from = MERGES ? p.merge.x : p.pre.x;
    for (int j = 0; j < N; j++)
        mhc__load8(mhc__at<E>(from, t, j) + c, x[j]);
    if (!MERGES)
        return;
    const float *post = p.merge.coefficients + t * p.shape.coefficients + N, *res = post + N;
    float z[8], out[N][8];
    mhc__load8(mhc__at<E>(p.merge.z, t) + c, z);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 8; k++) { /* in the order of merge.cu */
            float sum = res[i * N] * x[0][k];
            for (int j = 1; j < N; j++)
                sum = fmaf(res[i * N + j], x[j][k], sum);
            out[i][k] = fmaf(post[i], z[k], sum);
        }
    for (int i = 0; i < N; i++) {
        mhc__store8(mhc__at<E>(p.merge.out, t, i) + c, out[i]);
        for (int k = 0; k < 8; k++)
            x[i][k] = mhc__rounded(out[i][k], (const E *)0);
    }
}

/* u_t = sum_j w_j X_j of eight columns, in the order of the CPU's. */
template <typename E>
MHC__DEVICE void collapse8(const params &p, int64_t t, int64_t c, const float *w, const float x[N][8]) {
    float u[8];
    for (int k = 0; k < 8; k++) {
        u[k] = w[0] * x[0][k];
        for (int j = 1; j < N; j++)
            u[k] = fmaf(w[j], x[j][k], u[k]);
    }
    mhc__store8(mhc__at<E>(p.pre.u, t) + c, u);
}

MHC__DEVICE float *partial_of(const params &p, int group, int slice) {
    return p.partial + ((int64_t)(group % MHC__RING) * p.pipeline.slices + slice) * SUMS * TOKENS;
}

template <typename E, bool MERGES> MHC__DEVICE void first_stage(const params &p, mhc__item item, shared *sh) {
    constexpr int PARTS = mhc__parts_of((const E *)0);
    const int parts = mhc__parts_of(p.spec.precision);
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int own = warp * 16 + lane / 4; /* token of the group; the other is 8 further */
    if (sh->kept != item.slice) {
        keep_fn(p, item.slice, sh);
        mhc__sync_block();
        if (threadIdx.x == 0)
            sh->kept = item.slice;
    }
    float product[TILES][4], square[2] = {0.0f, 0.0f};
    MHC__UNROLL
    for (int tile = 0; tile < TILES; tile++)
        MHC__UNROLL
    for (int e = 0; e < 4; e++)
        product[tile][e] = 0.0f;
    for (int step = 0; step < STEPS; step++) {
        const int64_t c = (int64_t)item.slice * SLICE + step * STEP + lane % 4 * 8;
        uint32_t word[N][2][4][PARTS]; /* stream, token, pair of columns */
        MHC__UNROLL
        for (int half = 0; half < 2; half++) {
            const int64_t t = (int64_t)item.group * TOKENS + own + 8 * half;
            float x[N][8];
            if (t < p.tokens && c < p.channels) {
                streams_of<E, MERGES>(p, t, c, x);
                if (p.early) {
                    const float first[N] = {1.0f, 0.0f, 0.0f, 0.0f};
                    collapse8<E>(p, t, c, p.weights ? p.weights + t * p.shape.coefficients : first, x);
                }
            } else {
                MHC__UNROLL
                for (int j = 0; j < N; j++)
                    MHC__UNROLL
                for (int k = 0; k < 8; k++)
                    x[j][k] = 0.0f;
            }
            MHC__UNROLL
            for (int j = 0; j < N; j++)
                MHC__UNROLL
            for (int k = 0; k < 4; k++) {
                square[half] = fmaf(x[j][2 * k], x[j][2 * k], square[half]);
                square[half] = fmaf(x[j][2 * k + 1], x[j][2 * k + 1], square[half]);
                mhc__split(x[j][2 * k], x[j][2 * k + 1], PARTS, word[j][half][k]);
            }
        }
        MHC__UNROLL
        for (int j = 0; j < N; j++)
            MHC__UNROLL
        for (int tile = 0; tile < TILES; tile++) {
            const uint32_t *fn = sh->fn + ((j * STEPS + step) * TILES + tile) * FN_PARTS * 32 * 4 + lane * 4;
            MHC__UNROLL
            for (int right = 0; right < FN_PARTS; right++) {
                const uint4 raw = mhc__load(fn + right * 32 * 4);
                const uint32_t b[4] = {raw.x, raw.y, raw.z, raw.w};
                MHC__UNROLL
                for (int left = 0; left < PARTS; left++)
                    MHC__UNROLL
                for (int k = 0; k < 4 && left + right < parts; k += 2) {
                    const uint32_t a[4] = {word[j][0][k][left], word[j][1][k][left], word[j][0][k + 1][left],
                                           word[j][1][k + 1][left]};
                    mhc__mma(product[tile], a, b + k);
                }
            }
        }
    }
    float *partial = partial_of(p, item.group, item.slice) + own;
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        MHC__UNROLL
        for (int tile = 0; tile < TILES; tile++)
            MHC__UNROLL
        for (int e = 0; e < 2; e++)
            partial[(tile * 8 + lane % 4 * 2 + e) * TOKENS + 8 * half] = product[tile][2 * half + e];
        square[half] += mhc__shuffle_xor(square[half], 1);
        square[half] += mhc__shuffle_xor(square[half], 2);
        if (lane % 4 == 0)
            partial[WIDTH * TOKENS + 8 * half] = square[half];
    }
}

/* The sum of squares of a token in double, by the whole block: where it leaves the range of fp32. */
template <typename E> MHC__DEVICE double squares_again(const params &p, int64_t t, shared *sh) {
    double sum = 0.0;
    for (int j = 0; j < N; j++)
        for (int64_t c = threadIdx.x; c < p.channels; c += THREADS) {
            double x = (double)mhc__value(mhc__at<E>(p.pre.x, t, j)[c]);
            sum += x * x;
        }
    sh->middle.part[threadIdx.x] = sum;
    mhc__sync_block();
    for (int k = 0; k < THREADS && threadIdx.x == 0; k++)
        sum = k == 0 ? sh->middle.part[0] : sum + sh->middle.part[k];
    mhc__sync_block();
    return sum; /* of the block in thread 0 */
}

template <typename E> MHC__DEVICE void middle_stage(const params &p, mhc__item item, shared *sh) {
    const int own = (int)threadIdx.x % TOKENS, first = (int)threadIdx.x / TOKENS * ((SUMS + 1) / 2);
    const int64_t begin = (int64_t)item.group * TOKENS;
    const int end = first == 0 ? (SUMS + 1) / 2 : SUMS;
    if (threadIdx.x == 0)
        sh->kept = -1;
    for (int k = first; k < end; k++) {
        float sum = 0.0f;
        for (int slice = 0; slice < p.pipeline.slices; slice++)
            sum += partial_of(p, item.group, slice)[k * TOKENS + own];
        sh->middle.sum[k][own] = sum;
    }
    mhc__sync_block();
    for (int k = 0; k < TOKENS && begin + k < p.tokens; k++) {
        float sum = sh->middle.sum[WIDTH][k];
        bool fits = sum > 1e-30f && sum < 1e38f;
        double square = fits ? (double)sum : squares_again<E>(p, begin + k, sh);
        if (threadIdx.x == 0)
            sh->middle.square[k] = square;
    }
    mhc__sync_block();
    if ((int)threadIdx.x >= TOKENS || begin + own >= p.tokens)
        return;
    const int64_t t = begin + own;
    float mix[WIDTH], r, g;
    mhc__norm(N * p.channels, p.spec.norm_eps_place, p.spec.norm_eps, sh->middle.square[own], &r, &g);
    for (int k = 0; k < WIDTH; k++)
        mix[k] = sh->middle.sum[k][own] * r;
    if (p.pre.saved) {
        float *saved = p.pre.saved + t * p.shape.saved;
        for (int k = 0; k < p.shape.width; k++)
            saved[k] = mix[k];
        saved[p.shape.width] = r;
        saved[p.shape.width + 1] = g;
    }
    mhc__forward_lanes(&p.spec, &p.shape, N, 1, 1, mix, WIDTH, p.pre.params.scale, p.pre.params.base,
                       p.pre.coefficients + t * p.shape.coefficients);
}

template <typename E> MHC__DEVICE void last_stage(const params &p, mhc__item item) {
    constexpr int ACROSS = SLICE / 8;
    const int64_t c = (int64_t)item.slice * SLICE + (int)threadIdx.x % ACROSS * 8;
    if (c >= p.channels)
        return;
    for (int k = (int)threadIdx.x / ACROSS; k < TOKENS; k += THREADS / ACROSS) {
        const int64_t t = (int64_t)item.group * TOKENS + k;
        if (t >= p.tokens)
            return;
        float x[N][8];
        for (int j = 0; j < N; j++)
            mhc__load8(mhc__at<E>(p.pre.x, t, j) + c, x[j]);
        collapse8<E>(p, t, c, p.pre.coefficients + t * p.shape.coefficients, x);
    }
}

/* Blocks to a processor: three fill its shared memory with fn; merge, and the parts of fp32, need the registers of two.
 */
template <typename E, bool MERGES>
MHC__KERNEL __launch_bounds__(THREADS, sizeof(E) == 2 && !MERGES ? 3 : 2) pre_pipeline(params p) {
    shared *sh = (shared *)mhc__shared();
    mhc__item item;
    if (threadIdx.x == 0)
        sh->kept = -1;
    while (mhc__pipeline_draw(&p.pipeline, &sh->slot, &item)) {
        if (item.stage == MHC__STAGE_NONE)
            continue;
        mhc__pipeline_wait(&p.pipeline, item);
        if (item.stage == MHC__STAGE_FIRST)
            first_stage<E, MERGES>(p, item, sh);
        else if (item.stage == MHC__STAGE_MIDDLE)
            middle_stage<E>(p, item, sh);
        else
            last_stage<E>(p, item);
        mhc__pipeline_done(&p.pipeline, item);
    }
}

int64_t counter_bytes(int64_t tokens) {
    return mhc__blocks(mhc__pipeline_counters(mhc__blocks(tokens, TOKENS)) * (int64_t)sizeof(int), 256) * 256;
}

template <typename E, bool MERGES> mhc_status run(const mhc__cuda_call *call, params p) {
    int blocks = 0;
    MHC__TRY(mhc__resident(pre_pipeline<E, MERGES>, THREADS, sizeof(shared), call->name, &blocks, call->error));
    p.pipeline.lag = mhc__pipeline_lag(blocks, p.pipeline.slices);
    MHC__TRY(
        mhc__clear(p.pipeline.counters, (size_t)counter_bytes(call->tokens), call->queue, call->name, call->error));
    return mhc__launch(pre_pipeline<E, MERGES>, mhc__min(blocks, mhc__pipeline_items(&p.pipeline)), THREADS,
                       sizeof(shared), call->queue, p, call->name, call->error);
}

} // namespace

size_t mhc__cuda_pre_pipeline_workspace(const mhc__shape *s, int64_t tokens) {
    int64_t groups = mhc__min(MHC__RING, mhc__blocks(tokens, TOKENS));
    return (size_t)(counter_bytes(tokens) +
                    groups * mhc__blocks(s->channels, SLICE) * SUMS * TOKENS * (int64_t)sizeof(float));
}

bool mhc__cuda_pre_pipeline_takes(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre) {
    const mhc__shape *s = call->shape;
    mhc_type type = s->type;
    bool fits = s->n == N && s->dynamic && !s->per_stream && s->width <= WIDTH && s->channels % 8 == 0;
    bool aligned =
        mhc__aligned_streams(pre->x, type) && mhc__aligned_rows(pre->u, type) && (uintptr_t)pre->params.fn % 16 == 0;
    if (merge)
        aligned = aligned && mhc__aligned_streams(merge->x, type) && mhc__aligned_rows(merge->z, type);
    int64_t items = 3 * (mhc__blocks(call->tokens, TOKENS) + MHC__RING) * (mhc__blocks(s->channels, SLICE) + 1);
    return fits && aligned && sizeof(shared) <= mhc__most_shared() && call->tokens > 0 && items < 0x7fffffff;
}

mhc_status mhc__cuda_pre_pipeline(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre) {
    const mhc__shape *s = call->shape;
    params p = {*pre, {}, *call->spec, *s, {}, call->tokens, s->channels, false, NULL, NULL};
    if (merge)
        p.merge = *merge;
    p.pipeline.groups = (int)mhc__blocks(call->tokens, TOKENS);
    p.pipeline.slices = (int)mhc__blocks(s->channels, SLICE);
    p.pipeline.counters = (int *)call->workspace;
    p.partial = (float *)((char *)call->workspace + counter_bytes(call->tokens));
    p.pipeline.has_last = pre->u.data && !s->shifted;
    p.early = pre->u.data && s->shifted;
    p.weights = pre->carried;
#define RUN(E) return merge ? run<E, true>(call, p) : run<E, false>(call, p)
    MHC__BY_TYPE(s->type, RUN);
#undef RUN
}
