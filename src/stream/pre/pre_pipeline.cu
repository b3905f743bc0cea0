/* Mapping and collapse, and the seam, of four streams with the flat norm, by crews (cuda/crew.h): the streams are read
 * once, products on tensor cores are as exact as in fp32 (cuda/tensor.h).
 *
 * A block has 64 tokens of a slice at a time, in registers, and shows its partial sums to its crew. What u needs of
 * them is little, the sums of pre and of the squares: one block of the crew, by turns, adds those and gives the others
 * the weights. They write u, or first exchange its squares where it is normalised, and the next tile is on its way
 * while they add all the rest of the sums together, a few rows each. Gates and constraint follow in a kernel of their
 * own: nothing here waits for them. */
#define MHC__MOST_STREAMS 4
#include "stream/cuda/arithmetic.h"

#include "stream/cuda/crew.h"
#include "stream/cuda/mapping.h"
#include "stream/pre/rmsnorm_stages.h"

namespace {

constexpr int WARPS = 4, THREADS = 32 * WARPS;
constexpr int TOKENS = ROWS * WARPS;                            /* of a tile */
constexpr int QUADS = TOKENS / 4;                               /* four tokens of a sum are 16 bytes */
constexpr int ADDERS = QUADS * MHC__CHAINS;                     /* threads that add a sum of all tokens */
constexpr int LANE_WORDS = 4, STEP_WORDS = 9 * LANE_WORDS * 32; /* of fn: for a fragment; for a stream and a step */
constexpr int GIVEN_R = TOKENS * N, GIVEN_FLOATS = GIVEN_R + TOKENS;

constexpr mhc__meeting SUMMED = {0, 1}, GIVEN = {1, 1}, SQUARED = {2, 1};

struct params {
    site_call of;
    mhc__crews crews;
    float *rows; /* [T, shape.saved] */
    /* Twice for each crew, by turns: a block may be one tile ahead of another. */
    float *partial; /* [slices, SUMS, TOKENS] */
    float *given;   /* weights of u [TOKENS, N], r [TOKENS] */
    float *squares; /* of u: [slices, TOKENS] */
};

template <typename E> struct shared {
    alignas(16) uint32_t fn[N * slice_of<E>::STEPS * STEP_WORDS];
    alignas(16) float sum[WIDTH + 1][TOKENS]; /* of the logits of pre, then of the squares */
    double square[TOKENS], part[SQUARERS];
    float norm[TOKENS]; /* 1 / RMS of u */
};

/* A tile of tokens as one block sees it. */
struct place {
    int slice, turn;
    int64_t first; /* token */
};

MHC__DEVICE place place_of(const params &p, int turn) {
    return {mhc__crew_slice(p.crews), turn, ((int64_t)turn * p.crews.crews + mhc__crew_own(p.crews)) * TOKENS};
}

/* Of what crews have twice: the crew, and by turns beyond all of them. */
MHC__DEVICE int slot_of(const params &p, const place &at) {
    return (int)(at.first / TOKENS) - (at.turn - at.turn % 2) * p.crews.crews;
}

MHC__DEVICE float *partial_of(const params &p, const place &at) {
    return p.partial + (int64_t)slot_of(p, at) * p.crews.slices * SUMS * TOKENS;
}
MHC__DEVICE float *given_of(const params &p, const place &at) {
    return p.given + slot_of(p, at) * GIVEN_FLOATS;
}
MHC__DEVICE float *squares_of_tile(const params &p, const place &at) {
    return p.squares + (int64_t)slot_of(p, at) * p.crews.slices * TOKENS;
}

/* Where a lane's words of a fragment begin: for a stream and a step the four whole ones of both chunks, then of both
 * the half of the fifth that is not zero. */
MHC__DEVICE int fragment_at(int chunk, int which) {
    return which < 4 ? (chunk * 4 + which) * LANE_WORDS * 32 : 8 * LANE_WORDS * 32 + 2 * chunk;
}

/* fn of a slice, in fragments. */
template <typename E> MHC__DEVICE void keep_fn(const params &p, int slice, shared<E> *sh) {
    constexpr int STEPS = slice_of<E>::STEPS;
    for (int at = (int)threadIdx.x; at < N * STEPS * 32; at += THREADS) {
        const int lane = at % 32, step = at / 32 % STEPS, stream = at / 32 / STEPS;
        const int64_t c = (int64_t)slice * slice_of<E>::CHANNELS + step * STEP + lane % 4 * 8;
        uint32_t *to = sh->fn + at / 32 * STEP_WORDS + lane * LANE_WORDS, a[4];
        fn_split fn;
        MHC__UNROLL
        for (int tile = 0; tile < TILES; tile++)
            fn_parts(fn_at(p.of, tile * 8 + lane / 4, stream, c), fn.word[tile]);
        MHC__UNROLL
        for (int k = 0; k < 10; k++) {
            const int chunk = k / 5, which = k % 5, first = fragment_at(chunk, which);
            fragment_of(fn, chunk, which, a);
            to[first] = which < 4 ? a[0] : a[1];
            to[first + 1] = which < 4 ? a[1] : a[3];
            if (which < 4) {
                to[first + 2] = a[2];
                to[first + 3] = a[3];
            }
        }
    }
}

/* What keep_fn has left for this lane. */
template <typename E> struct kept_fn { const uint32_t *words; };

template <typename E> MHC__DEVICE kept_fn<E> fn_of(const kept_fn<E> &fn, int stream) {
    return {fn.words + stream * slice_of<E>::STEPS * STEP_WORDS};
}

template <typename E> MHC__DEVICE void fragment_of(const kept_fn<E> &fn, int chunk, int which, uint32_t a[4]) {
    const uint32_t *from = fn.words + fragment_at(chunk, which);
    if (which < 4) {
        const uint4 raw = mhc__load(from);
        a[0] = raw.x;
        a[1] = raw.y;
        a[2] = raw.z;
        a[3] = raw.w;
    } else {
        a[0] = a[2] = 0;
        a[1] = from[0];
        a[3] = from[1];
    }
}

/* What a thread has of a tile. */
template <typename E> struct held { step_of<E> step[slice_of<E>::STEPS]; };

MHC__DEVICE int64_t token_of(const place &at, int half) {
    return at.first + mhc__thread() / 32 * ROWS + mhc__thread() % 32 / 4 + 8 * half;
}
template <typename E> MHC__DEVICE int64_t column_of(const place &at, int step) {
    return (int64_t)at.slice * slice_of<E>::CHANNELS + step * STEP + mhc__thread() % 4 * 8;
}

/* X, or X' after the merge that writes it. */
template <typename E, bool MERGES> MHC__DEVICE void take(const params &p, const place &at, held<E> *x) {
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        const int64_t t = token_of(at, half);
        merging m;
        if (MERGES && t < p.of.tokens)
            load_merging(p.of, t, &m);
        MHC__UNROLL
        for (int step = 0; step < slice_of<E>::STEPS; step++)
            if constexpr (MERGES)
                merge_half<E>(p.of, t, column_of<E>(at, step), half, m, &x->step[step]);
            else
                load_half<E, true>(p.of, t, column_of<E>(at, step), half, &x->step[step]);
    }
}

/* What `take` will read there. */
template <typename E, bool MERGES> MHC__DEVICE void ask_for(const params &p, const place &at) {
    const mhc_streams x = MERGES ? p.of.merge.x : p.of.pre.x;
    const int64_t begin = (int64_t)at.slice * slice_of<E>::CHANNELS;
    constexpr int SECTORS = SLICE_BYTES / MHC__SECTOR, COUNT = MHC__SECTOR / (int)sizeof(E);
    for (int k = mhc__thread(); k < TOKENS * SECTORS * (N + MERGES); k += THREADS) {
        const int64_t t = at.first + k / SECTORS % TOKENS, c = begin + k % SECTORS * COUNT;
        const int j = k / SECTORS / TOKENS;
        if (t < p.of.tokens && c < p.of.channels)
            mhc__soon(j < N ? mhc__at<E>(x, t, j) + c : mhc__at<E>(p.of.merge.z, t) + c);
    }
}

template <typename E>
MHC__DEVICE void leave_sums(const params &p, const place &at, const held<E> &x, const shared<E> *sh) {
    const int parts = mhc__parts_of(p.of.spec.precision), lane = mhc__thread() % 32;
    const uint32_t *fn = sh->fn + lane * LANE_WORDS;
    sums total;
    clear(&total);
    MHC__UNROLL
    for (int step = 0; step < slice_of<E>::STEPS; step++) {
        add_step<E>(x.step[step], kept_fn<E>{fn + step * STEP_WORDS}, parts, &total);
        mhc__sync_warp(); /* there are no registers to begin the next step before */
    }
    leave(total, partial_of(p, at) + at.slice * SUMS * TOKENS + mhc__thread() / 32 * ROWS, TOKENS);
}

/* By one block of the crew: r, g and the weights of u of the tile's tokens, from the sums that these need. */
template <typename E> MHC__DEVICE void give(const params &p, const place &at, shared<E> *sh) {
    const int pre = p.of.shape.pre, own = mhc__thread();
    const int64_t t = at.first + own;
    float *given = given_of(p, at);
    for (int first = 0; first < (pre + 1) * ADDERS; first += THREADS) {
        const int k = first + own, row = k / ADDERS, quad = k % ADDERS / MHC__CHAINS;
        float sum[4];
        mhc__crew_sum<SUMS, TOKENS>(partial_of(p, at), p.crews.slices, row <= pre, row < pre ? row : WIDTH, quad, sum);
        if (row <= pre && k % MHC__CHAINS == 0)
            mhc__store(&sh->sum[row][quad * 4], mhc__packed(sum, sum));
    }
    mhc__sync_block();
    const float *squares = sh->sum[pre];
    if (own < TOKENS)
        sh->square[own] = (double)squares[own];
    for (int k = 0; k < TOKENS && at.first + k < p.of.tokens; k++) {
        if (mhc__squares_in_range(squares[k]))
            continue;
        const double square = squares_of<E>(p.of, at.first + k, squares[k], sh->part);
        if (own == 0)
            sh->square[k] = square;
    }
    mhc__sync_block();
    if (own < TOKENS && t < p.of.tokens) {
        float r, g, mix[WIDTH], w[N];
        mhc__norm(N * p.of.channels, p.of.spec.norm_eps_place, p.of.spec.norm_eps, sh->square[own], &r, &g);
        for (int k = 0; k < pre; k++)
            mix[k] = sh->sum[k][own] * r;
        if (!p.of.shape.shifted) {
            own_weights(p.of, mix, w);
            mhc__store(given + own * N, mhc__packed(w, w));
        }
        given[GIVEN_R + own] = r;
        p.rows[t * p.of.shape.saved + p.of.shape.width] = r;
        p.rows[t * p.of.shape.saved + p.of.shape.width + 1] = g;
    }
}

/* mix of the tile's tokens: its sums times r, this block's share of them. */
MHC__DEVICE void write_mix(const params &p, const place &at) {
    const int slices = p.crews.slices, all = p.of.shape.width * QUADS;
    for (int first = at.slice; first < all; first += THREADS / MHC__CHAINS * slices) {
        const int k = first + mhc__thread() / MHC__CHAINS * slices;
        const int own = k % QUADS * 4 + mhc__thread() % MHC__CHAINS;
        float sum[4];
        mhc__crew_sum<SUMS, TOKENS>(partial_of(p, at), slices, k < all, k / QUADS, k % QUADS, sum);
        if (k < all && at.first + own < p.of.tokens)
            p.rows[(at.first + own) * p.of.shape.saved + k / QUADS] =
                mhc__crew_sum_own(sum) * given_of(p, at)[GIVEN_R + own];
    }
}

/* Those of u: given, or known where the schedule is shifted. */
MHC__DEVICE void weights_of(const params &p, const place &at, int64_t t, float w[N]) {
    if (p.of.shape.shifted)
        known_weights(p.of, t, w);
    else
        mhc__unpack(mhc__load(given_of(p, at) + (t - at.first) * N), w, w);
}

/* u of this thread's tokens, eight columns at a time, to then(half, step, token, column, u). */
template <typename E, typename THEN>
MHC__DEVICE void for_each_u(const params &p, const place &at, const held<E> &x, THEN then) {
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        const int64_t t = token_of(at, half);
        float w[N];
        if (t >= p.of.tokens)
            continue;
        weights_of(p, at, t, w);
        MHC__UNROLL
        for (int step = 0; step < slice_of<E>::STEPS; step++) {
            const int64_t c = column_of<E>(at, step);
            float v[N][8], u[8];
            MHC__UNROLL
            for (int j = 0; j < N; j++)
                mhc__values(x.step[step].x[j][half], v[j]);
            collapse8(w, v, u);
            then(half, step, t, c, u);
        }
    }
}

template <typename E> MHC__DEVICE void write_u(const params &p, const place &at, const held<E> &x) {
    for_each_u(p, at, x, [&](int, int, int64_t t, int64_t c, const float *u) {
        if (c < p.of.channels)
            mhc__store8(mhc__at<E>(p.of.pre.u, t) + c, u);
    });
}

/* Squares of u in this slice, as slice_squares has them. */
template <typename E> MHC__DEVICE void leave_squares(const params &p, const place &at, const held<E> &x) {
    constexpr int STEPS = slice_of<E>::STEPS;
    float eighth[2][STEPS] = {};
    for_each_u(p, at, x, [&](int half, int step, int64_t, int64_t, const float *u) {
        MHC__UNROLL
        for (int k = 0; k < 8; k++)
            eighth[half][step] = fmaf(u[k], u[k], eighth[half][step]);
    });
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        float *v = eighth[half], sum;
        if constexpr (STEPS == 4)
            sum = (v[0] + v[2]) + (v[1] + v[3]);
        else
            sum = v[0] + v[1];
        sum += mhc__shuffle_xor(sum, 2);
        sum += mhc__shuffle_xor(sum, 1);
        if (mhc__thread() % 4 == 0)
            squares_of_tile(p, at)[at.slice * TOKENS + (token_of(at, half) - at.first)] = sum;
    }
}

/* 1 / RMS of u of the tile's tokens. */
template <typename E> MHC__DEVICE void take_norms(const params &p, const place &at, shared<E> *sh) {
    constexpr int TOGETHER = 8; /* loads under way */
    const int own = mhc__thread(), slices = p.crews.slices;
    const float *squares = squares_of_tile(p, at) + own;
    float *all = sh->sum[0], r, g;
    if (own < TOKENS) {
        float sum = 0.0f;
        for (int begin = 0; begin < slices; begin += TOGETHER) {
            float v[TOGETHER];
            MHC__UNROLL
            for (int k = 0; k < TOGETHER; k++)
                v[k] = begin + k < slices ? squares[(begin + k) * TOKENS] : 0.0f;
            MHC__UNROLL
            for (int k = 0; k < TOGETHER; k++)
                sum += v[k];
        }
        all[own] = sum;
        mhc__norm(p.of.channels, MHC_EPS_INSIDE, p.of.pre.norm.eps, (double)sum, &r, &g);
        sh->norm[own] = r;
    }
    mhc__sync_block();
    for (int k = 0; k < TOKENS && at.first + k < p.of.tokens; k++) {
        float w[N];
        if (mhc__squares_in_range(all[k]))
            continue;
        weights_of(p, at, at.first + k, w);
        r = rms_of<E>(p.of, at.first + k, w, all[k], sh->part);
        if (own == 0)
            sh->norm[k] = r;
    }
    mhc__sync_block();
}

template <typename E>
MHC__DEVICE void write_normed_u(const params &p, const place &at, const held<E> &x, const shared<E> *sh) {
    for_each_u(p, at, x, [&](int, int, int64_t t, int64_t c, const float *u) {
        float y[8];
        if (c >= p.of.channels)
            return;
        mhc__values(mhc__load_eight(p.of.pre.norm.weight + c), y);
        MHC__UNROLL
        for (int k = 0; k < 8; k++)
            y[k] = u[k] * sh->norm[t - at.first] * y[k];
        mhc__store8(mhc__at<E>(p.of.pre.u, t) + c, y);
    });
}

template <typename E, bool MERGES> MHC__KERNEL __launch_bounds__(THREADS, 2) pre_pipeline(MHC__GIVEN params p) {
    shared<E> *sh = (shared<E> *)mhc__shared();
    const bool shifted = p.of.shape.shifted;
    const int slices = p.crews.slices;
    place at = place_of(p, 0);
    held<E> x;
    take<E, MERGES>(p, at, &x);
    ask_for<E, MERGES>(p, place_of(p, 1));
    keep_fn<E>(p, at.slice, sh);
    mhc__sync_block();
    for (int turn = 0; at.first < p.of.tokens; turn++) {
        leave_sums<E>(p, at, x, sh);
        mhc__crew_show(p.crews, SUMMED, turn);
        if (turn % slices == at.slice) {
            mhc__crew_wait(p.crews, SUMMED, turn, slices);
            give<E>(p, at, sh);
            mhc__crew_show(p.crews, GIVEN, turn);
        }
        if (!shifted)
            mhc__crew_wait(p.crews, GIVEN, turn, 1);
        if (p.of.pre.u.data && p.of.pre.norm.weight) {
            leave_squares<E>(p, at, x);
            mhc__crew_show(p.crews, SQUARED, turn);
            mhc__crew_wait(p.crews, SQUARED, turn, slices);
            take_norms<E>(p, at, sh);
            write_normed_u<E>(p, at, x, sh);
        } else if (p.of.pre.u.data) {
            write_u<E>(p, at, x);
        }
        const place next = place_of(p, turn + 1);
        take<E, MERGES>(p, next, &x);
        ask_for<E, MERGES>(p, place_of(p, turn + 2));
        if (shifted)
            mhc__crew_wait(p.crews, GIVEN, turn, 1);
        write_mix(p, at);
        at = next;
    }
}

int64_t tiles_of(int64_t tokens) {
    return mhc__blocks(tokens, TOKENS);
}

struct workspace {
    int *counters;
    float *rows, *partial, *given, *squares;
};

size_t workspace_of(const mhc__shape *s, int64_t tokens, void *memory, workspace *w) {
    mhc__cuda_pieces pieces = {(char *)memory, 0};
    const int64_t slices = slices_of(s), most = mhc__crews_most(slices, tiles_of(tokens));
    w->counters = (int *)mhc__cuda_piece(&pieces, mhc__crews_counter_bytes(slices, tiles_of(tokens)), 1);
    w->rows = (float *)mhc__cuda_piece(&pieces, tokens * s->saved, sizeof(float));
    w->partial = (float *)mhc__cuda_piece(&pieces, 2 * most * slices * SUMS * TOKENS, sizeof(float));
    w->given = (float *)mhc__cuda_piece(&pieces, 2 * most * GIVEN_FLOATS, sizeof(float));
    w->squares = (float *)mhc__cuda_piece(&pieces, 2 * most * slices * TOKENS, sizeof(float));
    return pieces.used;
}

template <typename E, bool MERGES> bool run(const mhc__cuda_call *call, params p, mhc_status *status) {
    const mhc__shape *s = call->shape;
    int resident = 0;
    if (sizeof(shared<E>) > mhc__most_shared())
        return false;
    *status = mhc__resident(pre_pipeline<E, MERGES>, THREADS, sizeof(shared<E>), call->name, &resident, call->error);
    if (*status != MHC_OK)
        return true;
    p.crews = mhc__crews_of(resident, slices_of(s), tiles_of(call->tokens), p.crews.counters);
    if (p.crews.crews == 0)
        return false;
    const size_t counters = (size_t)mhc__crews_counter_bytes(p.crews.slices, p.crews.tiles);
    *status = mhc__clear(p.crews.counters, counters, call->queue, call->name, call->error);
    if (*status == MHC_OK)
        *status = mhc__launch_together(pre_pipeline<E, MERGES>, p.crews.crews * p.crews.slices, THREADS,
                                       sizeof(shared<E>), call->queue, p, call->name, call->error);
    const mhc__cuda_gates gates = {mhc__cuda_mixes(s, p.rows), p.of.pre.params.scale, p.of.pre.params.base,
                                   p.of.pre.coefficients};
    if (*status == MHC_OK)
        *status = mhc__cuda_coefficients(call, &gates);
    return true;
}

} // namespace

size_t mhc__cuda_pre_pipeline_workspace(const mhc__shape *s, int64_t tokens) {
    workspace w;
    const size_t bytes = workspace_of(s, tokens, NULL, &w);
    return bytes > mhc__cuda_pre_few_workspace(tokens) ? bytes : mhc__cuda_pre_few_workspace(tokens);
}

bool mhc__cuda_pre_pipeline(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre,
                            mhc_status *status) {
    workspace w;
    if (!takes(call, merge, pre))
        return false;
    if (mhc__cuda_pre_few(call, merge, pre, status))
        return true;
    workspace_of(call->shape, call->tokens, call->workspace, &w);
    const params p = {call_of(call, merge, pre),
                      {0, 0, 0, w.counters},
                      pre->saved ? pre->saved : w.rows,
                      w.partial,
                      w.given,
                      w.squares};
#define RUN(E) return merge ? run<E, true>(call, p, status) : run<E, false>(call, p, status)
    MHC__BY_TYPE(call->shape->type, RUN);
#undef RUN
}
