/* res from its logits and back, for w matrices at once: entry e of matrix l at [e * w + l]. Logits in the convention's
 * own order; res always [dst, src]. */
#ifndef MHC_STREAM_CONSTRAINT_H
#define MHC_STREAM_CONSTRAINT_H

#include "stream/constraint/permutations.h"
#include "stream/constraint/sinkhorn.h"

/* Scratch of the lane loops: the widest constraint, one state each way. */
#define MHC__MATRIX_FLOATS 1024

MHC__INLINE void mhc__transpose(int n, int w, const float *x, float *y) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++)
                y[(i * n + j) * w + l] = x[(j * n + i) * w + l];
}

MHC__INLINE void mhc__constraint_sized(const mhc_spec *spec, int n, int w, const float *logits, float *res) {
    float turned[MHC__MATRIX_FLOATS];
    turned[0] = 0.0f; /* there is at least one entry, which the compiler can't see */
    const float *x = logits;
    bool turn = spec->transposed && (spec->constraint == MHC_CONSTRAINT_SINKHORN ||
                                     spec->constraint == MHC_CONSTRAINT_FREE || spec->constraint == MHC_CONSTRAINT_EXP);
    if (turn) {
        mhc__transpose(n, w, logits, turned);
        x = turned;
    }
    switch (spec->constraint) {
    case MHC_CONSTRAINT_FREE:
        for (int e = 0; e < n * n * w; e++)
            res[e] = x[e];
        break;
    case MHC_CONSTRAINT_IDENTITY:
        for (int e = 0; e < n * n; e++)
            for (int l = 0; l < w; l++)
                res[e * w + l] = e / n == e % n ? 1.0f : 0.0f;
        break;
    case MHC_CONSTRAINT_EXP:
        for (int e = 0; e < n * n * w; e++)
            res[e] = mhc__expf(x[e]);
        break;
    case MHC_CONSTRAINT_SINKHORN:
        mhc__sinkhorn_lanes(&spec->sinkhorn, n, w, x, res);
        break;
    case MHC_CONSTRAINT_PERMUTATIONS:
        mhc__permutations_forward(n, w, spec->transposed, x, res);
        break;
    }
}

/* d_logits (written; untouched for the identity). states: MHC__SINKHORN_STATES floats. */
MHC__INLINE void mhc__constraint_sized_back(const mhc_spec *spec, int n, int w, const float *logits, const float *d_res,
                                            float *d_logits, float *states) {
    float turned[MHC__MATRIX_FLOATS], d_turned[MHC__MATRIX_FLOATS];
    turned[0] = 0.0f;
    switch (spec->constraint) {
    case MHC_CONSTRAINT_FREE:
        if (spec->transposed)
            mhc__transpose(n, w, d_res, d_logits);
        else
            for (int e = 0; e < n * n * w; e++)
                d_logits[e] = d_res[e];
        break;
    case MHC_CONSTRAINT_IDENTITY:
        break;
    case MHC_CONSTRAINT_EXP:
        if (spec->transposed)
            mhc__transpose(n, w, d_res, d_logits);
        for (int e = 0; e < n * n * w; e++)
            d_logits[e] = (spec->transposed ? d_logits[e] : d_res[e]) * mhc__expf(logits[e]);
        break;
    case MHC_CONSTRAINT_SINKHORN:
        if (spec->transposed) {
            mhc__transpose(n, w, logits, turned);
            mhc__sinkhorn_lanes_back(&spec->sinkhorn, n, w, turned, d_res, d_turned, states);
            mhc__transpose(n, w, d_turned, d_logits);
        } else {
            mhc__sinkhorn_lanes_back(&spec->sinkhorn, n, w, logits, d_res, d_logits, states);
        }
        break;
    case MHC_CONSTRAINT_PERMUTATIONS:
        mhc__permutations_backward(n, w, spec->transposed, logits, d_res, d_logits);
        break;
    }
}

/* One copy of each width serves all kernels. */
static __attribute__((noinline, unused)) void mhc__constraint_lanes(const mhc_spec *spec, int n, int w,
                                                                    const float *logits, float *res) {
    if (w == MHC__LANES)
        mhc__constraint_sized(spec, n, MHC__LANES, logits, res);
    else if (w == MHC__FEW_LANES)
        mhc__constraint_sized(spec, 4, MHC__FEW_LANES, logits, res);
    else
        mhc__constraint_sized(spec, n, 1, logits, res);
}

static __attribute__((noinline, unused)) void mhc__constraint_lanes_back(const mhc_spec *spec, int n, int w,
                                                                         const float *logits, const float *d_res,
                                                                         float *d_logits, float *states) {
    if (w == MHC__LANES)
        mhc__constraint_sized_back(spec, n, MHC__LANES, logits, d_res, d_logits, states);
    else if (w == MHC__FEW_LANES)
        mhc__constraint_sized_back(spec, 4, MHC__FEW_LANES, logits, d_res, d_logits, states);
    else
        mhc__constraint_sized_back(spec, n, 1, logits, d_res, d_logits, states);
}

#endif
