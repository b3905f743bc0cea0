/* The gradient of expand: a sum over the streams, in order. */
#ifndef MHC_STREAM_KERNEL_EXPAND_H
#define MHC_STREAM_KERNEL_EXPAND_H

#include "stream/kernel/rows.h"

static void mhc__sum_streams_run(int n, int64_t channels, int64_t first, int64_t end, mhc_streams x, mhc_rows y) {
    mhc__elem *from[MHC_MAX_STREAMS];
    for (int64_t t = first; t < end; t++) {
        mhc__elem *to = mhc__row_at(y, t, 0);
        mhc__stream_rows(x, n, t, 0, from);
        int64_t c = 0;
        for (; c + MHC__VEC <= channels; c += MHC__VEC) {
            mhc__vec sum = mhc__elem_load(from[0] + c);
            for (int i = 1; i < n; i++)
                sum = mhc__vec_add(sum, mhc__elem_load(from[i] + c));
            mhc__elem_store(to + c, sum);
        }
        if (c == channels)
            continue;
        int some = (int)(channels - c);
        mhc__vec sum = mhc__elem_load_some(from[0] + c, some);
        for (int i = 1; i < n; i++)
            sum = mhc__vec_add(sum, mhc__elem_load_some(from[i] + c, some));
        mhc__elem_store_some(to + c, sum, some);
    }
}

#endif
