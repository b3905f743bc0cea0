/* X'_i = sum_j res_ij X_j + post_i z, and its gradient. kernel/combine.h sums the streams first, then the row
 * that is added. */
#ifndef MHC_STREAM_KERNEL_MERGE_H
#define MHC_STREAM_KERNEL_MERGE_H

#include <string.h>

#include "base/threads.h"
#include "stream/kernel/combine.h"
#include "stream/kernel/dots.h"
#include "stream/kernel/rows.h"
#include "stream/kernels.h"

/* Columns of a token that are read twice in a row: by the products and by the combination. */
#define MHC__MERGE_CHUNK 512

MHC__INLINE const float *mhc__coefficients_of(const mhc__merging *m, int64_t t) {
    return m->coefficients + t * m->stride;
}

/* The lines of a row that is read next, into the first cache. It may be past the end. */
MHC__INLINE void mhc__ask_row(const mhc__elem *from, int64_t stride, int64_t count) {
    const uintptr_t at = (uintptr_t)from + (uintptr_t)stride * sizeof(mhc__elem),
                    bytes = (uintptr_t)count * sizeof(mhc__elem);
    for (uintptr_t byte = 0; byte < bytes; byte += MHC__LANES * sizeof(float))
        __builtin_prefetch((const void *)(at + byte), 0, 3);
}

static void mhc__merge_run(const mhc__merging *m, int64_t first, int64_t end, mhc_streams out) {
    const int n = m->n;
    mhc__elem *from[MHC__COMBINE_MAX], *to[MHC_MAX_STREAMS];
    for (int64_t t = first; t < end; t++) {
        const float *post = mhc__coefficients_of(m, t) + n, *res = post + n;
        mhc__stream_rows(m->x, n, t, 0, from);
        from[n] = mhc__row_at(m->z, t, 0);
        mhc__stream_rows(out, n, t, 0, to);
        for (int j = 0; j <= n && m->near; j++)
            mhc__ask_row(from[j], j < n ? m->x.token_stride : m->z.stride, m->channels);
        mhc__combine_merge(n, m->around, res, post, (const mhc__elem *const *)from, to, m->channels);
    }
    if (m->around)
        mhc__vec_around_end();
}

/* acc [n, n + 1]: lanes of <dout_i, x_j>, then of <dout_i, z>. */
MHC__INLINE void mhc__merge_dots(const mhc__merging *m, int64_t t, int64_t c, int64_t count, mhc_streams dout,
                                 float (*acc)[MHC__LANES]) {
    mhc__elem *a[MHC_MAX_STREAMS], *b[MHC__COMBINE_MAX];
    mhc__stream_rows(dout, m->n, t, c, a);
    mhc__stream_rows(m->x, m->n, t, c, b);
    b[m->n] = mhc__row_at(m->z, t, c);
    mhc__dots d = {(const mhc__elem *const *)a, (const mhc__elem *const *)b, count};
    mhc__dots_add(&d, m->n, m->n + 1, acc, m->n + 1);
}

/* post, then res, from the lanes. */
MHC__INLINE void mhc__merge_sums(int n, const float (*acc)[MHC__LANES], float *sums) {
    float all[MHC__MERGE_SUMS(MHC_MAX_STREAMS)];
    mhc__tree_sums(MHC__MERGE_SUMS(n), acc, all);
    for (int i = 0; i < n; i++) {
        sums[i] = all[i * (n + 1) + n];
        memcpy(sums + n + i * n, all + i * (n + 1), (size_t)n * sizeof *sums);
    }
}

/* Rows of dx (unless NULL) and dz from those of dout: weights res transposed, then post. */
MHC__INLINE void mhc__merge_spread(const mhc__merging *m, int64_t t, int64_t c, int64_t count, mhc_streams dout,
                                   mhc_streams dx, mhc_rows dz) {
    const int n = m->n;
    const float *post = mhc__coefficients_of(m, t) + n, *res = post + n;
    float weights[MHC__MERGE_SUMS(MHC_MAX_STREAMS)];
    mhc__elem *from[MHC_MAX_STREAMS], *to[MHC__COMBINE_MAX];
    int outs = dx.data ? n : 0;
    for (int j = 0; j < outs; j++)
        for (int i = 0; i < n; i++)
            weights[j * n + i] = res[i * n + j];
    memcpy(weights + outs * n, post, (size_t)n * sizeof *weights);
    mhc__stream_rows(dout, n, t, c, from);
    if (dx.data)
        mhc__stream_rows(dx, n, t, c, to);
    to[outs] = mhc__row_at(dz, t, c);
    mhc__combine(outs + 1, n, weights, (const mhc__elem *const *)from, to, count);
}

static void mhc__merge_back_run(const mhc__merging *m, int64_t first, int64_t end, mhc_streams dout, mhc_streams dx,
                                mhc_rows dz, float *d_coefficients, float *sums) {
    const int n = m->n;
    float acc[MHC__MERGE_SUMS(MHC_MAX_STREAMS)][MHC__LANES];
    memset(acc, 0, (size_t)MHC__MERGE_SUMS(n) * sizeof acc[0]);
    for (int64_t t = first; t < end; t++) {
        for (int64_t c = 0; c < m->channels; c += MHC__MERGE_CHUNK) {
            int64_t count = mhc__min(MHC__MERGE_CHUNK, m->channels - c);
            mhc__merge_dots(m, t, c, count, dout, acc);
            mhc__merge_spread(m, t, c, count, dout, dx, dz);
        }
        if (m->stride == 0)
            continue;
        mhc__merge_sums(n, (const float(*)[MHC__LANES])acc, d_coefficients + t * m->stride + n);
        memset(acc, 0, (size_t)MHC__MERGE_SUMS(n) * sizeof acc[0]);
    }
    if (m->stride == 0)
        mhc__merge_sums(n, (const float(*)[MHC__LANES])acc, sums);
}

#endif
