/* The constraints that look at one entry or one row at a time.
 *
 *     none             res = logits
 *     identity         res = I; no logits
 *     exp              res = exp(logits)
 *     row-stochastic   res = softmax of each row, over the sources */
#ifndef MHC_STREAM_CONSTRAINT_ENTRIES_H
#define MHC_STREAM_CONSTRAINT_ENTRIES_H

#include "stream/constraint/lanes.h"

MHC__LANE_FUNCTION mhc__none_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    (void)spec;
    for (int e = 0; e < n * n * w; e++)
        res[e] = x[e];
}

MHC__LANE_FUNCTION mhc__none_lanes_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                        float *d_x) {
    (void)spec, (void)x;
    for (int e = 0; e < n * n * w; e++)
        d_x[e] = d_res[e];
}

MHC__LANE_FUNCTION mhc__identity_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    (void)spec, (void)x;
    for (int e = 0; e < n * n; e++)
        for (int l = 0; l < w; l++)
            res[e * w + l] = e / n == e % n ? 1.0f : 0.0f;
}

MHC__LANE_FUNCTION mhc__identity_lanes_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                            float *d_x) {
    (void)spec, (void)n, (void)w, (void)x, (void)d_res, (void)d_x;
}

MHC__LANE_FUNCTION mhc__exp_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    (void)spec;
    for (int e = 0; e < n * n * w; e++)
        res[e] = mhc__expf(x[e]);
}

MHC__LANE_FUNCTION mhc__exp_lanes_back(const mhc_spec *spec, int n, int w, const float *x, const float *d_res,
                                       float *d_x) {
    (void)spec;
    for (int e = 0; e < n * n * w; e++)
        d_x[e] = d_res[e] * mhc__expf(x[e]);
}

MHC__INLINE void mhc__row_stochastic_back(int n, int w, const float *x, const float *d_res, float *d_x) {
    float p[MHC__MATRIX_FLOATS];
    mhc__line_softmax(MHC_AXIS_SRC, n, w, true, x, p);
    for (int i = 0; i < n; i++) {
        double g[MHC__ROW_FLOATS], d[MHC__ROW_FLOATS];
        for (int e = 0; e < n * w; e++)
            g[e] = (double)d_res[i * n * w + e];
        mhc__row_softmax_back(n, w, p + i * n * w, g, d);
        for (int e = 0; e < n * w; e++)
            d_x[i * n * w + e] = (float)d[e];
    }
}

MHC__LANE_FUNCTION mhc__row_stochastic_lanes(const mhc_spec *spec, int n, int w, const float *x, float *res) {
    (void)spec;
#define RUN(streams, lanes) mhc__line_softmax(MHC_AXIS_SRC, streams, lanes, true, x, res)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

MHC__LANE_FUNCTION mhc__row_stochastic_lanes_back(const mhc_spec *spec, int n, int w, const float *x,
                                                  const float *d_res, float *d_x) {
    (void)spec;
#define RUN(streams, lanes) mhc__row_stochastic_back(streams, lanes, x, d_res, d_x)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

#endif
