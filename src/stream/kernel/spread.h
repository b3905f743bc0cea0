/* dx: the way back through the collapse and, where it is known there, through the merge; and the share of the products.
 */
#ifndef MHC_STREAM_KERNEL_SPREAD_H
#define MHC_STREAM_KERNEL_SPREAD_H

#include "stream/kernel/combine.h"
#include "stream/kernel/rows.h"
#include "stream/kernels.h"

static void mhc__spread_run(const mhc__spreading *s, mhc__slabs shares, int64_t first, int64_t end) {
    const int n = s->n;
    const mhc__merging *m = s->merging;
    const int64_t stream = mhc__slab_count(s->channels) * MHC__BACK_SLAB_FLOATS;
    const float *rows[MHC_MAX_STREAMS], *const *more = shares.at ? rows : NULL;
    mhc__elem *from[MHC__COMBINE_MAX], *to[MHC_MAX_STREAMS];
    for (int64_t t = first; t < end; t++) {
        const float *w = s->weights.data + t * s->weights.stride;
        mhc__elem *du = mhc__row_at(s->du, t, 0);
        mhc__stream_rows(s->dx, n, t, 0, to);
        for (int j = 0; j < n && more; j++)
            rows[j] = shares.at + j * stream + (t - first) * MHC__BACK_SLAB;
        if (m) {
            mhc__stream_rows(s->dout, n, t, 0, from);
            from[n] = du;
            mhc__combine_back(n, m->around, m->coefficients + t * m->stride + 2 * n, w, (const mhc__elem *const *)from,
                              more, to, s->channels);
        } else {
            mhc__combine_spread(n, s->add, w, du, more, to, s->channels);
        }
    }
    if (m && m->around)
        mhc__vec_around_end();
}

#endif
