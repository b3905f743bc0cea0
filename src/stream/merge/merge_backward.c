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

/* Lane sums of <dout_i, z> (n of them), then <dout_i, x_j>. */
#define SUMS(n) ((n) * ((n) + 1))

/* All streams of a column group are read before any is written: dx may be dout. acc: [n * (n + 1)] lanes. */
MHC__INLINE void back_lanes(int n, int w, const float *x, int64_t x_stride, const float *z, const float *post,
                            const float *res, const float *dout, int64_t dout_stride, float *dx, int64_t dx_stride,
                            float *dz, float (*acc)[MHC__LANES]) {
    float d[MHC_MAX_STREAMS][MHC__LANES], sum[MHC__LANES];
    for (int i = 0; i < n; i++)
        for (int l = 0; l < w; l++)
            d[i][l] = dout[i * dout_stride + l];
    for (int i = 0; i < n; i++) {
        for (int l = 0; l < w; l++)
            acc[i][l] = __builtin_fmaf(d[i][l], z[l], acc[i][l]);
        for (int j = 0; j < n; j++)
            for (int l = 0; l < w; l++)
                acc[n + i * n + j][l] = __builtin_fmaf(d[i][l], x[j * x_stride + l], acc[n + i * n + j][l]);
    }
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

MHC__INLINE void back_token(const job *j, int n, int64_t t, float (*acc)[MHC__LANES]) {
    const float *x = j->x.data + t * j->x.token_stride, *z = j->z.data + t * j->z.stride,
                *dout = j->dout.data + t * j->dout.token_stride, *post = j->coefficients + t * j->stride + n,
                *res = post + n;
    float *dx = j->dx.data + t * j->dx.token_stride, *dz = j->dz.data + t * j->dz.stride;
    int64_t c = 0, channels = j->s.channels;
    for (; c + MHC__LANES <= channels; c += MHC__LANES)
        back_lanes(n, MHC__LANES, x + c, j->x.stream_stride, z + c, post, res, dout + c, j->dout.stream_stride, dx + c,
                   j->dx.stream_stride, dz + c, acc);
    if (c < channels)
        back_lanes(n, (int)(channels - c), x + c, j->x.stream_stride, z + c, post, res, dout + c, j->dout.stream_stride,
                   dx + c, j->dx.stream_stride, dz + c, acc);
}

MHC__INLINE void back_block(const job *j, int n, int64_t first, int64_t end, float *partial) {
    float acc[SUMS(MHC_MAX_STREAMS)][MHC__LANES];
    memset(acc, 0, (size_t)SUMS(n) * sizeof acc[0]);
    for (int64_t t = first; t < end; t++) {
        back_token(j, n, t, acc);
        if (j->stride == 0)
            continue;
        for (int k = 0; k < SUMS(n); k++)
            j->d_coefficients[t * j->stride + n + k] = mhc__lanes_sum(acc[k]);
        memset(acc, 0, (size_t)SUMS(n) * sizeof acc[0]);
    }
    if (j->stride == 0 && partial)
        for (int k = 0; k < SUMS(n); k++)
            partial[k] = mhc__lanes_sum(acc[k]);
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
