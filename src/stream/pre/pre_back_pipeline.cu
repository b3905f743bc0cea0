/* Gradient of pre, and of the seam, of four streams with the flat norm, as a pipeline (cuda/pipeline.h): x and du are
 * read from memory once, dout (or dx) once, dx is written once.
 *
 *     first     partial dots <du, X_j>
 *     middle    their sums over the slices, in order; from the gradients of the coefficients to e = r d_mix and the
 * slope last      dx_j = sum_i res_ij dout_i + pre_j du + sum_k e_k fn_k - s r x;   d_fn_k += sum_t e_k x;
 *               of the merge below dz and partial dots of dx with its z and x
 *     finish    those dots' sums over the slices
 *
 * The last stage does both products on tensor cores. A warp has 32 channels of all streams; it walks over the group's
 * tokens, 16 at a time, and keeps its part of d_fn in registers until the end; groups add theirs to the gradient in
 * their order. The words of x that a thread loads, two channels of a token, become words of two tokens of a channel by
 * transposing 8 x 8 of them within the warp.
 *
 * Channels of a warp: lane (row, quad) loads 8 quad .. 8 quad + 7; word q of those has the columns 2 quad and 2 quad +
 * 1 of a matrix of tokens x 8, whose column n is channel 8 (n / 2) + 2 q + n % 2. */
#define MHC__MOST_STREAMS 4
#include "stream/cuda/arithmetic.h"

#include "stream/cuda/operations.h"
#include "stream/cuda/pipeline.h"
#include "stream/cuda/tensor.h"

namespace {

enum {
    N = 4,
    WIDTH = N * (N + 2),
    TILES = WIDTH / 8,
    WARPS = 4,
    THREADS = 32 * WARPS,
    TOKENS = THREADS, /* of a group: one to a thread in the middle stage */
    SPAN = 32,        /* channels of a warp */
    SLICE = SPAN * WARPS,
    E_PARTS = 3,
    SUMS = WIDTH + 3,   /* of base, then of scale */
    DOTS = N * (N + 1), /* post, then res */
    ROW = WIDTH + 4     /* e [WIDTH] | s | r and to a multiple of 16 bytes */
};

struct params {
    mhc__cuda_pre_back back;
    mhc__cuda_merge_back below; /* of the seam */
    mhc_spec spec;
    mhc__shape shape;
    mhc__pipeline pipeline;
    int64_t tokens, channels;
    float *partial; /* [MHC__RING, slices, N, TOKENS] */
    float *rows;    /* [tokens, ROW] */
    double *sums;   /* [groups, SUMS] */
    int *added;     /* [slices]: groups whose part is in d_fn */
    float *dots;    /* of the seam: [MHC__RING, slices, DOTS, TOKENS] */
};

/* Parts of fn and e in the product for dx, which is rounded to the type of the elements: two leave out 2^-16 of it,
 * where fp16 rounds at 2^-11. */
template <typename E> MHC__DEVICE constexpr int share_parts_of(const E *) {
    return sizeof(E) == 2 ? 2 : 3;
}

template <typename E> struct shared {
    enum { PARTS = sizeof(E) == 2 ? 2 : 3 }; /* as share_parts_of */
    int slot, kept;                          /* kept: the slice whose fn is here, or -1 */
    uint32_t across[WARPS][6 * E_PARTS][32]; /* a lane reads what it wrote: room that registers have not */
    alignas(16) uint32_t fn[WARPS * N * 4 * PARTS * 3 * 32];
    union {
        float d_fn[WIDTH][N][SLICE];
        double sum[TOKENS][SUMS];       /* of the middle stage */
        float dots[2][WARPS][DOTS][16]; /* of 16 tokens, by turns */
    };
};

MHC__DEVICE float *partial_of(const params &p, int group, int slice) {
    return p.partial + ((int64_t)(group % MHC__RING) * p.pipeline.slices + slice) * N * TOKENS;
}

/* Sixteen lanes to a token, a warp has two tokens at a time. */
template <typename E> MHC__DEVICE void first_stage(const params &p, mhc__item item) {
    const int lane = (int)threadIdx.x % 32, across = lane % 16;
    const int64_t c = (int64_t)item.slice * SLICE + across * 8;
    float *partial = partial_of(p, item.group, item.slice);
    for (int k = (int)threadIdx.x / 16; k < TOKENS; k += THREADS / 16) {
        const int64_t t = (int64_t)item.group * TOKENS + k;
        float dot[N] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (t < p.tokens && c < p.channels) {
            float du[8], x[8];
            mhc__load8(mhc__at<E>(p.back.du, t) + c, du);
            for (int j = 0; j < N; j++) {
                mhc__load8(mhc__at<E>(p.back.x, t, j) + c, x);
                for (int i = 0; i < 8; i++)
                    dot[j] = fmaf(du[i], x[i], dot[j]);
            }
        }
        for (int j = 0; j < N; j++) {
            for (int mask = 8; mask > 0; mask /= 2)
                dot[j] += mhc__shuffle_xor(dot[j], mask);
            if (across == 0)
                partial[j * TOKENS + k] = dot[j];
        }
    }
}

/* A token to a thread. */
template <typename E> MHC__DEVICE void middle_stage(const params &p, mhc__item item, shared<E> *sh) {
    const int own = (int)threadIdx.x;
    const int64_t t = (int64_t)item.group * TOKENS + own;
    const mhc__shape *s = &p.shape;
    double *sums = sh->sum[own];
    for (int k = 0; k < SUMS; k++)
        sums[k] = 0.0;
    if (t < p.tokens) {
        float *d = p.back.d_coefficients + t * s->coefficients, d_mix[WIDTH], row[ROW];
        float *d_weights = s->shifted ? p.back.d_carried : p.back.d_coefficients;
        for (int j = 0; j < N && d_weights; j++) {
            float dot = 0.0f;
            for (int slice = 0; slice < p.pipeline.slices; slice++)
                dot += partial_of(p, item.group, slice)[j * TOKENS + own];
            d_weights[t * s->coefficients + j] = dot;
        }
        for (int k = 0; k < WIDTH; k++)
            d_mix[k] = 0.0f;
        const float *saved = p.back.saved + t * s->saved;
        mhc__backward_lanes(&p.spec, s, N, 1, 1, saved, s->saved, p.back.params.scale, p.back.params.base, d, d_mix,
                            WIDTH, sums);
        const float r = saved[s->width], g = saved[s->width + 1];
        double along = 0.0;
        for (int k = 0; k < s->width; k++)
            along += (double)d_mix[k] * (double)saved[k];
        for (int k = 0; k < WIDTH; k++)
            row[k] = d_mix[k] * r;
        row[WIDTH] = (float)(along * (double)g / (double)(N * p.channels)) * r;
        row[WIDTH + 1] = r;
        row[WIDTH + 2] = row[WIDTH + 3] = 0.0f;
        for (int k = 0; k < ROW; k++)
            p.rows[t * ROW + k] = row[k];
    }
    mhc__sync_block();
    if (own < SUMS) {
        double sum = 0.0;
        for (int k = 0; k < TOKENS; k++)
            sum += sh->sum[k][own];
        p.sums[(int64_t)item.group * SUMS + own] = sum;
    }
}

/* fn of a slice as the product for dx reads it: of each warp, stream and word q, for each part three words to a lane,
 * channel number lane / 4 of the matrix at rows 2 quad, 8 + 2 quad and 16 + 2 quad and those after them. */
template <typename E> MHC__DEVICE void keep_fn(const params &p, int slice, shared<E> *sh) {
    constexpr int PARTS = share_parts_of((const E *)0);
    for (int at = (int)threadIdx.x; at < WARPS * N * 4 * 3 * 32; at += THREADS) {
        const int lane = at % 32, k = at / 32 % 3, q = at / 96 % 4, j = at / 384 % N, warp = at / 384 / N;
        const int n = lane / 4, row = 8 * k + lane % 4 * 2;
        const int64_t c = (int64_t)slice * SLICE + warp * SPAN + 8 * (n / 2) + 2 * q + n % 2;
        float v[2] = {0.0f, 0.0f};
        for (int e = 0; e < 2; e++)
            if (c < p.channels && row + e < p.shape.width)
                v[e] = p.back.params.fn[((row + e) * N + j) * p.channels + c];
        uint32_t word[PARTS];
        mhc__split(v[0], v[1], PARTS, word);
        for (int part = 0; part < PARTS; part++)
            sh->fn[(((warp * N + j) * 4 + q) * PARTS + part) * 96 + k * 32 + lane] = word[part];
    }
}

/* e of 16 tokens: for each part six words, two rows of fn of a token: tokens row and row + 8 of the rows 2 quad.., then
 * both of those 8 further, then 16. */
MHC__DEVICE void load_e(const params &p, int first, int lane, uint32_t word[6][E_PARTS]) {
    for (int k = 0; k < 6; k++) {
        const int t = first + lane / 4 + 8 * (k % 2);
        const float *e = p.rows + (int64_t)t * ROW + k / 2 * 8 + lane % 4 * 2;
        float low = t < p.tokens ? e[0] : 0.0f, high = t < p.tokens ? e[1] : 0.0f;
        mhc__split(low, high, E_PARTS, word[k]);
    }
}

/* What dx has beside fn's part, at eight channels of a token; x there. */
template <typename E, bool LATE>
MHC__DEVICE void around(const params &p, int t, int c, int j, const mhc__eight<E> dout[N], const float x[8],
                        float out[8]) {
    const float *coefficients = p.back.coefficients + (int64_t)t * p.shape.coefficients, *res = coefficients + 2 * N;
    float pre = coefficients[j], v[8];
    if (p.shape.shifted)
        pre = p.back.carried ? p.back.carried[(int64_t)t * p.shape.coefficients + j] : j == 0 ? 1.0f : 0.0f;
    const float *row = p.rows + (int64_t)t * ROW, s = row[WIDTH], r = row[WIDTH + 1];
    if (!LATE)
        mhc__load8(mhc__at<E>(p.back.dx, t, j) + c, out);
    MHC__UNROLL
    for (int i = 0; i < N && LATE; i++) {
        mhc__values(dout[i], v);
        MHC__UNROLL
        for (int k = 0; k < 8; k++)
            out[k] = i == 0 ? res[j] * v[k] : fmaf(res[i * N + j], v[k], out[k]);
    }
    mhc__load8(mhc__at<E>(p.back.du, t) + c, v); /* once for each stream: registers are dearer */
    MHC__UNROLL
    for (int k = 0; k < 8; k++)
        out[k] = fmaf(-s, r * x[k], fmaf(pre, v[k], out[k]));
}

MHC__DEVICE float *dots_of(const params &p, int group, int slice) {
    return p.dots + ((int64_t)(group % MHC__RING) * p.pipeline.slices + slice) * DOTS * TOKENS;
}

/* The gradient of the merge below at a token's eight channels, from the dx that this thread has just stored there: dz,
 * and the dots of post and res, summed over the quad. */
template <typename E> MHC__DEVICE void merge_back8(const params &p, int t, int c, float dot[DOTS]) {
    for (int k = 0; k < DOTS; k++)
        dot[k] = 0.0f;
    if (t < p.tokens && c < p.channels) {
        const float *post = p.below.coefficients + (int64_t)t * p.shape.coefficients + N;
        mhc__eight<E> d[N];
        float v[8], x[8], dz[8];
        MHC__UNROLL
        for (int i = 0; i < N; i++)
            d[i] = mhc__load_eight(mhc__at<E>(p.back.dx, t, i) + c);
        mhc__load8(mhc__at<E>(p.below.z, t) + c, x);
        MHC__UNROLL
        for (int i = 0; i < N; i++) {
            mhc__values(d[i], v);
            MHC__UNROLL
            for (int k = 0; k < 8; k++) {
                dz[k] = i == 0 ? post[0] * v[k] : fmaf(post[i], v[k], dz[k]);
                dot[i] = fmaf(v[k], x[k], dot[i]);
            }
        }
        MHC__UNROLL
        for (int j = 0; j < N; j++) {
            mhc__load8(mhc__at<E>(p.below.x, t, j) + c, x);
            MHC__UNROLL
            for (int i = 0; i < N; i++) {
                mhc__values(d[i], v);
                MHC__UNROLL
                for (int k = 0; k < 8; k++)
                    dot[N + i * N + j] = fmaf(v[k], x[k], dot[N + i * N + j]);
            }
        }
        mhc__store8(mhc__at<E>(p.below.dz, t) + c, dz);
    }
    for (int k = 0; k < DOTS; k++) {
        dot[k] += mhc__shuffle_xor(dot[k], 1);
        dot[k] += mhc__shuffle_xor(dot[k], 2);
    }
}

/* Of 16 tokens: the dots of a slice are the sums over its warps. */
template <typename E>
MHC__DEVICE void merge_back_tile(const params &p, mhc__item item, int tokens, int c, shared<E> *sh) {
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, turn = tokens / 16 % 2;
    MHC__ROLLED
    for (int half = 0; half < 2; half++) {
        const int own = lane / 4 + 8 * half;
        float dot[DOTS];
        merge_back8<E>(p, item.group * TOKENS + tokens + own, c, dot);
        for (int k = 0; k < DOTS && lane % 4 == 0; k++)
            sh->dots[turn][warp][k][own] = dot[k];
    }
    mhc__sync_block(); /* the place of the other turn is written only after the next one */
    for (int at = (int)threadIdx.x; at < DOTS * 16; at += THREADS) {
        const int k = at / 16, own = at % 16;
        float sum = sh->dots[turn][0][k][own];
        for (int w = 1; w < WARPS; w++)
            sum += sh->dots[turn][w][k][own];
        dots_of(p, item.group, item.slice)[k * TOKENS + tokens + own] = sum;
    }
}

/* post and res of d_coefficients of the site below. A token to a thread. */
MHC__DEVICE void finish_stage(const params &p, mhc__item item) {
    const int64_t t = (int64_t)item.group * TOKENS + (int)threadIdx.x;
    if (t >= p.tokens)
        return;
    for (int k = 0; k < DOTS; k++) {
        float sum = 0.0f;
        for (int slice = 0; slice < p.pipeline.slices; slice++)
            sum += dots_of(p, item.group, slice)[k * TOKENS + threadIdx.x];
        p.below.d_coefficients[t * p.shape.coefficients + N + k] = sum;
    }
}

/* The part of d_fn of a group's slice, in the shared memory, is added to the gradient when it is its turn. */
template <typename E> MHC__DEVICE void add_d_fn(const params &p, mhc__item item, shared<E> *sh) {
    if (threadIdx.x == 0)
        mhc__acquire_wait(p.added + item.slice, item.group);
    mhc__sync_block();
    const int64_t c = (int64_t)item.slice * SLICE + (int)threadIdx.x;
    for (int k = 0; k < p.shape.width && c < p.channels; k++)
        for (int j = 0; j < N; j++)
            p.back.gradients.fn[(k * N + j) * p.channels + c] += sh->d_fn[k][j][threadIdx.x];
    mhc__sync_block();
    if (threadIdx.x == 0)
        mhc__release_add(p.added + item.slice, 1);
}

template <typename E, bool LATE, bool SEAM>
MHC__DEVICE void last_stage(const params &p, mhc__item item, shared<E> *sh) {
    constexpr int PARTS = mhc__parts_of((const E *)0), SHARES = share_parts_of((const E *)0);
    const int parts = mhc__parts_of(p.spec.precision), shares = parts < SHARES ? parts : SHARES;
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int c = item.slice * SLICE + warp * SPAN + lane % 4 * 8;
    if (sh->kept != item.slice) {
        keep_fn<E>(p, item.slice, sh);
        mhc__sync_block();
        if (threadIdx.x == 0)
            sh->kept = item.slice;
    }
    float d_fn[N][2][TILES][4]; /* stream, 16 channels, 8 rows of fn */
    MHC__UNROLL
    for (int j = 0; j < N; j++)
        MHC__UNROLL
    for (int h = 0; h < 2; h++)
        MHC__UNROLL
    for (int tile = 0; tile < TILES; tile++)
        MHC__UNROLL
    for (int e = 0; e < 4; e++)
        d_fn[j][h][tile][e] = 0.0f;
    for (int tokens = 0; tokens < TOKENS; tokens += 16) {
        const int first = item.group * TOKENS + tokens, t0 = first + lane / 4;
        if (first >= p.tokens)
            break;
        uint32_t e[6][E_PARTS];
        load_e(p, first, lane, e);
        mhc__eight<E> dout[2][N];
        MHC__UNROLL
        for (int half = 0; half < 2; half++) {
            const int t = t0 + 8 * half;
            const bool here = t < p.tokens && c < p.channels;
            MHC__UNROLL
            for (int i = 0; i < N && LATE; i++)
                dout[half][i] = here ? mhc__load_eight(mhc__at<E>(p.back.dout, t, i) + c) : mhc__zero_eight<E>();
        }
        MHC__UNROLL
        for (int k = 0; k < 6; k++)
            MHC__UNROLL
        for (int part = 0; part < E_PARTS; part++)
            sh->across[warp][k * E_PARTS + part][lane] = mhc__transposed(e[k][part]);
        MHC__UNROLL
        for (int j = 0; j < N; j++) {
            mhc__held<E> held[2][4];
            float out[2][8];
            MHC__UNROLL
            for (int half = 0; half < 2; half++) {
                const int t = t0 + 8 * half;
                float x[8];
                MHC__UNROLL
                for (int k = 0; k < 8; k++)
                    x[k] = out[half][k] = 0.0f;
                if (t < p.tokens && c < p.channels) {
                    mhc__load8(mhc__at<E>(p.back.x, t, j) + c, x);
                    around<E, LATE>(p, t, c, j, dout[half], x, out[half]);
                }
                MHC__UNROLL
                for (int q = 0; q < 4; q++)
                    mhc__hold(x[2 * q], x[2 * q + 1], &held[half][q]);
            }
            MHC__UNROLL
            for (int q = 0; q < 4; q++) { /* dx += e fn */
                float d[4] = {out[0][2 * q], out[0][2 * q + 1], out[1][2 * q], out[1][2 * q + 1]};
                const uint32_t *fn = sh->fn + ((warp * N + j) * 4 + q) * SHARES * 96 + lane;
                MHC__UNROLL
                for (int right = 0; right < SHARES; right++) {
                    const uint32_t b0[2] = {fn[right * 96], fn[right * 96 + 32]}, b1[2] = {fn[right * 96 + 64], 0};
                    MHC__UNROLL
                    for (int left = 0; left < SHARES; left++) {
                        if (left + right >= shares)
                            continue;
                        const uint32_t a0[4] = {e[0][left], e[1][left], e[2][left], e[3][left]};
                        const uint32_t a1[4] = {e[4][left], e[5][left], 0, 0};
                        mhc__mma(d, a0, b0);
                        mhc__mma(d, a1, b1);
                    }
                }
                MHC__UNROLL
                for (int k = 0; k < 4; k++)
                    out[k / 2][2 * q + k % 2] = d[k];
            }
            MHC__UNROLL
            for (int half = 0; half < 2; half++)
                if (t0 + 8 * half < p.tokens && c < p.channels)
                    mhc__store8(mhc__at<E>(p.back.dx, t0 + 8 * half, j) + c, out[half]);
            MHC__UNROLL
            for (int h = 0; h < 2; h++) { /* d_fn += x e: channels by tokens, tokens by rows of fn */
                uint32_t word[4][PARTS];
                MHC__UNROLL
                for (int k = 0; k < 4; k++)
                    mhc__held_parts(held[k / 2][2 * h + k % 2], word[k]);
                MHC__UNROLL
                for (int left = 0; left < PARTS; left++) {
                    const uint32_t a[4] = {mhc__transposed(word[0][left]), mhc__transposed(word[1][left]),
                                           mhc__transposed(word[2][left]), mhc__transposed(word[3][left])};
                    MHC__UNROLL
                    for (int right = 0; right < E_PARTS; right++)
                        MHC__UNROLL
                    for (int tile = 0; tile < TILES && left + right < parts; tile++) {
                        const uint32_t b[2] = {sh->across[warp][2 * tile * E_PARTS + right][lane],
                                               sh->across[warp][(2 * tile + 1) * E_PARTS + right][lane]};
                        mhc__mma(d_fn[j][h][tile], a, b);
                    }
                }
            }
        }
        if (SEAM)
            merge_back_tile<E>(p, item, tokens, c, sh);
    }
    if (SEAM)
        mhc__sync_block(); /* d_fn takes the place of the dots */
    MHC__UNROLL
    for (int j = 0; j < N; j++)
        MHC__UNROLL
    for (int h = 0; h < 2; h++)
        MHC__UNROLL
    for (int tile = 0; tile < TILES; tile++)
        MHC__UNROLL
    for (int k = 0; k < 4; k++) {
        const int n = lane / 4, q = 2 * h + k / 2;
        sh->d_fn[tile * 8 + lane % 4 * 2 + k % 2][j][warp * SPAN + 8 * (n / 2) + 2 * q + n % 2] = d_fn[j][h][tile][k];
    }
    mhc__sync_block();
    add_d_fn<E>(p, item, sh);
}

template <typename E, bool LATE, bool SEAM>
MHC__KERNEL __launch_bounds__(THREADS, sizeof(E) == 2 ? 2 : 1) pre_back_pipeline(MHC__GIVEN params p) {
    shared<E> *sh = (shared<E> *)mhc__shared();
    mhc__item item;
    if (threadIdx.x == 0)
        sh->kept = -1;
    while (mhc__pipeline_draw(&p.pipeline, &sh->slot, &item)) {
        if (item.stage == MHC__STAGE_NONE)
            continue;
        mhc__pipeline_wait(&p.pipeline, item);
        if (item.stage == MHC__STAGE_FIRST)
            first_stage<E>(p, item);
        else if (item.stage == MHC__STAGE_MIDDLE)
            middle_stage<E>(p, item, sh);
        else if (item.stage == MHC__STAGE_LAST)
            last_stage<E, LATE, SEAM>(p, item, sh);
        else
            finish_stage(p, item);
        mhc__pipeline_done(&p.pipeline, item);
    }
}

/* Sums of base and scale over the groups, in order; a sum to a thread. */
MHC__KERNEL add_sums(MHC__GIVEN params p) {
    const int k = (int)threadIdx.x, logits = p.shape.logits;
    if (k >= logits + 3)
        return;
    double sum = 0.0;
    for (int group = 0; group < p.pipeline.groups; group++)
        sum += p.sums[(int64_t)group * SUMS + k];
    float *gradient = k < logits ? p.back.gradients.base + k : p.back.gradients.scale + (k - logits);
    *gradient += (float)sum;
}

int64_t aligned(int64_t bytes) {
    return mhc__blocks(bytes, 256) * 256;
}

/* Ints that are zero at the beginning: the pipeline's, then `added`. */
int64_t counter_bytes(const mhc__shape *s, int64_t tokens) {
    int64_t counters = mhc__pipeline_counters(mhc__blocks(tokens, TOKENS)) + mhc__blocks(s->channels, SLICE);
    return aligned(counters * (int64_t)sizeof(int));
}

int64_t partial_bytes(const mhc__shape *s, int64_t tokens) {
    int64_t groups = mhc__min(MHC__RING, mhc__blocks(tokens, TOKENS));
    return aligned(groups * mhc__blocks(s->channels, SLICE) * N * TOKENS * (int64_t)sizeof(float));
}

int64_t dots_bytes(const mhc__shape *s, int64_t tokens) {
    return partial_bytes(s, tokens) / N * DOTS;
}

int64_t row_bytes(int64_t tokens) {
    return aligned(tokens * ROW * (int64_t)sizeof(float));
}

template <typename E, bool LATE, bool SEAM> mhc_status run(const mhc__cuda_call *call, params p) {
    int blocks = 0;
    MHC__TRY(
        mhc__resident(pre_back_pipeline<E, LATE, SEAM>, THREADS, sizeof(shared<E>), call->name, &blocks, call->error));
    p.pipeline.lag = mhc__pipeline_lag(blocks, p.pipeline.slices);
    MHC__TRY(mhc__clear(p.pipeline.counters, (size_t)counter_bytes(call->shape, call->tokens), call->queue, call->name,
                        call->error));
    MHC__TRY(mhc__launch(pre_back_pipeline<E, LATE, SEAM>, mhc__min(blocks, mhc__pipeline_items(&p.pipeline)), THREADS,
                         sizeof(shared<E>), call->queue, p, call->name, call->error));
    return mhc__launch(add_sums, 1, 32, 0, call->queue, p, call->name, call->error);
}

} // namespace

size_t mhc__cuda_pre_back_pipeline_workspace(const mhc__shape *s, int64_t tokens) {
    int64_t sums = mhc__blocks(tokens, TOKENS) * SUMS * (int64_t)sizeof(double);
    return (size_t)(counter_bytes(s, tokens) + partial_bytes(s, tokens) + dots_bytes(s, tokens) + row_bytes(tokens) +
                    sums);
}

bool mhc__cuda_pre_back_pipeline_takes(const mhc__cuda_call *call, const mhc__cuda_pre_back *back,
                                       const mhc__cuda_merge_back *below) {
    const mhc__shape *s = call->shape;
    mhc_type type = s->type;
    bool fits = s->n == N && s->dynamic && !s->per_stream && s->width <= WIDTH && s->channels % 8 == 0 &&
                s->channels < 1 << 30 && call->tokens < 1 << 30;
    bool aligned = mhc__aligned_streams(back->x, type) && mhc__aligned_rows(back->du, type) &&
                   mhc__aligned_streams(back->dout, type) && mhc__aligned_streams(back->dx, type);
    if (below)
        aligned = aligned && mhc__aligned_streams(below->x, type) && mhc__aligned_rows(below->z, type) &&
                  mhc__aligned_rows(below->dz, type);
    int64_t items = 2 * (mhc__blocks(call->tokens, TOKENS) + 2 * MHC__RING) * (mhc__blocks(s->channels, SLICE) + 1);
    size_t memory = type == MHC_FP32 ? sizeof(shared<float>) : sizeof(shared<mhc__bf16>); /* and of fp16 */
    return fits && aligned && memory <= mhc__most_shared() && call->tokens > 0 && items < 0x7fffffff;
}

mhc_status mhc__cuda_pre_back_pipeline(const mhc__cuda_call *call, const mhc__cuda_pre_back *back,
                                       const mhc__cuda_merge_back *below) {
    const mhc__shape *s = call->shape;
    char *at = (char *)call->workspace;
    params p = {*back, {}, *call->spec, *s, {}, call->tokens, s->channels, NULL, NULL, NULL, NULL, NULL};
    if (below)
        p.below = *below;
    p.pipeline.groups = (int)mhc__blocks(call->tokens, TOKENS);
    p.pipeline.slices = (int)mhc__blocks(s->channels, SLICE);
    p.pipeline.has_last = true;
    p.pipeline.has_finish = below != NULL;
    p.pipeline.counters = (int *)at;
    p.added = p.pipeline.counters + mhc__pipeline_counters(p.pipeline.groups);
    at += counter_bytes(s, call->tokens);
    p.partial = (float *)at;
    at += partial_bytes(s, call->tokens);
    p.dots = (float *)at;
    at += dots_bytes(s, call->tokens);
    p.rows = (float *)at;
    p.sums = (double *)(at + row_bytes(call->tokens));
#define RUN(E)                                                                                                         \
    return below             ? run<E, true, true>(call, p)                                                             \
           : back->dout.data ? run<E, true, false>(call, p)                                                            \
                             : run<E, false, false>(call, p)
    MHC__BY_TYPE(s->type, RUN);
#undef RUN
}
