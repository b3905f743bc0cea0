/* What pre_pipeline.cu and pre_few.cu do with the tokens of a site of four streams with the flat norm. Both add up in
 * the order of this file, so a token has the same bits in both: products and squares of STEP channels from zero on,
 * those of a slice in order, then the slices (cuda/crew_sums.h).
 *
 * A warp multiplies all 24 rows of fn with 16 tokens, which are the columns of two products: what mma wants of them is
 * two words that follow each other, of two neighbouring columns of X each. Since the order of the columns of X is
 * nobody's business, a thread takes the eight that it loads with 16 bytes, and fn is laid out to match.
 *
 * The file that includes this one has included cuda/arithmetic.h for four streams before. */
#ifndef MHC_STREAM_PRE_STAGES_H
#define MHC_STREAM_PRE_STAGES_H

#include "stream/cuda/crew_sums.h"
#include "stream/cuda/operations.h"
#include "stream/cuda/tensor.h"
#include "stream/mapping/norm.h"

namespace {

constexpr int N = 4, WIDTH = N * (N + 2);
constexpr int TILES = WIDTH / 8; /* of eight rows of fn */
constexpr int SUMS = WIDTH + 1;  /* products and the sum of squares */
constexpr int ROWS = 16;         /* tokens of a warp: a thread has token lane / 4 and the one 8 further */
constexpr int STEP = 32;         /* channels of a warp's loads: 8 to a thread, those from lane % 4 * 8 on */
constexpr int SLICE_BYTES = 256; /* of a stream of a token */
constexpr int FN_PARTS = 3;
constexpr int SQUARERS = 128; /* threads that take a sum of squares in double */

template <typename E> struct slice_of {
    static constexpr int CHANNELS = SLICE_BYTES / (int)sizeof(E), STEPS = CHANNELS / STEP, EIGHTHS = CHANNELS / 8;
};

inline int64_t slices_of(const mhc__shape *s) {
    return mhc__blocks(s->channels * mhc_type_size(s->type), SLICE_BYTES);
}

struct site_call {
    mhc__cuda_pre pre;
    mhc__cuda_merge merge;
    mhc_spec spec;
    mhc__shape shape;
    int64_t tokens, channels;
};

inline site_call call_of(const mhc__cuda_call *its, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre) {
    const mhc__shape *s = its->shape;
    site_call c = {*pre, {}, *its->spec, *s, its->tokens, s->channels};
    if (merge)
        c.merge = *merge;
    return c;
}

/* Four streams with the flat norm and few enough logits; everything in whole packs of 16 bytes. */
inline bool takes(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *pre) {
    const mhc__shape *s = call->shape;
    const mhc_type type = s->type;
    bool fits = s->n == N && s->dynamic && !s->per_stream && s->width <= WIDTH && s->channels % 8 == 0 &&
                s->channels < 1 << 30 && call->tokens < 1 << 30;
    bool aligned = mhc__aligned_streams(pre->x, type) && mhc__aligned_rows(pre->u, type) &&
                   ((uintptr_t)pre->params.fn | (uintptr_t)pre->norm.weight) % 16 == 0;
    if (merge)
        aligned = aligned && mhc__aligned_streams(merge->x, type) && mhc__aligned_rows(merge->z, type);
    return fits && aligned && call->tokens > 0;
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

/* A thread's part of fn for a step and a stream, eight columns of rows lane / 4, 8 + lane / 4 and 16 + lane / 4, split.
 * A chunk is half of them, of which mma wants, of 16 rows: words 2 chunk of both rows, then words 2 chunk + 1.
 *
 *     fragment   0, 1, 2: part 0, 1, 2 of rows 0 to 15   3: parts 0 and 1 of rows 16 to 23   4: zeros, part 2 of those
 */
struct fn_split {
    uint32_t word[TILES][FN_PARTS][4];
};

MHC__DEVICE void fragment_of(const fn_split &fn, int chunk, int which, uint32_t a[4]) {
    MHC__UNROLL
    for (int k = 0; k < 2; k++) {
        const int at = 2 * chunk + k;
        a[2 * k] = which < 3 ? fn.word[0][which][at] : which == 3 ? fn.word[2][0][at] : 0;
        a[2 * k + 1] = which < 3 ? fn.word[1][which][at] : fn.word[2][which == 3 ? 1 : 2][at];
    }
}

/* Eight columns of all streams of two tokens, as they are stored: 16 tokens of a warp. */
template <typename E> struct step_of { mhc__eight<E> x[N][2]; };

/* One of the two: token t, columns from c on, of X; zeros where there is no token or no column. */
template <typename E, bool ONCE>
MHC__DEVICE void load_half(const site_call &p, int64_t t, int64_t c, int half, step_of<E> *step) {
    const bool here = t < p.tokens && c < p.channels;
    const E *from = mhc__at<E>(p.pre.x, here ? t : 0, 0) + (here ? c : 0);
    MHC__UNROLL
    for (int j = 0; j < N; j++)
        step->x[j][half] = here ? mhc__load_eight<E, ONCE>(from + j * p.pre.x.stream_stride) : mhc__zero_eight<E>();
}

/* post and res of a token, in the order of their loads. */
struct merging {
    float post[N], res[N][N];
};

MHC__DEVICE void load_merging(const site_call &p, int64_t t, merging *m) {
    const float *post = p.merge.coefficients + t * p.shape.coefficients + N;
    for (int i = 0; i < N; i++) {
        m->post[i] = post[i];
        for (int j = 0; j < N; j++)
            m->res[i][j] = post[N + i * N + j];
    }
}

/* X' of a token's eight columns, as it is stored and has been. In the order of merge.cu. */
template <typename E>
MHC__DEVICE void merge_eight(const site_call &p, int64_t t, int64_t c, const merging &m, mhc__eight<E> out[N]) {
    mhc__eight<E> x[N], z;
    MHC__UNROLL
    for (int j = 0; j < N; j++)
        x[j] = mhc__load_eight<E, true>(mhc__at<E>(p.merge.x, t, j) + c);
    z = mhc__load_eight<E, true>(mhc__at<E>(p.merge.z, t) + c);
    MHC__UNROLL
    for (int k = 0; k < 4; k++) {
        float from[N + 1][2];
        MHC__UNROLL
        for (int j = 0; j <= N; j++)
            mhc__eight_pair(j < N ? x[j] : z, k, &from[j][0], &from[j][1]);
        MHC__UNROLL
        for (int i = 0; i < N; i++) {
            float v[2];
            MHC__UNROLL
            for (int e = 0; e < 2; e++) {
                float sum = m.res[i][0] * from[0][e];
                MHC__UNROLL
                for (int j = 1; j < N; j++)
                    sum = fmaf(m.res[i][j], from[j][e], sum);
                v[e] = fmaf(m.post[i], from[N][e], sum);
            }
            mhc__eight_set(&out[i], k, v[0], v[1]);
        }
    }
    MHC__UNROLL
    for (int i = 0; i < N; i++)
        mhc__store_eight(mhc__at<E>(p.merge.out, t, i) + c, out[i]);
}

/* As load_half, of X'. */
template <typename E>
MHC__DEVICE void merge_half(const site_call &p, int64_t t, int64_t c, int half, const merging &m, step_of<E> *step) {
    mhc__eight<E> out[N];
    MHC__UNROLL
    for (int j = 0; j < N; j++)
        out[j] = mhc__zero_eight<E>();
    if (t < p.tokens && c < p.channels)
        merge_eight<E>(p, t, c, m, out);
    MHC__UNROLL
    for (int j = 0; j < N; j++)
        step->x[j][half] = out[j];
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

/* The weights of u of a token where the schedule is shifted: one-hot on stream 0 where nothing is carried. */
MHC__DEVICE void known_weights(const site_call &p, int64_t t, float w[N]) {
    for (int j = 0; j < N; j++)
        w[j] = p.pre.carried ? p.pre.carried[t * p.shape.coefficients + j] : j == 0 ? 1.0f : 0.0f;
}

/* Of a site's own pre, from its logits; as they are among the coefficients. */
MHC__DEVICE void own_weights(const site_call &p, const float mix[WIDTH], float w[N]) {
    float logits[WIDTH];
    mhc__shape its = p.shape;
    its.logits = its.pre;
    mhc__logits_lanes(&p.spec, &its, 1, 1, mix, WIDTH, p.pre.params.scale, p.pre.params.base, logits, NULL);
    mhc__gate_forward(&p.spec.pre, N, 1, logits, w);
}

/* A thread's share of the sums of 16 tokens, which are two halves of 8: of each half the products of tokens 2 (lane %
 * 4) and the one after with row lane / 4 of each tile; and the squares of token lane / 4, which are valid where
 * owns_squares. */
struct sums {
    float product[2][TILES][2], square[2];
};

MHC__DEVICE bool owns_squares() {
    const int lane = mhc__thread() % 32;
    return lane % 4 == lane / 8;
}

MHC__DEVICE void clear(sums *s) {
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        MHC__UNROLL
        for (int tile = 0; tile < TILES; tile++)
            s->product[half][tile][0] = s->product[half][tile][1] = 0.0f;
        s->square[half] = 0.0f;
    }
}

/* Squares of a step. Of bf16, whose products are exact, on the diagonals of products of the tokens with themselves: a
 * pair of words, each of which is eight rows, with either of them. Entry t, t is with lane 4 t + t / 2. */
MHC__DEVICE void add_squares(const step_of<mhc__bf16> &step, float square[2]) {
    const bool odd = mhc__thread() & 4;
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        float first[4] = {0.0f, 0.0f, 0.0f, 0.0f}, second[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        MHC__UNROLL
        for (int k = 0; k < 4 * N; k += 2) {
            uint32_t word[4][1];
            mhc__eight_parts(step.x[k / 4][half], word);
            const uint32_t a[2] = {word[k % 4][0], word[k % 4 + 1][0]};
            mhc__mma8(first, a, a[0]);
            mhc__mma8(second, a, a[1]);
        }
        square[half] += odd ? first[1] + second[3] : first[0] + second[2];
    }
}

template <typename E> MHC__DEVICE void add_squares(const step_of<E> &step, float square[2]) {
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        float sum = 0.0f;
        MHC__UNROLL
        for (int j = 0; j < N; j++) {
            float x[8];
            mhc__values(step.x[j][half], x);
            MHC__UNROLL
            for (int k = 0; k < 8; k++)
                sum = fmaf(x[k], x[k], sum);
        }
        sum += mhc__shuffle_xor(sum, 1);
        sum += mhc__shuffle_xor(sum, 2);
        square[half] += sum;
    }
}

/* Adds a step. fn_of(fn, stream) is what fragment_of takes. parts: of the products, mhc__parts_of(precision).
 *
 * A tensor core cuts what it adds to, it does not round: small products are added up before the large ones or, where X
 * has to be split, which is done once, apart from them. */
template <typename E, typename FN>
MHC__DEVICE void add_step(const step_of<E> &step, const FN &fn, int parts, sums *total) {
    constexpr int PARTS = mhc__parts_of((const E *)0);
    constexpr bool APART = PARTS > 1;
    constexpr int SUMS_OF = APART ? 3 : 2; /* rows 0 to 15, part 0 and the others of rows 16 to 23, small ones apart */
    add_squares(step, total->square);
    float product[2][SUMS_OF][4];
    MHC__UNROLL
    for (int k = 0; k < 8 * SUMS_OF; k++)
        product[k / 4 % 2][k / 8][k % 4] = 0.0f;
    MHC__UNROLL
    for (int k = 0; k < (APART ? N : 2 * N); k++) { /* not apart: once for the small ones, once for the large */
        const int j = k % N;
        const auto its = fn_of(fn, j);
        uint32_t word[2][4][PARTS];
        mhc__eight_parts(step.x[j][0], word[0]);
        mhc__eight_parts(step.x[j][1], word[1]);
        MHC__UNROLL
        for (int chunk = 0; chunk < 2; chunk++)
            MHC__UNROLL
        for (int which = 0; which < 5; which++) {
            const int right = which < 3 ? which : which == 3 ? 0 : 2;
            if (!APART && (right == 0) != (k >= N))
                continue;
            uint32_t a[4];
            fragment_of(its, chunk, which, a);
            MHC__UNROLL
            for (int left = 0; left < PARTS; left++)
                MHC__UNROLL
            for (int half = 0; half < 2 && left + right < parts; half++) {
                const uint32_t b[2] = {word[half][2 * chunk][left], word[half][2 * chunk + 1][left]};
                mhc__mma(product[half][which >= 3 ? 1 : APART && left + right > 0 ? 2 : 0], a, b);
            }
            if (APART)
                mhc__sync_warp(); /* there are no registers to begin the next before */
        }
    }
    MHC__UNROLL
    for (int half = 0; half < 2; half++)
        MHC__UNROLL
    for (int e = 0; e < 2; e++) {
        const auto &of = product[half];
        total->product[half][0][e] += APART ? of[0][e] + of[SUMS_OF - 1][e] : of[0][e];
        total->product[half][1][e] += APART ? of[0][2 + e] + of[SUMS_OF - 1][2 + e] : of[0][2 + e];
        total->product[half][2][e] += of[1][e] + (parts > 1 ? of[1][2 + e] : 0.0f);
    }
}

/* To memory: sum number k of row r at [k * stride + r], from this warp's rows on. */
MHC__DEVICE void leave(const sums &s, float *memory, int stride) {
    const int lane = mhc__thread() % 32, token = lane % 4 * 2;
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        MHC__UNROLL
        for (int tile = 0; tile < TILES; tile++)
            MHC__UNROLL
        for (int e = 0; e < 2; e++)
            memory[(tile * 8 + lane / 4) * stride + 8 * half + token + e] = s.product[half][tile][e];
        if (owns_squares())
            memory[WIDTH * stride + 8 * half + lane / 4] = s.square[half];
    }
}

/* The sum of squares of a token, from that in fp32: in double where it leaves the range of fp32. By the whole block, of
 * at least SQUARERS threads; part [SQUARERS]. For thread 0. */
template <typename E> MHC__DEVICE double squares_of(const site_call &p, int64_t t, float plain, double *part) {
    if (mhc__squares_in_range(plain))
        return (double)plain;
    double sum = 0.0;
    if (mhc__thread() < SQUARERS) {
        for (int j = 0; j < N; j++)
            for (int64_t c = mhc__thread(); c < p.channels; c += SQUARERS) {
                double x = (double)mhc__value(mhc__at<E>(p.pre.x, t, j)[c]);
                sum += x * x;
            }
        part[mhc__thread()] = sum;
    }
    mhc__sync_block();
    for (int k = 0; k < SQUARERS && mhc__thread() == 0; k++)
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
