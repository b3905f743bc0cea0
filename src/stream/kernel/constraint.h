/* The constraint by itself, some matrices at a time. */
#ifndef MHC_STREAM_KERNEL_CONSTRAINT_H
#define MHC_STREAM_KERNEL_CONSTRAINT_H

#include "stream/constraint/constraint.h"

#include "stream/shape.h"

/* Rows `first`.. of [rows, count] into lanes, rows past the end as the last one. */
MHC__INLINE void mhc__rows_to_lanes(const float *rows, int64_t first, int64_t end, int count, int w, float *lanes) {
    for (int l = 0; l < w; l++) {
        const float *row = rows + mhc__min(first + l, end - 1) * count;
        for (int e = 0; e < count; e++)
            lanes[e * w + l] = row[e];
    }
}

MHC__INLINE void mhc__rows_from_lanes(const float *lanes, int64_t first, int64_t end, int count, int w, float *rows) {
    for (int l = 0; l < w && first + l < end; l++)
        for (int e = 0; e < count; e++)
            rows[(first + l) * count + e] = lanes[e * w + l];
}

/* Logits of one block: 16 x 5! at most. */
#define MHC__CONSTRAINT_FLOATS (MHC__PERMUTATIONS_MAX * MHC__LANES)

static void mhc__constraint_run(const mhc_spec *spec, int count, int64_t first, int64_t rows, const float *logits,
                                float *res) {
    const int n = spec->streams, w = mhc__lanes_for(n, rows - first);
    float x[MHC__CONSTRAINT_FLOATS] = {0}, y[MHC__MATRIX_FLOATS];
    mhc__rows_to_lanes(logits, first, rows, count, w, x);
    mhc__constraint_lanes(spec, n, w, x, y);
    mhc__rows_from_lanes(y, first, rows, n * n, w, res);
}

static void mhc__constraint_back_run(const mhc_spec *spec, int count, int64_t first, int64_t rows, const float *logits,
                                     const float *d_res, float *d_logits) {
    const int n = spec->streams, w = mhc__lanes_for(n, rows - first);
    float x[MHC__CONSTRAINT_FLOATS] = {0}, dy[MHC__MATRIX_FLOATS], dx[MHC__CONSTRAINT_FLOATS];
    mhc__rows_to_lanes(logits, first, rows, count, w, x);
    mhc__rows_to_lanes(d_res, first, rows, n * n, w, dy);
    mhc__constraint_lanes_back(spec, n, w, x, dy, dx);
    mhc__rows_from_lanes(dx, first, rows, count, w, d_logits);
}

#endif
