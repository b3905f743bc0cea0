/* The way back through collapse and mapping on the device: X is read for the dots, for d_fn and for dx. */
#include "stream/cuda/mapping.h"

namespace {

struct workspace {
    double *sums; /* [logits + 3, T] of base and scale; before, of a static mapping, [n, T] of the weights */
    float *e, *s; /* [T, logits], [T, groups] */
    float *parts; /* of d_fn */
};

size_t workspace_of(const mhc_spec *spec, const mhc__shape *shape, int64_t tokens, void *memory, workspace *w) {
    mhc__cuda_pieces pieces = {(char *)memory, 0};
    const mhc__projection p = mhc__cuda_projection(spec, shape);
    if (shape->plain)
        return 0;
    w->sums =
        (double *)mhc__cuda_piece(&pieces, (shape->dynamic ? shape->logits + 3 : shape->n) * tokens, sizeof(double));
    if (!shape->dynamic)
        return pieces.used;
    w->e = (float *)mhc__cuda_piece(&pieces, shape->logits * tokens, sizeof(float));
    w->s = (float *)mhc__cuda_piece(&pieces, shape->groups * tokens, sizeof(float));
    w->parts = (float *)mhc__cuda_piece(&pieces, mhc__cuda_fn_floats(&p, tokens), sizeof(float));
    return pieces.used;
}

/* <du, X_j>, to whoever's pre the streams were collapsed with. */
mhc_status weights_back(const mhc__cuda_call *call, const mhc__cuda_pre_back *back, const workspace *w) {
    const mhc__shape *s = call->shape;
    float *d_weights = s->shifted ? back->d_carried : back->d_coefficients;
    if (s->plain || !d_weights)
        return MHC_OK;
    const mhc__cuda_weights_back dots = {back->x, back->du, d_weights, s->coefficients, s->dynamic ? NULL : w->sums};
    const mhc__cuda_sums sums = {w->sums, s->n, s->n, d_weights, NULL, false};
    MHC__TRY(mhc__cuda_collapse_dots(call, &dots));
    return s->dynamic ? MHC_OK : mhc__cuda_add_sums(call, &sums);
}

mhc_status mapping_back(const mhc__cuda_call *call, const mhc__cuda_pre_back *back, const mhc__projection *p,
                        const mhc__cuda_products_back *products, const workspace *w) {
    const mhc__shape *s = call->shape;
    const mhc__cuda_gates_back gates = {products->saved,
                                        back->params.scale,
                                        back->params.base,
                                        back->d_coefficients,
                                        w->e,
                                        w->s,
                                        w->sums,
                                        back->gradients.base,
                                        false};
    const mhc__cuda_sums sums = {w->sums, s->logits + 3, s->logits, back->gradients.base, back->gradients.scale, true};
    MHC__TRY(mhc__cuda_coefficients_back(call, &gates));
    if (!s->dynamic)
        return MHC_OK;
    MHC__TRY(mhc__cuda_add_sums(call, &sums));
    return mhc__cuda_fn_back(call, p, products, back->gradients.fn, w->parts);
}

} // namespace

size_t mhc__cuda_pre_back_workspace(const mhc_spec *spec, const mhc__shape *shape, int64_t tokens) {
    workspace w = {};
    return workspace_of(spec, shape, tokens, NULL, &w);
}

mhc_status mhc__cuda_pre_back_run(const mhc__cuda_call *call, const mhc__cuda_pre_back *back) {
    const mhc__shape *s = call->shape;
    const mhc__projection p = mhc__cuda_projection(call->spec, s);
    workspace w = {};
    mhc_status status;
    if (mhc__cuda_pre_back_pipeline(call, back, NULL, &status))
        return status;
    if (call->tokens == 0 && (s->dynamic || s->plain))
        return MHC_OK;
    workspace_of(call->spec, s, call->tokens, call->workspace, &w);
    MHC__TRY(weights_back(call, back, &w));
    mhc__cuda_products_back products = {back->x, back->params.fn, w.e, w.s, {}};
    if (s->dynamic)
        products.saved = mhc__cuda_mixes(s, (float *)back->saved);
    if (s->logits > 0)
        MHC__TRY(mapping_back(call, back, &p, &products, &w));
    const mhc__cuda_spread spread = {s->plain ? NULL : back->coefficients + 2 * s->n,
                                     mhc__cuda_pre_weights(s, back->coefficients, back->carried),
                                     mhc__cuda_stride(s),
                                     mhc__cuda_stride(s),
                                     back->dout,
                                     back->dx,
                                     back->du,
                                     true,
                                     products};
    return mhc__cuda_spread_run(call, &p, &spread);
}
