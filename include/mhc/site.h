/* The operations of one site: pre (mapping and collapse) before the layer function, merge after it, and their backward.
 *
 *     mhc_pre_forward     X -> coefficients, u          then you compute z = F(u)
 *     mhc_merge_forward   X, z, coefficients -> X'
 *
 *     mhc_merge_backward  dX' -> dX, dz, d_coefficients          then you compute du from dz
 *     mhc_pre_backward    du, d_coefficients -> dX (added), d_fn, d_base, d_scale (added)
 *
 * All of them take T >= 0 rows. A range of rows is a shifted view with a smaller T; parameter gradients are added to,
 * so that ranges and micro-batches accumulate. All arrays are the caller's; nothing is allocated; the workspace may be
 * reused at once. Non-finite input gives non-finite output in the rows it touches (and in parameter gradients), never a
 * crash. Outputs must not overlap inputs, except where a comment allows it. Rows that begin at multiples of 64 bytes
 * are the fastest.
 *
 * Errors of all of them: MHC_INVALID_ARGUMENT for a spec that mhc_spec_check refuses, threads or tokens out of range,
 * or an array that is needed and NULL; MHC_OUT_OF_MEMORY for a workspace that is NULL or smaller than needed;
 * MHC_UNSUPPORTED for a device that this build does not have. Nothing is written then. */
#ifndef MHC_SITE_H
#define MHC_SITE_H

#include "mhc/context.h"
#include "mhc/spec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Streams of T tokens, of elements of spec->type: element (t, i, c) is number t * token_stride + i * stream_stride + c.
 * Strides count elements, not bytes. */
typedef struct mhc_streams {
    void *data; /* float *, or for bf16 and fp16 an array of 16-bit patterns; aligned like those */
    int64_t token_stride, stream_stride;
} mhc_streams;

/* Rows of T tokens, alike: element (t, c) is number t * stride + c. */
typedef struct mhc_rows {
    void *data;
    int64_t stride;
} mhc_rows;

/* Contiguous views. */
static inline mhc_streams mhc_streams_of(void *data, int n, int64_t channels) {
    mhc_streams view = {data, n * channels, channels};
    return view;
}
static inline mhc_rows mhc_rows_of(void *data, int64_t channels) {
    mhc_rows view = {data, channels};
    return view;
}

/* Parameters of a site, fp32, contiguous. Shapes by mhc_site_sizes. Order of logits: pre [n] | post [n] | res
 * [mhc_constraint_logits, n n for most]; a fixed gate has none.
 *
 *     dynamic, flat norm          fn [logits, nC], base [logits], scale [3]
 *     dynamic, per-stream norm    fn [rows, C], base [logits], scale [3]; rows: 1 | 1 | n, without those of fixed gates
 *     static                      base [logits]; fn and scale are NULL
 *     residual                    all NULL */
typedef struct mhc_site_params {
    float *fn, *base, *scale;
} mhc_site_params;

typedef struct mhc_site_sizes {
    int64_t fn_rows, fn_columns; /* 0, 0 without fn */
    int64_t base;                /* floats */
    int64_t scale;               /* floats: 3 or 0 */
    int64_t coefficients;        /* floats for T tokens: rows of n (n + 2): pre [n] | post [n] | res [dst, src];
                                    T rows when dynamic, one row when static or residual */
    int64_t saved;               /* floats that pre_forward hands to pre_backward for T tokens; 0 when static */
    size_t workspace;            /* bytes that any of the four calls needs for T tokens, for any thread count; any
                                    alignment that malloc gives */
    size_t cuda_workspace;       /* the same on a CUDA device; 16-byte aligned. 0 from a library without CUDA */
} mhc_site_sizes;

/* All sizes of a site for T tokens. Errors: as mhc_spec_check; T < 0. */
MHC_API mhc_status mhc_site_sizes_query(const mhc_spec *spec, int64_t tokens, mhc_site_sizes *sizes, mhc_error *error);

/* Fills params with the convention's own start: base by spec->start for this site number (home stream = site % n),
 * scale with scale_start, fn with N(0, fn_start) drawn from (seed, site, element) alone. */
MHC_API mhc_status mhc_site_init(const mhc_spec *spec, int site, uint64_t seed, const mhc_site_params *params,
                                 mhc_error *error);

/* Mapping and collapse: coefficients from X and params; u_t = sum_j pre_tj X_tj.
 *   carried   shifted schedule only: the coefficients of the site before (their pre collapses the streams), or NULL at
 *             the first site (one-hot on stream 0). NULL otherwise.
 *   saved     for pre_backward; NULL when there will be none (then the workspace is used instead).
 *   u         {NULL, 0} computes the coefficients alone. For the residual u is a copy of X: skip it the same way and
 *             give X to the layer.
 * coefficients may be NULL for the residual. */
MHC_API mhc_status mhc_pre_forward(const mhc_context *context, const mhc_spec *spec, const mhc_site_params *params,
                                   int64_t tokens, mhc_streams x, const float *carried, float *coefficients,
                                   float *saved, mhc_rows u, void *workspace, size_t workspace_size, mhc_error *error);

/* X'_ti = sum_j res_tij X_tj + post_ti z_t. out may be x itself. */
MHC_API mhc_status mhc_merge_forward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x,
                                     mhc_rows z, const float *coefficients, mhc_streams out, mhc_error *error);

/* Gradient of merge. Writes dx_tj = sum_i res_tij dout_ti, dz_t = sum_i post_ti dout_ti, and into d_coefficients
 * (shaped like coefficients) the parts post_i = <dout_i, z> and res_ij = <dout_i, x_j>, summed over tokens when static;
 * its pre part is left alone. dx may be dout itself; {NULL} leaves dx to pre_backward, which then takes dout: the
 * streams' gradient is written once instead of twice. For the residual dx = dz = dout, and x, z, coefficients and
 * d_coefficients are not looked at. */
MHC_API mhc_status mhc_merge_backward(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x,
                                      mhc_rows z, const float *coefficients, mhc_streams dout, mhc_streams dx,
                                      mhc_rows dz, float *d_coefficients, void *workspace, size_t workspace_size,
                                      mhc_error *error);

/* clang-format off */
/* Gradient of pre: the gradient of the finite computation that pre_forward did (its iterations, not their limit). Adds
 * to gradients->fn, base, scale. Call it after merge_backward, which filled the post and res parts of d_coefficients.
 *
 *   same site   the pre part of d_coefficients is written here, from du; d_carried is NULL
 *   shifted     the pre part of d_coefficients comes from the site after, or from contract_backward (clear it where
 *               neither writes it); <du, X_j> is written to the pre part of d_carried, the d_coefficients of the site
 *               before. carried and d_carried are NULL at the first site
 *
 *   dout {NULL} dx holds what merge_backward wrote; pre_tj du_t and the mapping's share are added to it
 *   dout        what merge_backward was given, which left dx alone: dx is written whole here; dx may be dout
 *
 * In bf16 and fp16 dx is rounded once where dout is given; without it twice, by merge_backward and here, where merge's
 * share is then rounded before the others are added: at most e |merge's share| + e |dx| off, element by element, e being
 * 2^-8 in bf16 and 2^-11 in fp16. */
/* clang-format on */
MHC_API mhc_status mhc_pre_backward(const mhc_context *context, const mhc_spec *spec, const mhc_site_params *params,
                                    int64_t tokens, mhc_streams x, const float *carried, const float *coefficients,
                                    const float *saved, mhc_rows du, float *d_coefficients, float *d_carried,
                                    mhc_streams dout, mhc_streams dx, const mhc_site_params *gradients, void *workspace,
                                    size_t workspace_size, mhc_error *error);

#ifdef __cplusplus
}
#endif

#endif
