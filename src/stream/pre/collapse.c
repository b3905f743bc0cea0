#include "stream/pre/collapse.h"

#include <stddef.h>

#include "stream/lanes.h"
#include "stream/shape.h"

MHC__INLINE void collapse_lanes(int n, int w, const float *x, int64_t stream_stride, const float *weights, float *u) {
    float sum[MHC__LANES];
    for (int l = 0; l < w; l++)
        sum[l] = weights[0] * x[l];
    for (int j = 1; j < n; j++)
        for (int l = 0; l < w; l++)
            sum[l] = __builtin_fmaf(weights[j], x[j * stream_stride + l], sum[l]);
    for (int l = 0; l < w; l++)
        u[l] = sum[l];
}

MHC__INLINE void collapse_row(int n, int64_t channels, const float *x, int64_t stream_stride, const float *weights,
                              float *u) {
    int64_t c = 0;
    for (; c + MHC__LANES <= channels; c += MHC__LANES)
        collapse_lanes(n, MHC__LANES, x + c, stream_stride, weights, u + c);
    if (c < channels)
        collapse_lanes(n, (int)(channels - c), x + c, stream_stride, weights, u + c);
}

MHC__CLONES static void collapse_block(int n, int64_t channels, int64_t first, int64_t end, mhc_streams x,
                                       const float *weights, int64_t stride, mhc_rows u) {
    for (int64_t t = first; t < end; t++) {
        const float *row = x.data + t * x.token_stride;
        if (n == 4)
            collapse_row(4, channels, row, x.stream_stride, weights + t * stride, u.data + t * u.stride);
        else
            collapse_row(n, channels, row, x.stream_stride, weights + t * stride, u.data + t * u.stride);
    }
}

void mhc__collapse_forward(int threads, int n, int64_t channels, int64_t tokens, mhc_streams x, const float *weights,
                           int64_t stride, mhc_rows u) {
    int64_t blocks = mhc__blocks(tokens, MHC__TOKEN_BLOCK);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        collapse_block(n, channels, block * MHC__TOKEN_BLOCK, mhc__min(tokens, (block + 1) * MHC__TOKEN_BLOCK), x,
                       weights, stride, u);
}

/* dx and lanes of <du, X_j> in one pass. */
MHC__INLINE void back_lanes(int n, int w, bool add, const float *x, int64_t x_stride, const float *weights,
                            const float *du, float *dx, int64_t dx_stride, float acc[][MHC__LANES]) {
    for (int j = 0; j < n; j++)
        for (int l = 0; l < w; l++) {
            float before = add ? dx[j * dx_stride + l] : 0.0f;
            acc[j][l] = __builtin_fmaf(du[l], x[j * x_stride + l], acc[j][l]);
            dx[j * dx_stride + l] = __builtin_fmaf(weights[j], du[l], before);
        }
}

MHC__INLINE void back_row(int n, int64_t channels, bool add, const float *x, int64_t x_stride, const float *weights,
                          const float *du, float *dx, int64_t dx_stride, float acc[][MHC__LANES]) {
    int64_t c = 0;
    for (; c + MHC__LANES <= channels; c += MHC__LANES)
        back_lanes(n, MHC__LANES, add, x + c, x_stride, weights, du + c, dx + c, dx_stride, acc);
    if (c < channels)
        back_lanes(n, (int)(channels - c), add, x + c, x_stride, weights, du + c, dx + c, dx_stride, acc);
}

typedef struct job {
    int n;
    int64_t channels;
    mhc_streams x, dx;
    mhc_rows du;
    const float *weights;
    int64_t stride;
    bool add;
} job;

/* Adds token t's products to acc. */
MHC__CLONES static void back_token(const job *j, int64_t t, float acc[][MHC__LANES]) {
    const float *x = j->x.data + t * j->x.token_stride, *du = j->du.data + t * j->du.stride,
                *weights = j->weights + t * j->stride;
    float *dx = j->dx.data + t * j->dx.token_stride;
    if (j->n == 4 && j->add)
        back_row(4, j->channels, true, x, j->x.stream_stride, weights, du, dx, j->dx.stream_stride, acc);
    else
        back_row(j->n, j->channels, j->add, x, j->x.stream_stride, weights, du, dx, j->dx.stream_stride, acc);
}

static void back_block(const job *j, int64_t first, int64_t end, float *d_weights, int64_t d_stride, float *partial) {
    float acc[MHC_MAX_STREAMS][MHC__LANES] = {{0}};
    for (int64_t t = first; t < end; t++) {
        back_token(j, t, acc);
        if (!d_weights || d_stride == 0)
            continue;
        for (int k = 0; k < j->n; k++) {
            d_weights[t * d_stride + k] = mhc__lanes_sum(acc[k]);
            for (int l = 0; l < MHC__LANES; l++)
                acc[k][l] = 0.0f;
        }
    }
    if (d_weights && d_stride == 0)
        for (int k = 0; k < j->n; k++)
            partial[k] = mhc__lanes_sum(acc[k]);
}

void mhc__collapse_backward(int threads, int n, int64_t channels, int64_t tokens, mhc_streams x, const float *weights,
                            int64_t stride, mhc_rows du, bool add, mhc_streams dx, float *d_weights, int64_t d_stride,
                            float *partials) {
    job j = {n, channels, x, dx, du, weights, stride, add};
    int64_t blocks = mhc__blocks(tokens, MHC__TOKEN_BLOCK);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        back_block(&j, block * MHC__TOKEN_BLOCK, mhc__min(tokens, (block + 1) * MHC__TOKEN_BLOCK), d_weights, d_stride,
                   partials ? partials + block * n : NULL);
    if (!d_weights || d_stride != 0)
        return;
    for (int k = 0; k < n; k++) {
        double sum = 0.0;
        for (int64_t block = 0; block < blocks; block++)
            sum += (double)partials[block * n + k];
        d_weights[k] = (float)sum;
    }
}
