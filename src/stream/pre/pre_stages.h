/* What pre_pipeline.cu and pre_few.cu do with the tokens of a site of four streams with the flat norm. Both add up in
 * the order of this file, so a token has the same bits in both: products and squares of STEP channels from zero on,
 * those of a slice in order, then the slices in order.
 *
 * A warp multiplies 16 tokens with all 24 rows of fn. Its mma wants two neighbouring columns of X in a word, four words
 * far apart; since the order of the columns is nobody's business, a thread takes the eight columns that it loads with
 * 16 bytes, and fn is laid out to match.
 *
 * The file that includes this one has included cuda/arithmetic.h for four streams before. */
#ifndef MHC_STREAM_PRE_STAGES_H
#define MHC_STREAM_PRE_STAGES_H

#include "stream/cuda/operations.h"
#include "stream/cuda/tensor.h"
#include "stream/mapping/norm.h"

namespace {

enum {
    N = 4,
    WIDTH = N * (N + 2),
    TILES = WIDTH / 8, /* of eight rows of fn */
    SUMS = WIDTH + 1,  /* products and the sum of squares */
    ROWS = 16,         /* tokens of a warp: a thread has token lane / 4 and the one 8 further */
    STEP = 32,         /* channels of a warp's loads: 8 to a thread, those from lane % 4 * 8 on */
    SLICE = 128,       /* channels */
    STEPS = SLICE / STEP,
    FN_PARTS = 3,
    SQUARERS = 128 /* threads that take a sum of squares in double */
};

struct site_call {
    mhc__cuda_pre pre;
    mhc__cuda_merge merge;
    mhc_spec spec;
    mhc__shape shape;
    int64_t tokens, channels;
    bool early; /* u is written before the sums: its weights are known, and no norm waits for all of it */
    /* The weights of u where the schedule is shifted, token t's at + t * shape.coefficients; NULL: one-hot on stream 0.
     */
    const float *known;
};

inline site_call call_of(const mhc__cuda_call *its, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre) {
    const mhc__shape *s = its->shape;
    const bool early = pre->u.data && s->shifted && !pre->norm.weight;
    site_call c = {*pre, {}, *its->spec, *s, its->tokens, s->channels, early, pre->carried};
    if (merge)
        c.merge = *merge;
    return c;
}

/* Eight columns of a row of fn; zeros beside fn. */
MHC__DEVICE mhc__eight<float> fn_at(const site_call &p, int row, int stream, int64_t c) {
    if (c < p.channels && row < p.shape.width)
        return mhc__load_eight(p.pre.params.fn + (row * N + stream) * p.channels + c);
    return mhc__zero_eight<float>();
}

template <bool TAME> MHC__DEVICE void split_eight(const float v[8], uint32_t word[FN_PARTS][4]) {
    MHC__UNROLL
    for (int k = 0; k < 4; k++) {
        uint32_t parts[FN_PARTS];
        mhc__split<TAME>(v[2 * k], v[2 * k + 1], FN_PARTS, parts);
        MHC__UNROLL
        for (int part = 0; part < FN_PARTS; part++)
            word[part][k] = parts[part];
    }
}

/* In three parts, each of four words. */
MHC__DEVICE void fn_parts(const mhc__eight<float> &eight, uint32_t word[FN_PARTS][4]) {
    float v[8];
    bool tame = true;
    mhc__values(eight, v);
    MHC__UNROLL
    for (int k = 0; k < 8; k++)
        tame = tame && fabsf(v[k]) <= 0x1p126f;
    if (tame)
        split_eight<true>(v, word);
    else
        split_eight<false>(v, word);
}

/* A token's eight columns of all streams: X, or X' after the merge that writes it. */
template <typename E, bool MERGES>
MHC__DEVICE void streams_of(const site_call &p, int64_t t, int64_t c, float x[N][8]) {
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

/* u = sum_j w_j X_j of eight columns, in the order of the CPU's. */
MHC__DEVICE void collapse8(const float *w, const float x[N][8], float u[8]) {
    for (int k = 0; k < 8; k++) {
        u[k] = w[0] * x[0][k];
        for (int j = 1; j < N; j++)
            u[k] = fmaf(w[j], x[j][k], u[k]);
    }
}

/* The same from X as it lies in memory. */
template <typename E>
MHC__DEVICE void collapse_again(const site_call &p, int64_t t, int64_t c, const float *w, float u[8]) {
    float x[N][8];
    for (int j = 0; j < N; j++)
        mhc__load8(mhc__at<E>(p.pre.x, t, j) + c, x[j]);
    collapse8(w, x, u);
}

/* The weights of u of a token where the schedule is shifted; and in any case, once the token has its coefficients. */
MHC__DEVICE void known_weights(const site_call &p, int64_t t, float w[N]) {
    for (int j = 0; j < N; j++)
        w[j] = p.known ? p.known[t * p.shape.coefficients + j] : j == 0 ? 1.0f : 0.0f;
}

MHC__DEVICE void weights_of_u(const site_call &p, int64_t t, float w[N]) {
    if (p.shape.shifted) {
        known_weights(p, t, w);
        return;
    }
    for (int j = 0; j < N; j++)
        w[j] = p.pre.coefficients[t * p.shape.coefficients + j];
}

/* A thread's share of the sums of 16 tokens: the products of its token, and of the one 8 further, with rows 2 (lane %
 * 4) and the one after of each tile; the squares of both, the same in the four threads that have them. */
struct sums {
    float product[TILES][4], square[2];
};

MHC__DEVICE void clear(sums *s) {
    MHC__UNROLL
    for (int tile = 0; tile < TILES; tile++)
        MHC__UNROLL
    for (int e = 0; e < 4; e++)
        s->product[tile][e] = 0.0f;
    s->square[0] = s->square[1] = 0.0f;
}

/* Adds a step: token t, and the one 8 further, columns c and the seven after. fn_words(fn, stream, tile, words) gives
 * this thread's part of fn: row lane / 4 of the tile, the same columns, in parts of four words. */
template <typename E, bool MERGES, typename FN>
MHC__DEVICE void add_step(const site_call &p, int64_t t, int64_t c, const FN &fn, sums *total) {
    constexpr int PARTS = mhc__parts_of((const E *)0);
    const int parts = mhc__parts_of(p.spec.precision);
    mhc__held<E> held[N][2][4]; /* stream, token, pair of columns */
    sums s;
    clear(&s);
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        const int64_t own = t + 8 * half;
        float x[N][8];
        if (own < p.tokens && c < p.channels) {
            streams_of<E, MERGES>(p, own, c, x);
            if (p.early) {
                float w[N], u[8];
                known_weights(p, own, w);
                collapse8(w, x, u);
                mhc__store8(mhc__at<E>(p.pre.u, own) + c, u);
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
            s.square[half] = fmaf(x[j][2 * k], x[j][2 * k], s.square[half]);
            s.square[half] = fmaf(x[j][2 * k + 1], x[j][2 * k + 1], s.square[half]);
            mhc__hold(x[j][2 * k], x[j][2 * k + 1], &held[j][half][k]);
        }
    }
    MHC__UNROLL
    for (int j = 0; j < N; j++) {
        uint32_t word[2][4][PARTS];
        MHC__UNROLL
        for (int half = 0; half < 2; half++)
            MHC__UNROLL
        for (int k = 0; k < 4; k++)
            mhc__held_parts(held[j][half][k], word[half][k]);
        MHC__UNROLL
        for (int tile = 0; tile < TILES; tile++) {
            uint32_t b[FN_PARTS][4];
            fn_words(fn, j, tile, b);
            MHC__UNROLL
            for (int right = 0; right < FN_PARTS; right++)
                MHC__UNROLL
            for (int left = 0; left < PARTS; left++)
                MHC__UNROLL
            for (int k = 0; k < 4 && left + right < parts; k += 2) {
                const uint32_t a[4] = {word[0][k][left], word[1][k][left], word[0][k + 1][left], word[1][k + 1][left]};
                mhc__mma(s.product[tile], a, b[right] + k);
            }
        }
    }
    MHC__UNROLL
    for (int tile = 0; tile < TILES; tile++)
        MHC__UNROLL
    for (int e = 0; e < 4; e++)
        total->product[tile][e] += s.product[tile][e];
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        s.square[half] += mhc__shuffle_xor(s.square[half], 1);
        s.square[half] += mhc__shuffle_xor(s.square[half], 2);
        total->square[half] += s.square[half];
    }
}

/* To memory: sum number k of row r at [k * stride + r], from this warp's rows on. */
MHC__DEVICE void leave(const sums &s, float *memory, int stride) {
    const int lane = (int)threadIdx.x % 32;
    memory += lane / 4;
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        MHC__UNROLL
        for (int tile = 0; tile < TILES; tile++)
            MHC__UNROLL
        for (int e = 0; e < 2; e++)
            memory[(tile * 8 + lane % 4 * 2 + e) * stride + 8 * half] = s.product[tile][2 * half + e];
        if (lane % 4 == 0)
            memory[WIDTH * stride + 8 * half] = s.square[half];
    }
}

/* The sum of squares of a token, from that in fp32: in double where it leaves the range of fp32. By the whole block, of
 * at least SQUARERS threads; part [SQUARERS]. For thread 0. */
template <typename E> MHC__DEVICE double squares_of(const site_call &p, int64_t t, float plain, double *part) {
    if (mhc__squares_in_range(plain))
        return (double)plain;
    double sum = 0.0;
    if (threadIdx.x < SQUARERS) {
        for (int j = 0; j < N; j++)
            for (int64_t c = threadIdx.x; c < p.channels; c += SQUARERS) {
                double x = (double)mhc__value(mhc__at<E>(p.pre.x, t, j)[c]);
                sum += x * x;
            }
        part[threadIdx.x] = sum;
    }
    mhc__sync_block();
    for (int k = 0; k < SQUARERS && threadIdx.x == 0; k++)
        sum = k == 0 ? part[0] : sum + part[k];
    mhc__sync_block();
    return sum;
}

/* mix of a token from its sums, number k at sum[k * stride]; what is saved is written. */
MHC__DEVICE void mix_of(const site_call &p, int64_t t, const float *sum, int stride, double square, float mix[WIDTH]) {
    float r, g;
    mhc__norm(N * p.channels, p.spec.norm_eps_place, p.spec.norm_eps, square, &r, &g);
    for (int k = 0; k < WIDTH; k++)
        mix[k] = sum[k * stride] * r;
    if (!p.pre.saved)
        return;
    float *saved = p.pre.saved + t * p.shape.saved;
    for (int k = 0; k < p.shape.width; k++)
        saved[k] = mix[k];
    saved[p.shape.width] = r;
    saved[p.shape.width + 1] = g;
}

MHC__DEVICE void coefficients_of(const site_call &p, int64_t t, const float mix[WIDTH]) {
    mhc__forward_lanes(&p.spec, &p.shape, N, 1, 1, mix, WIDTH, p.pre.params.scale, p.pre.params.base,
                       p.pre.coefficients + t * p.shape.coefficients);
}

} // namespace

#endif
