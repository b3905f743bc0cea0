/* The gradient of the products: two small matrix products over the same values, which the slabs hold. Slab after slab
 * passes through the first cache: tiles keep their sums in registers, first d_fn's over all rows, then the rows' share
 * of dx, which takes the place of the rows. Who writes dx adds it there, so that dx is rounded once, and written once.
 */
#ifndef MHC_STREAM_KERNEL_PRODUCTS_BACK_H
#define MHC_STREAM_KERNEL_PRODUCTS_BACK_H

#include <string.h>

#include "base/threads.h"
#include "simd/elem.h"
#include "stream/kernels.h"

/* A tile: up to 6 rows of x or of fn by 4 registers of columns, by 2 where there are 16 registers. */
enum { MHC__BACK_TILE = 6, MHC__BACK_FNS = 24 };
#if defined(MHC__ISA_IS_AVX2)
enum { MHC__BACK_WIDE = 2 };
#else
enum { MHC__BACK_WIDE = 4 };
#endif
enum { MHC__BACK_STEP = MHC__BACK_WIDE * MHC__VEC };

typedef float mhc__slab_line[MHC__BACK_SLAB];

/* What the tiles of one slab work on. */
typedef struct mhc__slab {
    mhc__slab_line *x;
    const float *e, *r, *s, *fn; /* fn, d_fn: of the slab's first column */
    float *d_fn;
    int64_t e_stride, row;
    int rows, width, count; /* count: of columns */
    bool whole, begins;
    /* Rows of this slab's columns: the tiles of d_fn ask for those of the first and last, those of the shares for the
     * second's. */
    mhc__ahead soon[MHC__SOON];
} mhc__slab;

/* Bytes of a row that a tile asks for: a slab has four tiles of d_fn where there are 24 rows of it. */
enum { MHC__SOON_BYTES = MHC__BACK_SLAB / 4 * (int)sizeof(mhc__elem) };

MHC__INLINE void mhc__ask(mhc__ahead soon, int row, int part) {
    __builtin_prefetch((const void *)(soon.at + (uintptr_t)(row * soon.stride + part * MHC__SOON_BYTES)), 0, 2);
}

/* Rows of a tile, of `left` that are left. */
MHC__INLINE int mhc__back_rows(int left) {
    return left >= MHC__BACK_TILE && left != 8 ? MHC__BACK_TILE : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

#define MHC__BY_ROWS(rows, call)                                                                                       \
    do {                                                                                                               \
        if ((rows) == 6)                                                                                               \
            call(6);                                                                                                   \
        else if ((rows) == 4)                                                                                          \
            call(4);                                                                                                   \
        else if ((rows) == 2)                                                                                          \
            call(2);                                                                                                   \
        else                                                                                                           \
            call(1);                                                                                                   \
    } while (0)

/* d_fn of `fns` rows from row k on, columns c.., summed over all rows of x, then written to d_fn or added there. */
MHC__INLINE void mhc__slab_fn(const mhc__slab *p, int k, int fns, int c, float *d_fn, int64_t row, bool begins) {
    mhc__vec sum[MHC__BACK_TILE][MHC__BACK_WIDE], x[MHC__BACK_WIDE];
    const float *e = p->e + k, *at = p->x[0] + c;
    const int64_t e_stride = p->e_stride;
    const int rows = p->rows;
#pragma GCC unroll 6
    for (int i = 0; i < fns; i++)
#pragma GCC unroll 4
        for (int q = 0; q < MHC__BACK_WIDE; q++)
            sum[i][q] = mhc__vec_all(0.0f);
    for (int v = 0; v < rows; v++, e += e_stride, at += MHC__BACK_SLAB) {
        mhc__ask(p->soon[0], v, k / MHC__BACK_TILE);
        mhc__ask(p->soon[2], v, k / MHC__BACK_TILE);
#pragma GCC unroll 4
        for (int q = 0; q < MHC__BACK_WIDE; q++)
            x[q] = mhc__vec_load(at + q * MHC__VEC);
#pragma GCC unroll 6
        for (int i = 0; i < fns; i++) {
            mhc__vec f = mhc__vec_all(e[i]);
#pragma GCC unroll 4
            for (int q = 0; q < MHC__BACK_WIDE; q++)
                sum[i][q] = mhc__vec_fma(f, x[q], sum[i][q]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < fns; i++)
#pragma GCC unroll 4
        for (int q = 0; q < MHC__BACK_WIDE; q++) {
            float *to = d_fn + i * row + q * MHC__VEC;
            mhc__vec_store(to, begins ? sum[i][q] : mhc__vec_add(mhc__vec_load(to), sum[i][q]));
        }
}

/* The share of dx of `rows` rows from v on, columns c.., in place of x (first) or added to what is there. */
MHC__INLINE void mhc__slab_dx(const mhc__slab *p, const float *fn, int k0, int fns, int v, int rows, int c) {
    mhc__vec sum[MHC__BACK_TILE][MHC__BACK_WIDE], w[MHC__BACK_WIDE];
    const float *e = p->e + v * p->e_stride + k0;
    const int64_t e_stride = p->e_stride;
    fn += c;
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        mhc__vec r = mhc__vec_all(p->r[v + i]), s = mhc__vec_all(-p->s[v + i]);
#pragma GCC unroll 4
        for (int q = 0; q < MHC__BACK_WIDE; q++) {
            sum[i][q] = mhc__vec_load(p->x[v + i] + c + q * MHC__VEC);
            if (k0 == 0)
                sum[i][q] = mhc__vec_mul(s, mhc__vec_mul(r, sum[i][q]));
        }
    }
    for (int k = 0; k < fns; k++, fn += MHC__BACK_SLAB) {
        mhc__ask(p->soon[1], v + k / 4, k % 4);
#pragma GCC unroll 4
        for (int q = 0; q < MHC__BACK_WIDE; q++)
            w[q] = mhc__vec_load(fn + q * MHC__VEC);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            mhc__vec f = mhc__vec_all(e[i * e_stride + k]);
#pragma GCC unroll 4
            for (int q = 0; q < MHC__BACK_WIDE; q++)
                sum[i][q] = mhc__vec_fma(f, w[q], sum[i][q]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int q = 0; q < MHC__BACK_WIDE; q++)
            mhc__vec_store(p->x[v + i] + c + q * MHC__VEC, sum[i][q]);
}

/* All rows of d_fn. Where the slab ends before a tile does, they are worked on in a copy. */
MHC__INLINE void mhc__slab_fns(const mhc__slab *p) {
    float copy[MHC__BACK_TILE * MHC__BACK_STEP] = {0};
    for (int c = 0; c < p->count; c += MHC__BACK_STEP) {
        const int here = p->count - c;
        const bool part = here < MHC__BACK_STEP && !p->whole;
        const size_t bytes = (size_t)here * sizeof *copy;
        for (int k = 0, fns; k < p->width; k += fns) {
            fns = mhc__back_rows(p->width - k);
            float *d_fn = p->d_fn + k * p->row + c;
            for (int i = 0; i < fns && part; i++)
                memcpy(copy + i * MHC__BACK_STEP, d_fn + i * p->row, bytes);
#define TILE(fns) mhc__slab_fn(p, k, fns, c, part ? copy : d_fn, part ? MHC__BACK_STEP : p->row, p->begins)
            MHC__BY_ROWS(fns, TILE);
#undef TILE
            for (int i = 0; i < fns && part; i++)
                memcpy(d_fn + i * p->row, copy + i * MHC__BACK_STEP, bytes);
        }
    }
}

/* The shares of all rows; fn's are copied unless they lie together. */
MHC__INLINE void mhc__slab_shares(const mhc__slab *p) {
    _Alignas(64) mhc__slab_line copy[MHC__BACK_FNS];
    for (int k = 0; k < p->width; k += MHC__BACK_FNS) {
        const int fns = (int)mhc__min(MHC__BACK_FNS, p->width - k);
        const float *fn = p->whole ? p->fn + k * MHC__BACK_SLAB : copy[0];
        for (int i = 0; i < fns && !p->whole; i++) {
            memcpy(copy[i], p->fn + (k + i) * p->row, (size_t)p->count * sizeof(float));
            memset(copy[i] + p->count, 0, (size_t)(MHC__BACK_SLAB - p->count) * sizeof(float));
        }
        for (int c = 0; c < p->count; c += MHC__BACK_STEP)
            for (int v = 0, rows; v < p->rows; v += rows) {
                rows = mhc__back_rows(p->rows - v);
#define TILE(rows) mhc__slab_dx(p, fn, k, fns, v, rows, c)
                MHC__BY_ROWS(rows, TILE);
#undef TILE
            }
    }
}

/* Rows of streams from stream j on, columns from c on; where there are none, one that is at hand. */
MHC__INLINE mhc__ahead mhc__soon_of(mhc_streams view, int j, int64_t c, const void *at_hand) {
    if (!view.data)
        return (mhc__ahead){(uintptr_t)at_hand, 0};
    const int64_t size = (int64_t)sizeof(mhc__elem);
    return (mhc__ahead){(uintptr_t)view.data + (uintptr_t)((j * view.stream_stride + c) * size),
                        view.token_stride * size};
}

static void mhc__products_back_run(const mhc__products_back *p) {
    const int64_t slabs = mhc__slab_count(p->x.channels);
    for (int j = 0; j < p->x.n; j++)
        for (int64_t k = 0; k < slabs; k++) {
            const int group = p->groups == 1 ? 0 : j;
            const int64_t at = (p->groups == 1 ? j * p->stream : 0) + k * p->slab, c = k * MHC__BACK_SLAB;
            mhc__slab slab = {.x = (mhc__slab_line *)(void *)(p->x.at + (j * slabs + k) * MHC__BACK_SLAB_FLOATS),
                              .e = p->e + group * p->width,
                              .r = p->r + group * MHC__CHUNK,
                              .s = p->s + group * MHC__CHUNK,
                              .fn = p->fn + at,
                              .d_fn = p->d_fn + at,
                              .e_stride = p->e_stride,
                              .row = p->row,
                              .rows = p->rows,
                              .width = p->width,
                              .count = (int)mhc__min(MHC__BACK_SLAB, p->x.channels - c),
                              .whole = p->whole,
                              .begins = p->begins && (p->groups == 1 || j == 0)};
            for (int i = 0; i < MHC__SOON; i++)
                slab.soon[i] = mhc__soon_of(p->soon[i], j, c, p->e);
            mhc__slab_fns(&slab);
            mhc__slab_shares(&slab);
        }
}

#undef MHC__BY_ROWS

#endif
