/* Gradient of pre, and of the seam, of four streams with the flat norm, by crews (cuda/crew.h): x and du are read from
 * memory once, dout (or dx) once, dx is written once.
 *
 * A block walks over tiles of 16 tokens of its slice. It is two tiles ahead with
 *
 *     dots      partial <du, X_j>, from which one block of the crew, by turns, makes the gradients of pre
 *
 * and while that is under way does what needs them with an earlier tile, whose x and du come from the L2 cache:
 *
 *     spread    dx_j = sum_i res_ij dout_i + pre_j du + sum_k e_k fn_k - s r x;   d_fn_k += sum_t e_k x;
 *               of the merge below dz and partial dots of dx with its z and x, which the crew adds two tiles later
 *
 * What does not depend on the dots, e and s of the other logits, the constraint's long way back, has been made by a
 * kernel before.
 *
 * Both products are on tensor cores. A warp has 32 channels of all streams; some tiles are a range, over which it
 * keeps its part of d_fn in registers; ranges add theirs to the gradient in their order. The words of x that a thread
 * loads, two channels of a token, become words of two tokens of a channel by transposing 8 x 8 of them within the warp.
 *
 * Channels of a warp: lane (row, quad) loads 8 quad .. 8 quad + 7; word q of those has the columns 2 quad and 2 quad +
 * 1 of a matrix of tokens x 8, whose column n is channel 8 (n / 2) + 2 q + n % 2. */
#define MHC__MOST_STREAMS 4
#include "stream/cuda/arithmetic.h"

#include "stream/pre/pre_back_stages.h"

namespace {

/* fn of a slice as the product for dx reads it: of each warp, stream and word q, for each part three words to a lane,
 * channel number lane / 4 of the matrix at rows 2 quad, 8 + 2 quad and 16 + 2 quad and those after them. */
template <typename E> MHC__DEVICE void keep_fn(const params &p, int slice, shared<E> *sh) {
    constexpr int PARTS = share_parts_of((const E *)0), ALL = WARPS * N * 4 * 3 * 32, TOGETHER = 8; /* loads */
    static_assert(ALL % (THREADS * TOGETHER) == 0, "");
    for (int begin = (int)threadIdx.x; begin < ALL; begin += THREADS * TOGETHER) {
        float v[TOGETHER][2];
        MHC__UNROLL
        for (int i = 0; i < TOGETHER; i++) {
            const int at = begin + i * THREADS, n = at % 32 / 4, row = 8 * (at / 32 % 3) + at % 4 * 2;
            const int q = at / 96 % 4, j = at / 384 % N, warp = at / 384 / N;
            const int64_t c = (int64_t)slice * SLICE + warp * SPAN + 8 * (n / 2) + 2 * q + n % 2;
            MHC__UNROLL
            for (int e = 0; e < 2; e++)
                v[i][e] = c < p.channels && row + e < p.shape.width
                              ? p.back.params.fn[((row + e) * N + j) * p.channels + c]
                              : 0.0f;
        }
        MHC__UNROLL
        for (int i = 0; i < TOGETHER; i++) {
            const int at = begin + i * THREADS, lane = at % 32, k = at / 32 % 3;
            const int q = at / 96 % 4, j = at / 384 % N, warp = at / 384 / N;
            uint32_t word[PARTS];
            mhc__split(v[i][0], v[i][1], PARTS, word);
            MHC__UNROLL
            for (int part = 0; part < PARTS; part++)
                if (k < 2)
                    sh->fn[warp][j][q][part][lane][k] = word[part];
                else
                    sh->fn_rest[warp][j][q][part][lane] = word[part];
        }
    }
}

/* e of 16 tokens: for each part six words, two rows of fn of a token: tokens row and row + 8 of the rows 2 quad.., then
 * both of those 8 further, then 16. */
MHC__DEVICE void load_e(const params &p, int first, int lane, uint32_t word[6][E_PARTS]) {
    MHC__UNROLL
    for (int k = 0; k < 6; k++) {
        const int t = first + lane / 4 + 8 * (k % 2), row = k / 2 * 8 + lane % 4 * 2, width = p.shape.width;
        const float *e = p.e + (int64_t)t * width + row;
        const float low = t < p.tokens && row < width ? e[0] : 0.0f;
        const float high = t < p.tokens && row + 1 < width ? e[1] : 0.0f;
        mhc__split(low, high, E_PARTS, word[k]);
    }
}

/* dout of a tile, out of the way of dx, which may take its place, and of the registers. */
template <typename E> MHC__DEVICE void stage_dout(const params &p, const place &at, shared<E> *sh) {
    const int c = column_of(at.slice), own = mhc__thread();
    MHC__UNROLL
    for (int half = 0; half < 2; half++) {
        const int t = at.first + own % 32 / 4 + 8 * half;
        const bool here = t < p.tokens && c < p.channels;
        MHC__UNROLL
        for (int i = 0; i < N; i++) {
            const mhc__eight<E> dout =
                here ? mhc__load_eight<E, true>(mhc__at<E>(p.back.dout, t, i) + c) : mhc__zero_eight<E>();
            MHC__UNROLL
            for (int k = 0; k < (int)sizeof(E) / 2; k++)
                mhc__store(sh->dout[half][i][k][own], dout.raw[k]);
        }
    }
}

template <typename E> MHC__DEVICE void staged_dout(const shared<E> *sh, int half, int i, float v[8]) {
    mhc__eight<E> dout;
    MHC__UNROLL
    for (int k = 0; k < (int)sizeof(E) / 2; k++)
        dout.raw[k] = mhc__load(sh->dout[half][i][k][mhc__thread()]);
    mhc__values(dout, v);
}

/* What dx has beside fn's part, at eight channels of a token; its: x there. */
template <typename E, bool LATE>
MHC__DEVICE void around(const params &p, int t, int c, int j, int half, const shared<E> *sh, const mhc__eight<E> &its,
                        float out[8]) {
    const float *coefficients = p.back.coefficients + (int64_t)t * p.shape.coefficients, *res = coefficients + 2 * N;
    float pre = coefficients[j], v[8];
    if (p.shape.shifted)
        pre = p.back.carried ? p.back.carried[(int64_t)t * p.shape.coefficients + j] : j == 0 ? 1.0f : 0.0f;
    const float s = p.s[t], r = p.back.saved[(int64_t)t * p.shape.saved + p.shape.width];
    if (!LATE)
        mhc__load8(mhc__at<E>(p.back.dx, t, j) + c, out);
    MHC__UNROLL
    for (int i = 0; i < N && LATE; i++) {
        staged_dout(sh, half, i, v);
        MHC__UNROLL
        for (int k = 0; k < 8; k++)
            out[k] = i == 0 ? res[j] * v[k] : fmaf(res[i * N + j], v[k], out[k]);
    }
    float x[8];
    mhc__load8(mhc__at<E>(p.back.du, t) + c, v); /* once for each stream: registers are dearer */
    mhc__values(its, x);
    MHC__UNROLL
    for (int k = 0; k < 8; k++)
        out[k] = fmaf(-s, r * x[k], fmaf(pre, v[k], out[k]));
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

/* Of a tile: the dots of a slice are the sums over its warps. */
template <typename E> MHC__DEVICE void merge_back(const params &p, const place &at, shared<E> *sh) {
    const int own = mhc__thread(), lane = own % 32, warp = own / 32, turn = at.turn % 2;
    MHC__ROLLED
    for (int half = 0; half < 2; half++) {
        const int row = lane / 4 + 8 * half;
        float dot[DOTS];
        merge_back8<E>(p, at.first + row, column_of(at.slice), dot);
        MHC__UNROLL
        for (int k = 0; k < DOTS; k++)
            if (lane % 4 == 0)
                sh->merged[turn][warp][k][row] = dot[k];
    }
    mhc__sync_block(); /* the place of the other turn is written only after the next one */
    for (int k = own; k < DOTS * TOKENS; k += THREADS) {
        const float *first = (const float *)sh->merged[turn] + k;
        float sum = first[0];
        MHC__UNROLL
        for (int w = 1; w < WARPS; w++)
            sum += first[w * DOTS * TOKENS];
        merged_of(p, at.turn)[at.slice * DOTS * TOKENS + k] = sum;
    }
}

/* post and res of d_coefficients of the site below: this block's share of a tile's. */
MHC__DEVICE void write_merged(const params &p, const place &at) {
    const int slices = p.crews.slices, all = DOTS * QUADS;
    for (int first = at.slice; first < all; first += THREADS / MHC__CHAINS * slices) {
        const int k = first + mhc__thread() / MHC__CHAINS * slices;
        const int t = at.first + k % QUADS * 4 + mhc__thread() % MHC__CHAINS;
        float sum[4];
        mhc__crew_sum<DOTS, TOKENS>(merged_of(p, at.turn), slices, k < all, k / QUADS, k % QUADS, sum);
        if (k < all && t < p.tokens)
            p.below.d_coefficients[(int64_t)t * p.shape.coefficients + N + k / QUADS] = mhc__crew_sum_own(sum);
    }
}

/* This thread's part of d_fn: stream, 16 channels, 8 rows of fn. */
struct fn_part {
    float of[N][2][TILES][4];
};

MHC__DEVICE void clear(fn_part *d_fn) {
    MHC__UNROLL
    for (int j = 0; j < N; j++)
        MHC__UNROLL
    for (int h = 0; h < 2; h++)
        MHC__UNROLL
    for (int tile = 0; tile < TILES; tile++)
        MHC__UNROLL
    for (int e = 0; e < 4; e++)
        d_fn->of[j][h][tile][e] = 0.0f;
}

/* A tensor core cuts what it adds to: sums of products begin with the smallest, and are added to what is there. */
template <typename E, bool LATE>
MHC__DEVICE void spread(const params &p, const place &at, shared<E> *sh, fn_part *d_fn) {
    constexpr int PARTS = mhc__parts_of((const E *)0), SHARES = share_parts_of((const E *)0);
    const int parts = mhc__parts_of(p.spec.precision), shares = parts < SHARES ? parts : SHARES;
    const int lane = mhc__thread() % 32, warp = mhc__thread() / 32;
    const int c = column_of(at.slice), t0 = at.first + lane / 4;
    uint32_t e[6][E_PARTS];
    load_e(p, at.first, lane, e);
    MHC__UNROLL
    for (int k = 0; k < 6; k++)
        MHC__UNROLL
    for (int part = 0; part < E_PARTS; part++) {
        sh->right[warp][part][k / 2][lane][k % 2] = mhc__transposed(e[k][part]);
        if (part < SHARES)
            (k < 4 ? sh->left[warp][part][lane] + k : sh->left_rest[warp][part][lane] + (k - 4))[0] = e[k][part];
    }
    MHC__UNROLL
    for (int j = 0; j < N; j++) {
        mhc__eight<E> x[2];
        float out[2][8];
        MHC__UNROLL
        for (int half = 0; half < 2; half++) {
            const int t = t0 + 8 * half;
            x[half] = mhc__zero_eight<E>();
            MHC__UNROLL
            for (int k = 0; k < 8; k++)
                out[half][k] = 0.0f;
            if (t < p.tokens && c < p.channels) {
                x[half] = mhc__load_eight(mhc__at<E>(p.back.x, t, j) + c);
                around<E, LATE>(p, t, c, j, half, sh, x[half], out[half]);
            }
        }
        MHC__UNROLL
        for (int q = 0; q < 4; q++) { /* dx += e fn */
            float d[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            MHC__UNROLL
            for (int order = SHARES - 1; order >= 0; order--)
                MHC__UNROLL
            for (int right = 0; right <= order && order < shares; right++) {
                const uint32_t *fn = sh->fn[warp][j][q][right][lane], b[2] = {fn[0], fn[1]};
                const uint4 four = mhc__load(sh->left[warp][order - right][lane]);
                const uint32_t a[4] = {four.x, four.y, four.z, four.w};
                mhc__mma(d, a, b);
                mhc__mma8(d, sh->left_rest[warp][order - right][lane], sh->fn_rest[warp][j][q][right][lane]);
            }
            MHC__UNROLL
            for (int k = 0; k < 4; k++)
                out[k / 2][2 * q + k % 2] += d[k];
        }
        MHC__UNROLL
        for (int half = 0; half < 2; half++)
            if (t0 + 8 * half < p.tokens && c < p.channels)
                mhc__store8(mhc__at<E>(p.back.dx, t0 + 8 * half, j) + c, out[half]);
        MHC__UNROLL
        for (int h = 0; h < 2; h++) { /* d_fn += x e: channels by tokens, tokens by rows of fn */
            uint32_t word[2][4][PARTS], a[PARTS][4];
            mhc__eight_parts(x[0], word[0]);
            mhc__eight_parts(x[1], word[1]);
            MHC__UNROLL
            for (int left = 0; left < PARTS; left++)
                MHC__UNROLL
            for (int k = 0; k < 4; k++)
                a[left][k] = mhc__transposed(word[k / 2][2 * h + k % 2][left]);
            MHC__UNROLL
            for (int tile = 0; tile < TILES; tile++) {
                float d[4] = {0.0f, 0.0f, 0.0f, 0.0f};
                MHC__UNROLL
                for (int order = E_PARTS - 1; order >= 0; order--)
                    MHC__UNROLL
                for (int left = 0; left < PARTS && left <= order && order < parts; left++)
                    mhc__mma(d, a[left], sh->right[warp][order - left][tile][lane]);
                MHC__UNROLL
                for (int k = 0; k < 4; k++)
                    d_fn->of[j][h][tile][k] += d[k];
            }
        }
    }
}

/* The part of d_fn of a range is added to the gradient when it is its turn. */
template <typename E> MHC__DEVICE void add_d_fn(const params &p, const place &at, shared<E> *sh, const fn_part &d_fn) {
    const int own = mhc__thread(), lane = own % 32, warp = own / 32, n = lane / 4;
    mhc__sync_block(); /* it takes the place of the dots */
    MHC__UNROLL
    for (int j = 0; j < N; j++)
        MHC__UNROLL
    for (int h = 0; h < 2; h++)
        MHC__UNROLL
    for (int tile = 0; tile < TILES; tile++)
        MHC__UNROLL
    for (int k = 0; k < 4; k++) {
        const int q = 2 * h + k / 2;
        sh->d_fn[tile * 8 + lane % 4 * 2 + k % 2][j][warp * SPAN + 8 * (n / 2) + 2 * q + n % 2] =
            d_fn.of[j][h][tile][k];
    }
    mhc__sync_block();
    const int c = at.slice * SLICE + own % 32 * 4, rows = p.shape.width * N;
    for (int step = 0; step < FN_STEPS; step++) { /* so that the next range can begin with what this one is done with */
        int *added = p.added + at.slice * FN_STEPS + step;
        const int first = step * FN_ROWS + own / 32;
        float v[FN_ROWS / WARPS][4], part[4];
        if (own == 0)
            mhc__acquire_wait(added, at.range);
        mhc__sync_block();
        MHC__UNROLL
        for (int k = 0; k < FN_ROWS / WARPS; k++)
            if (first + k * WARPS < rows && c < p.channels)
                mhc__unpack(mhc__load(p.back.gradients.fn + (first + k * WARPS) * p.channels + c), v[k], part);
        MHC__UNROLL
        for (int k = 0; k < FN_ROWS / WARPS; k++) {
            const int row = first + k * WARPS;
            if (row >= rows || c >= p.channels)
                continue;
            mhc__unpack(mhc__load((const float *)sh->d_fn + row * SLICE + own % 32 * 4), part, part);
            MHC__UNROLL
            for (int i = 0; i < 4; i++)
                v[k][i] += part[i];
            mhc__store(p.back.gradients.fn + row * p.channels + c, mhc__packed(v[k], part));
        }
        mhc__sync_block();
        if (own == 0)
            mhc__release_add(added, 1);
    }
}

template <typename E, bool LATE, bool SEAM>
MHC__KERNEL __launch_bounds__(THREADS, sizeof(E) == 2 ? 2 : 1) pre_back_pipeline(MHC__GIVEN params p) {
    shared<E> *sh = (shared<E> *)mhc__shared();
    const int slices = p.crews.slices;
    fn_part d_fn;
    clear(&d_fn);
    ask_for<E, LATE, SEAM>(p, place_of(p, 0));
    keep_fn<E>(p, mhc__crew_slice(p.crews), sh);
    mhc__sync_block();
    int turn = -AHEAD;
    for (;; turn++) {
        const place at = place_of(p, turn), ahead = place_of(p, turn + AHEAD), between = place_of(p, turn + 1);
        loaded<E> v;
        if (ahead.first < p.tokens) {
            load<E>(p, ahead, &v);
            ask_for<E, LATE, SEAM>(p, place_of(p, turn + AHEAD + 1));
        }
        if (SEAM && turn >= 2) {
            mhc__crew_wait(p.crews, MERGED, turn - 2, slices);
            write_merged(p, place_of(p, turn - 2));
        }
        if (ahead.first < p.tokens) {
            leave_dots<E>(p, ahead, v, sh);
            mhc__crew_show(p.crews, DOTTED, turn + AHEAD);
        }
        if (turn >= -1 && between.first < p.tokens && (turn + 1) % slices == at.slice) {
            mhc__crew_wait(p.crews, DOTTED, turn + 1, slices);
            give<E>(p, between, sh);
            mhc__crew_show(p.crews, GIVEN, turn + 1);
        }
        if (turn < 0)
            continue;
        if (at.first >= p.tokens)
            break;
        if (LATE)
            stage_dout<E>(p, at, sh);
        mhc__crew_wait(p.crews, GIVEN, turn, 1);
        spread<E, LATE>(p, at, sh, &d_fn);
        if (SEAM) {
            merge_back<E>(p, at, sh);
            mhc__crew_show(p.crews, MERGED, turn);
        }
        if (is_last_of_range(p, at)) {
            add_d_fn<E>(p, at, sh, d_fn);
            clear(&d_fn);
        }
    }
    if (SEAM) {
        mhc__crew_wait(p.crews, MERGED, turn - 1, slices);
        write_merged(p, place_of(p, turn - 1));
    }
}

/* ------------------------------------------------------------------------------------------------------------ host */

/* Tiles of a range: 8, but of fewer tokens fewer, so that there is work for many crews. What they are depends on the
 * tokens alone. */
int range_of(int64_t tokens) {
    return (int)mhc__min(8, mhc__max(2, mhc__blocks(tokens, TOKENS * 128)));
}

int64_t ranges_of(int64_t tokens) {
    return mhc__blocks(tokens, TOKENS * range_of(tokens));
}

int64_t slices_of(const mhc__shape *s) {
    return mhc__blocks(s->channels, SLICE);
}

struct workspace {
    int *counters, *added;
    size_t counter_bytes; /* of both, which are zero at the beginning */
    float *e, *s, *partial, *dots;
    double *sums;
};

size_t workspace_of(const mhc__shape *s, int64_t tokens, void *memory, workspace *w) {
    mhc__cuda_pieces pieces = {(char *)memory, 0};
    const int64_t slices = slices_of(s), most = mhc__crews_most(slices, ranges_of(tokens));
    w->counters = (int *)mhc__cuda_piece(&pieces, mhc__crews_counter_bytes(slices, ranges_of(tokens)), 1);
    w->added = (int *)mhc__cuda_piece(&pieces, slices * FN_STEPS, sizeof(int));
    w->counter_bytes = pieces.used;
    w->sums = (double *)mhc__cuda_piece(&pieces, (s->logits + 3) * tokens, sizeof(double));
    w->e = (float *)mhc__cuda_piece(&pieces, s->logits * tokens, sizeof(float));
    w->s = (float *)mhc__cuda_piece(&pieces, tokens, sizeof(float));
    w->partial = (float *)mhc__cuda_piece(&pieces, DOT_PLACES * most * slices * N * TOKENS, sizeof(float));
    w->dots = (float *)mhc__cuda_piece(&pieces, MERGED_PLACES * most * slices * DOTS * TOKENS, sizeof(float));
    return pieces.used;
}

/* e, s and sums as far as they do not need the dots. */
mhc_status gates_back(const mhc__cuda_call *call, const mhc__cuda_pre_back *back, const workspace *w) {
    const mhc__cuda_gates_back gates = {mhc__cuda_mixes(call->shape, (float *)back->saved),
                                        back->params.scale,
                                        back->params.base,
                                        back->d_coefficients,
                                        w->e,
                                        w->s,
                                        w->sums,
                                        back->gradients.base,
                                        !call->shape->shifted};
    return mhc__cuda_coefficients_back(call, &gates);
}

mhc_status add_sums(const mhc__cuda_call *call, const mhc__cuda_pre_back *back, const workspace *w) {
    const int logits = call->shape->logits;
    const mhc__cuda_sums sums = {w->sums, logits + 3, logits, back->gradients.base, back->gradients.scale, true};
    return mhc__cuda_add_sums(call, &sums);
}

template <typename E, bool LATE, bool SEAM>
bool run(const mhc__cuda_call *call, params p, const workspace *w, mhc_status *status) {
    void (*const kernel)(params) = pre_back_pipeline<E, LATE, SEAM>;
    int resident = 0;
    if (sizeof(shared<E>) > mhc__most_shared())
        return false;
    *status = mhc__resident(kernel, THREADS, sizeof(shared<E>), call->name, &resident, call->error);
    if (*status != MHC_OK)
        return true;
    p.crews = mhc__crews_of(resident, slices_of(call->shape), ranges_of(call->tokens), w->counters);
    if (p.crews.crews == 0)
        return false;
    *status = mhc__clear(w->counters, w->counter_bytes, call->queue, call->name, call->error);
    if (*status == MHC_OK)
        *status = gates_back(call, &p.back, w);
    if (*status == MHC_OK)
        *status = mhc__launch_together(kernel, p.crews.crews * p.crews.slices, THREADS, sizeof(shared<E>), call->queue,
                                       p, call->name, call->error);
    if (*status == MHC_OK)
        *status = add_sums(call, &p.back, w);
    return true;
}

bool takes(const mhc__cuda_call *call, const mhc__cuda_pre_back *back, const mhc__cuda_merge_back *below) {
    const mhc__shape *s = call->shape;
    const mhc_type type = s->type;
    bool fits = s->n == N && s->dynamic && !s->per_stream && s->width <= WIDTH && s->channels % 8 == 0 &&
                s->channels < 1 << 30 && call->tokens < 1 << 30;
    bool aligned = mhc__aligned_streams(back->x, type) && mhc__aligned_rows(back->du, type) &&
                   mhc__aligned_streams(back->dout, type) && mhc__aligned_streams(back->dx, type) &&
                   (uintptr_t)back->gradients.fn % 16 == 0;
    if (below)
        aligned = aligned && mhc__aligned_streams(below->x, type) && mhc__aligned_rows(below->z, type) &&
                  mhc__aligned_rows(below->dz, type);
    return fits && aligned && call->tokens > 0;
}

} // namespace

size_t mhc__cuda_pre_back_pipeline_workspace(const mhc__shape *s, int64_t tokens) {
    workspace w;
    return workspace_of(s, tokens, NULL, &w);
}

bool mhc__cuda_pre_back_pipeline(const mhc__cuda_call *call, const mhc__cuda_pre_back *back,
                                 const mhc__cuda_merge_back *below, mhc_status *status) {
    workspace w;
    if (!takes(call, back, below))
        return false;
    workspace_of(call->shape, call->tokens, call->workspace, &w);
    params p = {*back, {},  *call->spec, *call->shape,           {},      call->tokens, call->shape->channels,
                w.e,   w.s, w.sums,      range_of(call->tokens), w.added, w.partial,    w.dots};
    if (below)
        p.below = *below;
#define RUN(E)                                                                                                         \
    return below             ? run<E, true, true>(call, p, &w, status)                                                 \
           : back->dout.data ? run<E, true, false>(call, p, &w, status)                                                \
                             : run<E, false, false>(call, p, &w, status)
    MHC__BY_TYPE(call->shape->type, RUN);
#undef RUN
}
