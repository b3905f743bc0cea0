/* Linear combinations of rows: out_i = sum_j weights_ij in_j. Merge, collapse and their gradients are all of this kind.
 * Element c of every output depends on element c of the inputs alone, and all inputs of a column are read before any
 * output of it is written: an output may be one of the inputs. */
#ifndef MHC_STREAM_KERNEL_COMBINE_H
#define MHC_STREAM_KERNEL_COMBINE_H

#include "simd/elem.h"
#include "stream/kernels.h"

enum { MHC__COMBINE_MAX = MHC_MAX_STREAMS + 1 };

/* How outputs are written: through the caches, or, whole registers to aligned places, around them. */
typedef enum mhc__way { MHC__WAY_THROUGH, MHC__WAY_AROUND } mhc__way;

/* The weight of in j for out i: of[i, j], or of[j, i] where it is read transposed; last[i] of the in after them. */
typedef struct mhc__mixing {
    const float *of, *last;
    int ins;                /* of `of`; a constant, as are: */
    bool transposed, extra; /* extra: there is a last one */
} mhc__mixing;

MHC__INLINE float mhc__weight(const mhc__mixing *m, int i, int j) {
    if (j == m->ins)
        return m->last[i];
    return m->of[m->transposed ? j * m->ins + i : i * m->ins + j];
}

/* Columns c.. of `vecs` registers; or, where `some` is not 0, of that many elements. shares: NULL, or rows of slabs,
 * one for each out, to be added. */
MHC__INLINE void mhc__combine_columns(int outs, const mhc__mixing *m, int vecs, int some, mhc__way way,
                                      const mhc__elem *const *in, const float *const *shares, mhc__elem *const *out,
                                      int64_t c) {
    const int ins = m->ins + (m->extra ? 1 : 0);
    mhc__vec x[MHC__COMBINE_MAX][2], sum[2];
    x[0][0] = x[0][1] = mhc__vec_all(0.0f); /* there is at least one row, which the compiler can't see */
#pragma GCC unroll 9
    for (int j = 0; j < ins; j++)
#pragma GCC unroll 2
        for (int q = 0; q < vecs; q++)
            x[j][q] = some ? mhc__elem_load_some(in[j] + c, some) : mhc__elem_load(in[j] + c + q * MHC__VEC);
#pragma GCC unroll 8
    for (int i = 0; i < outs; i++) {
        mhc__vec w = mhc__vec_all(mhc__weight(m, i, 0));
#pragma GCC unroll 2
        for (int q = 0; q < vecs; q++)
            sum[q] = mhc__vec_mul(w, x[0][q]);
#pragma GCC unroll 9
        for (int j = 1; j < ins; j++) {
            w = mhc__vec_all(mhc__weight(m, i, j));
#pragma GCC unroll 2
            for (int q = 0; q < vecs; q++)
                sum[q] = mhc__vec_fma(w, x[j][q], sum[q]);
        }
#pragma GCC unroll 2
        for (int q = 0; q < vecs; q++) {
            if (shares)
                sum[q] = mhc__vec_add(sum[q], mhc__vec_load(shares[i] + mhc__slab_column(c) + q * MHC__VEC));
            if (some)
                mhc__elem_store_some(out[i] + c, sum[q], some);
            else if (way == MHC__WAY_AROUND)
                mhc__elem_store_around(out[i] + c + q * MHC__VEC, sum[q]);
            else
                mhc__elem_store(out[i] + c + q * MHC__VEC, sum[q]);
        }
    }
}

/* Columns c..count. Everything but what pointers lead to is a constant where this is inlined for a size. */
MHC__INLINE void mhc__combine_sized(int outs, mhc__mixing m, mhc__way way, const mhc__elem *const *in,
                                    const float *const *shares, mhc__elem *const *out, int64_t c, int64_t count) {
    const int ins = m.ins + (m.extra ? 1 : 0);
    const mhc__elem *from[MHC__COMBINE_MAX];
    const float *more[MHC__COMBINE_MAX];
    mhc__elem *to[MHC__COMBINE_MAX];
    for (int j = 0; j < ins; j++)
        from[j] = in[j];
    for (int i = 0; i < outs; i++)
        to[i] = out[i];
    for (int i = 0; i < outs && shares; i++)
        more[i] = shares[i];
    for (; c + 2 * MHC__VEC <= count; c += 2 * MHC__VEC)
        mhc__combine_columns(outs, &m, 2, 0, way, from, shares ? more : NULL, to, c);
    for (; c + MHC__VEC <= count; c += MHC__VEC)
        mhc__combine_columns(outs, &m, 1, 0, way, from, shares ? more : NULL, to, c);
    if (c < count)
        mhc__combine_columns(outs, &m, 1, (int)(count - c), way, from, shares ? more : NULL, to, c);
}

/* weights [outs, ins]; outs, ins <= MHC__COMBINE_MAX. */
static __attribute__((noinline, unused)) void mhc__combine(int outs, int ins, const float *weights,
                                                           const mhc__elem *const *in, mhc__elem *const *out,
                                                           int64_t count) {
#define SIZED(o, i)                                                                                                    \
    mhc__combine_sized(o, (mhc__mixing){weights, NULL, i, false, false}, MHC__WAY_THROUGH, in, NULL, out, 0, count)
    if (outs == 1 && ins == 4) /* dz */
        SIZED(1, 4);
    else if (outs == 5 && ins == 4) /* dx and dz */
        SIZED(5, 4);
    else if (outs == 1 && ins == 2)
        SIZED(1, 2);
    else if (outs == 3 && ins == 2)
        SIZED(3, 2);
    else if (outs == 1 && ins == 8)
        SIZED(1, 8);
    else if (outs == 9 && ins == 8)
        SIZED(9, 8);
    else
        SIZED(outs, ins);
#undef SIZED
}

/* n streams and a row to n other streams: out_i = sum_j res_ij in_j + row_i in_n, or with res_ji. */
MHC__INLINE void mhc__combine_streams(int n, bool transposed, mhc__way way, const float *res, const float *row,
                                      const mhc__elem *const *in, const float *const *shares, mhc__elem *const *out,
                                      int64_t c, int64_t count) {
#define SIZED(n) mhc__combine_sized(n, (mhc__mixing){res, row, n, transposed, true}, way, in, shares, out, c, count)
    if (n == 4)
        SIZED(4);
    else if (n == 2)
        SIZED(2);
    else if (n == 8)
        SIZED(8);
    else
        SIZED(n);
#undef SIZED
}

/* Columns before the first place from which on all outs are aligned for a register; all columns where there is none. */
MHC__INLINE int64_t mhc__combine_lead(int n, mhc__elem *const *out, int64_t count) {
    const uintptr_t size = MHC__VEC * sizeof(float), past = (uintptr_t)out[0] % size;
    const int64_t lead = past == 0 ? 0 : (int64_t)((size - past) / sizeof(float));
    bool alike = past % sizeof(float) == 0 && lead < count;
    for (int i = 0; i < n; i++)
        alike = alike && (uintptr_t)out[i] % size == past;
    return alike ? lead : count;
}

static __attribute__((noinline, unused)) void mhc__combine_merge(int n, bool around, const float *res,
                                                                 const float *post, const mhc__elem *const *in,
                                                                 mhc__elem *const *out, int64_t count) {
    const int64_t lead = around ? mhc__combine_lead(n, out, count) : count;
    mhc__combine_streams(n, false, MHC__WAY_THROUGH, res, post, in, NULL, out, 0, lead);
    mhc__combine_streams(n, false, MHC__WAY_AROUND, res, post, in, NULL, out, lead, count);
}

/* n streams to a row: out = sum_j weights_j in_j. */
static __attribute__((noinline, unused)) void
mhc__combine_row(int n, bool around, const float *weights, const mhc__elem *const *in, mhc__elem *out, int64_t count) {
    const int64_t lead = around ? mhc__combine_lead(1, &out, count) : count;
#define SIZED(n)                                                                                                       \
    do {                                                                                                               \
        const mhc__mixing m = {weights, NULL, n, false, false};                                                        \
        mhc__combine_sized(1, m, MHC__WAY_THROUGH, in, NULL, &out, 0, lead);                                           \
        mhc__combine_sized(1, m, MHC__WAY_AROUND, in, NULL, &out, lead, count);                                        \
    } while (0)
    if (n == 4)
        SIZED(4);
    else if (n == 2)
        SIZED(2);
    else if (n == 8)
        SIZED(8);
    else
        SIZED(n);
#undef SIZED
}

/* The way back: res transposed, and shares unless that is NULL. Registers of slabs begin at multiples of a register, so
 * around the caches only where the outs do. */
static __attribute__((noinline, unused)) void mhc__combine_back(int n, bool around, const float *res, const float *pre,
                                                                const mhc__elem *const *in, const float *const *shares,
                                                                mhc__elem *const *out, int64_t count) {
    if (!shares)
        mhc__combine_streams(n, true, MHC__WAY_THROUGH, res, pre, in, NULL, out, 0, count);
    else if (around && mhc__combine_lead(n, out, count) == 0)
        mhc__combine_streams(n, true, MHC__WAY_AROUND, res, pre, in, shares, out, 0, count);
    else
        mhc__combine_streams(n, true, MHC__WAY_THROUGH, res, pre, in, shares, out, 0, count);
}

/* out_i (+)= weights_i in + shares_i: one row spread over many. add, and whether there are shares, are constants where
 * this is inlined. */
MHC__INLINE void mhc__combine_spread_as(int outs, bool add, const float *weights, const mhc__elem *in,
                                        const float *const *shares, mhc__elem *const *out, int64_t count) {
    for (int i = 0; i < outs; i++) {
        const mhc__vec w = mhc__vec_all(weights[i]);
        mhc__elem *to = out[i];
        int64_t c = 0;
        for (; c + MHC__VEC <= count; c += MHC__VEC) {
            mhc__vec x = mhc__elem_load(in + c);
            x = add ? mhc__vec_fma(w, x, mhc__elem_load(to + c)) : mhc__vec_mul(w, x);
            mhc__elem_store(to + c, shares ? mhc__vec_add(x, mhc__vec_load(shares[i] + mhc__slab_column(c))) : x);
        }
        if (c == count)
            continue;
        int some = (int)(count - c);
        mhc__vec x = mhc__elem_load_some(in + c, some);
        x = add ? mhc__vec_fma(w, x, mhc__elem_load_some(to + c, some)) : mhc__vec_mul(w, x);
        mhc__elem_store_some(to + c, shares ? mhc__vec_add(x, mhc__vec_load(shares[i] + mhc__slab_column(c))) : x,
                             some);
    }
}

static __attribute__((noinline, unused)) void mhc__combine_spread(int outs, bool add, const float *weights,
                                                                  const mhc__elem *in, const float *const *shares,
                                                                  mhc__elem *const *out, int64_t count) {
    if (add && shares)
        mhc__combine_spread_as(outs, true, weights, in, shares, out, count);
    else if (add)
        mhc__combine_spread_as(outs, true, weights, in, NULL, out, count);
    else if (shares)
        mhc__combine_spread_as(outs, false, weights, in, shares, out, count);
    else
        mhc__combine_spread_as(outs, false, weights, in, NULL, out, count);
}

#endif
