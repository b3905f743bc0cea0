/* Gradient of the projection. With x^ = r x and the row's values K:
 *
 *     d_fn_kc += d_mix_k x^_c
 *     dx_c    += r (sum_k d_mix_k fn_kc - x^_c slope),   slope = g / K sum_k d_mix_k mix_k
 *
 * Each task owns a slab of columns and walks over all rows: x and dx are read once, and d_fn needs no partial sums per
 * thread. Rows are summed in chunks, then added, so that long batches keep their accuracy. */
#include <string.h>

#include "base/threads.h"
#include "stream/lanes.h"
#include "stream/mapping/projection.h"

enum { CHUNK = 64, SLAB = 64, FNS = 64, QUAD = 4 };

typedef struct job {
    const mhc__projection *p;
    int64_t rows;
    mhc_streams x, dx;
    const float *fn, *r, *d_mix, *slope;
    float *d_fn;
    int64_t stride, d_stride, columns; /* columns of fn */
} job;

static int64_t row_offset(const mhc__projection *p, mhc_streams view, int64_t row, int i) {
    if (p->groups == 1)
        return row * view.token_stride + i * view.stream_stride;
    return row / p->n * view.token_stride + row % p->n * view.stream_stride;
}

/* One column group of w <= 16 lanes, `rows` <= QUAD rows, fns rows of fn. with_slope: once per row, not once per group
 * of fn rows. */
MHC__INLINE void column_group(int w, int rows, int fns, const float *const *x, float *const *dx,
                              const float d_mix[QUAD][FNS], const float *r, const float *slope, bool with_slope,
                              const float *fn, int64_t columns, float *acc) {
    float hat[QUAD][MHC__LANES], sum[QUAD][MHC__LANES];
    for (int v = 0; v < rows; v++)
        for (int l = 0; l < w; l++) {
            hat[v][l] = x[v][l] * r[v];
            sum[v][l] = with_slope ? -slope[v] * hat[v][l] : 0.0f;
        }
    for (int k = 0; k < fns; k++)
        for (int v = 0; v < rows; v++)
            for (int l = 0; l < w; l++) {
                sum[v][l] = __builtin_fmaf(d_mix[v][k], fn[k * columns + l], sum[v][l]);
                acc[k * SLAB + l] = __builtin_fmaf(d_mix[v][k], hat[v][l], acc[k * SLAB + l]);
            }
    for (int v = 0; v < rows; v++)
        for (int l = 0; l < w; l++)
            dx[v][l] = __builtin_fmaf(r[v], sum[v][l], dx[v][l]);
}

MHC__CLONES static void chunk(const job *j, int i, int64_t c0, int width, int k0, int fns, int64_t first, int64_t end,
                              float *acc) {
    const mhc__projection *p = j->p;
    const float *fn = j->fn + k0 * j->columns + i * (p->groups == 1) * p->channels + c0;
    for (int64_t row = first; row < end; row += QUAD) {
        int rows = (int)mhc__min(QUAD, end - row);
        const float *x[QUAD];
        float *dx[QUAD], d_mix[QUAD][FNS], r[QUAD], slope[QUAD];
        for (int v = 0; v < rows; v++) {
            int64_t token = (row + v) / p->groups, group = (row + v) % p->groups;
            x[v] = j->x.data + row_offset(p, j->x, row + v, i) + c0;
            dx[v] = j->dx.data + row_offset(p, j->dx, row + v, i) + c0;
            r[v] = j->r[token * j->stride + group];
            slope[v] = j->slope[row + v];
            for (int k = 0; k < fns; k++)
                d_mix[v][k] = j->d_mix[token * j->d_stride + group * p->width + k0 + k];
        }
        for (int c = 0; c < width; c += MHC__LANES) {
            int w = width - c < MHC__LANES ? width - c : MHC__LANES;
            if (w == MHC__LANES && rows == QUAD)
                column_group(MHC__LANES, QUAD, fns, x, dx, d_mix, r, slope, k0 == 0, fn + c, j->columns, acc + c);
            else
                column_group(w, rows, fns, x, dx, d_mix, r, slope, k0 == 0, fn + c, j->columns, acc + c);
            for (int v = 0; v < rows; v++) {
                x[v] += w;
                dx[v] += w;
            }
        }
    }
}

static void slab(const job *j, int i, int64_t c0) {
    const mhc__projection *p = j->p;
    int width = (int)mhc__min(SLAB, p->channels - c0);
    for (int k0 = 0; k0 < p->width; k0 += FNS) {
        int fns = (int)mhc__min(FNS, p->width - k0);
        float *out = j->d_fn + k0 * j->columns + i * (p->groups == 1) * p->channels + c0;
        for (int64_t first = 0; first < j->rows; first += CHUNK) {
            float acc[FNS * SLAB];
            memset(acc, 0, (size_t)fns * SLAB * sizeof *acc);
            chunk(j, i, c0, width, k0, fns, first, mhc__min(j->rows, first + CHUNK), acc);
            for (int k = 0; k < fns; k++)
                for (int c = 0; c < width; c++)
                    out[k * j->columns + c] += acc[k * SLAB + c];
        }
    }
}

static float slope_of(const mhc__projection *p, const float *d_mix, const float *mix, float g, int64_t values) {
    double sum = 0.0;
    for (int k = 0; k < p->width; k++)
        sum += (double)d_mix[k] * (double)mix[k];
    return (float)(sum * (double)g / (double)values);
}

void mhc__projection_backward(int threads, const mhc__projection *p, int64_t tokens, mhc_streams x, const float *fn,
                              const float *mix, const float *r, const float *g, int64_t stride, const float *d_mix,
                              int64_t d_stride, float *slope, mhc_streams dx, float *d_fn) {
    int streams = p->groups == 1 ? p->n : 1;
    job j = {p, tokens * p->groups, x, dx, fn, r, d_mix, slope, d_fn, stride, d_stride, streams * p->channels};
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t row = 0; row < j.rows; row++) {
        int64_t token = row / p->groups, group = row % p->groups;
        slope[row] = slope_of(p, d_mix + token * d_stride + group * p->width, mix + token * stride + group * p->width,
                              g[token * stride + group], j.columns);
    }
    int64_t slabs = mhc__blocks(p->channels, SLAB), tasks = streams * slabs;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t task = 0; task < tasks; task++)
        slab(&j, (int)(task / slabs), task % slabs * SLAB);
}
