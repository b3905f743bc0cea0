/* Many dot products that share their loads: the gradients of the coefficients. */
#ifndef MHC_STREAM_KERNEL_DOTS_H
#define MHC_STREAM_KERNEL_DOTS_H

#include "simd/elem.h"

/* A tile of accumulators fits the registers: 4 x 3 of 16 registers, 4 x 6 of 32; one row takes up to 8 columns. */
enum { MHC__TILE_ROWS = 4, MHC__TILE_COLUMNS = 8 };
#if defined(MHC__ISA_IS_AVX2)
enum { MHC__TILE_WIDE = 3 };
#else
enum { MHC__TILE_WIDE = 6 };
#endif

/* Both sides of the products: rows a[v], columns b[k], of `count` elements. Element c goes to lane c % 16. */
typedef struct mhc__dots {
    const mhc__elem *const *a, *const *b;
    int64_t count;
} mhc__dots;

/* One part of the lanes of rows v0.. and columns k0..; rows and columns are constants where this is inlined. */
MHC__INLINE void mhc__dots_tile(const mhc__dots *d, int v0, int rows, int k0, int columns, int part,
                                float (*acc)[MHC__LANES], int acc_row) {
    const int from = part * MHC__VEC;
    mhc__vec sum[MHC__TILE_ROWS][MHC__TILE_COLUMNS], b[MHC__TILE_COLUMNS];
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
#pragma GCC unroll 8
        for (int k = 0; k < columns; k++)
            sum[v][k] = mhc__vec_load(acc[(v0 + v) * acc_row + k0 + k] + from);
    const mhc__elem *x[MHC__TILE_ROWS], *y[MHC__TILE_COLUMNS];
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
        x[v] = d->a[v0 + v];
#pragma GCC unroll 8
    for (int k = 0; k < columns; k++)
        y[k] = d->b[k0 + k];
    int64_t c = from, whole = d->count / MHC__LANES * MHC__LANES;
    for (; c < whole; c += MHC__LANES) {
#pragma GCC unroll 8
        for (int k = 0; k < columns; k++)
            b[k] = mhc__elem_load(y[k] + c);
#pragma GCC unroll 4
        for (int v = 0; v < rows; v++) {
            mhc__vec a = mhc__elem_load(x[v] + c);
#pragma GCC unroll 8
            for (int k = 0; k < columns; k++)
                sum[v][k] = mhc__vec_fma(a, b[k], sum[v][k]);
        }
    }
    if (c < d->count) {
        int rest = (int)(d->count - c), some = rest < MHC__VEC ? rest : 0;
        for (int v = 0; v < rows; v++) {
            mhc__vec a = some ? mhc__elem_load_some(x[v] + c, some) : mhc__elem_load(x[v] + c);
            for (int k = 0; k < columns; k++) {
                mhc__vec w = some ? mhc__elem_load_some(y[k] + c, some) : mhc__elem_load(y[k] + c);
                sum[v][k] = mhc__vec_fma(a, w, sum[v][k]);
            }
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < rows; v++)
#pragma GCC unroll 8
        for (int k = 0; k < columns; k++)
            mhc__vec_store(acc[(v0 + v) * acc_row + k0 + k] + from, sum[v][k]);
}

/* The widest tile that is left of `columns`; returns its width. */
MHC__INLINE int mhc__dots_columns(const mhc__dots *d, int v0, int rows, int k0, int columns, int part,
                                  float (*acc)[MHC__LANES], int acc_row) {
#define TILE(wide)                                                                                                     \
    if (((wide) <= MHC__TILE_WIDE || rows == 1) && columns >= (wide)) {                                                \
        mhc__dots_tile(d, v0, rows, k0, wide, part, acc, acc_row);                                                     \
        return wide;                                                                                                   \
    }
    TILE(8)
    TILE(6)
    TILE(5)
    TILE(4)
    TILE(3)
    TILE(2)
#undef TILE
    mhc__dots_tile(d, v0, rows, k0, 1, part, acc, acc_row);
    return 1;
}

MHC__INLINE void mhc__dots_rows(const mhc__dots *d, int v0, int rows, int columns, float (*acc)[MHC__LANES],
                                int acc_row) {
    for (int k = 0, next; k < columns; k = next) {
        next = k;
        for (int part = 0; part < MHC__PARTS; part++)
            next = k + mhc__dots_columns(d, v0, rows, k, columns - k, part, acc, acc_row);
    }
}

/* acc[v * acc_row + k] += lanes of <a_v, b_k>. Not inlined: one copy serves all kernels. */
static __attribute__((noinline, unused)) void mhc__dots_add(const mhc__dots *d, int rows, int columns,
                                                            float (*acc)[MHC__LANES], int acc_row) {
    int v = 0;
    for (; v + MHC__TILE_ROWS <= rows; v += MHC__TILE_ROWS)
        mhc__dots_rows(d, v, MHC__TILE_ROWS, columns, acc, acc_row);
    if (rows - v == 3)
        mhc__dots_rows(d, v, 3, columns, acc, acc_row);
    else if (rows - v == 2)
        mhc__dots_rows(d, v, 2, columns, acc, acc_row);
    else if (rows - v == 1)
        mhc__dots_rows(d, v, 1, columns, acc, acc_row);
}

#endif
