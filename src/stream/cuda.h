/* The operations on an NVIDIA GPU: what the public calls do for MHC_DEVICE_CUDA, once they have checked their
 * arguments. Pointers are the device's, or managed; the views may have strides like any other. Each call only enqueues
 * kernels on context->queue: it does not allocate, copy or wait, so a CUDA graph can capture it. */
#ifndef MHC_STREAM_CUDA_H
#define MHC_STREAM_CUDA_H

#include "mhc/ends.h"
#include "mhc/recompute.h"
#include "mhc/rmsnorm.h"
#include "stream/shape.h"

/* Streams that the kernels have room for. */
#define MHC__CUDA_STREAMS 16

/* What every call is given. workspace: checked against the size that the table says. */
typedef struct mhc__cuda_call {
    void *queue; /* cudaStream_t */
    const mhc_spec *spec;
    const mhc__shape *shape;
    int64_t tokens;
    void *workspace;
    const char *name; /* of the public call, for messages */
    mhc_error *error;
} mhc__cuda_call;

/* The arguments of mhc_pre_forward and, after a merge, of mhc_seam_forward. */
typedef struct mhc__cuda_pre {
    mhc_site_params params;
    mhc_streams x;
    const float *carried;
    float *coefficients, *saved; /* saved may be NULL */
    mhc_rows u;                  /* may have no data */
    mhc_rmsnorm norm;            /* of u; without a weight: none */
} mhc__cuda_pre;

/* Of mhc_merge_forward. */
typedef struct mhc__cuda_merge {
    mhc_streams x;
    mhc_rows z;
    const float *coefficients;
    mhc_streams out;
} mhc__cuda_merge;

/* Of mhc_merge_backward; dx may have no data. */
typedef struct mhc__cuda_merge_back {
    mhc_streams x;
    mhc_rows z;
    const float *coefficients;
    mhc_streams dout, dx;
    mhc_rows dz;
    float *d_coefficients;
} mhc__cuda_merge_back;

/* Of mhc_pre_backward; dout may have no data: then dx is added to. */
typedef struct mhc__cuda_pre_back {
    mhc_site_params params;
    mhc_streams x;
    const float *carried, *coefficients, *saved;
    mhc_rows du;
    float *d_coefficients, *d_carried;
    mhc_streams dout, dx;
    mhc_site_params gradients;
} mhc__cuda_pre_back;

/* Of mhc_contract_forward and mhc_contract_backward. */
typedef struct mhc__cuda_contract {
    mhc_head_params params;
    mhc_streams x;
    const float *carried;
    float *saved; /* forward: may be NULL */
    mhc_rows y;   /* backward: dy */
    float *d_carried;
    mhc_streams dx;
    mhc_head_params gradients;
} mhc__cuda_contract;

typedef struct mhc__cuda_table {
    /* Bytes of workspace for the calls of a site, and for those of a contraction. */
    size_t (*site_workspace)(const mhc_spec *spec, const mhc__shape *shape, int64_t tokens);
    size_t (*contract_workspace)(const mhc_spec *spec, const mhc__shape *shape, int64_t tokens);

    mhc_status (*expand)(const mhc__cuda_call *call, mhc_rows x, mhc_streams out);
    mhc_status (*expand_back)(const mhc__cuda_call *call, mhc_streams dout, mhc_rows dx);
    mhc_status (*merge)(const mhc__cuda_call *call, const mhc__cuda_merge *merge);
    mhc_status (*merge_back)(const mhc__cuda_call *call, const mhc__cuda_merge_back *back);
    mhc_status (*pre)(const mhc__cuda_call *call, const mhc__cuda_pre *pre);
    mhc_status (*pre_back)(const mhc__cuda_call *call, const mhc__cuda_pre_back *back);
    mhc_status (*seam)(const mhc__cuda_call *call, const mhc__cuda_merge *merge, const mhc__cuda_pre *next);
    /* `merge` has no dx, and its dout is next->dx. */
    mhc_status (*seam_back)(const mhc__cuda_call *call, const mhc__cuda_pre_back *next,
                            const mhc__cuda_merge_back *merge);
    /* u_t = sum_j w_tj x_tj, w of token t at weights + t * stride; weights NULL: u_t = x_t0. */
    mhc_status (*collapse)(const mhc__cuda_call *call, mhc_streams x, const float *weights, int64_t stride, mhc_rows u);
    mhc_status (*contract)(const mhc__cuda_call *call, const mhc__cuda_contract *contract);
    mhc_status (*contract_back)(const mhc__cuda_call *call, const mhc__cuda_contract *contract);
    /* call->tokens: rows of logits. */
    mhc_status (*constraint)(const mhc__cuda_call *call, const float *logits, float *res);
    mhc_status (*constraint_back)(const mhc__cuda_call *call, const float *logits, const float *d_res, float *d_logits);
} mhc__cuda_table;

#ifdef __cplusplus
extern "C" {
#endif
/* NULL where the library was built without CUDA. */
extern const mhc__cuda_table *const mhc__cuda;
#ifdef __cplusplus
}
#endif

static inline bool mhc__on_cuda(const mhc_context *context) {
    return context->device == MHC_DEVICE_CUDA;
}

static inline mhc__cuda_call mhc__cuda_call_of(const mhc_context *context, const mhc_spec *spec,
                                               const mhc__shape *shape, int64_t tokens, void *workspace,
                                               const char *name, mhc_error *error) {
    mhc__cuda_call call = {context->queue, spec, shape, tokens, workspace, name, error};
    return call;
}

/* Of a site's call: MHC_OUT_OF_MEMORY unless the workspace is as large as the table says, and aligned. */
static inline mhc_status mhc__cuda_need_workspace(const mhc__cuda_call *call, size_t size) {
    if ((uintptr_t)call->workspace % 16 != 0)
        return mhc__fail(call->error, MHC_INVALID_ARGUMENT, "%s: workspace: expected a multiple of 16, found %p",
                         call->name, call->workspace);
    return mhc__need_workspace(call->workspace, size, mhc__cuda->site_workspace(call->spec, call->shape, call->tokens),
                               call->name, call->error);
}

/* The residual has none. */
static inline mhc_site_params mhc__cuda_params(const mhc_site_params *params) {
    mhc_site_params none = {NULL, NULL, NULL};
    return params ? *params : none;
}

static inline mhc_rmsnorm mhc__cuda_rmsnorm(const mhc_rmsnorm *norm) {
    mhc_rmsnorm none = {NULL, 0.0f};
    return norm ? *norm : none;
}

#endif
