/* A collapse whose result is normalised by its RMS before it is written. u is made twice from streams that are near,
 * for its squares and for y, so that no place is needed where it waits unrounded. */
#ifndef MHC_STREAM_KERNEL_RMSNORM_H
#define MHC_STREAM_KERNEL_RMSNORM_H

#include "mhc/rmsnorm.h"
#include "stream/kernel/rows.h"
#include "stream/kernels.h"
#include "stream/mapping/norm.h"

/* A token: u = sum_j w_j x_j. */
typedef struct mhc__collapsing {
    mhc__elem *x[MHC_MAX_STREAMS];
    const float *w;
    int64_t channels;
} mhc__collapsing;

/* A register of u from column c on, or the `some` columns that are left; the bits of mhc__combine_row. n is a
 * constant where these are inlined for a size. */
MHC__INLINE mhc__vec mhc__collapsed(int n, const mhc__collapsing *u, int64_t c, int64_t some) {
    mhc__vec sum = mhc__vec_all(0.0f);
#pragma GCC unroll 8
    for (int j = 0; j < n; j++) {
        const mhc__vec w = mhc__vec_all(u->w[j]);
        const mhc__vec x = some >= MHC__VEC ? mhc__elem_load(u->x[j] + c) : mhc__elem_load_some(u->x[j] + c, (int)some);
        sum = j == 0 ? mhc__vec_mul(w, x) : mhc__vec_fma(w, x, sum);
    }
    return sum;
}

/* In double: for rows whose squares leave the range of fp32. */
static __attribute__((noinline, unused)) double mhc__collapsed_squares(int n, const mhc__collapsing *u) {
    double squares = 0.0;
    for (int64_t c = 0; c < u->channels; c++) {
        float value = u->w[0] * mhc__elem_value(u->x[0] + c);
        for (int j = 1; j < n; j++)
            value = __builtin_fmaf(u->w[j], mhc__elem_value(u->x[j] + c), value);
        squares += (double)value * (double)value;
    }
    return squares;
}

/* 1 / sqrt(mean u^2 + eps) */
MHC__INLINE float mhc__collapsed_norm(int n, const mhc__collapsing *u, float eps) {
    mhc__vec sum[MHC__PARTS];
    float lanes[1][MHC__LANES], squares, r, g;
    for (int part = 0; part < MHC__PARTS; part++)
        sum[part] = mhc__vec_all(0.0f);
    for (int64_t c = 0; c < u->channels; c += MHC__LANES) {
#pragma GCC unroll 4
        for (int part = 0; part < MHC__PARTS; part++) {
            const int64_t at = c + part * MHC__VEC, some = u->channels - at;
            if (some <= 0)
                break;
            const mhc__vec v = mhc__collapsed(n, u, at, some);
            sum[part] = mhc__vec_fma(v, v, sum[part]);
        }
    }
    for (int part = 0; part < MHC__PARTS; part++)
        mhc__vec_store(lanes[0] + part * MHC__VEC, sum[part]);
    mhc__tree_sums(1, (const float(*)[MHC__LANES])lanes, &squares);
    mhc__norm(u->channels, MHC_EPS_INSIDE, eps,
              mhc__squares_in_range(squares) ? (double)squares : mhc__collapsed_squares(n, u), &r, &g);
    return r;
}

MHC__INLINE void mhc__collapse_rmsnorm_row(int n, const mhc__collapsing *u, bool around, const mhc_rmsnorm *norm,
                                           mhc__elem *y) {
    const mhc__vec r = mhc__vec_all(mhc__collapsed_norm(n, u, norm->eps));
    const bool past = around && (uintptr_t)y % (MHC__VEC * sizeof(float)) == 0;
    int64_t c = 0;
    for (; c + MHC__VEC <= u->channels; c += MHC__VEC) {
        const mhc__vec v =
            mhc__vec_mul(mhc__vec_mul(mhc__collapsed(n, u, c, MHC__VEC), r), mhc__vec_load(norm->weight + c));
        if (past)
            mhc__elem_store_around(y + c, v);
        else
            mhc__elem_store(y + c, v);
    }
    if (c == u->channels)
        return;
    const int some = (int)(u->channels - c);
    const mhc__vec weight = mhc__vec_load_some(norm->weight + c, some);
    mhc__elem_store_some(y + c, mhc__vec_mul(mhc__vec_mul(mhc__collapsed(n, u, c, some), r), weight), some);
}

static void mhc__collapse_rmsnorm_run(int n, int64_t channels, bool around, int64_t first, int64_t end, mhc_streams x,
                                      const float *weights, int64_t stride, const mhc_rmsnorm *norm, mhc_rows y) {
    for (int64_t t = first; t < end; t++) {
        mhc__collapsing u = {.w = weights + t * stride, .channels = channels};
        mhc__stream_rows(x, n, t, 0, u.x);
        if (n == 4)
            mhc__collapse_rmsnorm_row(4, &u, around, norm, mhc__row_at(y, t, 0));
        else
            mhc__collapse_rmsnorm_row(n, &u, around, norm, mhc__row_at(y, t, 0));
    }
    if (around)
        mhc__vec_around_end();
}

#endif
