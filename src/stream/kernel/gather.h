/* The streams of a chunk, from where they lie to the slabs that the products' way back works on, as fp32; and on the
 * way the gradient of the weights of the collapse, <du, x_j>. Rows of streams are often a multiple of 4 KiB apart, and
 * the same columns of many rows would fight for one set of the first cache; and each comes from far only once. */
#ifndef MHC_STREAM_KERNEL_GATHER_H
#define MHC_STREAM_KERNEL_GATHER_H

#include <string.h>

#include "stream/kernel/rows.h"
#include "stream/kernels.h"

/* Streams that share a load of du. */
enum { MHC__GATHER_STREAMS = 4 };

/* Lanes c..c + some of `streams` streams; `streams` is a constant where this is inlined. some: MHC__LANES, or what is
 * left of the row, and then zeros fill the slab up. */
MHC__INLINE void mhc__gather_lanes(int streams, const mhc__elem *const *x, const mhc__elem *du, float *const *to,
                                   int64_t c, int some, mhc__vec (*sum)[MHC__PARTS]) {
#pragma GCC unroll 4
    for (int part = 0; part < MHC__PARTS; part++) {
        const int at = part * MHC__VEC, here = some - at;
        if (here <= 0)
            break;
        const mhc__vec d = here >= MHC__VEC ? mhc__elem_load(du + c + at) : mhc__elem_load_some(du + c + at, here);
#pragma GCC unroll 4
        for (int j = 0; j < streams; j++) {
            const mhc__vec e =
                here >= MHC__VEC ? mhc__elem_load(x[j] + c + at) : mhc__elem_load_some(x[j] + c + at, here);
            mhc__vec_store(to[j] + mhc__slab_column(c) + at, e);
            sum[j][part] = mhc__vec_fma(d, e, sum[j][part]);
        }
    }
}

/* sums [streams]: their dot products. */
MHC__INLINE void mhc__gather_streams(int streams, int64_t channels, const mhc__elem *const *x, const mhc__elem *du,
                                     float *const *to, float *sums) {
    mhc__vec sum[MHC__GATHER_STREAMS][MHC__PARTS];
    float lanes[MHC__GATHER_STREAMS][MHC__LANES];
#pragma GCC unroll 4
    for (int j = 0; j < streams; j++)
        for (int part = 0; part < MHC__PARTS; part++)
            sum[j][part] = mhc__vec_all(0.0f);
    int64_t c = 0;
    for (; c + MHC__LANES <= channels; c += MHC__LANES)
        mhc__gather_lanes(streams, x, du, to, c, MHC__LANES, sum);
    const int64_t slabs = mhc__slab_count(channels) * MHC__BACK_SLAB;
    for (int j = 0; j < streams && c < slabs; j++)
        memset(to[j] + mhc__slab_column(c), 0, (size_t)(slabs - c) * sizeof **to);
    if (c < channels)
        mhc__gather_lanes(streams, x, du, to, c, (int)(channels - c), sum);
#pragma GCC unroll 4
    for (int j = 0; j < streams; j++)
        for (int part = 0; part < MHC__PARTS; part++)
            mhc__vec_store(lanes[j] + part * MHC__VEC, sum[j][part]);
    mhc__tree_sums(streams, (const float(*)[MHC__LANES])lanes, sums);
}

static void mhc__gather_run(mhc__slabs slabs, int64_t first, int64_t end, mhc_streams x, mhc_rows du, float *d_weights,
                            int64_t d_stride) {
    const int n = slabs.n;
    const int64_t stream = mhc__slab_count(slabs.channels) * MHC__BACK_SLAB_FLOATS;
    mhc__elem *from[MHC_MAX_STREAMS];
    float *to[MHC_MAX_STREAMS], sums[MHC_MAX_STREAMS];
    for (int64_t t = first; t < end; t++) {
        mhc__stream_rows(x, n, t, 0, from);
        for (int j = 0; j < n; j++)
            to[j] = slabs.at + j * stream + (t - first) * MHC__BACK_SLAB;
        const mhc__elem *const *rows = (const mhc__elem *const *)from;
        const mhc__elem *d = mhc__row_at(du, t, 0);
        int j = 0;
        for (; j + MHC__GATHER_STREAMS <= n; j += MHC__GATHER_STREAMS)
            mhc__gather_streams(MHC__GATHER_STREAMS, slabs.channels, rows + j, d, to + j, sums + j);
        for (; j < n; j++)
            mhc__gather_streams(1, slabs.channels, rows + j, d, to + j, sums + j);
        if (d_weights)
            memcpy(d_weights + t * d_stride, sums, (size_t)n * sizeof *sums);
    }
}

#endif
