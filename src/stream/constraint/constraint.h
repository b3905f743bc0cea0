/* res from its logits and back, for w matrices at once: entry e of matrix l at [e * w + l]. Logits in the convention's
 * own order; res always [dst, src].
 *
 *     logits (turned, where they are a matrix laid out as [src, dst])  ->  K  (turned, where the logits are no matrix)
 *            ->  finish  ->  leak  ->  res */
#ifndef MHC_STREAM_CONSTRAINT_H
#define MHC_STREAM_CONSTRAINT_H

#include "stream/constraint/birkhoff.h"
#include "stream/constraint/entries.h"
#include "stream/constraint/finish.h"
#include "stream/constraint/kronecker.h"
#include "stream/constraint/orthogonal.h"
#include "stream/constraint/permutations.h"
#include "stream/constraint/properties.h"
#include "stream/constraint/sinkhorn.h"
#include "stream/constraint/spectral.h"

/* Each constraint's own functions, as in x: the logits, turned to [dst, src] where they are a matrix; d_x is written.
 */
#define MHC__CONSTRAINT_TABLE(RUN)                                                                                     \
    RUN(MHC_CONSTRAINT_NONE, none)                                                                                     \
    RUN(MHC_CONSTRAINT_IDENTITY, identity)                                                                             \
    RUN(MHC_CONSTRAINT_EXP, exp)                                                                                       \
    RUN(MHC_CONSTRAINT_SINKHORN, sinkhorn)                                                                             \
    RUN(MHC_CONSTRAINT_PERMUTATIONS, permutations)                                                                     \
    RUN(MHC_CONSTRAINT_CIRCULANT, permutations)                                                                        \
    RUN(MHC_CONSTRAINT_ROW_STOCHASTIC, row_stochastic)                                                                 \
    RUN(MHC_CONSTRAINT_BIRKHOFF, birkhoff)                                                                             \
    RUN(MHC_CONSTRAINT_KRONECKER, kronecker)                                                                           \
    RUN(MHC_CONSTRAINT_SPECTRAL, spectral)                                                                             \
    RUN(MHC_CONSTRAINT_ROTATION, rotation)                                                                             \
    RUN(MHC_CONSTRAINT_ORTHOGONAL, orthogonal)

MHC__INLINE void mhc__constraint_kernel(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    switch (spec->constraint) {
#define RUN(kind, name)                                                                                                \
    case kind:                                                                                                         \
        mhc__##name##_lanes(spec, n, w, x, res);                                                                       \
        break;
        MHC__CONSTRAINT_TABLE(RUN)
#undef RUN
    }
}

MHC__INLINE void mhc__constraint_kernel_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                             float *d_x) {
    switch (spec->constraint) {
#define RUN(kind, name)                                                                                                \
    case kind:                                                                                                         \
        mhc__##name##_lanes_back(spec, n, w, x, d_res, d_x);                                                           \
        break;
        MHC__CONSTRAINT_TABLE(RUN)
#undef RUN
    }
}

MHC__LANE_FUNCTION mhc__turn_lanes(int n, int w, const float *x, float *y) {
#define RUN(streams, lanes) mhc__transpose(streams, lanes, x, y)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

MHC__INLINE bool mhc__is_finished(const mhc_spec *spec) {
    return spec->finish != MHC_FINISH_NONE || spec->leak > 0.0f;
}

/* K, before finish and leak. */
MHC__LANE_FUNCTION mhc__constraint_matrix_lanes(const mhc_spec *spec, int n, int w, const float *logits, float *k) {
    float turned[MHC__MATRIX_FLOATS];
    if (!spec->transposed) {
        mhc__constraint_kernel(spec, n, w, logits, k);
    } else if (mhc__constraint_has_matrix(spec->constraint)) {
        mhc__turn_lanes(n, w, logits, turned);
        mhc__constraint_kernel(spec, n, w, turned, k);
    } else {
        mhc__constraint_kernel(spec, n, w, logits, turned);
        mhc__turn_lanes(n, w, turned, k);
    }
}

MHC__LANE_FUNCTION mhc__constraint_matrix_lanes_back(const mhc_spec *spec, int n, int w, const float *logits,
                                                     const float *d_k, float *d_logits) {
    float turned[MHC__MATRIX_FLOATS], d_turned[MHC__MATRIX_FLOATS];
    if (!spec->transposed) {
        mhc__constraint_kernel_back(spec, n, w, logits, d_k, d_logits);
    } else if (mhc__constraint_has_matrix(spec->constraint)) {
        mhc__turn_lanes(n, w, logits, turned);
        mhc__constraint_kernel_back(spec, n, w, turned, d_k, d_turned);
        mhc__turn_lanes(n, w, d_turned, d_logits);
    } else {
        mhc__turn_lanes(n, w, d_k, d_turned);
        mhc__constraint_kernel_back(spec, n, w, logits, d_turned, d_logits);
    }
}

/* One copy of each width serves all kernels. */
MHC__LANE_FUNCTION mhc__constraint_lanes(const mhc_spec *spec, int n, int w, const float *logits, float *res) {
    float k[MHC__MATRIX_FLOATS];
    bool finished = mhc__is_finished(spec);
    mhc__constraint_matrix_lanes(spec, n, w, logits, finished ? k : res);
    if (finished)
        mhc__finish_lanes(spec, n, w, k, res);
}

/* d_logits (written; untouched where there are none). */
MHC__LANE_FUNCTION mhc__constraint_lanes_back(const mhc_spec *spec, int n, int w, const float *logits,
                                              const float *d_res, float *d_logits) {
    float k[MHC__MATRIX_FLOATS], d_k[MHC__MATRIX_FLOATS];
    const float *d = d_res;
    if (mhc__is_finished(spec)) {
        if (spec->finish == MHC_FINISH_ROUNDING)
            mhc__constraint_matrix_lanes(spec, n, w, logits, k);
        mhc__finish_lanes_back(spec, n, w, k, d_res, d_k);
        d = d_k;
    }
    mhc__constraint_matrix_lanes_back(spec, n, w, logits, d, d_logits);
}

#endif
