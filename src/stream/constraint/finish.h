/* What may follow a constraint, in this order, and the ways back:
 *
 *     rounding   K >= 0 -> the polytope of doubly stochastic matrices (after Altschuler, Weed and Rigollet, 2017):
 *                rows, then columns, whose sums are above one are divided by them; what the sums then lack, e_r and
 *                e_c, comes back as e_r e_c' / sum(e_r)
 *     affine     K -> J + (I - J) K (I - J), J = 1 1' / n: both sums exact, entries may turn slightly negative
 *     leak       K -> (1 - leak) I + leak K
 *
 * In double, and rounded once. G that is constant along rows goes back to exactly zero wherever it does so through K.
 */
#ifndef MHC_STREAM_CONSTRAINT_FINISH_H
#define MHC_STREAM_CONSTRAINT_FINISH_H

#include "stream/constraint/lanes.h"

/* Below this there is nothing to bring back. */
#define MHC__LEAST_LACK 1e-14

/* Lines of k along an axis whose sums are above one, divided by them; divisor [n][w] is what they were divided by. */
MHC__INLINE void mhc__cap_lines(mhc_axis axis, int n, int w, const double *k, double *capped, double *divisor) {
    for (int line = 0; line < n; line++) {
        mhc__line at = mhc__line_of(axis, n, line);
        double *sum = divisor + line * w;
        for (int l = 0; l < w; l++)
            sum[l] = 0.0;
        for (int m = 0; m < n; m++)
            for (int l = 0; l < w; l++)
                sum[l] += k[(at.first + m * at.step) * w + l];
        for (int l = 0; l < w; l++)
            sum[l] = sum[l] < 1.0 ? 1.0 : sum[l];
        for (int m = 0; m < n; m++)
            for (int l = 0; l < w; l++)
                capped[(at.first + m * at.step) * w + l] = k[(at.first + m * at.step) * w + l] / sum[l];
    }
}

/* A cap's way back in place: a line that was divided by r loses its component along itself. */
MHC__INLINE void mhc__cap_lines_back(mhc_axis axis, int n, int w, const double *capped, const double *divisor,
                                     double *g) {
    for (int line = 0; line < n; line++) {
        mhc__line at = mhc__line_of(axis, n, line);
        const double *r = divisor + line * w;
        double along[MHC__LANES];
        for (int l = 0; l < w; l++)
            along[l] = 0.0;
        for (int m = 0; m < n; m++)
            for (int l = 0; l < w; l++)
                along[l] += g[(at.first + m * at.step) * w + l] * capped[(at.first + m * at.step) * w + l];
        for (int m = 0; m < n; m++)
            for (int l = 0; l < w; l++) {
                double *at_m = &g[(at.first + m * at.step) * w + l];
                *at_m = r[l] > 1.0 ? (*at_m - along[l]) / r[l] : *at_m;
            }
    }
}

/* Of both caps. */
typedef struct mhc__rounding {
    double rows[MHC__MATRIX_FLOATS], both[MHC__MATRIX_FLOATS]; /* K with its rows capped, then its columns too */
    double row_sums[MHC__ROW_FLOATS], column_sums[MHC__ROW_FLOATS];
    double row_lack[MHC__ROW_FLOATS], column_lack[MHC__ROW_FLOATS], inverse[MHC__LANES]; /* 1 / sum of the lacks */
} mhc__rounding;

MHC__INLINE void mhc__rounding_of(int n, int w, const float *k, mhc__rounding *r) {
    double lack[MHC__LANES];
    for (int e = 0; e < n * n * w; e++)
        r->both[e] = (double)k[e];
    mhc__cap_lines(MHC_AXIS_SRC, n, w, r->both, r->rows, r->row_sums);
    mhc__cap_lines(MHC_AXIS_DST, n, w, r->rows, r->both, r->column_sums);
    for (int l = 0; l < w; l++)
        lack[l] = 0.0;
    for (int e = 0; e < n * w; e++)
        r->row_lack[e] = r->column_lack[e] = 1.0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++) {
                r->row_lack[i * w + l] -= r->both[(i * n + j) * w + l];
                r->column_lack[j * w + l] -= r->both[(i * n + j) * w + l];
            }
    for (int i = 0; i < n; i++)
        for (int l = 0; l < w; l++) {
            double *row = &r->row_lack[i * w + l], *column = &r->column_lack[i * w + l];
            *row = *row < 0.0 ? 0.0 : *row; /* by rounding */
            *column = *column < 0.0 ? 0.0 : *column;
            lack[l] += *row;
        }
    for (int l = 0; l < w; l++)
        r->inverse[l] = lack[l] < MHC__LEAST_LACK ? 0.0 : 1.0 / lack[l];
}

MHC__INLINE void mhc__round(int n, int w, const float *k, float *res) {
    mhc__rounding r;
    mhc__rounding_of(n, w, k, &r);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++) {
                double back = r.row_lack[i * w + l] * r.column_lack[j * w + l] * r.inverse[l];
                res[(i * n + j) * w + l] = (float)(r.both[(i * n + j) * w + l] + back);
            }
}

/* With D = G - G_i0, u = D e_c / e, v = D' e_r / e and k = e_r u / e: D_ij - u_i + k - v_j goes back to the capped K.
 */
MHC__INLINE void mhc__round_back(int n, int w, const float *k, const float *d_res, float *d_k) {
    mhc__rounding r;
    double g[MHC__MATRIX_FLOATS], u[MHC__ROW_FLOATS], v[MHC__ROW_FLOATS], both[MHC__LANES];
    mhc__rounding_of(n, w, k, &r);
    for (int l = 0; l < w; l++)
        both[l] = 0.0;
    for (int e = 0; e < n * w; e++)
        u[e] = v[e] = 0.0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++) {
                double d = (double)d_res[(i * n + j) * w + l] - (double)d_res[i * n * w + l];
                g[(i * n + j) * w + l] = d;
                u[i * w + l] += d * r.column_lack[j * w + l] * r.inverse[l];
                v[j * w + l] += d * r.row_lack[i * w + l] * r.inverse[l];
            }
    for (int i = 0; i < n; i++)
        for (int l = 0; l < w; l++)
            both[l] += r.row_lack[i * w + l] * u[i * w + l] * r.inverse[l];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++)
                g[(i * n + j) * w + l] -= u[i * w + l] - both[l] + v[j * w + l];
    mhc__cap_lines_back(MHC_AXIS_DST, n, w, r.both, r.column_sums, g);
    mhc__cap_lines_back(MHC_AXIS_SRC, n, w, r.rows, r.row_sums, g);
    for (int e = 0; e < n * n * w; e++)
        d_k[e] = (float)g[e];
}

/* out = (I - J) k (I - J), plus J where `mean`. */
MHC__INLINE void mhc__centre(int n, int w, bool mean, const float *k, float *out) {
    double rows[MHC__ROW_FLOATS], columns[MHC__ROW_FLOATS];
    const double share = 1.0 / n;
    for (int e = 0; e < n * w; e++)
        rows[e] = columns[e] = 0.0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++)
                rows[i * w + l] += (double)k[(i * n + j) * w + l];
    for (int i = 0; i < n; i++)
        for (int l = 0; l < w; l++)
            rows[i * w + l] /= n;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++)
                columns[j * w + l] += ((double)k[(i * n + j) * w + l] - rows[i * w + l]) / n;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++) {
                double d = (double)k[(i * n + j) * w + l] - rows[i * w + l] - columns[j * w + l];
                out[(i * n + j) * w + l] = (float)(mean ? d + share : d);
            }
}

MHC__LANE_FUNCTION mhc__finish_lanes(const mhc_spec *spec, int n, int w, const float *k, float *res) {
    const float leak = spec->leak, stay = 1.0f - leak;
    if (spec->finish == MHC_FINISH_ROUNDING) {
#define RUN(streams, lanes) mhc__round(streams, lanes, k, res)
        MHC__LANE_SIZES_FEW(RUN);
#undef RUN
    } else if (spec->finish == MHC_FINISH_AFFINE) {
        mhc__centre(n, w, true, k, res);
    } else {
        for (int e = 0; e < n * n * w; e++)
            res[e] = k[e];
    }
    for (int e = 0; e < n * n && leak > 0.0f; e++)
        for (int l = 0; l < w; l++)
            res[e * w + l] = e / n == e % n ? leak * res[e * w + l] + stay : leak * res[e * w + l];
}

MHC__LANE_FUNCTION mhc__finish_lanes_back(const mhc_spec *spec, int n, int w, const float *k, const float *d_res,
                                          float *d_k) {
    float d[MHC__MATRIX_FLOATS];
    const float leak = spec->leak > 0.0f ? spec->leak : 1.0f;
    for (int e = 0; e < n * n * w; e++)
        d[e] = leak * d_res[e];
    if (spec->finish == MHC_FINISH_ROUNDING) {
#define RUN(streams, lanes) mhc__round_back(streams, lanes, k, d, d_k)
        MHC__LANE_SIZES_FEW(RUN);
#undef RUN
    } else if (spec->finish == MHC_FINISH_AFFINE) {
        mhc__centre(n, w, false, d, d_k);
    } else {
        for (int e = 0; e < n * n * w; e++)
            d_k[e] = d[e];
    }
}

#endif
