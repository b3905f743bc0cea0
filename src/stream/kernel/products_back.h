/* The gradient of the products: two small matrix products over the same values. Rows of streams are often a multiple of
 * 4 KiB apart, so that the same columns of many rows would fight for one set of each cache. So a stretch is first
 * copied, row by row and as fp32, into slabs of 64 columns; the tiles work on one slab at a time and leave the share of
 * dx in its place. Who writes dx adds it there, so that dx is rounded once, and written once. */
#ifndef MHC_STREAM_KERNEL_PRODUCTS_BACK_H
#define MHC_STREAM_KERNEL_PRODUCTS_BACK_H

#include <string.h>

#include "base/threads.h"
#include "simd/elem.h"
#include "stream/kernels.h"

/* Rows of fn copied at a time; tiles of registers: rows of x or of fn by two registers of columns. */
enum { MHC__BACK_FNS = 24, MHC__BACK_ROWS = 6, MHC__BACK_TILE = 6, MHC__BACK_PAIR = 2 * MHC__VEC };

typedef float mhc__slab_line[MHC__BACK_SLAB];

/* Lines of sixteen columns in two registers of them. */
enum { MHC__BACK_LINES = MHC__BACK_PAIR < MHC__LANES ? 1 : MHC__BACK_PAIR / MHC__LANES };

/* Asks for the line of a column that is read soon. An address, not a pointer: it may be past the end. */
MHC__INLINE void mhc__ask(mhc__ahead ahead, int row, int column) {
    uintptr_t at = ahead.at + (uintptr_t)(row * ahead.stride) + (uintptr_t)column * sizeof(mhc__elem);
    __builtin_prefetch((const void *)at, 0, 2);
}

MHC__INLINE float *mhc__slab_at(const mhc__products_back *p, int64_t slab) {
    return p->slabs + slab * MHC__BACK_SLAB_FLOATS;
}

/* Elements from number `first` on. */
MHC__INLINE void mhc__slab_copy(mhc_type type, const void *from, int64_t first, int width, float *to) {
    if (width == MHC__BACK_SLAB) {
        for (int c = 0; c < MHC__BACK_SLAB; c += MHC__VEC)
            mhc__vec_store(to + c, mhc__load_as(type, from, first + c));
        return;
    }
    mhc__widen(type, from, first, width, to);
    memset(to + width, 0, (size_t)(MHC__BACK_SLAB - width) * sizeof *to);
}

/* Two registers of columns, from c on: the share of dx of `rows` rows, in place of x (first) or added to what is there.
 */
MHC__INLINE void mhc__slab_dx(const mhc__products_back *p, mhc__slab_line *x, const mhc__slab_line *fn, int k0, int fns,
                              int v, int rows, int c, bool first, mhc__ahead ahead) {
    mhc__vec sum[MHC__BACK_ROWS][2], w[2];
    for (int i = 0; i < rows && ahead.at; i++)
        for (int line = 0; line < MHC__BACK_LINES; line++)
            mhc__ask(ahead, v + i, c + line * MHC__LANES);
    const float *e = p->e + v * p->e_stride + k0;
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        mhc__vec r = mhc__vec_all(p->r[v + i]), s = mhc__vec_all(-p->s[v + i]);
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++) {
            sum[i][q] = mhc__vec_load(x[v + i] + c + q * MHC__VEC);
            if (first)
                sum[i][q] = mhc__vec_mul(s, mhc__vec_mul(r, sum[i][q]));
        }
    }
    for (int k = 0; k < fns; k++) {
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++)
            w[q] = mhc__vec_load(fn[k] + c + q * MHC__VEC);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            mhc__vec f = mhc__vec_all(e[i * p->e_stride + k]);
#pragma GCC unroll 2
            for (int q = 0; q < 2; q++)
                sum[i][q] = mhc__vec_fma(f, w[q], sum[i][q]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++)
            mhc__vec_store(x[v + i] + c + q * MHC__VEC, sum[i][q]);
}

/* d_fn of `fns` rows from row k on, summed over all rows of x, then added at d_fn. c_ahead: a column of the slab. */
MHC__INLINE void mhc__slab_fn(const mhc__products_back *p, const mhc__slab_line *slab, int k, int fns, int c,
                              float *d_fn, int64_t columns, mhc__ahead ahead, int c_ahead) {
    mhc__vec sum[MHC__BACK_TILE][2], x[2];
    const float *e = p->e + k;
#pragma GCC unroll 6
    for (int i = 0; i < fns; i++)
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++)
            sum[i][q] = mhc__vec_all(0.0f);
    for (int v = 0; v < p->rows; v++, e += p->e_stride) {
        if (ahead.at)
            mhc__ask(ahead, v, c_ahead);
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++)
            x[q] = mhc__vec_load(slab[v] + c + q * MHC__VEC);
#pragma GCC unroll 6
        for (int i = 0; i < fns; i++) {
            mhc__vec f = mhc__vec_all(e[i]);
#pragma GCC unroll 2
            for (int q = 0; q < 2; q++)
                sum[i][q] = mhc__vec_fma(f, x[q], sum[i][q]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < fns; i++)
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++) {
            float *at = d_fn + i * columns + q * MHC__VEC;
            mhc__vec_store(at, mhc__vec_add(mhc__vec_load(at), sum[i][q]));
        }
}

/* All rows of d_fn, two registers of columns. The tiles ask for the first two of `ahead`, a line of them at each row.
 */
MHC__INLINE void mhc__slab_fns(const mhc__products_back *p, const mhc__slab_line *x, int c, float *d_fn,
                               int64_t columns, const mhc__ahead *ahead) {
    const mhc__ahead none = {0, 0};
    int k = 0;
    for (int tile = 0; k + MHC__BACK_TILE <= p->width; k += MHC__BACK_TILE, tile++)
        mhc__slab_fn(p, x, k, MHC__BACK_TILE, c, d_fn + k * columns, columns,
                     tile < 2 * MHC__BACK_LINES ? ahead[tile / MHC__BACK_LINES] : none,
                     c + tile % MHC__BACK_LINES * MHC__LANES);
    for (; k + 2 <= p->width; k += 2)
        mhc__slab_fn(p, x, k, 2, c, d_fn + k * columns, columns, none, 0);
    if (k < p->width)
        mhc__slab_fn(p, x, k, 1, c, d_fn + k * columns, columns, none, 0);
}

/* The last columns, fewer than two registers of them: row by row through a copy of d_fn. */
static __attribute__((noinline)) void mhc__slab_fn_rest(const mhc__products_back *p, const mhc__slab_line *x, int c,
                                                        int count, float *d_fn) {
    size_t bytes = (size_t)count * sizeof *d_fn;
    for (int k = 0; k < p->width; k++) {
        float copy[MHC__BACK_PAIR] = {0};
        memcpy(copy, d_fn + k * p->columns, bytes);
        mhc__slab_fn(p, x, k, 1, c, copy, 0, (mhc__ahead){0, 0}, 0);
        memcpy(d_fn + k * p->columns, copy, bytes);
    }
}

/* One slab: `width` columns, the first of them `at`. */
MHC__INLINE void mhc__slab_run(const mhc__products_back *p, mhc__slab_line *x, int64_t at, int width) {
    mhc__slab_line fn[MHC__BACK_FNS];
    float *d_fn = p->d_fn + at;
    const mhc__ahead none = {0, 0};
    mhc__ahead ahead[MHC__BACK_AHEAD];
    for (int i = 0; i < MHC__BACK_AHEAD; i++) {
        ahead[i] = p->ahead[i];
        ahead[i].at += ahead[i].at ? (uintptr_t)at * sizeof(mhc__elem) : 0;
    }
    int c = 0;
    for (; c + MHC__BACK_PAIR <= width; c += MHC__BACK_PAIR)
        mhc__slab_fns(p, (const mhc__slab_line *)x, c, d_fn + c, p->columns, ahead);
    if (c < width)
        mhc__slab_fn_rest(p, (const mhc__slab_line *)x, c, width - c, d_fn + c);
    for (int k = 0; k < p->width; k += MHC__BACK_FNS) {
        int fns = (int)mhc__min(MHC__BACK_FNS, p->width - k), v;
        for (int i = 0; i < fns; i++)
            mhc__slab_copy(MHC_FP32, p->fn, (k + i) * p->columns + at, width, fn[i]);
        for (c = 0; c < width; c += MHC__BACK_PAIR) {
            for (v = 0; v + MHC__BACK_ROWS <= p->rows; v += MHC__BACK_ROWS)
                mhc__slab_dx(p, x, (const mhc__slab_line *)fn, k, fns, v, MHC__BACK_ROWS, c, k == 0,
                             k == 0 ? ahead[2] : none);
            for (; v + 2 <= p->rows; v += 2)
                mhc__slab_dx(p, x, (const mhc__slab_line *)fn, k, fns, v, 2, c, k == 0, none);
            if (v < p->rows)
                mhc__slab_dx(p, x, (const mhc__slab_line *)fn, k, fns, v, 1, c, k == 0, none);
        }
    }
}

static void mhc__products_back_run(const mhc__products_back *p) {
    int64_t slabs = mhc__blocks(p->count, MHC__BACK_SLAB);
#define WIDTH(slab) ((int)mhc__min(MHC__BACK_SLAB, p->count - (slab)*MHC__BACK_SLAB))
    for (int v = 0; v < p->rows; v++)
        for (int64_t k = 0; k < slabs; k++)
            mhc__slab_copy(MHC__TYPE, p->x, v * p->x_stride + k * MHC__BACK_SLAB, WIDTH(k),
                           mhc__slab_at(p, k) + v * MHC__BACK_SLAB);
    for (int64_t k = 0; k < slabs; k++)
        mhc__slab_run(p, (mhc__slab_line *)(void *)mhc__slab_at(p, k), k * MHC__BACK_SLAB, WIDTH(k));
#undef WIDTH
}

#endif
