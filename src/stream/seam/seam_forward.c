#include "mhc/seam.h"

#include "stream/cuda.h"
#include "stream/seam/seam.h"

/* Where X' is large, a block of it is merged into a panel that stays in the thread's cache; the products write it to
 * its place, past the caches, while they read it. Written to its place first it would have to be read before, for a
 * line is written whole. There are as many panels as threads can share ranges. */
static int64_t panel_floats(const mhc__shape *s) {
    return mhc__lanes_of(s->n) * s->n * s->channels;
}

static bool has_panels(const mhc__shape *s, int64_t tokens) {
    return s->dynamic && s->channels % MHC__LANES == 0 && mhc__is_large(s, tokens);
}

int64_t mhc__seam_panels_floats(const mhc__shape *s, int64_t tokens) {
    return has_panels(s, tokens) ? mhc__ranges(tokens) * panel_floats(s) + MHC__LINE_FLOATS : 0;
}

/* The first panel, or NULL where X' goes through the caches. */
static float *panels_of(const mhc__shape *s, int64_t tokens, mhc_streams x, mhc_streams out, float *scratch) {
    const bool lines = (float *)out.data == mhc__first_line(out.data) && out.token_stride % MHC__LINE_FLOATS == 0;
    if (!has_panels(s, tokens) || out.data == x.data || out.stream_stride != s->channels || !lines)
        return NULL;
    return mhc__first_line(scratch);
}

/* A call, as its blocks need it. */
typedef struct seam {
    const mhc__pre *pre;
    mhc__merging merging;
    int64_t tokens;
    mhc_streams out;
    float *panels;
} seam;

static void merge_part(const seam *c, int64_t first, int64_t end, bool near, mhc_streams out) {
    const mhc_type type = c->pre->shape->type;
    mhc__merging part = c->merging;
    part.x = mhc__streams_from(part.x, type, first, 0);
    part.z = mhc__rows_from(part.z, type, first);
    part.coefficients += first * part.stride;
    part.near = near;
    c->pre->streams->merge(&part, 0, end - first, out);
}

static void seam_block(const seam *c, int64_t first, int64_t end, float *coefficients, mhc_rows u) {
    const mhc__shape *s = c->pre->shape;
    const int64_t step = mhc__pre_part_tokens(c->pre), thread = mhc__thread_index();
    const bool has_panel = c->panels && thread < mhc__ranges(c->tokens);
    const mhc_streams x = has_panel ? mhc_streams_of(c->panels + thread * panel_floats(s), s->n, s->channels)
                                    : mhc__streams_from(c->out, s->type, first, 0);
    for (int64_t t = first; t < end; t += step) {
        const int64_t next = mhc__min(end, t + step);
        mhc__block part = {.x = mhc__streams_from(x, s->type, t - first, 0)};
        if (has_panel) {
            part.passed = mhc__streams_from(c->out, s->type, t, 0);
            part.soon = mhc__streams_from(c->merging.x, s->type, next, 0);
            part.beside = mhc__rows_from(c->merging.z, s->type, next);
        }
        merge_part(c, t, next, has_panel, part.x);
        mhc__pre_project(c->pre, t, next, &part);
    }
    mhc__pre_block(c->pre, first, end, x, coefficients, u);
}

/* norm: NULL for none. */
static mhc_status seam_forward(const char *call, const mhc_context *context, const mhc_spec *spec, int64_t tokens,
                               mhc_streams x, mhc_rows z, const float *coefficients, mhc_streams out,
                               const mhc_site_params *next, float *next_coefficients, float *next_saved,
                               const mhc_rmsnorm *norm, mhc_rows next_u, void *workspace, size_t workspace_size,
                               mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    const float ones[3] = {1.0f, 1.0f, 1.0f};
    if (s.plain)
        coefficients = ones;
    if (tokens > 0) {
        MHC__TRY(mhc__need(x.data, call, "x", error));
        MHC__TRY(mhc__need(z.data, call, "z", error));
        MHC__TRY(mhc__need(coefficients, call, "coefficients", error));
    }
    const float *carried = s.shifted ? coefficients : NULL;
    MHC__TRY(mhc__pre_check(&s, next, tokens, out, carried, next_coefficients, call, "next", error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, tokens, workspace, call, error);
        MHC__TRY(mhc__cuda_need_workspace(&cuda, workspace_size));
        return mhc__cuda->seam(&cuda, &(mhc__cuda_merge){x, z, coefficients, out},
                               &(mhc__cuda_pre){mhc__cuda_params(next), out, carried, next_coefficients, next_saved,
                                                next_u, mhc__cuda_rmsnorm(norm)});
    }
    mhc__pre pre = mhc__pre_of(spec, &s, next, out, next_coefficients, carried, next_saved);
    pre.norm = norm;
    mhc__merging merging = {s.n, s.channels, x, z, coefficients, s.dynamic ? s.coefficients : 0, false, false};
    MHC__TRY(mhc__pre_begin(&pre, context->threads, tokens, next_coefficients, workspace, workspace_size, call, error));
    const int64_t floats = mhc__pre_forward_floats(&pre, tokens);
    MHC__TRY(mhc__need_workspace(workspace, workspace_size,
                                 (size_t)(floats + mhc__seam_panels_floats(&s, tokens)) * sizeof(float), call, error));
    const seam c = {&pre, merging, tokens, out, panels_of(&s, tokens, x, out, (float *)workspace + floats)};
    int64_t step = mhc__pre_block_tokens(&pre), blocks = mhc__blocks(tokens, step);
#pragma omp parallel for num_threads(context->threads) schedule(static) if (blocks > 1)
    for (int64_t block = 0; block < blocks; block++)
        seam_block(&c, block * step, mhc__min(tokens, (block + 1) * step), next_coefficients, next_u);
    return MHC_OK;
}

mhc_status mhc_seam_forward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x, mhc_rows z,
                            const float *coefficients, mhc_streams out, const mhc_site_params *next,
                            float *next_coefficients, float *next_saved, mhc_rows next_u, void *workspace,
                            size_t workspace_size, mhc_error *error) {
    return seam_forward("mhc_seam_forward", context, spec, tokens, x, z, coefficients, out, next, next_coefficients,
                        next_saved, NULL, next_u, workspace, workspace_size, error);
}

mhc_status mhc_seam_rmsnorm_forward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x,
                                    mhc_rows z, const float *coefficients, mhc_streams out, const mhc_site_params *next,
                                    float *next_coefficients, float *next_saved, const mhc_rmsnorm *norm,
                                    mhc_rows next_y, void *workspace, size_t workspace_size, mhc_error *error) {
    const char *call = "mhc_seam_rmsnorm_forward";
    if (next_y.data)
        MHC__TRY(mhc__rmsnorm_check(norm, call, error));
    return seam_forward(call, context, spec, tokens, x, z, coefficients, out, next, next_coefficients, next_saved,
                        next_y.data ? norm : NULL, next_y, workspace, workspace_size, error);
}
