/* The gradient of the products: two small matrix products over the same values. Columns are taken in slabs, and what a
 * slab needs of x and fn is first copied side by side: rows of streams are often a multiple of 4 KiB apart, so that the
 * same columns of many rows would fight for one set of the cache. */
#ifndef MHC_STREAM_KERNEL_PRODUCTS_BACK_H
#define MHC_STREAM_KERNEL_PRODUCTS_BACK_H

#include <string.h>

#include "base/threads.h"
#include "simd/vec.h"
#include "stream/kernels.h"
#include "stream/ranges.h"

/* Columns of a slab; rows of fn in one go; tiles of registers: rows of dx or of fn by two registers of columns. */
enum { MHC__BACK_SLAB = 64, MHC__BACK_FNS = 24, MHC__BACK_ROWS = 4, MHC__BACK_TILE = 6 };

/* One slab: x [rows, SLAB] and fn [fns, SLAB], zeros past `width` columns. */
typedef struct mhc__slab {
    float x[MHC__CHUNK][MHC__BACK_SLAB], fn[MHC__BACK_FNS][MHC__BACK_SLAB];
    int rows, fns;
    const float *e; /* row v at v * e_stride */
    int64_t e_stride;
} mhc__slab;

MHC__INLINE void mhc__slab_row(const float *from, int width, float *to) {
    if (width == MHC__BACK_SLAB) {
        for (int c = 0; c < MHC__BACK_SLAB; c += MHC__VEC)
            mhc__vec_store(to + c, mhc__vec_load(from + c));
        return;
    }
    memcpy(to, from, (size_t)width * sizeof *to);
    memset(to + width, 0, (size_t)(MHC__BACK_SLAB - width) * sizeof *to);
}

/* dx of `rows` rows from row v on, two registers of columns from c on. start: x is subtracted, once for all fns. */
MHC__INLINE void mhc__slab_dx(const mhc__slab *slab, int v, int rows, int c, bool start, const float *r, const float *s,
                              float *dx, int64_t dx_stride) {
    mhc__vec sum[MHC__BACK_ROWS][2], w[2];
    const float *e = slab->e + v * slab->e_stride;
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++) {
        mhc__vec norm = mhc__vec_all(r[v + i]), slope = mhc__vec_all(start ? -s[v + i] : 0.0f);
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++)
            sum[i][q] = mhc__vec_fma(slope, mhc__vec_mul(norm, mhc__vec_load(slab->x[v + i] + c + q * MHC__VEC)),
                                     mhc__vec_load(dx + i * dx_stride + q * MHC__VEC));
    }
    for (int k = 0; k < slab->fns; k++) {
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++)
            w[q] = mhc__vec_load(slab->fn[k] + c + q * MHC__VEC);
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) {
            mhc__vec f = mhc__vec_all(e[i * slab->e_stride + k]);
#pragma GCC unroll 2
            for (int q = 0; q < 2; q++)
                sum[i][q] = mhc__vec_fma(f, w[q], sum[i][q]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++)
            mhc__vec_store(dx + i * dx_stride + q * MHC__VEC, sum[i][q]);
}

/* d_fn of `fns` rows from row k on, summed over all rows of x, then added. */
MHC__INLINE void mhc__slab_fn(const mhc__slab *slab, int k, int fns, int c, float *d_fn, int64_t columns) {
    mhc__vec sum[MHC__BACK_TILE][2], x[2];
    const float *e = slab->e + k;
#pragma GCC unroll 6
    for (int i = 0; i < fns; i++)
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++)
            sum[i][q] = mhc__vec_all(0.0f);
    for (int v = 0; v < slab->rows; v++, e += slab->e_stride) {
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++)
            x[q] = mhc__vec_load(slab->x[v] + c + q * MHC__VEC);
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

/* Two registers of columns of a slab, at dx and d_fn. */
MHC__INLINE void mhc__slab_columns(const mhc__slab *slab, int c, bool start, const float *r, const float *s, float *dx,
                                   int64_t dx_stride, float *d_fn, int64_t columns) {
    int k = 0, v = 0;
    for (; k + MHC__BACK_TILE <= slab->fns; k += MHC__BACK_TILE)
        mhc__slab_fn(slab, k, MHC__BACK_TILE, c, d_fn + k * columns, columns);
    for (; k + 2 <= slab->fns; k += 2)
        mhc__slab_fn(slab, k, 2, c, d_fn + k * columns, columns);
    if (k < slab->fns)
        mhc__slab_fn(slab, k, 1, c, d_fn + k * columns, columns);
    for (; v + MHC__BACK_ROWS <= slab->rows; v += MHC__BACK_ROWS)
        mhc__slab_dx(slab, v, MHC__BACK_ROWS, c, start, r, s, dx + v * dx_stride, dx_stride);
    for (; v < slab->rows; v++)
        mhc__slab_dx(slab, v, 1, c, start, r, s, dx + v * dx_stride, dx_stride);
}

/* The last columns, fewer than two registers: in a copy of dx and d_fn. */
static __attribute__((noinline)) void mhc__slab_rest(const mhc__slab *slab, int c, int width, bool start,
                                                     const mhc__products_back *p, float *dx, float *d_fn) {
    enum { PAIR = 2 * MHC__VEC };
    float dx_copy[MHC__CHUNK][PAIR] = {{0}}, d_fn_copy[MHC__BACK_FNS][PAIR] = {{0}};
    size_t bytes = (size_t)width * sizeof(float);
    for (int v = 0; v < slab->rows; v++)
        memcpy(dx_copy[v], dx + v * p->dx_stride, bytes);
    for (int k = 0; k < slab->fns; k++)
        memcpy(d_fn_copy[k], d_fn + k * p->columns, bytes);
    mhc__slab_columns(slab, c, start, p->r, p->s, dx_copy[0], PAIR, d_fn_copy[0], PAIR);
    for (int v = 0; v < slab->rows; v++)
        memcpy(dx + v * p->dx_stride, dx_copy[v], bytes);
    for (int k = 0; k < slab->fns; k++)
        memcpy(d_fn + k * p->columns, d_fn_copy[k], bytes);
}

static void mhc__products_back_run(const mhc__products_back *p) {
    mhc__slab slab = {.rows = p->rows, .e_stride = p->e_stride};
    for (int64_t at = 0; at < p->count; at += MHC__BACK_SLAB) {
        int width = (int)mhc__min(MHC__BACK_SLAB, p->count - at);
        for (int v = 0; v < p->rows; v++)
            mhc__slab_row(p->x + v * p->x_stride + at, width, slab.x[v]);
        for (int k = 0; k < p->width; k += MHC__BACK_FNS) {
            slab.fns = (int)mhc__min(MHC__BACK_FNS, p->width - k);
            slab.e = p->e + k;
            for (int i = 0; i < slab.fns; i++)
                mhc__slab_row(p->fn + (k + i) * p->columns + at, width, slab.fn[i]);
            float *dx = p->dx + at, *d_fn = p->d_fn + k * p->columns + at;
            int c = 0;
            for (; c + 2 * MHC__VEC <= width; c += 2 * MHC__VEC)
                mhc__slab_columns(&slab, c, k == 0, p->r, p->s, dx + c, p->dx_stride, d_fn + c, p->columns);
            if (c < width)
                mhc__slab_rest(&slab, c, width - c, k == 0, p, dx + c, d_fn + c);
        }
    }
}

#endif
