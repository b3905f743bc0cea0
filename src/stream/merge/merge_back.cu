/* The gradient of merge on the device: X, z and dX' are read once; dX, dz and all n (n + 1) dot products come from the
 * same pass. dz and dX have the bits of the CPU. The dot products have a shape of their own, which depends on the
 * channels alone: no token's depends on how many others there are.
 *
 * Where all tokens share the coefficients, the products are summed over 32 tokens at a time, in double over a range of
 * tokens, and at last over the ranges. How tokens are cut into ranges depends on their number alone. */
#include "stream/cuda/columns.h"
#include "stream/cuda/operations.h"
#include "stream/cuda/sums.h"

namespace {

enum { THREADS = 256, CHUNK = 32, RANGES = 512 };

struct params {
    mhc__cuda_merge_back m;
    int64_t tokens, channels, stride; /* between the coefficients of two tokens; 0: all share them */
    int64_t items;                    /* tokens, or ranges of them */
    double *totals;                   /* [items, n (n + 1)]: post, then res, of a range */
    int n;
};

/* Tokens that are summed in fp32: one by itself, or some of a range. */
struct chunk {
    int64_t first, end;
};

/* Of one column: the weight of `in` i is weights[i * step]; in turn, as on the CPU. */
template <int MOST> MHC__DEVICE float combined(int n, const float *weights, int step, const float *in) {
    float sum = weights[0] * in[0];
    for (int i = 1; i < MOST; i++)
        if (i < n)
            sum = fmaf(weights[i * step], in[i], sum);
    return sum;
}

/* Four streams, 16 bytes of each row to a thread. What was read of dX' is used up before dX is written there. */
template <typename E> struct packed_way {
    enum { N = 4, PRODUCTS = N * (N + 1), COUNT = mhc__pack<E>::COUNT };

    MHC__DEVICE int slices(int) {
        return (int)blockDim.x / 32;
    }

    /* post, then res. */
    MHC__DEVICE void dots(const params &p, int64_t t, int64_t c, const float d[N][COUNT], float acc[PRODUCTS]) {
        float y[COUNT];
        mhc__read<COUNT>(mhc__at<E>(p.m.z, t) + c, y);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < COUNT; k++)
                acc[i] = fmaf(d[i][k], y[k], acc[i]);
        for (int j = 0; j < N; j++) {
            mhc__read<COUNT>(mhc__at<E>(p.m.x, t, j) + c, y);
            for (int i = 0; i < N; i++)
                for (int k = 0; k < COUNT; k++)
                    acc[N + i * N + j] = fmaf(d[i][k], y[k], acc[N + i * N + j]);
        }
    }

    /* Weights: every step-th of w. */
    MHC__DEVICE void spread(const float *w, int step, const float d[N][COUNT], E *to) {
        float out[COUNT];
        for (int k = 0; k < COUNT; k++) {
            float column[N];
            for (int i = 0; i < N; i++)
                column[i] = d[i][k];
            out[k] = combined<N>(N, w, step, column);
        }
        mhc__write<COUNT>(out, to);
    }

    MHC__DEVICE void pass(const params &p, chunk tokens, float *parts) {
        float acc[PRODUCTS] = {};
        for (int64_t t = tokens.first; t < tokens.end; t++) {
            float w[PRODUCTS], d[N][COUNT];
            for (int e = 0; e < PRODUCTS; e++)
                w[e] = p.m.coefficients[t * p.stride + N + e];
            for (int64_t c = (int64_t)threadIdx.x * COUNT; c < p.channels; c += (int64_t)blockDim.x * COUNT) {
                for (int i = 0; i < N; i++)
                    mhc__read<COUNT>(mhc__at<E>(p.m.dout, t, i) + c, d[i]);
                dots(p, t, c, d, acc);
                spread(w, 1, d, mhc__at<E>(p.m.dz, t) + c);
                for (int j = 0; j < N && p.m.dx.data; j++)
                    spread(w + N + j, N, d, mhc__at<E>(p.m.dx, t, j) + c);
            }
        }
        int number;
        float sum = mhc__warp_sums<PRODUCTS>(acc, &number);
        if (number >= 0)
            parts[threadIdx.x / 32 * PRODUCTS + number] = sum;
    }

    MHC__DEVICE void after(const params &, chunk) {}
};

/* Any number of streams and any strides. Dot products by tiles of 4 x 4, one to a warp; few tiles are cut into slices
 * of columns, so that no warp is idle. dX is written when the whole block has read dX'. */
template <typename E> struct any_way {
    enum { SIDE = 4, MOST = MHC__CUDA_STREAMS };

    MHC__DEVICE int tiles(int n) {
        return (n + SIDE - 1) / SIDE * ((n + SIDE) / SIDE);
    }

    MHC__DEVICE int slices(int n) {
        int warps = (int)blockDim.x / 32;
        return warps > tiles(n) ? warps / tiles(n) : 1;
    }

    /* Sources of a tile that are past the last, z, are zeros. */
    MHC__DEVICE float source(const params &p, int64_t t, int64_t c, int j) {
        if (j > p.n)
            return 0.0f;
        return mhc__value(j == p.n ? mhc__at<E>(p.m.z, t)[c] : mhc__at<E>(p.m.x, t, j)[c]);
    }

    MHC__DEVICE void tile(const params &p, chunk tokens, int i0, int j0, int slice, float acc[SIDE * SIDE]) {
        const int step = slices(p.n) * 32;
        for (int64_t t = tokens.first; t < tokens.end; t++)
            for (int64_t c = slice * 32 + (int)threadIdx.x % 32; c < p.channels; c += step) {
                float y[SIDE];
                for (int j = 0; j < SIDE; j++)
                    y[j] = source(p, t, c, j0 + j);
                for (int i = 0; i < SIDE; i++) {
                    float d = i0 + i < p.n ? mhc__value(mhc__at<E>(p.m.dout, t, i0 + i)[c]) : 0.0f;
                    for (int j = 0; j < SIDE; j++)
                        acc[i * SIDE + j] = fmaf(d, y[j], acc[i * SIDE + j]);
                }
            }
    }

    MHC__DEVICE void pass(const params &p, chunk tokens, float *parts) {
        const int n = p.n, across = (n + SIDE) / SIDE, all = tiles(n);
        for (int work = (int)threadIdx.x / 32; work < all * slices(n); work += (int)blockDim.x / 32) {
            const int i0 = work % all / across * SIDE, j0 = work % all % across * SIDE, slice = work / all;
            float acc[SIDE * SIDE] = {};
            int number;
            tile(p, tokens, i0, j0, slice, acc);
            float sum = mhc__warp_sums<SIDE * SIDE>(acc, &number);
            int i = i0 + number / SIDE, j = j0 + number % SIDE;
            if (number >= 0 && i < n && j <= n)
                parts[slice * n * (n + 1) + (j == n ? i : n + i * n + j)] = sum;
        }
    }

    MHC__DEVICE void after(const params &p, chunk tokens) {
        const int n = p.n;
        for (int64_t t = tokens.first; t < tokens.end; t++) {
            const float *post = p.m.coefficients + t * p.stride + n, *res = post + n;
            for (int64_t c = threadIdx.x; c < p.channels; c += blockDim.x) {
                float d[MOST];
                for (int i = 0; i < MOST; i++)
                    d[i] = i < n ? mhc__value(mhc__at<E>(p.m.dout, t, i)[c]) : 0.0f;
                mhc__round(combined<MOST>(n, post, 1, d), mhc__at<E>(p.m.dz, t) + c);
                for (int j = 0; j < n && p.m.dx.data; j++)
                    mhc__round(combined<MOST>(n, res + j, n, d), mhc__at<E>(p.m.dx, t, j) + c);
            }
        }
    }
};

/* What was summed by slices goes to the coefficients of the token, or to the totals of the range. */
MHC__DEVICE void gather(const params &p, chunk tokens, const float *parts, int slices, double *totals) {
    const int products = p.n * (p.n + 1);
    for (int k = (int)threadIdx.x; k < products; k += (int)blockDim.x) {
        float sum = parts[k];
        for (int slice = 1; slice < slices; slice++)
            sum += parts[slice * products + k];
        if (p.stride)
            p.m.d_coefficients[tokens.first * p.stride + p.n + k] = sum;
        else
            totals[k] += (double)sum;
    }
}

/* A token, or a range of them, to a block. Shared: totals, then parts twice, so that one barrier to a chunk is enough.
 */
template <typename WAY> MHC__KERNEL __launch_bounds__(THREADS, 2) merge_back(MHC__GIVEN params p) {
    const int products = p.n * (p.n + 1), slices = WAY::slices(p.n);
    double *totals = (double *)mhc__shared();
    float *parts = (float *)(totals + products);
    int turn = 0;
    for (int64_t item = blockIdx.x; item < p.items; item += gridDim.x) {
        const int64_t end = p.stride ? item + 1 : p.tokens * (item + 1) / p.items;
        for (int k = (int)threadIdx.x; k < products; k += (int)blockDim.x)
            totals[k] = 0.0;
        for (int64_t first = p.stride ? item : p.tokens * item / p.items; first < end; first += CHUNK) {
            const chunk tokens = {first, first + CHUNK < end ? first + CHUNK : end};
            float *mine = parts + turn * slices * products;
            WAY::pass(p, tokens, mine);
            mhc__sync_block();
            gather(p, tokens, mine, slices, totals);
            WAY::after(p, tokens);
            turn ^= 1;
        }
        for (int k = (int)threadIdx.x; k < products && !p.stride; k += (int)blockDim.x)
            p.totals[item * products + k] = totals[k];
    }
}

/* One block: totals of all ranges, in a fixed order. A sum to a warp. */
MHC__KERNEL add_ranges(MHC__GIVEN params p) {
    const int products = p.n * (p.n + 1), lane = (int)threadIdx.x % 32;
    double *lanes = (double *)mhc__shared() + threadIdx.x / 32 * 32;
    for (int k = (int)threadIdx.x / 32; k < products; k += (int)blockDim.x / 32) {
        double sum = 0.0;
        for (int64_t range = lane; range < p.items; range += 32)
            sum += p.totals[range * products + k];
        lanes[lane] = sum;
        mhc__sync_warp();
        for (int other = 1; other < 32 && lane == 0; other++)
            sum += lanes[other];
        if (lane == 0)
            p.m.d_coefficients[p.n + k] = (float)sum;
        mhc__sync_warp();
    }
}

struct copy_params {
    mhc__cuda_merge_back m;
    int64_t channels;
    mhc__cut cut;
};

/* The plain residual: dx = dz = dout. */
template <typename E, int COUNT> MHC__KERNEL pass_on(MHC__GIVEN copy_params p) {
    for (int64_t item = blockIdx.x; item < p.cut.items; item += gridDim.x) {
        int64_t t = item / p.cut.parts, c = mhc__cut_column(p.cut, item, COUNT);
        if (c >= p.channels)
            continue;
        mhc__copy<COUNT>(mhc__at<E>(p.m.dout, t, 0) + c, mhc__at<E>(p.m.dz, t) + c);
        if (p.m.dx.data && p.m.dx.data != p.m.dout.data)
            mhc__copy<COUNT>(mhc__at<E>(p.m.dout, t, 0) + c, mhc__at<E>(p.m.dx, t, 0) + c);
    }
}

bool is_packed(const mhc__shape *s, const mhc__cuda_merge_back *m) {
    return mhc__whole_packs(s->channels, s->type) && mhc__aligned_streams(m->dout, s->type) &&
           mhc__aligned_streams(m->dx, s->type) && mhc__aligned_rows(m->dz, s->type);
}

mhc_status run_plain(const mhc__cuda_call *call, const mhc__cuda_merge_back *m) {
    const mhc__shape *s = call->shape;
    copy_params p = {*m, s->channels, {}};
#define RUN(E, COUNT)                                                                                                  \
    p.cut = mhc__cut_of(call->tokens, s->channels, COUNT);                                                             \
    return mhc__launch(pass_on<E, COUNT>, mhc__grid(p.cut.items), p.cut.threads, 0, call->queue, p, call->name,        \
                       call->error)
    MHC__BY_COLUMNS(s->type, is_packed(s, m), RUN);
#undef RUN
}

/* THREADS or, for rows of packs, as many as leave the fewest idle. */
template <typename WAY> mhc_status launch(const mhc__cuda_call *call, const params &p, int threads) {
    const int products = p.n * (p.n + 1), slices = threads / 32; /* at most */
    size_t shared = (size_t)products * (sizeof(double) + 2 * (size_t)slices * sizeof(float));
    return mhc__launch(merge_back<WAY>, mhc__grid(p.items), threads, shared, call->queue, p, call->name, call->error);
}

int64_t ranges_of(int64_t tokens) {
    return mhc__min(tokens, RANGES);
}

} // namespace

size_t mhc__cuda_merge_back_workspace(const mhc__shape *s, int64_t tokens) {
    if (s->plain || s->dynamic)
        return 0;
    return (size_t)(ranges_of(tokens) * s->n * (s->n + 1)) * sizeof(double);
}

mhc_status mhc__cuda_merge_back_run(const mhc__cuda_call *call, const mhc__cuda_merge_back *m) {
    const mhc__shape *s = call->shape;
    if (s->plain)
        return run_plain(call, m);
    params p = {*m,
                call->tokens,
                s->channels,
                s->dynamic ? s->coefficients : 0,
                s->dynamic ? call->tokens : ranges_of(call->tokens),
                (double *)call->workspace,
                s->n};
    bool packed =
        s->n == 4 && is_packed(s, m) && mhc__aligned_streams(m->x, s->type) && mhc__aligned_rows(m->z, s->type);
#define RUN(E)                                                                                                         \
    MHC__TRY(packed ? launch<packed_way<E>>(call, p, mhc__cut_of(1, s->channels, mhc__pack<E>::COUNT).threads)         \
                    : launch<any_way<E>>(call, p, THREADS))
    MHC__BY_TYPE(s->type, RUN);
#undef RUN
    if (s->dynamic)
        return MHC_OK;
    return mhc__launch(add_ranges, 1, THREADS, THREADS * sizeof(double), call->queue, p, call->name, call->error);
}
