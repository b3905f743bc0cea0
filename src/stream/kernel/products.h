/* Products of a few rows with all of fn, and the rows' sums of squares.
 *
 * A group of rows is taken in chunks that are first copied side by side into the first cache: rows of streams are often
 * a multiple of 4 KiB apart and would fight for one set of it. A stretch is padded there with zeros to whole lanes; so
 * the tiles, which hold their sums in registers and use each value that they load several times, know no tails. The
 * copy is fp32 for every type of elements. While a tile computes, it asks for a few lines of the chunk that comes next.
 */
#ifndef MHC_STREAM_KERNEL_PRODUCTS_H
#define MHC_STREAM_KERNEL_PRODUCTS_H

#include <string.h>

#include "base/threads.h"
#include "simd/elem.h"
#include "stream/kernels.h"

/* Rows of a group, padded values of a chunk (16 KiB together), rows of fn whose sums are kept at a time. */
enum { MHC__GROUP = 8, MHC__GROUP_CHUNK = 512, MHC__GROUP_FNS = 24 };

/* A tile: 4 rows by 3 of fn in 16 registers, by 6 in 32. */
enum { MHC__GROUP_TILE = 4 };
#if defined(MHC__ISA_IS_AVX2)
enum { MHC__GROUP_WIDE = 3 };
#else
enum { MHC__GROUP_WIDE = 6 };
#endif

typedef struct mhc__group {
    float x[MHC__GROUP][MHC__GROUP_CHUNK];
    float acc[MHC__GROUP][MHC__GROUP_FNS][MHC__LANES], square[MHC__GROUP][MHC__LANES];
    const float *fn; /* of this chunk: row k at k * fn_stride */
    int64_t fn_stride;
    int rows, fns, count;                           /* count: padded values of this chunk */
    uintptr_t ahead;                                /* of the first row; ahead_stride apart */
    int64_t ahead_stride;                           /* bytes */
    float packed[MHC__GROUP_FNS][MHC__GROUP_CHUNK]; /* fn, where its stretches have to be padded too */
} mhc__group;

MHC__INLINE int64_t mhc__padded(int64_t count) {
    return (count + MHC__LANES - 1) / MHC__LANES * MHC__LANES;
}

/* Values from..from + count of a row that begins at number `row` of x, counted with the padding. */
MHC__INLINE void mhc__pack(mhc_type type, const void *x, int64_t row, int64_t step, int64_t stretch, int64_t from,
                           int count, float *to) {
    const int64_t padded = mhc__padded(stretch);
    while (count > 0) {
        int64_t c = from % padded;
        int whole = (int)mhc__min(count, padded - c), here = (int)mhc__max(0, mhc__min(whole, stretch - c));
        mhc__widen(type, x, row + from / padded * step + c, here, to);
        memset(to + here, 0, (size_t)(whole - here) * sizeof *to);
        to += whole;
        from += whole;
        count -= whole;
    }
}

MHC__INLINE void mhc__group_square(const float *x, int count, float *square) {
    for (int part = 0; part < MHC__PARTS; part++) {
        mhc__vec sum = mhc__vec_load(square + part * MHC__VEC);
        for (int c = part * MHC__VEC; c < count; c += MHC__LANES) {
            mhc__vec e = mhc__vec_load(x + c);
            sum = mhc__vec_fma(e, e, sum);
        }
        mhc__vec_store(square + part * MHC__VEC, sum);
    }
}

/* One part of the lanes of `rows` rows from v0 on and `fns` of fn from k0 on: constants where this is inlined. */
MHC__INLINE void mhc__group_tile(mhc__group *g, int v0, int rows, int k0, int fns, int part) {
    mhc__vec sum[MHC__GROUP_TILE][MHC__GROUP_WIDE], w[MHC__GROUP_WIDE];
    const float *x = g->x[v0] + part * MHC__VEC, *fn[MHC__GROUP_WIDE];
    const int count = g->count;
#pragma GCC unroll 8
    for (int k = 0; k < fns; k++)
        fn[k] = g->fn + (k0 + k) * g->fn_stride + part * MHC__VEC;
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
#pragma GCC unroll 8
        for (int k = 0; k < fns; k++)
            sum[v][k] = mhc__vec_load(g->acc[v0 + v][k0 + k] + part * MHC__VEC);
    for (int c = 0; c < count; c += MHC__LANES) {
#pragma GCC unroll 8
        for (int k = 0; k < fns; k++)
            w[k] = mhc__vec_load(fn[k] + c);
#pragma GCC unroll 4
        for (int v = 0; v < rows; v++) {
            mhc__vec e = mhc__vec_load(x + v * MHC__GROUP_CHUNK + c);
#pragma GCC unroll 8
            for (int k = 0; k < fns; k++)
                sum[v][k] = mhc__vec_fma(e, w[k], sum[v][k]);
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
#pragma GCC unroll 8
        for (int k = 0; k < fns; k++)
            mhc__vec_store(g->acc[v0 + v][k0 + k] + part * MHC__VEC, sum[v][k]);
}

/* A single row, as in decoding, where fn comes from the second cache: all lanes of `fns` rows of fn in one pass, so
 * that each of its lines is asked for once. The lanes' sums are those of mhc__group_tile. */
enum { MHC__LINE_FNS = MHC__PARTS == 1 ? 8 : 4 };
MHC__INLINE void mhc__group_line(mhc__group *g, int k0) {
    mhc__vec sum[MHC__LINE_FNS][MHC__PARTS];
    const float *x = g->x[0], *fn[MHC__LINE_FNS];
    const int count = g->count;
#pragma GCC unroll 8
    for (int k = 0; k < MHC__LINE_FNS; k++) {
        fn[k] = g->fn + (k0 + k) * g->fn_stride;
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++)
            sum[k][part] = mhc__vec_load(g->acc[0][k0 + k] + part * MHC__VEC);
    }
    for (int c = 0; c < count; c += MHC__LANES)
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++) {
            mhc__vec e = mhc__vec_load(x + c + part * MHC__VEC);
#pragma GCC unroll 8
            for (int k = 0; k < MHC__LINE_FNS; k++)
                sum[k][part] = mhc__vec_fma(e, mhc__vec_load(fn[k] + c + part * MHC__VEC), sum[k][part]);
        }
#pragma GCC unroll 8
    for (int k = 0; k < MHC__LINE_FNS; k++)
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++)
            mhc__vec_store(g->acc[0][k0 + k] + part * MHC__VEC, sum[k][part]);
}

/* Asks for the next chunk of one row, a share of it. Asking reads nothing: it may go past the end of the array. */
MHC__INLINE void mhc__group_ask(const mhc__group *g, int row, int share, int shares) {
    const int lines = MHC__GROUP_CHUNK * (int)sizeof(mhc__elem) / 64 / shares;
    uintptr_t at = g->ahead + (uintptr_t)(row * g->ahead_stride) + (uintptr_t)(share * lines) * 64;
    for (int k = 0; k < lines; k++)
        __builtin_prefetch((const void *)(at + (uintptr_t)k * 64), 0, 2);
}

MHC__INLINE void mhc__group_tiles(mhc__group *g, int v, int rows, int k, int fns) {
    for (int part = 0; part < MHC__PARTS; part++)
        mhc__group_tile(g, v, rows, k, fns, part);
}

/* All rows of the group with `fns` of fn from k on. */
MHC__INLINE void mhc__group_rows(mhc__group *g, int k, int fns) {
    int v = 0;
    for (; v + MHC__GROUP_TILE <= g->rows; v += MHC__GROUP_TILE)
        mhc__group_tiles(g, v, MHC__GROUP_TILE, k, fns);
    for (; v < g->rows; v++)
        mhc__group_tiles(g, v, 1, k, fns);
}

static __attribute__((noinline)) void mhc__group_products(mhc__group *g) {
    int k = 0;
    if (g->rows == 1)
        for (; k + MHC__LINE_FNS <= g->fns; k += MHC__LINE_FNS) {
            if (k < 16)
                mhc__group_ask(g, 0, k / 4, 4);
            mhc__group_line(g, k);
        }
    for (; k + MHC__GROUP_WIDE <= g->fns; k += MHC__GROUP_WIDE) {
        if (k / MHC__GROUP_WIDE < g->rows)
            mhc__group_ask(g, k / MHC__GROUP_WIDE, 0, 1);
        mhc__group_rows(g, k, MHC__GROUP_WIDE);
    }
    for (; k + 2 <= g->fns; k += 2)
        mhc__group_rows(g, k, 2);
    if (k < g->fns)
        mhc__group_rows(g, k, 1);
}

/* fn's share of the chunk: where it is, or padded. */
MHC__INLINE void mhc__group_fn(mhc__group *g, const mhc__products *p, int k0, int64_t from) {
    int64_t columns = p->segments * p->count;
    g->fn = p->fn + k0 * columns + from;
    g->fn_stride = columns;
    if (p->count % MHC__LANES == 0)
        return;
    for (int k = 0; k < g->fns; k++)
        mhc__pack(MHC_FP32, p->fn, (k0 + k) * columns, p->count, p->count, from, g->count, g->packed[k]);
    g->fn = g->packed[0];
    g->fn_stride = MHC__GROUP_CHUNK;
}

/* Where the chunk after this one begins: in the same rows, or, after the last, in as many rows from there on. */
MHC__INLINE uintptr_t mhc__group_ahead(const mhc__products *p, int64_t row, int rows, int64_t next) {
    int64_t padded = mhc__padded(p->count);
    int64_t offset = next < p->segments * padded ? next / padded * p->step + next % padded : rows * p->row_stride;
    return (uintptr_t)p->x + (uintptr_t)((row + offset) * (int64_t)sizeof(mhc__elem));
}

/* The group that begins at element number `row`. out: row v at v * p->width. */
MHC__INLINE void mhc__group_run(mhc__group *g, const mhc__products *p, int64_t row, float *out, float *squares) {
    const int64_t all = p->segments * mhc__padded(p->count);
    g->ahead_stride = p->row_stride * (int64_t)sizeof(mhc__elem);
    memset(g->square, 0, (size_t)g->rows * sizeof g->square[0]);
    for (int k = 0; k < p->width; k += MHC__GROUP_FNS) {
        g->fns = (int)mhc__min(MHC__GROUP_FNS, p->width - k);
        memset(g->acc, 0, (size_t)g->rows * sizeof g->acc[0]);
        for (int64_t from = 0; from < all; from += MHC__GROUP_CHUNK) {
            g->count = (int)mhc__min(MHC__GROUP_CHUNK, all - from);
            g->ahead = mhc__group_ahead(p, row, g->rows, from + g->count);
            for (int v = 0; v < g->rows; v++) {
                mhc__pack(MHC__TYPE, p->x, row + v * p->row_stride, p->step, p->count, from, g->count, g->x[v]);
                if (k == 0)
                    mhc__group_square(g->x[v], g->count, g->square[v]);
            }
            mhc__group_fn(g, p, k, from);
            mhc__group_products(g);
        }
        for (int v = 0; v < g->rows; v++)
            mhc__tree_sums(g->fns, (const float(*)[MHC__LANES])g->acc[v], out + v * p->width + k);
    }
    mhc__tree_sums(g->rows, (const float(*)[MHC__LANES])g->square, squares);
}

static void mhc__products_run(const mhc__products *p, int rows, float *out, float *squares) {
    mhc__group g;
    for (int v = 0; v < rows; v += MHC__GROUP) {
        g.rows = (int)mhc__min(MHC__GROUP, rows - v);
        mhc__group_run(&g, p, v * p->row_stride, out + v * p->width, squares + v);
    }
}

static double mhc__squares_run(const mhc__products *p, int row) {
    const mhc__elem *x = (const mhc__elem *)p->x + row * p->row_stride;
    double sum = 0.0;
    for (int i = 0; i < p->segments; i++)
        for (int64_t c = 0; c < p->count; c++) {
            double value = (double)mhc__elem_value(x + i * p->step + c);
            sum += value * value;
        }
    return sum;
}

#endif
