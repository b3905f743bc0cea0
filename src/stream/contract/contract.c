/* n streams to one: mean, sum, learned head or the carried pre. */
#include "mhc/ends.h"

#include <string.h>

#include "base/philox.h"
#include "simd/math.h"
#include "stream/cuda.h"
#include "stream/mapping/projection.h"
#include "stream/ranges.h"
#include "stream/shape.h"

enum { PLACE_HEAD = 0x6d686303 };

/* Per token: mix [n] | r | g | weight [n]. */
static int64_t saved_row(int n) {
    return 2 * n + 2;
}

static bool has_head(const mhc_spec *spec) {
    return spec->contraction == MHC_CONTRACT_HEAD;
}

static mhc__projection projection_of(const mhc_spec *spec) {
    mhc__projection p = {spec->streams,  1,   spec->streams, spec->channels, spec->type, spec->norm_eps_place,
                         spec->norm_eps, NULL};
    return p;
}

/* Scratch of one range of the backward. */
typedef struct range_scratch {
    double *sums;     /* [n + 1]: of base and scale, or of the carried pre */
    float *d;         /* [MHC__CHUNK, n]: gradients of the weights, then of mix */
    mhc__slabs slabs; /* of the thread that asks */
    mhc__fn_back fn;
} range_scratch;

static int64_t fn_floats(const mhc_spec *spec) {
    return has_head(spec) ? mhc__fn_slab_floats(spec->streams, spec->streams, spec->channels) : 0;
}
static int64_t sums_floats(const mhc_spec *spec) {
    return mhc__whole_lines(2 * (spec->streams + 1));
}
static int64_t d_floats(const mhc_spec *spec) {
    return has_head(spec) ? mhc__whole_lines(MHC__CHUNK * spec->streams) : 0;
}
static int64_t slab_floats(const mhc_spec *spec) {
    return has_head(spec) ? mhc__slab_floats(spec->streams, spec->channels) : 0;
}
static int64_t range_floats(const mhc_spec *spec) {
    return sums_floats(spec) + d_floats(spec) + fn_floats(spec);
}

/* fn in slabs, the slabs of the threads, the ranges' own. */
static int64_t scratch_floats(const mhc_spec *spec, int ranges) {
    int64_t floats = fn_floats(spec) + ranges * (slab_floats(spec) + range_floats(spec));
    return ranges ? floats + MHC__LINE_FLOATS : 0;
}

static range_scratch scratch_of(const mhc_spec *spec, float *scratch, int ranges, int range, int thread) {
    float *fn = mhc__first_line(scratch), *slabs = fn + fn_floats(spec), *first = slabs + ranges * slab_floats(spec);
    float *at = first + range * range_floats(spec), *d = at + sums_floats(spec);
    return (range_scratch){(double *)(void *)at,
                           d,
                           {spec->streams, spec->channels, slabs + thread * slab_floats(spec)},
                           {fn, d + d_floats(spec), true, true}};
}

mhc_status mhc_contract_sizes_query(const mhc_spec *spec, int64_t tokens, mhc_contract_sizes *sizes, mhc_error *error) {
    mhc_context context = {MHC_DEVICE_CPU, NULL, 1};
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(&context, spec, tokens, &s, error));
    MHC__TRY(mhc__need(sizes, "mhc_contract_sizes_query", "sizes", error));
    int64_t floats = scratch_floats(spec, mhc__ranges(tokens));
    sizes->saved = has_head(spec) ? tokens * saved_row(s.n) : 0;
    floats = mhc__max(floats, sizes->saved);
    sizes->workspace = (size_t)floats * sizeof(float);
    sizes->cuda_workspace = mhc__cuda && s.n <= MHC__CUDA_STREAMS ? mhc__cuda->contract_workspace(spec, &s, tokens) : 0;
    return MHC_OK;
}

static mhc_status need_head(const mhc_spec *spec, const mhc_head_params *params, const char *call, const char *what,
                            mhc_error *error) {
    if (!has_head(spec) || (params && params->fn && params->base && params->scale))
        return MHC_OK;
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: %s: expected arrays for fn, base and scale, found NULL", call,
                     what);
}

mhc_status mhc_head_init(const mhc_spec *spec, uint64_t seed, const mhc_head_params *params, mhc_error *error) {
    MHC__TRY(mhc_spec_check(spec, error));
    if (!has_head(spec))
        return MHC_OK;
    MHC__TRY(need_head(spec, params, "mhc_head_init", "params", error));
    int n = spec->streams;
    int64_t count = (int64_t)n * n * spec->channels;
    memset(params->base, 0, (size_t)n * sizeof(float));
    params->scale[0] = spec->scale_start;
    mhc__normal_fill(seed, mhc__philox_place(PLACE_HEAD, 0), spec->fn_start, params->fn, count);
    return MHC_OK;
}

/* `constant` backs the mean and the sum. */
static mhc__weights weights_of(const mhc_spec *spec, const mhc__shape *s, const float *carried, const float *saved,
                               float constant[MHC_MAX_STREAMS]) {
    if (has_head(spec))
        return (mhc__weights){saved ? saved + s->n + 2 : NULL, saved_row(s->n)};
    if (spec->contraction == MHC_CONTRACT_CARRIED)
        return (mhc__weights){carried, s->dynamic ? s->coefficients : 0};
    for (int i = 0; i < s->n; i++)
        constant[i] = spec->contraction == MHC_CONTRACT_MEAN ? 1.0f / (float)s->n : 1.0f;
    return (mhc__weights){constant, 0};
}

static mhc__mixes mixes_of(float *saved, int n, int64_t first) {
    float *row = saved + first * saved_row(n);
    return (mhc__mixes){row, row + n, row + n + 1, saved_row(n)};
}

/* The learned weights of tokens first..end, in saved. */
static void head_block(const mhc__logit_kernels *logits, const mhc__stream_kernels *kernels, const mhc_spec *spec,
                       const mhc_head_params *params, int64_t first, int64_t end, mhc_streams x, float *saved) {
    int n = spec->streams;
    mhc__projection p = projection_of(spec);
    mhc__mixes mixes = mixes_of(saved, n, first);
    const mhc__block block = {.x = mhc__streams_from(x, p.type, first, 0)};
    mhc__projection_forward(kernels, &p, end - first, &block, params->fn, mixes);
    for (int64_t t = 0; t < end - first; t++)
        logits->head_weights(n, params->scale[0], mixes.mix + t * mixes.stride, params->base, spec->head_eps,
                             mixes.mix + t * mixes.stride + n + 2);
}

static mhc_head_params head_of(const mhc_head_params *params) {
    return params ? *params : (mhc_head_params){0};
}

static mhc_status on_cuda(const mhc_context *context, const mhc_spec *spec, const mhc__shape *s, int64_t tokens,
                          bool back, const mhc__cuda_contract *job, void *workspace, size_t workspace_size,
                          const char *call, mhc_error *error) {
    mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, s, tokens, workspace, call, error);
    size_t needed = mhc__cuda->contract_workspace(spec, s, tokens);
    MHC__TRY(mhc__need_workspace(workspace, workspace_size, needed, call, error));
    if ((uintptr_t)workspace % 16 != 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: workspace: expected a multiple of 16, found %p", call,
                         workspace);
    return back ? mhc__cuda->contract_back(&cuda, job) : mhc__cuda->contract(&cuda, job);
}

mhc_status mhc_contract_forward(const mhc_context *context, const mhc_spec *spec, const mhc_head_params *params,
                                int64_t tokens, mhc_streams x, const float *carried, float *saved, mhc_rows y,
                                void *workspace, size_t workspace_size, mhc_error *error) {
    const char *call = "mhc_contract_forward";
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    MHC__TRY(need_head(spec, params, call, "params", error));
    if (tokens == 0)
        return MHC_OK;
    MHC__TRY(mhc__need(x.data, call, "x", error));
    MHC__TRY(mhc__need(y.data, call, "y", error));
    if (spec->contraction == MHC_CONTRACT_CARRIED)
        MHC__TRY(mhc__need(carried, call, "carried", error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_contract cuda_job = {.params = head_of(params), .x = x, .carried = carried, .saved = saved, .y = y};
        return on_cuda(context, spec, &s, tokens, false, &cuda_job, workspace, workspace_size, call, error);
    }
    if (has_head(spec) && !saved) {
        size_t needed = (size_t)(tokens * saved_row(s.n)) * sizeof(float);
        MHC__TRY(mhc__need_workspace(workspace, workspace_size, needed, call, error));
        saved = workspace;
    }
    float constant[MHC_MAX_STREAMS];
    mhc__weights w = weights_of(spec, &s, carried, saved, constant);
    const mhc__logit_kernels *logits = mhc__logit_kernels_chosen();
    const mhc__stream_kernels *kernels = mhc__stream_kernels_chosen(s.type);
    mhc__projection p = projection_of(spec);
    int64_t step = has_head(spec) ? mhc__projection_block(&p) : MHC__TOKEN_BLOCK, blocks = mhc__blocks(tokens, step);
#pragma omp parallel for num_threads(context->threads) schedule(static) if (blocks > 1)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t first = block * step, end = mhc__min(tokens, first + step);
        if (has_head(spec))
            head_block(logits, kernels, spec, params, first, end, x, saved);
        kernels->collapse(s.n, s.channels, false, first, end, x, w.data, w.stride, y);
    }
    return MHC_OK;
}

/* The arguments of the backward that its ranges share. */
typedef struct job {
    const mhc__stream_kernels *kernels;
    const mhc_spec *spec;
    const mhc_head_params *params;
    mhc_streams x, dx;
    mhc_rows dy;
    mhc__weights w;
    float *saved, *d_carried;
    int64_t d_carried_stride; /* 0: all tokens share it */
} job;

/* d [tokens, n]: gradient of the weights -> of mix. Adds to sums [n + 1]: base, then scale. */
static void head_weights_back(const job *j, int64_t first, int64_t end, float *d, double *sums) {
    int n = j->spec->streams;
    for (int64_t t = first; t < end; t++, d += n)
        for (int i = 0; i < n; i++) {
            float mix = j->saved[t * saved_row(n) + i], logit = j->params->scale[0] * mix + j->params->base[i];
            float slope = d[i] * (mhc__sigmoidf(logit) * mhc__sigmoidf(-logit));
            sums[i] += (double)slope;
            sums[n] += (double)slope * (double)mix;
            d[i] = slope * j->params->scale[0];
        }
}

static mhc__spreading spreading_of(const job *j) {
    return (mhc__spreading){
        .n = j->spec->streams, .channels = j->spec->channels, .weights = j->w, .du = j->dy, .dx = j->dx};
}

static void head_chunk_back(const job *j, int64_t first, int64_t end, range_scratch *own) {
    int n = j->spec->streams;
    const mhc__projection p = projection_of(j->spec);
    const mhc__spreading spreading = spreading_of(j);
    j->kernels->gather(own->slabs, 0, end - first, mhc__streams_from(j->x, p.type, first, 0),
                       mhc__rows_from(j->dy, p.type, first), own->d, n);
    head_weights_back(j, first, end, own->d, own->sums);
    const mhc_streams none[MHC__SOON] = {{0}};
    mhc__projection_backward(j->kernels, &p, end - first, own->slabs, none, mixes_of(j->saved, n, first), own->d, n,
                             &own->fn);
    own->fn.begins = false;
    j->kernels->spread(&spreading, own->slabs, first, end);
}

/* Mean, sum and carried pre. */
static void plain_chunk_back(const job *j, int64_t first, int64_t end, double *total) {
    int n = j->spec->streams;
    float sums[MHC_MAX_STREAMS];
    const mhc__spreading spreading = spreading_of(j);
    j->kernels->spread(&spreading, (mhc__slabs){0}, first, end);
    if (!j->d_carried)
        return;
    j->kernels->collapse_dots(n, j->spec->channels, first, end, j->x, j->dy, j->d_carried_stride ? j->d_carried : sums,
                              j->d_carried_stride);
    for (int i = 0; i < n && j->d_carried_stride == 0; i++)
        total[i] += (double)sums[i];
}

static void range_back(const job *j, int64_t tokens, int range, range_scratch own) {
    int64_t end = mhc__range_first(tokens, range + 1);
    memset(own.sums, 0, (size_t)(j->spec->streams + 1) * sizeof *own.sums);
    for (int64_t first = mhc__range_first(tokens, range); first < end; first += MHC__CHUNK) {
        if (has_head(j->spec))
            head_chunk_back(j, first, mhc__min(end, first + MHC__CHUNK), &own);
        else
            plain_chunk_back(j, first, mhc__min(end, first + MHC__CHUNK), own.sums);
    }
}

static mhc_status check_backward(const mhc_spec *spec, const mhc_head_params *params, mhc_streams x,
                                 const float *carried, const float *saved, mhc_rows dy, const float *d_carried,
                                 mhc_streams dx, const mhc_head_params *gradients, mhc_error *error) {
    const char *call = "mhc_contract_backward";
    MHC__TRY(need_head(spec, params, call, "params", error));
    MHC__TRY(need_head(spec, gradients, call, "gradients", error));
    MHC__TRY(mhc__need(x.data, call, "x", error));
    MHC__TRY(mhc__need(dy.data, call, "dy", error));
    MHC__TRY(mhc__need(dx.data, call, "dx", error));
    if (has_head(spec))
        MHC__TRY(mhc__need(saved, call, "saved", error));
    if (spec->contraction == MHC_CONTRACT_CARRIED) {
        MHC__TRY(mhc__need(carried, call, "carried", error));
        MHC__TRY(mhc__need(d_carried, call, "d_carried", error));
    }
    return MHC_OK;
}

mhc_status mhc_contract_backward(const mhc_context *context, const mhc_spec *spec, const mhc_head_params *params,
                                 int64_t tokens, mhc_streams x, const float *carried, const float *saved, mhc_rows dy,
                                 float *d_carried, mhc_streams dx, const mhc_head_params *gradients, void *workspace,
                                 size_t workspace_size, mhc_error *error) {
    const char *call = "mhc_contract_backward";
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    mhc__cuda_contract cuda_job = {head_of(params), x, carried, (float *)saved, dy, d_carried, dx, head_of(gradients)};
    if (tokens == 0) {
        bool clears = d_carried && !s.dynamic && spec->contraction == MHC_CONTRACT_CARRIED;
        if (clears && mhc__on_cuda(context))
            return on_cuda(context, spec, &s, 0, true, &cuda_job, workspace, workspace_size, call, error);
        for (int i = 0; i < s.n && clears; i++)
            d_carried[i] = 0.0f;
        return MHC_OK;
    }
    MHC__TRY(check_backward(spec, params, x, carried, saved, dy, d_carried, dx, gradients, error));
    if (mhc__on_cuda(context))
        return on_cuda(context, spec, &s, tokens, true, &cuda_job, workspace, workspace_size, call, error);
    mhc_contract_sizes sizes;
    MHC__TRY(mhc_contract_sizes_query(spec, tokens, &sizes, error));
    MHC__TRY(mhc__need_workspace(workspace, workspace_size, sizes.workspace, call, error));
    float constant[MHC_MAX_STREAMS], *scratch = workspace;
    mhc__weights w = weights_of(spec, &s, carried, saved, constant);
    bool carries = spec->contraction == MHC_CONTRACT_CARRIED;
    job j = {.kernels = mhc__stream_kernels_chosen(s.type),
             .spec = spec,
             .params = params,
             .x = x,
             .dx = dx,
             .dy = dy,
             .w = w,
             .saved = (float *)saved,
             .d_carried = carries ? d_carried : NULL,
             .d_carried_stride = w.stride};
    int ranges = mhc__ranges(tokens);
    int threads = (int)mhc__max(1, mhc__min(context->threads, ranges));
    const mhc__projection p = projection_of(spec);
    if (has_head(spec))
        mhc__projection_slabs(context->threads, &p, params->fn, mhc__first_line(scratch));
#pragma omp parallel for num_threads(threads) schedule(static) if (ranges > 1)
    for (int range = 0; range < ranges; range++)
        range_back(&j, tokens, range, scratch_of(spec, scratch, ranges, range, mhc__thread_index()));
    double sums[MHC_MAX_STREAMS + 1] = {0};
    for (int range = 0; range < ranges; range++)
        for (int k = 0; k <= s.n; k++)
            sums[k] += scratch_of(spec, scratch, ranges, range, 0).sums[k];
    for (int i = 0; i < s.n && carries && !s.dynamic; i++)
        d_carried[i] = (float)sums[i];
    if (has_head(spec)) {
        for (int i = 0; i < s.n; i++)
            gradients->base[i] += (float)sums[i];
        gradients->scale[0] += (float)sums[s.n];
        mhc__projection_add_parts(context->threads, &p, ranges, scratch_of(spec, scratch, ranges, 0, 0).fn.d_fn,
                                  range_floats(spec), gradients->fn);
    }
    return MHC_OK;
}
