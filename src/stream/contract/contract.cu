/* n streams to one on the device. */
#include "simd/math.h"
#include "stream/cuda/mapping.h"
#include "stream/mapping/norm.h"

namespace {

enum { THREADS = 64 };

/* Per token: mix [n] | r | g | weight [n]. */
int64_t saved_row(int n) {
    return 2 * n + 2;
}

mhc__mixes mixes_of(float *saved, int n) {
    mhc__mixes mixes = {saved, saved + n, saved + n + 1, saved_row(n)};
    return mixes;
}

mhc__projection projection_of(const mhc_spec *spec, const mhc__shape *s) {
    mhc__projection p = {s->n, 1, s->n, s->channels, s->type, spec->norm_eps_place, spec->norm_eps, NULL};
    return p;
}

bool has_head(const mhc_spec *spec) {
    return spec->contraction == MHC_CONTRACT_HEAD;
}

struct workspace {
    float *constant; /* [n] weights of the mean and the sum */
    float *saved;    /* of the forward, which wants none kept */
    double *sums;    /* [n + 1, T] of base and scale, or [n, T] of the carried pre */
    float *e, *s;    /* [T, n], [T] */
    float *parts;    /* of d_fn */
};

size_t workspace_of(const mhc_spec *spec, const mhc__shape *s, int64_t tokens, void *memory, workspace *w) {
    mhc__cuda_pieces pieces = {(char *)memory, 0};
    const mhc__projection p = projection_of(spec, s);
    if (has_head(spec)) {
        w->sums = (double *)mhc__cuda_piece(&pieces, (s->n + 1) * tokens, sizeof(double));
        w->saved = (float *)mhc__cuda_piece(&pieces, saved_row(s->n) * tokens, sizeof(float));
        w->e = (float *)mhc__cuda_piece(&pieces, s->n * tokens, sizeof(float));
        w->s = (float *)mhc__cuda_piece(&pieces, tokens, sizeof(float));
        w->parts = (float *)mhc__cuda_piece(&pieces, mhc__cuda_fn_floats(&p, tokens), sizeof(float));
    } else if (spec->contraction != MHC_CONTRACT_CARRIED) {
        w->constant = (float *)mhc__cuda_piece(&pieces, s->n, sizeof(float));
    } else if (!s->dynamic) {
        w->sums = (double *)mhc__cuda_piece(&pieces, s->n * tokens, sizeof(double));
    }
    return pieces.used;
}

struct filling {
    float *to, value;
};

MHC__KERNEL fill(MHC__GIVEN filling f) {
    f.to[threadIdx.x] = f.value;
}

/* Weights of the collapse: token t's at data + t * stride. saved: of the head. */
struct weights {
    const float *data;
    int64_t stride;
};

mhc_status weights_of(const mhc__cuda_call *call, const mhc__cuda_contract *c, const float *saved, const workspace *w,
                      weights *to) {
    const mhc__shape *s = call->shape;
    *to = {saved + s->n + 2, saved_row(s->n)};
    if (has_head(call->spec))
        return MHC_OK;
    *to = {c->carried, mhc__cuda_stride(s)};
    if (call->spec->contraction == MHC_CONTRACT_CARRIED)
        return MHC_OK;
    *to = {w->constant, 0};
    const filling f = {w->constant, call->spec->contraction == MHC_CONTRACT_MEAN ? 1.0f / (float)s->n : 1.0f};
    return mhc__launch(fill, 1, s->n, 0, call->queue, f, call->name, call->error);
}

struct head {
    mhc_head_params params;
    mhc__mixes saved; /* a weight comes n + 2 after its mix */
    int64_t tokens, columns;
    float eps;
    int n;
    float *e, *s;
    double *sums;
};

MHC__KERNEL head_weights(MHC__GIVEN head p) {
    const int64_t item = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (item >= p.tokens * p.n)
        return;
    const int i = (int)(item % p.n);
    float *mix = p.saved.mix + item / p.n * p.saved.stride + i;
    mix[p.n + 2] = mhc__sigmoidf(p.params.scale[0] * *mix + p.params.base[i]) + p.eps;
}

/* From the gradient of the weights, in e, to what the projection's way back reads. */
MHC__KERNEL head_weights_back(MHC__GIVEN head p) {
    const int64_t t = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (t >= p.tokens)
        return;
    const float *mix = p.saved.mix + t * p.saved.stride, r = p.saved.r[t * p.saved.stride];
    float *d = p.e + t * p.n;
    double of_scale = 0.0;
    for (int i = 0; i < p.n; i++) {
        float logit = p.params.scale[0] * mix[i] + p.params.base[i];
        float slope = d[i] * (mhc__sigmoidf(logit) * mhc__sigmoidf(-logit));
        p.sums[i * p.tokens + t] = (double)slope;
        of_scale += (double)slope * (double)mix[i];
        d[i] = slope * p.params.scale[0];
    }
    p.sums[p.n * p.tokens + t] = of_scale;
    p.s[t] = mhc__slope(p.n, p.columns, d, mix, p.saved.g[t * p.saved.stride]) * r;
    for (int i = 0; i < p.n; i++)
        d[i] *= r;
}

head head_of(const mhc__cuda_call *call, const mhc__cuda_contract *c, float *saved, const workspace *w) {
    const mhc__shape *s = call->shape;
    return {c->params, mixes_of(saved, s->n), call->tokens, s->n * s->channels, call->spec->head_eps, s->n, w->e, w->s,
            w->sums};
}

mhc_status head_forward(const mhc__cuda_call *call, const mhc__cuda_contract *c, float *saved, const workspace *w) {
    const mhc__projection p = projection_of(call->spec, call->shape);
    const head h = head_of(call, c, saved, w);
    MHC__TRY(mhc__cuda_project(call, &p, c->x, c->params.fn, h.saved));
    return mhc__launch(head_weights, mhc__blocks(h.tokens * h.n, THREADS), THREADS, 0, call->queue, h, call->name,
                       call->error);
}

mhc_status head_back(const mhc__cuda_call *call, const mhc__cuda_contract *c, const mhc__projection *p,
                     const mhc__cuda_products_back *products, const workspace *w) {
    const int n = call->shape->n;
    const head h = head_of(call, c, c->saved, w);
    const mhc__cuda_weights_back dots = {c->x, c->y, w->e, n, NULL};
    const mhc__cuda_sums sums = {w->sums, n + 1, n, c->gradients.base, c->gradients.scale, true};
    MHC__TRY(mhc__cuda_collapse_dots(call, &dots));
    MHC__TRY(mhc__launch(head_weights_back, mhc__blocks(h.tokens, THREADS), THREADS, 0, call->queue, h, call->name,
                         call->error));
    MHC__TRY(mhc__cuda_add_sums(call, &sums));
    return mhc__cuda_fn_back(call, p, products, c->gradients.fn, w->parts);
}

mhc_status carried_back(const mhc__cuda_call *call, const mhc__cuda_contract *c, const workspace *w) {
    const mhc__shape *s = call->shape;
    const mhc__cuda_weights_back dots = {c->x, c->y, c->d_carried, s->coefficients, s->dynamic ? NULL : w->sums};
    const mhc__cuda_sums sums = {w->sums, s->n, s->n, c->d_carried, NULL, false};
    MHC__TRY(mhc__cuda_collapse_dots(call, &dots));
    return s->dynamic ? MHC_OK : mhc__cuda_add_sums(call, &sums);
}

} // namespace

size_t mhc__cuda_contract_workspace(const mhc_spec *spec, const mhc__shape *shape, int64_t tokens) {
    workspace w = {};
    return workspace_of(spec, shape, tokens, NULL, &w);
}

mhc_status mhc__cuda_contract_run(const mhc__cuda_call *call, const mhc__cuda_contract *c) {
    workspace w = {};
    weights of = {};
    workspace_of(call->spec, call->shape, call->tokens, call->workspace, &w);
    float *saved = c->saved ? c->saved : w.saved;
    if (has_head(call->spec))
        MHC__TRY(head_forward(call, c, saved, &w));
    MHC__TRY(weights_of(call, c, saved, &w, &of));
    return mhc__cuda_collapse_run(call, c->x, of.data, of.stride, c->y);
}

mhc_status mhc__cuda_contract_back_run(const mhc__cuda_call *call, const mhc__cuda_contract *c) {
    const mhc__projection p = projection_of(call->spec, call->shape);
    workspace w = {};
    weights of = {};
    workspace_of(call->spec, call->shape, call->tokens, call->workspace, &w);
    MHC__TRY(weights_of(call, c, c->saved, &w, &of));
    mhc__cuda_products_back products = {c->x, c->params.fn, w.e, w.s, {}};
    if (has_head(call->spec)) {
        products.saved = mixes_of(c->saved, call->shape->n);
        MHC__TRY(head_back(call, c, &p, &products, &w));
    } else if (call->spec->contraction == MHC_CONTRACT_CARRIED) {
        MHC__TRY(carried_back(call, c, &w));
    }
    const mhc__cuda_spread spread = {NULL, of.data, 0, of.stride, {}, c->dx, c->y, false, products};
    return mhc__cuda_spread_run(call, &p, &spread);
}
