/* Products of a few rows with all of fn, and the rows' sums of squares.
 *
 * A block of rows is taken in chunks of columns, and a chunk in groups of rows. A group's values are first copied side
 * by side into the first cache: rows of streams are often a multiple of 4 KiB apart and would fight for one set of it.
 * A stretch is padded there with zeros to whole lanes; so the tiles, which hold their sums in registers and use each
 * value that they load several times, know no tails. The copy is fp32 for every type of elements.
 *
 * fn's share of a chunk stays in the second cache from one group to the next: it comes from further away once for a
 * block, and in order, where the caller had it packed (mhc__pack_fn_run). */
#ifndef MHC_STREAM_KERNEL_PRODUCTS_H
#define MHC_STREAM_KERNEL_PRODUCTS_H

#include <string.h>

#include "base/threads.h"
#include "simd/elem.h"
#include "stream/kernels.h"

/* Rows of a group, padded values of a chunk (16 KiB together), rows of fn whose sums are kept at a time. */
enum { MHC__GROUP = 8, MHC__GROUP_CHUNK = MHC__FN_CHUNK, MHC__GROUP_FNS = 24 };

/* A tile: 4 rows by 3 of fn in 16 registers, by 6 in 32. */
enum { MHC__GROUP_TILE = 4 };
#if defined(MHC__ISA_IS_AVX2)
enum { MHC__GROUP_WIDE = 3 };
#else
enum { MHC__GROUP_WIDE = 6 };
#endif

/* Where fn's share of a chunk is. Of the tile that begins at row k0: lane l of part p of step s of its row i at
 * k0 * tile + i * row + p * part + s * step + l. */
typedef struct mhc__group_fn {
    const float *at;
    int64_t tile, row, part, step;
} mhc__group_fn;

typedef struct mhc__group {
    _Alignas(64) float x[MHC__GROUP * MHC__GROUP_CHUNK];
    float acc[MHC__PRODUCT_ROWS][MHC__GROUP_FNS][MHC__LANES], square[MHC__PRODUCT_ROWS][MHC__LANES];
    int first, rows, fns, count; /* rows of this group, from number `first` of the block; padded values of this chunk */
    uintptr_t
        ahead; /* where the next group's values are, to be asked for: of its first row; ahead_stride bytes apart */
    int64_t ahead_stride;
    float padded[MHC__GROUP_FNS][MHC__GROUP_CHUNK]; /* fn, where its stretches have to be padded too */
} mhc__group;

MHC__INLINE int64_t mhc__padded(int64_t count) {
    return (count + MHC__LANES - 1) / MHC__LANES * MHC__LANES;
}

/* The copy is laid out as the tiles read it, from end to end: part by part of the lanes, step by step the rows of a
 * tile side by side. */
enum {
    MHC__GROUP_STEP = MHC__GROUP_TILE * MHC__VEC,
    MHC__GROUP_PART = MHC__GROUP_TILE * MHC__GROUP_CHUNK / MHC__PARTS
};
MHC__INLINE float *mhc__group_x(mhc__group *g, int row, int part, int column) {
    return g->x + row / MHC__GROUP_TILE * MHC__GROUP_TILE * MHC__GROUP_CHUNK + part * MHC__GROUP_PART +
           column / MHC__LANES * MHC__GROUP_STEP + row % MHC__GROUP_TILE * MHC__VEC;
}

/* A piece of a chunk that lies in one stretch: `whole` padded values of which `here` are there. */
typedef struct mhc__piece {
    int64_t offset; /* of its first value from the row's first */
    int here, whole;
} mhc__piece;

/* The piece that begins at padded value `from` and is at most `count` long. */
MHC__INLINE mhc__piece mhc__piece_at(int64_t step, int64_t stretch, int64_t from, int count) {
    const int64_t padded = mhc__padded(stretch), c = from % padded;
    mhc__piece piece = {from / padded * step + c, 0, (int)mhc__min(count, padded - c)};
    piece.here = (int)mhc__min(piece.whole, stretch - c);
    return piece;
}

/* Values of `rows` rows from x[at] on, stride apart, into the chunk, and their squares added to the lanes of `square`.
 * Rows go side by side, so that their sums do not wait for each other: a constant number where this is inlined. */
MHC__INLINE void mhc__group_copy(int rows, const mhc__elem *x, int64_t stride, mhc__piece piece, float *to,
                                 float (*square)[MHC__LANES]) {
    mhc__vec sum[MHC__GROUP_TILE][MHC__PARTS];
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++)
            sum[v][part] = mhc__vec_load(square[v] + part * MHC__VEC);
    int c = 0;
    for (; c + MHC__LANES <= piece.here; c += MHC__LANES, to += MHC__GROUP_STEP)
#pragma GCC unroll 4
        for (int v = 0; v < rows; v++)
#pragma GCC unroll 4
            for (int part = 0; part < MHC__PARTS; part++) {
                mhc__vec e = mhc__elem_load(x + v * stride + c + part * MHC__VEC);
                mhc__vec_store(to + part * MHC__GROUP_PART + v * MHC__VEC, e);
                sum[v][part] = mhc__vec_fma(e, e, sum[v][part]);
            }
    if (c < piece.whole)
        for (int v = 0; v < rows; v++) {
            float last[MHC__LANES] = {0};
            mhc__widen(MHC__TYPE, x, v * stride + c, piece.here - c, last);
#pragma GCC unroll 4
            for (int part = 0; part < MHC__PARTS; part++) {
                mhc__vec e = mhc__vec_load(last + part * MHC__VEC);
                mhc__vec_store(to + part * MHC__GROUP_PART + v * MHC__VEC, e);
                sum[v][part] = mhc__vec_fma(e, e, sum[v][part]);
            }
        }
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++)
            mhc__vec_store(square[v] + part * MHC__VEC, sum[v][part]);
}

/* The group's values of the chunk that begins at padded value `from`. */
MHC__INLINE void mhc__group_fill(mhc__group *g, const mhc__products *p, int64_t from, float (*square)[MHC__LANES]) {
    for (int done = 0; done < g->count;) {
        mhc__piece piece = mhc__piece_at(p->step, p->count, from + done, g->count - done);
        const mhc__elem *x = (const mhc__elem *)p->x + g->first * p->row_stride + piece.offset;
        int v = 0;
        for (; v + MHC__GROUP_TILE <= g->rows; v += MHC__GROUP_TILE)
            mhc__group_copy(MHC__GROUP_TILE, x + v * p->row_stride, p->row_stride, piece, mhc__group_x(g, v, 0, done),
                            square + v);
        for (; v < g->rows; v++)
            mhc__group_copy(1, x + v * p->row_stride, p->row_stride, piece, mhc__group_x(g, v, 0, done), square + v);
        done += piece.whole;
    }
}

/* One part of the lanes of `rows` rows from v0 on and `fns` of fn from k0 on: constants where this is inlined. ahead:
 * of values to ask for meanwhile, or 0. */
MHC__INLINE void mhc__group_tile(mhc__group *g, const mhc__group_fn *fn, int v0, int rows, int k0, int fns, int part,
                                 uintptr_t ahead) {
    mhc__vec sum[MHC__GROUP_TILE][MHC__GROUP_WIDE], w[MHC__GROUP_WIDE];
    float(*acc)[MHC__GROUP_FNS][MHC__LANES] = g->acc + g->first + v0;
    const int64_t row = fn->row, step = fn->step;
    const float *x = mhc__group_x(g, v0, part, 0);
    const float *at = fn->at + k0 / MHC__GROUP_WIDE * MHC__GROUP_WIDE * fn->tile + k0 % MHC__GROUP_WIDE * row;
    at += part * fn->part; /* the last tile of a width is cut into narrow ones */
    const int count = g->count;
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
#pragma GCC unroll 8
        for (int k = 0; k < fns; k++)
            sum[v][k] = mhc__vec_load(acc[v][k0 + k] + part * MHC__VEC);
    for (int c = 0; c < count; c += MHC__LANES, at += step, x += MHC__GROUP_STEP) {
        if (ahead)
            __builtin_prefetch((const void *)(ahead + (uintptr_t)c * sizeof(mhc__elem)), 0, 2);
#pragma GCC unroll 8
        for (int k = 0; k < fns; k++)
            w[k] = mhc__vec_load(at + k * row);
#pragma GCC unroll 4
        for (int v = 0; v < rows; v++) {
            mhc__vec e = mhc__vec_load(x + v * MHC__VEC);
#pragma GCC unroll 8
            for (int k = 0; k < fns; k++)
                sum[v][k] = mhc__vec_fma(e, w[k], sum[v][k]);
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
#pragma GCC unroll 8
        for (int k = 0; k < fns; k++)
            mhc__vec_store(acc[v][k0 + k] + part * MHC__VEC, sum[v][k]);
}

/* A single row, as in decoding, where fn comes from the second cache: all lanes of `fns` rows of fn in one pass, so
 * that each of its lines is asked for once. The lanes' sums are those of mhc__group_tile. fn lies as it was given. */
enum { MHC__LINE_FNS = MHC__PARTS == 1 ? 8 : 4 };
MHC__INLINE void mhc__group_line(mhc__group *g, const mhc__group_fn *fn, int k0) {
    mhc__vec sum[MHC__LINE_FNS][MHC__PARTS];
    float(*acc)[MHC__LANES] = g->acc[g->first] + k0;
    const float *x = mhc__group_x(g, 0, 0, 0), *row[MHC__LINE_FNS];
    const int count = g->count;
#pragma GCC unroll 8
    for (int k = 0; k < MHC__LINE_FNS; k++) {
        row[k] = fn->at + (k0 + k) * fn->row;
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++)
            sum[k][part] = mhc__vec_load(acc[k] + part * MHC__VEC);
    }
    for (int c = 0; c < count; c += MHC__LANES, x += MHC__GROUP_STEP)
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++) {
            mhc__vec e = mhc__vec_load(x + part * MHC__GROUP_PART);
#pragma GCC unroll 8
            for (int k = 0; k < MHC__LINE_FNS; k++)
                sum[k][part] = mhc__vec_fma(e, mhc__vec_load(row[k] + c + part * MHC__VEC), sum[k][part]);
        }
#pragma GCC unroll 8
    for (int k = 0; k < MHC__LINE_FNS; k++)
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++)
            mhc__vec_store(acc[k] + part * MHC__VEC, sum[k][part]);
}

/* While they compute, the tiles ask for the group that comes next, a line at each step: tile by tile a row of it. */
MHC__INLINE void mhc__group_tiles(mhc__group *g, const mhc__group_fn *fn, int v, int rows, int k, int fns) {
    int part = 0, next = v / MHC__GROUP_TILE * (MHC__GROUP_FNS / MHC__GROUP_WIDE) + k / MHC__GROUP_WIDE;
    if (rows == MHC__GROUP_TILE && next < MHC__GROUP)
        mhc__group_tile(g, fn, v, rows, k, fns, part++, g->ahead + (uintptr_t)(next * g->ahead_stride));
    for (; part < MHC__PARTS; part++)
        mhc__group_tile(g, fn, v, rows, k, fns, part, 0);
}

/* All rows of the group with `fns` of fn from k on. */
MHC__INLINE void mhc__group_rows(mhc__group *g, const mhc__group_fn *fn, int k, int fns) {
    int v = 0;
    for (; v + MHC__GROUP_TILE <= g->rows; v += MHC__GROUP_TILE)
        mhc__group_tiles(g, fn, v, MHC__GROUP_TILE, k, fns);
    for (; v < g->rows; v++)
        mhc__group_tiles(g, fn, v, 1, k, fns);
}

static __attribute__((noinline)) void mhc__group_products(mhc__group *g, const mhc__group_fn *fn) {
    int k = 0;
    if (g->rows == 1 && fn->step == MHC__LANES) /* not packed */
        for (; k + MHC__LINE_FNS <= g->fns; k += MHC__LINE_FNS)
            mhc__group_line(g, fn, k);
    for (; k + MHC__GROUP_WIDE <= g->fns; k += MHC__GROUP_WIDE)
        mhc__group_rows(g, fn, k, MHC__GROUP_WIDE);
    for (; k + 2 <= g->fns; k += 2)
        mhc__group_rows(g, fn, k, 2);
    if (k < g->fns)
        mhc__group_rows(g, fn, k, 1);
}

/* Rows of fn with the zeros that fill the last tile. */
MHC__INLINE int mhc__whole_tiles(int fns) {
    return (fns + MHC__GROUP_WIDE - 1) / MHC__GROUP_WIDE * MHC__GROUP_WIDE;
}

/* fn's rows k0.. in the chunk that begins at padded value `from`: packed by the caller, where they are, or padded here.
 */
MHC__INLINE mhc__group_fn mhc__group_fn_of(mhc__group *g, const mhc__products *p, int k0, int64_t from) {
    const int64_t columns = p->segments * p->count;
    if (p->packed) {
        const float *at = p->packed + k0 * p->segments * mhc__padded(p->count) + mhc__whole_tiles(g->fns) * from;
        return (mhc__group_fn){at, g->count, MHC__VEC, MHC__GROUP_WIDE * g->count / MHC__PARTS,
                               MHC__GROUP_WIDE * MHC__VEC};
    }
    if (p->count % MHC__LANES == 0)
        return (mhc__group_fn){p->fn + k0 * columns + from, columns, columns, MHC__VEC, MHC__LANES};
    for (int done = 0; done < g->count;) {
        mhc__piece piece = mhc__piece_at(p->count, p->count, from + done, g->count - done);
        for (int k = 0; k < g->fns; k++) {
            float *to = g->padded[k] + done;
            memcpy(to, p->fn + (k0 + k) * columns + piece.offset, (size_t)piece.here * sizeof *to);
            memset(to + piece.here, 0, (size_t)(piece.whole - piece.here) * sizeof *to);
        }
        done += piece.whole;
    }
    return (mhc__group_fn){g->padded[0], MHC__GROUP_CHUNK, MHC__GROUP_CHUNK, MHC__VEC, MHC__LANES};
}

/* What is read after the group before row `next`: the rows from there on, the next chunk of the block's first rows, or
 * the next block. An address to ask for: it may be past the end. */
MHC__INLINE uintptr_t mhc__group_ahead(const mhc__products *p, int next, int rows, int64_t from) {
    int64_t row = next, all = p->segments * mhc__padded(p->count);
    if (next >= rows) {
        from += MHC__GROUP_CHUNK;
        row = from < all ? 0 : rows;
        from = from < all ? from : 0;
    }
    int64_t offset = row * p->row_stride + mhc__piece_at(p->step, p->count, from, 1).offset;
    return (uintptr_t)p->x + (uintptr_t)(offset * (int64_t)sizeof(mhc__elem));
}

static void mhc__products_run(const mhc__products *p, int rows, float *out, float *squares) {
    const int64_t all = p->segments * mhc__padded(p->count);
    mhc__group g;
    g.ahead_stride = p->row_stride * (int64_t)sizeof(mhc__elem);
    float again[MHC__GROUP][MHC__LANES] = {0};
    memset(g.square, 0, (size_t)rows * sizeof g.square[0]);
    for (int k = 0; k < p->width; k += MHC__GROUP_FNS) {
        g.fns = (int)mhc__min(MHC__GROUP_FNS, p->width - k);
        memset(g.acc, 0, (size_t)rows * sizeof g.acc[0]);
        for (int64_t from = 0; from < all; from += MHC__GROUP_CHUNK) {
            g.count = (int)mhc__min(MHC__GROUP_CHUNK, all - from);
            const mhc__group_fn fn = mhc__group_fn_of(&g, p, k, from);
            for (g.first = 0; g.first < rows; g.first += MHC__GROUP) {
                g.rows = (int)mhc__min(MHC__GROUP, rows - g.first);
                g.ahead = mhc__group_ahead(p, g.first + MHC__GROUP, rows, from);
                mhc__group_fill(&g, p, from, k == 0 ? g.square + g.first : again);
                mhc__group_products(&g, &fn);
            }
        }
        for (int v = 0; v < rows; v++)
            mhc__tree_sums(g.fns, (const float(*)[MHC__LANES])g.acc[v], out + v * p->width + k);
    }
    mhc__tree_sums(rows, (const float(*)[MHC__LANES])g.square, squares);
}

/* Row k of fn, zeros from row `width` on, in a chunk of `count` values from padded value `from` on: to the tile's first
 * float plus its place in it. */
MHC__INLINE void mhc__pack_row(const mhc__products *p, int k, int64_t from, int count, float *to) {
    const int part_stride = MHC__GROUP_WIDE * count / MHC__PARTS, step_stride = MHC__GROUP_WIDE * MHC__VEC;
    for (int done = 0; done < count;) {
        mhc__piece piece = mhc__piece_at(p->count, p->count, from + done, count - done);
        const float *row = p->fn + k * p->segments * p->count + piece.offset;
        int here = k < p->width ? piece.here : 0;
        for (int c = 0; c < piece.whole; c += MHC__VEC) {
            mhc__vec w = mhc__vec_all(0.0f);
            if (c + MHC__VEC <= here)
                w = mhc__vec_load(row + c);
            else if (c < here)
                w = mhc__vec_load_some(row + c, here - c);
            int at = done + c, part = at % MHC__LANES / MHC__VEC;
            mhc__vec_store(to + part * part_stride + at / MHC__LANES * step_stride, w);
        }
        done += piece.whole;
    }
}

/* Chunk number `chunk` of fn as the tiles take it: tile by tile, of a tile part by part of the lanes, of a part step by
 * step the rows side by side. So a tile reads one stretch of memory from end to end. */
static void mhc__pack_fn_run(const mhc__products *p, int64_t chunk, float *packed) {
    const int64_t all = p->segments * mhc__padded(p->count), from = chunk * MHC__GROUP_CHUNK;
    const int count = (int)mhc__min(MHC__GROUP_CHUNK, all - from);
    for (int k0 = 0; k0 < p->width; k0 += MHC__GROUP_FNS) {
        int whole = mhc__whole_tiles((int)mhc__min(MHC__GROUP_FNS, p->width - k0));
        float *to = packed + k0 * all + whole * from;
        for (int k = 0; k < whole; k++)
            mhc__pack_row(p, k0 + k, from, count,
                          to + k / MHC__GROUP_WIDE * MHC__GROUP_WIDE * count + k % MHC__GROUP_WIDE * MHC__VEC);
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
