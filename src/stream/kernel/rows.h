/* Where the elements of a token are. */
#ifndef MHC_STREAM_KERNEL_ROWS_H
#define MHC_STREAM_KERNEL_ROWS_H

#include "mhc/site.h"
#include "simd/elem.h"

/* The row of a token from column c on. */
MHC__INLINE mhc__elem *mhc__row_at(mhc_rows view, int64_t t, int64_t c) {
    return (mhc__elem *)view.data + t * view.stride + c;
}

/* The streams of a token from column c on. */
MHC__INLINE void mhc__stream_rows(mhc_streams view, int n, int64_t t, int64_t c, mhc__elem **rows) {
    for (int i = 0; i < n; i++)
        rows[i] = (mhc__elem *)view.data + t * view.token_stride + i * view.stream_stride + c;
}

#endif
