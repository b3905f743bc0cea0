/* What the blocks of a crew know of each other in pre_back_pipeline.cu, and the first part of what they do there: dots
 * of du with the streams, and the gradients of pre that follow from them.
 *
 * The file that includes this one has included cuda/arithmetic.h for four streams before. */
#ifndef MHC_STREAM_PRE_BACK_STAGES_H
#define MHC_STREAM_PRE_BACK_STAGES_H

#include "stream/cuda/crew.h"
#include "stream/cuda/crew_sums.h"
#include "stream/cuda/mapping.h"
#include "stream/cuda/tensor.h"
#include "stream/mapping/norm.h"

namespace {

constexpr int N = 4, WIDTH = N * (N + 2), TILES = WIDTH / 8;
constexpr int WARPS = 4, THREADS = 32 * WARPS;
constexpr int TOKENS = 16;                     /* of a tile */
constexpr int AHEAD = 2;                       /* tiles from the dots to the spread */
constexpr int SPAN = 32, SLICE = SPAN * WARPS; /* channels of a warp, of a block */
constexpr int E_PARTS = 3;
constexpr int FN_ROWS = 32, FN_STEPS = WIDTH * N / FN_ROWS; /* of d_fn, that are added together */
constexpr int DOTS = N * (N + 1);                           /* of the merge below: post, then res */
constexpr int QUADS = TOKENS / 4;                           /* four tokens of a sum are 16 bytes */

/* Who shows the dots of tile t has been given what belongs to tile t - AHEAD - 1, for which all had shown theirs; who
 * shows what was merged of tile t has been given what belongs to t. A tile's giver has shown the dots of the next one,
 * not those of the one after that. */
constexpr mhc__meeting DOTTED = {0, AHEAD + 1}, MERGED = {AHEAD + 1, AHEAD + 1}, GIVEN = {2 * AHEAD + 2, 2};
static_assert(2 * AHEAD + 4 <= MHC__CREW_COUNTERS, "");
/* Places for partial sums, by turns: whoever writes one has been given a tile, or has seen the dots of one, before
 * which all were done with what was there. */
constexpr int DOT_PLACES = AHEAD + 1, MERGED_PLACES = AHEAD + 2;

struct params {
    mhc__cuda_pre_back back;
    mhc__cuda_merge_back below; /* of the seam */
    mhc_spec spec;
    mhc__shape shape;
    mhc__crews crews;
    int64_t tokens, channels;
    float *e, *s;   /* [T, width], [T] */
    double *sums;   /* [logits + 3, T] */
    int range;      /* tiles of a range */
    int *added;     /* [slices, FN_STEPS]: ranges whose part is in that step of d_fn */
    float *partial; /* for each crew [DOT_PLACES] of [slices, N, TOKENS] */
    float *dots;    /* of the seam, for each crew [MERGED_PLACES] of [slices, DOTS, TOKENS] */
};

/* Parts of fn and e in the product for dx, which is rounded to the type of the elements: two leave out 2^-16 of it,
 * where fp16 rounds at 2^-11. */
template <typename E> MHC__DEVICE constexpr int share_parts_of(const E *) {
    return sizeof(E) == 2 ? 2 : 3;
}

template <typename E> struct shared {
    static constexpr int PARTS = sizeof(E) == 2 ? 2 : 3; /* as share_parts_of */
    /* Of a lane, which reads what it wrote: room that registers have not. e as a product has it at its right, of a part
     * two words for each tile of fn's rows; and at its left, of a part four words, and two. */
    alignas(8) uint32_t right[WARPS][E_PARTS][TILES][32][2];
    alignas(16) uint32_t left[WARPS][PARTS][32][4];
    alignas(8) uint32_t left_rest[WARPS][PARTS][32][2];
    /* fn of the slice, at the right: of a part two words, and one. */
    alignas(8) uint32_t fn[WARPS][N][4][PARTS][32][2];
    uint32_t fn_rest[WARPS][N][4][PARTS][32];
    float dot[WARPS][N][TOKENS];
    alignas(16) float sum[N][TOKENS]; /* dots over all slices */
    union {
        alignas(16) float d_fn[WIDTH][N][SLICE];
        struct {
            float merged[2][WARPS][DOTS][TOKENS]; /* by turns */
            /* Of a thread, which reads what it wrote. */
            alignas(16) uint32_t dout[2][N][sizeof(E) / 2][THREADS][4];
        };
    };
};

/* Tile number `turn` of a crew, as one block sees it. Only the last range of all may be short of tiles. */
struct place {
    int slice, turn;
    int range, first; /* its range, its first token */
};

MHC__DEVICE place place_of(const params &p, int turn) {
    const int range = turn / p.range * p.crews.crews + mhc__crew_own(p.crews);
    return {mhc__crew_slice(p.crews), turn, range, (range * p.range + turn % p.range) * TOKENS};
}

MHC__DEVICE bool is_last_of_range(const params &p, const place &at) {
    return at.turn % p.range == p.range - 1 || at.first + TOKENS >= p.tokens;
}

MHC__DEVICE float *partial_of(const params &p, int turn) {
    return p.partial +
           (int64_t)(turn % DOT_PLACES * p.crews.crews + mhc__crew_own(p.crews)) * p.crews.slices * N * TOKENS;
}

MHC__DEVICE float *merged_of(const params &p, int turn) {
    return p.dots +
           (int64_t)(turn % MERGED_PLACES * p.crews.crews + mhc__crew_own(p.crews)) * p.crews.slices * DOTS * TOKENS;
}

/* This lane's. */
MHC__DEVICE int column_of(int slice) {
    return slice * SLICE + mhc__thread() / 32 * SPAN + mhc__thread() % 4 * 8;
}

/* What `spread` and `leave_dots` read of a tile from memory. */
template <typename E, bool LATE, bool SEAM> MHC__DEVICE void ask_for(const params &p, const place &at) {
    constexpr int STREAMS = N + (LATE ? N : 0) + (SEAM ? N : 0), ROWS = STREAMS + 1 + SEAM;
    constexpr int COUNT = MHC__SECTOR / (int)sizeof(E), SECTORS = SLICE / COUNT;
    for (int k = mhc__thread(); k < TOKENS * SECTORS * ROWS; k += THREADS) {
        const int t = at.first + k / SECTORS % TOKENS, c = at.slice * SLICE + k % SECTORS * COUNT;
        const int row = k / SECTORS / TOKENS;
        const E *from;
        if (t >= p.tokens || c >= p.channels)
            continue;
        if (row < N)
            from = mhc__at<E>(p.back.x, t, row);
        else if (row == STREAMS)
            from = mhc__at<E>(p.back.du, t);
        else if (row > STREAMS)
            from = mhc__at<E>(p.below.z, t);
        else if (LATE && row < 2 * N)
            from = mhc__at<E>(p.back.dout, t, row - N);
        else
            from = mhc__at<E>(p.below.x, t, row % N);
        mhc__soon(from + c);
    }
}

/* x and du of two tokens, eight columns, on their way. */
template <typename E> struct loaded { mhc__eight<E> x[2][N], du[2]; };

template <typename E> MHC__DEVICE void load(const params &p, const place &at, loaded<E> *v) {
    const int c = column_of(at.slice);
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        const int t = at.first + mhc__thread() % 32 / 4 + 8 * half;
        const bool here = t < p.tokens && c < p.channels;
        v->du[half] = here ? mhc__load_eight(mhc__at<E>(p.back.du, t) + c) : mhc__zero_eight<E>();
        MHC__UNROLL
        for (int j = 0; j < N; j++)
            v->x[half][j] = here ? mhc__load_eight(mhc__at<E>(p.back.x, t, j) + c) : mhc__zero_eight<E>();
    }
}

template <typename E> MHC__DEVICE void leave_dots(const params &p, const place &at, const loaded<E> &v, shared<E> *sh) {
    const int own = mhc__thread(), lane = own % 32, warp = own / 32;
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        float du[8], x[8];
        mhc__values(v.du[half], du);
        MHC__UNROLL
        for (int j = 0; j < N; j++) {
            float dot = 0.0f;
            mhc__values(v.x[half][j], x);
            MHC__UNROLL
            for (int k = 0; k < 8; k++)
                dot = fmaf(du[k], x[k], dot);
            dot += mhc__shuffle_xor(dot, 1);
            dot += mhc__shuffle_xor(dot, 2);
            if (lane % 4 == 0)
                sh->dot[warp][j][lane / 4 + 8 * half] = dot;
        }
    }
    mhc__sync_block();
    if (own < N * TOKENS) {
        const float *first = (const float *)sh->dot + own;
        float sum = first[0];
        MHC__UNROLL
        for (int w = 1; w < WARPS; w++)
            sum += first[w * N * TOKENS];
        partial_of(p, at.turn)[at.slice * N * TOKENS + own] = sum;
    }
}

/* What the gradient of its pre adds to a token's e, s and sums. */
MHC__DEVICE void pre_back(const params &p, int t, const float dot[N]) {
    const mhc__shape *s = &p.shape;
    const float *saved = p.back.saved + (int64_t)t * s->saved;
    const float r = saved[s->width], g = saved[s->width + 1];
    float *e = p.e + (int64_t)t * s->width, logits[WIDTH], act[WIDTH], d[WIDTH], d_mix[WIDTH];
    double sums[WIDTH + 3];
    mhc__shape its = *s;
    its.logits = its.pre;
    for (int k = 0; k < its.pre + 3; k++)
        sums[k] = 0.0;
    mhc__logits_lanes(&p.spec, &its, 1, 1, saved, 0, p.back.params.scale, p.back.params.base, logits, act);
    mhc__gate_backward(&p.spec.pre, N, 1, logits, dot, d);
    mhc__logits_back(&p.spec, &its, 1, 1, p.back.params.scale, act, d, d_mix, 0, sums);
    p.s[t] += mhc__slope(its.pre, N * p.channels, d_mix, saved, g) * r;
    for (int k = 0; k < its.pre; k++) {
        e[k] = d_mix[k] * r;
        p.sums[k * p.tokens + t] = sums[k];
    }
    p.sums[s->logits * p.tokens + t] = sums[its.pre];
}

/* By one block of the crew: the dots of a tile, and what follows from them. */
template <typename E> MHC__DEVICE void give(const params &p, const place &at, shared<E> *sh) {
    const int own = mhc__thread(), t = at.first + own, quad = own / MHC__CHAINS % QUADS;
    const int row = own / MHC__CHAINS / QUADS;
    float *to = p.shape.shifted ? p.back.d_carried : p.back.d_coefficients, sum[4];
    mhc__crew_sum<N, TOKENS>(partial_of(p, at.turn), p.crews.slices, row < N, row, quad, sum);
    if (row < N && own % MHC__CHAINS == 0)
        mhc__store(&sh->sum[row][quad * 4], mhc__packed(sum, sum));
    mhc__sync_block();
    if (own >= TOKENS || t >= p.tokens || !to)
        return;
    float dot[N];
    for (int j = 0; j < N; j++)
        to[(int64_t)t * p.shape.coefficients + j] = dot[j] = sh->sum[j][own];
    if (!p.shape.shifted)
        pre_back(p, t, dot);
}

} // namespace

#endif
