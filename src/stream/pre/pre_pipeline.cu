/* Mapping and collapse, and the seam, of four streams with the flat norm, as a pipeline (cuda/pipeline.h): the streams
 * are read from memory once, products on tensor cores are as exact as in fp32 (cuda/tensor.h).
 *
 *     first     [X' = merge, written;] partial products of X with fn and sums of squares; u where its weights are known
 *     middle    sums over the slices, in order; r, mix, coefficients
 *     last      u = sum_j pre_j X_j, or its RMSNorm */
#define MHC__MOST_STREAMS 4
#include "stream/cuda/arithmetic.h"

#include "stream/cuda/pipeline.h"
#include "stream/pre/rmsnorm_stages.h"

namespace {

enum {
    WARPS = 4,
    THREADS = 32 * WARPS,
    TOKENS = ROWS * WARPS, /* of a group */
    FN_WORDS = N * STEPS * TILES * FN_PARTS * 32 * 4,
    AT_A_TIME = THREADS / (int)EIGHTHS, /* slices of a token, or tokens in a slice, side by side */
    NORM_SLICES = 4096                  /* of a token whose u is normalised, at most */
};

struct params {
    site_call of;
    mhc__pipeline pipeline;
    float *partial; /* [MHC__RING, slices, SUMS, TOKENS] */
};

struct shared {
    int slot, kept; /* kept: the slice whose fn is here, or -1 */
    union alignas(16) {
        uint32_t fn[FN_WORDS];
        struct { /* of the middle stage */
            float sum[SUMS][TOKENS];
            double square[TOKENS], part[SQUARERS];
        } middle;
        struct { /* of the last stage, with a norm */
            float slice[NORM_SLICES];
            double part[SQUARERS];
        } last;
    };
};

/* fn of a slice in three parts: for each stream, step, tile and part a word of 16 bytes to a lane. */
MHC__DEVICE void keep_fn(const params &p, int slice, shared *sh) {
    for (int at = (int)threadIdx.x; at < N * STEPS * TILES * 32; at += THREADS) {
        int lane = at % 32, tile = at / 32 % TILES, step = at / 32 / TILES % STEPS, stream = at / 32 / TILES / STEPS;
        int64_t c = (int64_t)slice * SLICE + step * STEP + lane % 4 * 8;
        uint32_t word[FN_PARTS][4];
        fn_parts(fn_at(p.of, tile * 8 + lane / 4, stream, c), word);
        for (int part = 0; part < FN_PARTS; part++)
            mhc__store(sh->fn + ((at / 32 * FN_PARTS + part) * 32 + lane) * 4,
                       make_uint4(word[part][0], word[part][1], word[part][2], word[part][3]));
    }
}

/* A step of what keep_fn has left. */
struct kept_fn {
    const uint32_t *words; /* of this lane */
};

MHC__DEVICE void fn_words(const kept_fn &fn, int stream, int tile, uint32_t word[FN_PARTS][4]) {
    MHC__UNROLL
    for (int part = 0; part < FN_PARTS; part++) {
        const uint4 raw = mhc__load(fn.words + ((stream * STEPS * TILES + tile) * FN_PARTS + part) * 32 * 4);
        word[part][0] = raw.x;
        word[part][1] = raw.y;
        word[part][2] = raw.z;
        word[part][3] = raw.w;
    }
}

MHC__DEVICE float *partial_of(const params &p, int group, int slice) {
    return p.partial + ((int64_t)(group % MHC__RING) * p.pipeline.slices + slice) * SUMS * TOKENS;
}

template <typename E, bool MERGES> MHC__DEVICE void first_stage(const params &p, mhc__item item, shared *sh) {
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int64_t t = (int64_t)item.group * TOKENS + warp * ROWS + lane / 4;
    if (sh->kept != item.slice) {
        keep_fn(p, item.slice, sh);
        mhc__sync_block();
        if (threadIdx.x == 0)
            sh->kept = item.slice;
    }
    sums total;
    clear(&total);
    MHC__ROLLED
    for (int step = 0; step < STEPS; step++) {
        const int64_t c = (int64_t)item.slice * SLICE + step * STEP + lane % 4 * 8;
        const kept_fn fn = {sh->fn + step * TILES * FN_PARTS * 32 * 4 + lane * 4};
        add_step<E, MERGES>(p.of, t, c, fn, &total);
    }
    leave(total, partial_of(p, item.group, item.slice) + warp * ROWS, TOKENS);
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
    for (int k = 0; k < TOKENS && begin + k < p.of.tokens; k++) {
        double square = squares_of<E>(p.of, begin + k, sh->middle.sum[WIDTH][k], sh->middle.part);
        if (threadIdx.x == 0)
            sh->middle.square[k] = square;
    }
    mhc__sync_block();
    if ((int)threadIdx.x >= TOKENS || begin + own >= p.of.tokens)
        return;
    float mix[WIDTH];
    mix_of(p.of, begin + own, &sh->middle.sum[0][own], TOKENS, sh->middle.square[own], mix);
    coefficients_of(p.of, begin + own, mix);
}

template <typename E> MHC__DEVICE void last_stage(const params &p, mhc__item item) {
    const int64_t c = (int64_t)item.slice * SLICE + (int)threadIdx.x % EIGHTHS * 8;
    if (c >= p.of.channels)
        return;
    for (int k = (int)threadIdx.x / EIGHTHS; k < TOKENS; k += AT_A_TIME) {
        const int64_t t = (int64_t)item.group * TOKENS + k;
        float u[8];
        if (t >= p.of.tokens)
            return;
        collapse_again<E>(p.of, t, c, p.of.pre.coefficients + t * p.of.shape.coefficients, u);
        mhc__store8(mhc__at<E>(p.of.pre.u, t) + c, u);
    }
}

/* With a norm whole tokens are an item, as many of a group's as of its slices are one otherwise. */
template <typename E> MHC__DEVICE void last_stage_normed(const params &p, mhc__item item, shared *sh) {
    const int slices = p.pipeline.slices, own = (int)threadIdx.x / EIGHTHS;
    const int64_t column = (int64_t)threadIdx.x % EIGHTHS * 8;
    if (threadIdx.x == 0)
        sh->kept = -1;
    for (int k = item.slice; k < TOKENS; k += slices) {
        const int64_t t = (int64_t)item.group * TOKENS + k;
        float w[N], sum = 0.0f;
        if (t >= p.of.tokens)
            return;
        weights_of_u(p.of, t, w);
        for (int first = 0; first < slices; first += AT_A_TIME) {
            const int slice = first + own;
            const int64_t c = (int64_t)slice * SLICE + column;
            const float squares = slice_squares<E>(p.of, c < p.of.channels, t, c, w);
            if (slice < slices && column == 0)
                sh->last.slice[slice] = squares;
        }
        mhc__sync_block();
        for (int slice = 0; slice < slices; slice++)
            sum += sh->last.slice[slice];
        const float r = rms_of<E>(p.of, t, w, sum, sh->last.part);
        for (int slice = own; slice < slices; slice += AT_A_TIME) {
            const int64_t c = (int64_t)slice * SLICE + column;
            if (c < p.of.channels)
                write_normed<E>(p.of, t, c, w, r);
        }
        mhc__sync_block(); /* the next token's squares take the same place */
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
        else if (p.of.pre.norm.weight)
            last_stage_normed<E>(p, item, sh);
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
    size_t bytes = (size_t)(counter_bytes(tokens) +
                            groups * mhc__blocks(s->channels, SLICE) * SUMS * TOKENS * (int64_t)sizeof(float));
    return bytes > mhc__cuda_pre_few_workspace(tokens) ? bytes : mhc__cuda_pre_few_workspace(tokens);
}

bool mhc__cuda_pre_pipeline_takes(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre) {
    const mhc__shape *s = call->shape;
    mhc_type type = s->type;
    bool fits = s->n == N && s->dynamic && !s->per_stream && s->width <= WIDTH && s->channels % 8 == 0;
    bool aligned = mhc__aligned_streams(pre->x, type) && mhc__aligned_rows(pre->u, type) &&
                   ((uintptr_t)pre->params.fn | (uintptr_t)pre->norm.weight) % 16 == 0;
    fits = fits && (!pre->norm.weight || mhc__blocks(s->channels, SLICE) <= NORM_SLICES);
    if (merge)
        aligned = aligned && mhc__aligned_streams(merge->x, type) && mhc__aligned_rows(merge->z, type);
    int64_t items = 3 * (mhc__blocks(call->tokens, TOKENS) + MHC__RING) * (mhc__blocks(s->channels, SLICE) + 1);
    return fits && aligned && sizeof(shared) <= mhc__most_shared() && call->tokens > 0 && items < 0x7fffffff;
}

mhc_status mhc__cuda_pre_pipeline(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre) {
    const mhc__shape *s = call->shape;
    mhc_status status;
    if (mhc__cuda_pre_few(call, merge, pre, &status))
        return status;
    params p = {call_of(call, merge, pre), {}, NULL};
    p.pipeline.groups = (int)mhc__blocks(call->tokens, TOKENS);
    p.pipeline.slices = (int)mhc__blocks(s->channels, SLICE);
    p.pipeline.counters = (int *)call->workspace;
    p.partial = (float *)((char *)call->workspace + counter_bytes(call->tokens));
    p.pipeline.has_last = pre->u.data && !p.of.early;
#define RUN(E) return merge ? run<E, true>(call, p) : run<E, false>(call, p)
    MHC__BY_TYPE(s->type, RUN);
#undef RUN
}
