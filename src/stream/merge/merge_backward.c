/* Gradient of merge: x, z and dout are read once; dx, dz and all n (n + 1) dot products come from the same pass. */
#include <string.h>

#include "stream/lanes.h"
#include "stream/shape.h"

typedef struct job {
    mhc__shape s;
    mhc_streams x, dout, dx;
    mhc_rows z, dz;
    const float *coefficients;
    int64_t stride; /* of coefficients and d_coefficients: 0 when static */
    float *d_coefficients, *partials;
} job;

/* Floats of a row of coefficients without its pre: post and res. */
#define SUMS(n) ((n) * ((n) + 1))

/* dx_j = sum_i res_ij dout_i and dz = sum_i post_i dout_i of w columns. All streams are read before any is written: dx
 * may be dout. */
MHC__INLINE void spread_lanes(int n, int w, const float *post, const float *res, const float *dout, int64_t dout_stride,
                              float *dx, int64_t dx_stride, float *dz) {
    float d[MHC_MAX_STREAMS][MHC__LANES], sum[MHC__LANES];
    for (int i = 0; i < n; i++)
        for (int l = 0; l < w; l++)
            d[i][l] = dout[i * dout_stride + l];
    for (int j = 0; j < n; j++) {
        for (int l = 0; l < w; l++)
            sum[l] = res[j] * d[0][l];
        for (int i = 1; i < n; i++)
            for (int l = 0; l < w; l++)
                sum[l] = __builtin_fmaf(res[i * n + j], d[i][l], sum[l]);
        for (int l = 0; l < w; l++)
            dx[j * dx_stride + l] = sum[l];
    }
    for (int l = 0; l < w; l++)
        sum[l] = post[0] * d[0][l];
    for (int i = 1; i < n; i++)
        for (int l = 0; l < w; l++)
            sum[l] = __builtin_fmaf(post[i], d[i][l], sum[l]);
    for (int l = 0; l < w; l++)
        dz[l] = sum[l];
}

MHC__INLINE float weighted(const float *weights, int step, float a, float b, float c, float d) {
    float sum = __builtin_fmaf(weights[step], b, weights[0] * a);
    return __builtin_fmaf(weights[3 * step], d, __builtin_fmaf(weights[2 * step], c, sum));
}

/* The same arithmetic for the usual n = 4; element c of the outputs depends on element c of dout alone. */
MHC__INLINE void spread_four(int64_t channels, const float *post, const float *res, const float *dout,
                             int64_t dout_stride, float *dx, int64_t dx_stride, float *dz) {
    const float *g0 = dout, *g1 = g0 + dout_stride, *g2 = g1 + dout_stride, *g3 = g2 + dout_stride;
    float *x0 = dx, *x1 = x0 + dx_stride, *x2 = x1 + dx_stride, *x3 = x2 + dx_stride;
    MHC__INDEPENDENT
    for (int64_t c = 0; c < channels; c++) {
        float a = g0[c], b = g1[c], d = g2[c], e = g3[c];
        x0[c] = weighted(res, 4, a, b, d, e);
        x1[c] = weighted(res + 1, 4, a, b, d, e);
        x2[c] = weighted(res + 2, 4, a, b, d, e);
        x3[c] = weighted(res + 3, 4, a, b, d, e);
        dz[c] = weighted(post, 1, a, b, d, e);
    }
}

/* acc[0..4] += lanes of <d, z>, <d, x_0>, … <d, x_3>: one pass over d. */
MHC__INLINE void dots_four(int64_t channels, const float *d, const float *z, const float *x, int64_t x_stride,
                           float (*acc)[MHC__LANES]) {
    const float *x0 = x, *x1 = x + x_stride, *x2 = x1 + x_stride, *x3 = x2 + x_stride;
    float s[5][MHC__LANES];
    memcpy(s, acc, sizeof s);
    int64_t c = 0;
    for (; c + MHC__LANES <= channels; c += MHC__LANES)
        for (int l = 0; l < MHC__LANES; l++) {
            s[0][l] = __builtin_fmaf(d[c + l], z[c + l], s[0][l]);
            s[1][l] = __builtin_fmaf(d[c + l], x0[c + l], s[1][l]);
            s[2][l] = __builtin_fmaf(d[c + l], x1[c + l], s[2][l]);
            s[3][l] = __builtin_fmaf(d[c + l], x2[c + l], s[3][l]);
            s[4][l] = __builtin_fmaf(d[c + l], x3[c + l], s[4][l]);
        }
    memcpy(acc, s, sizeof s);
    mhc__lanes_dot(acc[0], d + c, z + c, channels - c);
    for (int j = 0; j < 4; j++)
        mhc__lanes_dot(acc[j + 1], d + c, x + j * x_stride + c, channels - c);
}

/* acc: for each i, lanes of <dout_i, z> and of <dout_i, x_j>: n + 1 of them. */
MHC__INLINE void back_token(const job *j, int n, int64_t t, float (*acc)[MHC__LANES]) {
    const float *x = j->x.data + t * j->x.token_stride, *z = j->z.data + t * j->z.stride,
                *dout = j->dout.data + t * j->dout.token_stride, *row = j->coefficients + t * j->stride + n;
    float *dx = j->dx.data + t * j->dx.token_stride, *dz = j->dz.data + t * j->dz.stride;
    int64_t channels = j->s.channels, xs = j->x.stream_stride, gs = j->dout.stream_stride;
    float local[SUMS(MHC_MAX_STREAMS)];
    memcpy(local, row, (size_t)SUMS(n) * sizeof *local);
    const float *post = local, *res = local + n;
    for (int i = 0; i < n; i++) {
        if (n == 4) {
            dots_four(channels, dout + i * gs, z, x, xs, acc + i * 5);
            continue;
        }
        mhc__lanes_dot(acc[i * (n + 1)], dout + i * gs, z, channels);
        for (int k = 0; k < n; k++)
            mhc__lanes_dot(acc[i * (n + 1) + 1 + k], dout + i * gs, x + k * xs, channels);
    }
    if (n == 4) {
        spread_four(channels, post, res, dout, gs, dx, j->dx.stream_stride, dz);
        return;
    }
    for (int64_t c = 0; c < channels; c += MHC__LANES) {
        int w = (int)mhc__min(MHC__LANES, channels - c);
        if (w == MHC__LANES)
            spread_lanes(n, MHC__LANES, post, res, dout + c, gs, dx + c, j->dx.stream_stride, dz + c);
        else
            spread_lanes(n, w, post, res, dout + c, gs, dx + c, j->dx.stream_stride, dz + c);
    }
}

/* Sum k of a row of coefficients from the lanes: post_i, then res_ij. */
MHC__INLINE float sum_of(int n, int k, float (*acc)[MHC__LANES]) {
    return mhc__lanes_sum(k < n ? acc[k * (n + 1)] : acc[(k - n) / n * (n + 1) + 1 + (k - n) % n]);
}

MHC__INLINE void back_block(const job *j, int n, int64_t first, int64_t end, float *partial) {
    float acc[SUMS(MHC_MAX_STREAMS)][MHC__LANES];
    memset(acc, 0, (size_t)SUMS(n) * sizeof acc[0]);
    for (int64_t t = first; t < end; t++) {
        back_token(j, n, t, acc);
        if (j->stride == 0)
            continue;
        for (int k = 0; k < SUMS(n); k++)
            j->d_coefficients[t * j->stride + n + k] = sum_of(n, k, acc);
        memset(acc, 0, (size_t)SUMS(n) * sizeof acc[0]);
    }
    if (j->stride == 0 && partial)
        for (int k = 0; k < SUMS(n); k++)
            partial[k] = sum_of(n, k, acc);
}

MHC__CLONES static void backward(const job *j, int64_t block, int64_t tokens) {
    int n = j->s.n;
    int64_t first = block * MHC__TOKEN_BLOCK, end = mhc__min(tokens, first + MHC__TOKEN_BLOCK);
    float *partial = j->partials ? j->partials + block * SUMS(n) : NULL;
    if (n == 4)
        back_block(j, 4, first, end, partial);
    else
        back_block(j, n, first, end, partial);
}

/* The plain residual: dx = dz = dout. */
static void pass_on(const mhc_context *context, const mhc__shape *s, int64_t tokens, mhc_streams dout, mhc_streams dx,
                    mhc_rows dz) {
    size_t bytes = (size_t)s->channels * sizeof(float);
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (int64_t t = 0; t < tokens; t++) {
        const float *from = dout.data + t * dout.token_stride;
        float *to = dx.data + t * dx.token_stride;
        memcpy(dz.data + t * dz.stride, from, bytes);
        if (to != from)
            memcpy(to, from, bytes);
    }
}

static mhc_status check(const mhc__shape *s, int64_t tokens, mhc_streams x, mhc_rows z, const float *coefficients,
                        mhc_streams dout, mhc_streams dx, mhc_rows dz, const float *d_coefficients, mhc_error *error) {
    const char *call = "mhc_merge_backward";
    if (tokens > 0) {
        MHC__TRY(mhc__need(dout.data, call, "dout", error));
        MHC__TRY(mhc__need(dx.data, call, "dx", error));
        MHC__TRY(mhc__need(dz.data, call, "dz", error));
    }
    if (s->logits == 0)
        return MHC_OK;
    if (tokens > 0) {
        MHC__TRY(mhc__need(x.data, call, "x", error));
        MHC__TRY(mhc__need(z.data, call, "z", error));
    }
    if (tokens > 0 || !s->dynamic) {
        MHC__TRY(mhc__need(coefficients, call, "coefficients", error));
        MHC__TRY(mhc__need(d_coefficients, call, "d_coefficients", error));
    }
    return MHC_OK;
}

mhc_status mhc_merge_backward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x,
                              mhc_rows z, const float *coefficients, mhc_streams dout, mhc_streams dx, mhc_rows dz,
                              float *d_coefficients, void *workspace, size_t workspace_size, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    MHC__TRY(check(&s, tokens, x, z, coefficients, dout, dx, dz, d_coefficients, error));
    if (s.logits == 0) {
        pass_on(context, &s, tokens, dout, dx, dz);
        return MHC_OK;
    }
    int64_t blocks = mhc__blocks(tokens, MHC__TOKEN_BLOCK), sums = SUMS(s.n);
    if (!s.dynamic)
        MHC__TRY(mhc__need_workspace(workspace, workspace_size, (size_t)(blocks * sums) * sizeof(float),
                                     "mhc_merge_backward", error));
    job j = {s,
             x,
             dout,
             dx,
             z,
             dz,
             coefficients,
             s.dynamic ? s.coefficients : 0,
             d_coefficients,
             s.dynamic ? NULL : workspace};
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        backward(&j, block, tokens);
    for (int64_t k = 0; k < sums && !s.dynamic; k++) {
        double sum = 0.0;
        for (int64_t block = 0; block < blocks; block++)
            sum += (double)j.partials[block * sums + k];
        d_coefficients[s.n + k] = (float)sum;
    }
    return MHC_OK;
}
