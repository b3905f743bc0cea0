/* Products of a few rows with all of fn, and the rows' sums of squares.
 *
 * A block of rows is taken in chunks of columns, and a chunk in groups of as many rows as a tile has. A group's share
 * of a chunk stays in the first cache while the tiles pass over it, which hold their sums in registers and use each
 * value that they load several times. fn's share of a chunk stays in the second cache from one group to the next: it
 * comes from further away once for a block, and in order, where the caller had it packed (mhc__pack_fn_run).
 *
 * Tiles know no tails: they read rows where they lie if those are fp32 and stretches are whole lanes. Others are copied
 * first, as fp32, each stretch padded with zeros. Four rows are few enough not to fight for one set of the first cache,
 * though rows of streams are often a multiple of 4 KiB apart. */
#ifndef MHC_STREAM_KERNEL_PRODUCTS_H
#define MHC_STREAM_KERNEL_PRODUCTS_H

#include <string.h>

#include "base/threads.h"
#include "simd/elem.h"
#include "stream/kernels.h"

/* Padded values of a chunk, rows of fn whose sums are kept at a time. */
enum { MHC__GROUP_CHUNK = MHC__FN_CHUNK, MHC__GROUP_FNS = 24 };

/* A tile: 4 rows, which are a group (16 KiB), by 3 of fn in 16 registers, by 6 in 32. */
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
    bool packed; /* row and step are those of mhc__pack_fn_run */
} mhc__group_fn;

/* Where the group's values are: those of row v, lane after lane, from v * row on. */
typedef struct mhc__group_x {
    const float *at;
    int64_t row;
} mhc__group_x;

typedef struct mhc__group {
    _Alignas(64) float copy[MHC__GROUP_TILE][MHC__GROUP_CHUNK];
    float acc[MHC__PRODUCT_ROWS * MHC__GROUP_FNS][MHC__LANES], square[MHC__PRODUCT_ROWS][MHC__LANES];
    int first, rows, fns, count; /* rows of this group, from number `first` of the block; padded values of this chunk */
    bool begins;                 /* this chunk is the first: sums begin with it */
    bool squares;                /* of these rows are wanted in this pass */
    mhc__group_x x;
    mhc__ahead ahead, beside; /* what the tiles ask for, a row of each */
    int beside_bytes;
    float *out; /* where the tiles write the rows, out_row apart; or NULL */
    int64_t out_row;
    float padded[MHC__GROUP_FNS][MHC__GROUP_CHUNK]; /* fn, where its stretches have to be padded too */
} mhc__group;

MHC__INLINE int64_t mhc__padded(int64_t count) {
    return (count + MHC__LANES - 1) / MHC__LANES * MHC__LANES;
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

/* Values of one row from x on to its place in the copy. */
MHC__INLINE void mhc__group_copy(const mhc__elem *x, mhc__piece piece, float *to) {
    int c = 0;
    for (; c + MHC__VEC <= piece.here; c += MHC__VEC)
        mhc__vec_store(to + c, mhc__elem_load(x + c));
    mhc__widen(MHC__TYPE, x, c, piece.here - c, to + c);
    memset(to + piece.here, 0, (size_t)(piece.whole - piece.here) * sizeof *to);
}

/* The group's values of the chunk that begins at padded value `from`: where they are, or a copy. */
MHC__INLINE mhc__group_x mhc__group_x_of(mhc__group *g, const mhc__products *p, int64_t from) {
    const mhc__elem *x = (const mhc__elem *)p->x + g->first * p->row_stride;
    mhc__piece piece = mhc__piece_at(p->step, p->count, from, g->count);
#if defined(MHC__ELEM_IS_FLOAT)
    if (p->count % MHC__LANES == 0 && (piece.whole == g->count || p->step == p->count))
        return (mhc__group_x){x + piece.offset, p->row_stride};
#endif
    for (int done = 0; done < g->count; done += piece.whole) {
        piece = mhc__piece_at(p->step, p->count, from + done, g->count - done);
        for (int v = 0; v < g->rows; v++)
            mhc__group_copy(x + v * p->row_stride + piece.offset, piece, g->copy[v] + done);
    }
    return (mhc__group_x){g->copy[0], MHC__GROUP_CHUNK};
}

/* The sums that a chunk adds to. */
MHC__INLINE mhc__vec mhc__group_sum(const mhc__group *g, const float *sum) {
    return g->begins ? mhc__vec_all(0.0f) : mhc__vec_load(sum);
}

/* One part of the lanes of `rows` rows and `fns` of fn from k0 on: constants where this is inlined, as are whether fn
 * is packed, and `squared`: the row whose squares are summed on the way, and which is written out, or -1. ahead: of
 * values to ask for meanwhile, or 0. */
MHC__INLINE void mhc__group_tile(mhc__group *g, const mhc__group_fn *fn, bool packed, int rows, int k0, int fns,
                                 int part, int squared, uintptr_t ahead) {
    mhc__vec sum[MHC__GROUP_TILE][MHC__GROUP_WIDE], w[MHC__GROUP_WIDE], square = mhc__vec_all(0.0f);
    float(*acc)[MHC__LANES] = g->acc + g->first * MHC__GROUP_FNS + k0;
    float *squares = g->square[g->first + (squared < 0 ? 0 : squared)] + part * MHC__VEC;
    const int64_t row = packed ? MHC__VEC : fn->row, step = packed ? MHC__GROUP_WIDE * MHC__VEC : fn->step;
    const int64_t x_row = g->x.row;
    const float *x = g->x.at + part * MHC__VEC;
    float *out = squared >= 0 && g->out ? g->out + squared * g->out_row : NULL;
    const float *at = fn->at + k0 / MHC__GROUP_WIDE * MHC__GROUP_WIDE * fn->tile + k0 % MHC__GROUP_WIDE * row;
    at += part * fn->part; /* the last tile of a width is cut into narrow ones */
    const int count = g->count;
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
#pragma GCC unroll 8
        for (int k = 0; k < fns; k++)
            sum[v][k] = mhc__group_sum(g, acc[v * MHC__GROUP_FNS + k] + part * MHC__VEC);
    if (squared >= 0)
        square = mhc__group_sum(g, squares);
    for (int c = 0; c < count; c += MHC__LANES, at += step, x += MHC__LANES) {
        if (ahead)
            __builtin_prefetch((const void *)(ahead + (uintptr_t)c * sizeof(mhc__elem)), 0, 2);
#pragma GCC unroll 8
        for (int k = 0; k < fns; k++)
            w[k] = mhc__vec_load(at + k * row);
#pragma GCC unroll 4
        for (int v = 0; v < rows; v++) {
            mhc__vec e = mhc__vec_load(x + v * x_row);
            if (v == squared) {
                square = mhc__vec_fma(e, e, square);
                if (out)
                    mhc__vec_store_around(out + c, e);
            }
#pragma GCC unroll 8
            for (int k = 0; k < fns; k++)
                sum[v][k] = mhc__vec_fma(e, w[k], sum[v][k]);
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
#pragma GCC unroll 8
        for (int k = 0; k < fns; k++)
            mhc__vec_store(acc[v * MHC__GROUP_FNS + k] + part * MHC__VEC, sum[v][k]);
    if (squared >= 0)
        mhc__vec_store(squares, square);
}

/* The squares of the group's rows from number v on, which are written out on the way. */
MHC__INLINE void mhc__group_squares(mhc__group *g, int v) {
    mhc__vec sum[MHC__PARTS];
    for (; v < g->rows; v++) {
        const float *x = g->x.at + v * g->x.row;
        float *squares = g->square[g->first + v], *out = g->out ? g->out + v * g->out_row : NULL;
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++)
            sum[part] = mhc__group_sum(g, squares + part * MHC__VEC);
        for (int c = 0; c < g->count; c += MHC__LANES)
#pragma GCC unroll 4
            for (int part = 0; part < MHC__PARTS; part++) {
                mhc__vec e = mhc__vec_load(x + c + part * MHC__VEC);
                sum[part] = mhc__vec_fma(e, e, sum[part]);
                if (out)
                    mhc__vec_store_around(out + c + part * MHC__VEC, e);
            }
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++)
            mhc__vec_store(squares + part * MHC__VEC, sum[part]);
    }
}

/* A single row, as in decoding, where fn comes from the second cache: all lanes of `fns` rows of fn in one pass, so
 * that each of its lines is asked for once. The lanes' sums are those of mhc__group_tile. fn lies as it was given. */
enum { MHC__LINE_FNS = MHC__PARTS == 1 ? 8 : 4 };
MHC__INLINE void mhc__group_line(mhc__group *g, const mhc__group_fn *fn, int k0) {
    mhc__vec sum[MHC__LINE_FNS][MHC__PARTS];
    float(*acc)[MHC__LANES] = g->acc + g->first * MHC__GROUP_FNS + k0;
    const float *x = g->x.at, *row[MHC__LINE_FNS];
    const int count = g->count;
#pragma GCC unroll 8
    for (int k = 0; k < MHC__LINE_FNS; k++) {
        row[k] = fn->at + (k0 + k) * fn->row;
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++)
            sum[k][part] = mhc__group_sum(g, acc[k] + part * MHC__VEC);
    }
    for (int c = 0; c < count; c += MHC__LANES)
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++) {
            mhc__vec e = mhc__vec_load(x + c + part * MHC__VEC);
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

/* Asks for what lies beside the row of that number; returns where the row is. */
MHC__INLINE uintptr_t mhc__group_ask(const mhc__group *g, int row) {
    const uintptr_t beside = g->beside.at + (uintptr_t)(row * g->beside.stride);
    for (int byte = 0; byte < g->beside_bytes; byte += MHC__LANES * (int)sizeof(float))
        __builtin_prefetch((const void *)(beside + (uintptr_t)byte), 0, 2);
    return g->ahead.at + (uintptr_t)(row * g->ahead.stride);
}

/* While they compute, the tiles ask for the group that comes next, a line at each step: tile by tile a row of it. */
MHC__INLINE void mhc__group_tiles(mhc__group *g, const mhc__group_fn *fn, bool packed, int rows, int k, int fns,
                                  int squared) {
    int part = 0, next = k / MHC__GROUP_WIDE;
    if (rows == MHC__GROUP_TILE && next < MHC__GROUP_TILE)
        mhc__group_tile(g, fn, packed, rows, k, fns, part++, squared, mhc__group_ask(g, next));
    for (; part < MHC__PARTS; part++)
        mhc__group_tile(g, fn, packed, rows, k, fns, part, squared, 0);
}

/* A tile's rows and all of fn. Where registers are left for it, each of the first wide tiles sums the squares of a row;
 * returns how many did. */
enum { MHC__GROUP_SQUARES = MHC__PARTS == 1 && MHC__GROUP_WIDE == 6 ? MHC__GROUP_TILE : 0 };
MHC__INLINE int mhc__group_four(mhc__group *g, const mhc__group_fn *fn, bool packed) {
    int k = 0, tile = 0;
    for (; k + MHC__GROUP_WIDE <= g->fns; k += MHC__GROUP_WIDE, tile++)
        switch (g->squares && tile < MHC__GROUP_SQUARES ? tile : -1) {
#define SQUARING(row)                                                                                                  \
    case row:                                                                                                          \
        mhc__group_tiles(g, fn, packed, MHC__GROUP_TILE, k, MHC__GROUP_WIDE, row);                                     \
        break
            SQUARING(0);
            SQUARING(1);
            SQUARING(2);
            SQUARING(3);
#undef SQUARING
        default:
            mhc__group_tiles(g, fn, packed, MHC__GROUP_TILE, k, MHC__GROUP_WIDE, -1);
        }
    for (; k + 2 <= g->fns; k += 2)
        mhc__group_tiles(g, fn, packed, MHC__GROUP_TILE, k, 2, -1);
    if (k < g->fns)
        mhc__group_tiles(g, fn, packed, MHC__GROUP_TILE, k, 1, -1);
    return (int)mhc__min(tile, MHC__GROUP_SQUARES);
}

/* One row and all of fn. */
MHC__INLINE void mhc__group_one(mhc__group *g, const mhc__group_fn *fn, bool packed) {
    int k = 0;
    if (!packed)
        for (; k + MHC__LINE_FNS <= g->fns; k += MHC__LINE_FNS)
            mhc__group_line(g, fn, k);
    for (; k + MHC__GROUP_WIDE <= g->fns; k += MHC__GROUP_WIDE)
        mhc__group_tiles(g, fn, packed, 1, k, MHC__GROUP_WIDE, -1);
    for (; k + 2 <= g->fns; k += 2)
        mhc__group_tiles(g, fn, packed, 1, k, 2, -1);
    if (k < g->fns)
        mhc__group_tiles(g, fn, packed, 1, k, 1, -1);
}

static __attribute__((noinline)) void mhc__group_products(mhc__group *g, const mhc__group_fn *fn) {
    int squared = 0;
    if (g->rows == MHC__GROUP_TILE)
        squared = fn->packed ? mhc__group_four(g, fn, true) : mhc__group_four(g, fn, false);
    else if (fn->packed)
        mhc__group_one(g, fn, true);
    else
        mhc__group_one(g, fn, false);
    if (g->squares)
        mhc__group_squares(g, squared);
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
        return (mhc__group_fn){
            at, g->count, MHC__VEC, MHC__GROUP_WIDE * g->count / MHC__PARTS, MHC__GROUP_WIDE * MHC__VEC, true};
    }
    if (p->count % MHC__LANES == 0)
        return (mhc__group_fn){p->fn + k0 * columns + from, columns, columns, MHC__VEC, MHC__LANES, false};
    for (int done = 0; done < g->count;) {
        mhc__piece piece = mhc__piece_at(p->count, p->count, from + done, g->count - done);
        for (int k = 0; k < g->fns; k++) {
            float *to = g->padded[k] + done;
            memcpy(to, p->fn + (k0 + k) * columns + piece.offset, (size_t)piece.here * sizeof *to);
            memset(to + piece.here, 0, (size_t)(piece.whole - piece.here) * sizeof *to);
        }
        done += piece.whole;
    }
    return (mhc__group_fn){g->padded[0], MHC__GROUP_CHUNK, MHC__GROUP_CHUNK, MHC__VEC, MHC__LANES, false};
}

/* What is read after the group before row `next`: the rows from there on, the next chunk of the block's first rows, or
 * the next block. An address to ask for: it may be past the end. */
MHC__INLINE mhc__ahead mhc__group_after(const mhc__products *p, int next, int rows, int64_t from) {
    const int64_t all = p->segments * mhc__padded(p->count), size = (int64_t)sizeof(mhc__elem);
    int64_t row = next;
    if (next >= rows) {
        from += MHC__GROUP_CHUNK;
        row = from < all ? 0 : rows;
        from = from < all ? from : 0;
    }
    int64_t offset = row * p->row_stride + mhc__piece_at(p->step, p->count, from, 1).offset;
    return (mhc__ahead){(uintptr_t)p->x + (uintptr_t)(offset * size), p->row_stride * size};
}

/* What the tiles ask for: that, or, of the rows that the caller names, the columns of this chunk. */
MHC__INLINE void mhc__group_asks(mhc__group *g, const mhc__products *p, int rows, int64_t from) {
    const int64_t size = (int64_t)sizeof(mhc__elem);
    g->beside_bytes = 0;
    if (!p->soon.at) {
        g->ahead = mhc__group_after(p, g->first + g->rows, rows, from);
        return;
    }
    const int64_t offset = mhc__piece_at(p->soon_step, p->count, from, 1).offset * size;
    g->ahead = (mhc__ahead){p->soon.at + (uintptr_t)(offset + g->first * p->soon.stride), p->soon.stride};
    if (!p->beside.at)
        return;
    const int64_t beside = from * size / p->segments + g->first * p->beside.stride;
    g->beside = (mhc__ahead){p->beside.at + (uintptr_t)beside, p->beside.stride};
    g->beside_bytes = g->count * (int)size / p->segments;
}

static void mhc__products_run(const mhc__products *p, int rows, float *out, float *squares) {
    const int64_t all = p->segments * mhc__padded(p->count);
    mhc__group g;
    g.out_row = p->out_row_stride;
    g.beside = (mhc__ahead){0};
    for (int k = 0; k < p->width; k += MHC__GROUP_FNS) {
        g.fns = (int)mhc__min(MHC__GROUP_FNS, p->width - k);
        g.squares = k == 0;
        for (int64_t from = 0; from < all; from += MHC__GROUP_CHUNK) {
            g.count = (int)mhc__min(MHC__GROUP_CHUNK, all - from);
            g.begins = from == 0;
            const mhc__group_fn fn = mhc__group_fn_of(&g, p, k, from);
            for (g.first = 0; g.first < rows; g.first += g.rows) {
                g.rows = rows - g.first < MHC__GROUP_TILE ? 1 : MHC__GROUP_TILE;
                mhc__group_asks(&g, p, rows, from);
                g.out = p->out && k == 0 ? (float *)p->out + g.first * p->out_row_stride + from : NULL;
                g.x = mhc__group_x_of(&g, p, from);
                mhc__group_products(&g, &fn);
            }
        }
        for (int v = 0; v < rows; v++)
            mhc__tree_sums(g.fns, (const float(*)[MHC__LANES])g.acc + v * MHC__GROUP_FNS, out + v * p->width + k);
    }
    mhc__tree_sums(rows, (const float(*)[MHC__LANES])g.square, squares);
    if (p->out)
        mhc__vec_around_end();
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
