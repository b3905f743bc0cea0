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

/* Columns c.. of `vecs` registers; or, where `some` is not 0, of that many elements. shares: as mhc__combine_with. */
MHC__INLINE void mhc__combine_columns(int outs, int ins, int vecs, int some, mhc__way way, const float *weights,
                                      const mhc__elem *const *in, const float *const *shares, mhc__elem *const *out,
                                      int64_t c) {
    mhc__vec x[MHC__COMBINE_MAX][2], sum[2];
    x[0][0] = x[0][1] = mhc__vec_all(0.0f); /* there is at least one row, which the compiler can't see */
#pragma GCC unroll 9
    for (int j = 0; j < ins; j++)
#pragma GCC unroll 2
        for (int q = 0; q < vecs; q++)
            x[j][q] = some ? mhc__elem_load_some(in[j] + c, some) : mhc__elem_load(in[j] + c + q * MHC__VEC);
#pragma GCC unroll 8
    for (int i = 0; i < outs; i++) {
        mhc__vec w = mhc__vec_all(weights[i * ins]);
#pragma GCC unroll 2
        for (int q = 0; q < vecs; q++)
            sum[q] = mhc__vec_mul(w, x[0][q]);
#pragma GCC unroll 9
        for (int j = 1; j < ins; j++) {
            w = mhc__vec_all(weights[i * ins + j]);
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

MHC__INLINE void mhc__combine_sized(int outs, int ins, mhc__way way, const float *weights, const mhc__elem *const *in,
                                    const float *const *shares, mhc__elem *const *out, int64_t count) {
    const mhc__elem *from[MHC__COMBINE_MAX];
    mhc__elem *to[MHC__COMBINE_MAX];
    for (int j = 0; j < ins; j++)
        from[j] = in[j];
    for (int i = 0; i < outs; i++)
        to[i] = out[i];
    int64_t c = 0;
    for (; c + 2 * MHC__VEC <= count; c += 2 * MHC__VEC)
        mhc__combine_columns(outs, ins, 2, 0, way, weights, from, shares, to, c);
    for (; c + MHC__VEC <= count; c += MHC__VEC)
        mhc__combine_columns(outs, ins, 1, 0, way, weights, from, shares, to, c);
    if (c < count)
        mhc__combine_columns(outs, ins, 1, (int)(count - c), way, weights, from, shares, to, c);
}

/* weights [outs, ins]; outs, ins <= MHC__COMBINE_MAX. */
static __attribute__((noinline, unused)) void mhc__combine(int outs, int ins, const float *weights,
                                                           const mhc__elem *const *in, mhc__elem *const *out,
                                                           int64_t count) {
    if (outs == 4 && ins == 5) /* merge, its way back through pre */
        mhc__combine_sized(4, 5, MHC__WAY_THROUGH, weights, in, NULL, out, count);
    else if (outs == 1 && ins == 4) /* collapse, dz */
        mhc__combine_sized(1, 4, MHC__WAY_THROUGH, weights, in, NULL, out, count);
    else if (outs == 5 && ins == 4) /* dx and dz */
        mhc__combine_sized(5, 4, MHC__WAY_THROUGH, weights, in, NULL, out, count);
    else if (outs == 2 && ins == 3)
        mhc__combine_sized(2, 3, MHC__WAY_THROUGH, weights, in, NULL, out, count);
    else if (outs == 3 && ins == 2)
        mhc__combine_sized(3, 2, MHC__WAY_THROUGH, weights, in, NULL, out, count);
    else if (outs == 8 && ins == 9)
        mhc__combine_sized(8, 9, MHC__WAY_THROUGH, weights, in, NULL, out, count);
    else if (outs == 9 && ins == 8)
        mhc__combine_sized(9, 8, MHC__WAY_THROUGH, weights, in, NULL, out, count);
    else
        mhc__combine_sized(outs, ins, MHC__WAY_THROUGH, weights, in, NULL, out, count);
}

/* n streams and a row to n other streams, around the caches where their places allow it: columns before the first place
 * that is aligned for a register go through them. */
static __attribute__((noinline, unused)) void
mhc__combine_around(int n, const float *weights, const mhc__elem *const *in, mhc__elem *const *out, int64_t count) {
    const uintptr_t size = MHC__VEC * sizeof(float), past = (uintptr_t)out[0] % size;
    const int64_t lead = past == 0 ? 0 : (int64_t)((size - past) / sizeof(float));
    const mhc__elem *from[MHC__COMBINE_MAX];
    mhc__elem *to[MHC__COMBINE_MAX];
    bool alike = past % sizeof(float) == 0 && lead < count;
    for (int i = 0; i < n; i++) {
        alike = alike && (uintptr_t)out[i] % size == past;
        to[i] = out[i] + lead;
    }
    for (int j = 0; j <= n; j++)
        from[j] = in[j] + lead;
    mhc__combine(n, n + 1, weights, in, out, alike ? lead : count);
    if (!alike)
        return;
    if (n == 4)
        mhc__combine_sized(4, 5, MHC__WAY_AROUND, weights, from, NULL, to, count - lead);
    else if (n == 2)
        mhc__combine_sized(2, 3, MHC__WAY_AROUND, weights, from, NULL, to, count - lead);
    else if (n == 8)
        mhc__combine_sized(8, 9, MHC__WAY_AROUND, weights, from, NULL, to, count - lead);
    else
        mhc__combine_sized(n, n + 1, MHC__WAY_AROUND, weights, from, NULL, to, count - lead);
}

/* mhc__combine plus rows of slabs, one for each output; outs streams and the row that is spread over them. */
static __attribute__((noinline, unused)) void mhc__combine_with(int outs, const float *weights,
                                                                const mhc__elem *const *in, const float *const *shares,
                                                                mhc__elem *const *out, int64_t count) {
    if (outs == 4)
        mhc__combine_sized(4, 5, MHC__WAY_THROUGH, weights, in, shares, out, count);
    else if (outs == 2)
        mhc__combine_sized(2, 3, MHC__WAY_THROUGH, weights, in, shares, out, count);
    else if (outs == 8)
        mhc__combine_sized(8, 9, MHC__WAY_THROUGH, weights, in, shares, out, count);
    else
        mhc__combine_sized(outs, outs + 1, MHC__WAY_THROUGH, weights, in, shares, out, count);
}

/* out_i (+)= weights_i in: one row spread over many. shares: NULL, or rows of slabs, one for each output. add, and
 * whether there are shares, are constants where this is inlined. */
MHC__INLINE void mhc__spread(int outs, bool add, const float *weights, const mhc__elem *in, const float *const *shares,
                             mhc__elem *const *out, int64_t count) {
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

#endif
