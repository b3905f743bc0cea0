#include "stream/mapping/projection.h"

#include <math.h>

#include "stream/lanes.h"
#include "stream/shape.h"

/* Rows and rows of fn that share their loads: ROWS x FN accumulators of MHC__LANES floats. */
enum { ROWS = 4, FN = 4, ROW_BLOCK = 16 };

/* Row v's part of stream i. */
static const float *segment(const mhc__projection *p, mhc_streams x, int64_t row, int i) {
    if (p->groups == 1)
        return x.data + row * x.token_stride + i * x.stream_stride;
    return x.data + row / p->n * x.token_stride + row % p->n * x.stream_stride;
}

static int segments(const mhc__projection *p) {
    return p->groups == 1 ? p->n : 1;
}

/* Mean of squares of a row in double: for rows whose squares leave the range of fp32. */
static double careful_mean(const mhc__projection *p, mhc_streams x, int64_t row) {
    double sum = 0.0;
    for (int i = 0; i < segments(p); i++) {
        const float *a = segment(p, x, row, i);
        for (int64_t c = 0; c < p->channels; c++)
            sum += (double)a[c] * (double)a[c];
    }
    return sum / ((double)segments(p) * (double)p->channels);
}

static void norm_of(const mhc__projection *p, mhc_streams x, int64_t row, float sum, float *r, float *g) {
    double mean = (double)sum / ((double)segments(p) * (double)p->channels);
    if (!(sum > 1e-30f && sum < 1e38f))
        mean = careful_mean(p, x, row);
    double root = sqrt(mean), eps = (double)p->eps;
    double under = p->eps_place == MHC_EPS_INSIDE ? sqrt(mean + eps) : root + eps;
    *r = under < MHC__SMALLEST_RMS ? 0.0f : (float)(1.0 / under);
    *g = p->eps_place == MHC_EPS_INSIDE ? 1.0f : root < MHC__SMALLEST_RMS ? 0.0f : (float)(under / root);
}

MHC__INLINE void dots(int rows, int fns, int64_t channels, const float *const *x, const float *fn, int64_t fn_stride,
                      float acc[ROWS][FN][MHC__LANES]) {
    int64_t c = 0;
    for (; c + MHC__LANES <= channels; c += MHC__LANES)
        for (int v = 0; v < rows; v++)
            for (int k = 0; k < fns; k++)
                for (int l = 0; l < MHC__LANES; l++)
                    acc[v][k][l] = __builtin_fmaf(x[v][c + l], fn[k * fn_stride + c + l], acc[v][k][l]);
    for (int v = 0; v < rows; v++)
        for (int k = 0; k < fns; k++)
            for (int l = 0; c + l < channels; l++)
                acc[v][k][l] = __builtin_fmaf(x[v][c + l], fn[k * fn_stride + c + l], acc[v][k][l]);
}

MHC__CLONES static void sums_of_squares(const mhc__projection *p, mhc_streams x, int64_t first, int count, float *sum) {
    for (int v = 0; v < count; v++) {
        float lane[MHC__LANES] = {0};
        for (int i = 0; i < segments(p); i++)
            mhc__lanes_dot(lane, segment(p, x, first + v, i), segment(p, x, first + v, i), p->channels);
        sum[v] = mhc__lanes_sum(lane);
    }
}

/* out[v][k] = <row first + v, fn_{k0 + k}> for fewer than or exactly ROWS x FN of them. */
MHC__CLONES static void products(const mhc__projection *p, mhc_streams x, int64_t first, int rows, const float *fn,
                                 int k0, int fns, float out[ROWS][FN]) {
    float acc[ROWS][FN][MHC__LANES] = {{{0}}};
    const float *at[ROWS];
    int64_t columns = segments(p) * p->channels;
    for (int i = 0; i < segments(p); i++) {
        for (int v = 0; v < rows; v++)
            at[v] = segment(p, x, first + v, i);
        const float *weights = fn + k0 * columns + i * p->channels;
        if (rows == ROWS && fns == FN)
            dots(ROWS, FN, p->channels, at, weights, columns, acc);
        else
            dots(rows, fns, p->channels, at, weights, columns, acc);
    }
    for (int v = 0; v < rows; v++)
        for (int k = 0; k < fns; k++)
            out[v][k] = mhc__lanes_sum(acc[v][k]);
}

static void forward_block(const mhc__projection *p, int64_t first, int64_t end, mhc_streams x, const float *fn,
                          float *mix, float *r, float *g, int64_t stride) {
    for (int64_t row = first; row < end; row += ROWS) {
        int rows = (int)mhc__min(ROWS, end - row);
        float sum[ROWS], out[ROWS][FN], root[ROWS];
        sums_of_squares(p, x, row, rows, sum);
        for (int v = 0; v < rows; v++) {
            int64_t at = (row + v) / p->groups * stride + (row + v) % p->groups;
            norm_of(p, x, row + v, sum[v], &r[at], &g[at]);
            root[v] = r[at];
        }
        for (int k = 0; k < p->width; k += FN) {
            int fns = (int)mhc__min(FN, p->width - k);
            products(p, x, row, rows, fn, k, fns, out);
            for (int v = 0; v < rows; v++)
                for (int j = 0; j < fns; j++)
                    mix[(row + v) / p->groups * stride + (row + v) % p->groups * p->width + k + j] =
                        out[v][j] * root[v];
        }
    }
}

void mhc__projection_forward(int threads, const mhc__projection *p, int64_t tokens, mhc_streams x, const float *fn,
                             float *mix, float *r, float *g, int64_t stride) {
    int64_t rows = tokens * p->groups, blocks = mhc__blocks(rows, ROW_BLOCK);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        forward_block(p, block * ROW_BLOCK, mhc__min(rows, (block + 1) * ROW_BLOCK), x, fn, mix, r, g, stride);
}
