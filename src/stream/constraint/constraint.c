/* The constraint by itself: MHC__LANES matrices at a time. */
#include "stream/constraint/constraint.h"

#include "stream/shape.h"

/* Rows `first`.. of [rows, count] into lanes, rows past the end as the last one. */
MHC__INLINE void to_lanes(const float *rows, int64_t first, int64_t end, int count, int w, float *lanes) {
    for (int l = 0; l < w; l++) {
        const float *row = rows + mhc__min(first + l, end - 1) * count;
        for (int e = 0; e < count; e++)
            lanes[e * w + l] = row[e];
    }
}

MHC__INLINE void from_lanes(const float *lanes, int64_t first, int64_t end, int count, int w, float *rows) {
    for (int l = 0; l < w && first + l < end; l++)
        for (int e = 0; e < count; e++)
            rows[(first + l) * count + e] = lanes[e * w + l];
}

/* Logits of one block: 16 x 5! at most. */
#define LOGIT_FLOATS (MHC__PERMUTATIONS_MAX * MHC__LANES)

MHC__INLINE void forward_block(const mhc_spec *spec, int count, int n, int w, int64_t first, int64_t rows,
                               const float *logits, float *res) {
    float x[LOGIT_FLOATS], y[MHC__MATRIX_FLOATS];
    to_lanes(logits, first, rows, count, w, x);
    mhc__constraint_lanes(spec, n, w, x, y);
    from_lanes(y, first, rows, n * n, w, res);
}

MHC__INLINE void backward_block(const mhc_spec *spec, int count, int n, int w, int64_t first, int64_t rows,
                                const float *logits, const float *d_res, float *d_logits) {
    float x[LOGIT_FLOATS], dy[MHC__MATRIX_FLOATS], dx[LOGIT_FLOATS], states[MHC__SINKHORN_STATES];
    to_lanes(logits, first, rows, count, w, x);
    to_lanes(d_res, first, rows, n * n, w, dy);
    mhc__constraint_lanes_back(spec, n, w, x, dy, dx, states);
    from_lanes(dx, first, rows, count, w, d_logits);
}

MHC__CLONES static void forward(const mhc_spec *spec, int count, int64_t first, int64_t rows, const float *logits,
                                float *res) {
    int n = spec->streams;
    if (n == 4)
        forward_block(spec, count, 4, MHC__LANES, first, rows, logits, res);
    else if (n <= 8)
        forward_block(spec, count, n, MHC__LANES, first, rows, logits, res);
    else
        forward_block(spec, count, n, 1, first, rows, logits, res);
}

MHC__CLONES static void backward(const mhc_spec *spec, int count, int64_t first, int64_t rows, const float *logits,
                                 const float *d_res, float *d_logits) {
    int n = spec->streams;
    if (n == 4)
        backward_block(spec, count, 4, MHC__LANES, first, rows, logits, d_res, d_logits);
    else if (n <= 8)
        backward_block(spec, count, n, MHC__LANES, first, rows, logits, d_res, d_logits);
    else
        backward_block(spec, count, n, 1, first, rows, logits, d_res, d_logits);
}

static mhc_status enter(const mhc_context *context, const mhc_spec *spec, int64_t rows, mhc__shape *shape,
                        mhc_error *error) {
    MHC__TRY(mhc__site_enter(context, spec, rows, shape, error));
    if (spec->mapping == MHC_MAPPING_NONE)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "mhc_constraint: the plain residual has no constraint");
    return MHC_OK;
}

mhc_status mhc_constraint_forward(const mhc_context *context, const mhc_spec *spec, int64_t rows, const float *logits,
                                  float *res, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(enter(context, spec, rows, &s, error));
    if (rows == 0)
        return MHC_OK;
    if (s.res > 0)
        MHC__TRY(mhc__need(logits, "mhc_constraint_forward", "logits", error));
    MHC__TRY(mhc__need(res, "mhc_constraint_forward", "res", error));
    int64_t w = mhc__lanes_of(s.n), blocks = mhc__blocks(rows, w);
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        forward(spec, s.res, block * w, rows, logits, res);
    return MHC_OK;
}

mhc_status mhc_constraint_backward(const mhc_context *context, const mhc_spec *spec, int64_t rows, const float *logits,
                                   const float *d_res, float *d_logits, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(enter(context, spec, rows, &s, error));
    if (rows == 0 || s.res == 0)
        return MHC_OK;
    MHC__TRY(mhc__need(logits, "mhc_constraint_backward", "logits", error));
    MHC__TRY(mhc__need(d_res, "mhc_constraint_backward", "d_res", error));
    MHC__TRY(mhc__need(d_logits, "mhc_constraint_backward", "d_logits", error));
    int64_t w = mhc__lanes_of(s.n), blocks = mhc__blocks(rows, w);
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        backward(spec, s.res, block * w, rows, logits, d_res, d_logits);
    return MHC_OK;
}
