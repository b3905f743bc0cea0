/* Sizes, starts and argument checks of a site. */
#include <math.h>
#include <string.h>

#include "base/philox.h"
#include "stream/constraint/properties.h"
#include "stream/cuda.h"
#include "stream/pre/pre.h"
#include "stream/seam/seam.h"
#include "stream/shape.h"

/* Places of the Philox counter that keep the draws of the library apart from each other and from the model's. */
enum { PLACE_FN = 0x6d686301, PLACE_BASE = 0x6d686302 };

#define MAX_TOKENS ((int64_t)1 << 40)
/* OpenMP ends the process where it can't make the threads that it is asked for. */
#define MAX_THREADS 4096

int mhc__factorial(int n) {
    int product = 1;
    for (int k = 2; k <= n; k++)
        product *= k;
    return product;
}

int mhc_gate_logits(const mhc_gate *gate, int streams) {
    bool matrix = gate->kind == MHC_GATE_MATRIX_MEAN || gate->kind == MHC_GATE_MATRIX_SUM;
    return gate->kind == MHC_GATE_FIXED ? 0 : matrix ? streams * streams : streams;
}

mhc__shape mhc__shape_of(const mhc_spec *spec) {
    int n = spec->streams;
    mhc__shape shape = {.n = n, .channels = spec->channels, .type = spec->type, .coefficients = n * (n + 2)};
    shape.plain = spec->mapping == MHC_MAPPING_NONE;
    if (shape.plain)
        return shape;
    shape.pre = mhc_gate_logits(&spec->pre, n);
    shape.post = mhc_gate_logits(&spec->post, n);
    shape.res = mhc__constraint_count(spec);
    shape.logits = shape.pre + shape.post + shape.res;
    shape.shifted = spec->schedule == MHC_SCHEDULE_SHIFTED;
    if (spec->mapping == MHC_MAPPING_DYNAMIC) {
        shape.dynamic = true;
        shape.per_stream = spec->norm == MHC_NORM_PER_STREAM;
        shape.groups = shape.per_stream ? n : 1;
        shape.width = shape.logits / shape.groups;
        shape.saved = shape.logits + 2 * shape.groups;
    }
    return shape;
}

static mhc_status check_device(const mhc_context *context, mhc_error *error) {
    if (context->device == MHC_DEVICE_CUDA)
        return mhc__cuda ? MHC_OK
                         : mhc__fail(error, MHC_UNSUPPORTED,
                                     "context.device: MHC_DEVICE_CUDA; this library was built without CUDA");
    if (context->device != MHC_DEVICE_CPU)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "context.device: %d is neither MHC_DEVICE_CPU nor _CUDA",
                         (int)context->device);
    if (context->threads < 1 || context->threads > MAX_THREADS)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "context.threads: %d is not in 1..%d", context->threads,
                         MAX_THREADS);
    return MHC_OK;
}

mhc_status mhc__site_enter(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc__shape *shape,
                           mhc_error *error) {
    if (!context)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "context: expected a pointer, found NULL");
    MHC__TRY(check_device(context, error));
    MHC__TRY(mhc_spec_check(spec, error));
    if (mhc__on_cuda(context) && spec->streams > MHC__CUDA_STREAMS)
        return mhc__fail(error, MHC_UNSUPPORTED, "spec.streams: %d; the CUDA kernels have room for 1..%d",
                         spec->streams, MHC__CUDA_STREAMS);
    if (tokens < 0 || tokens > MAX_TOKENS)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "tokens: %lld is not in 0..%lld", (long long)tokens,
                         (long long)MAX_TOKENS);
    *shape = mhc__shape_of(spec);
    return MHC_OK;
}

mhc_status mhc__need(const void *pointer, const char *call, const char *name, mhc_error *error) {
    if (pointer)
        return MHC_OK;
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: %s: expected an array, found NULL", call, name);
}

mhc_status mhc__need_params(const mhc__shape *shape, const mhc_site_params *params, const char *call, const char *what,
                            mhc_error *error) {
    if (shape->logits == 0)
        return MHC_OK;
    if (!params || !params->base || (shape->dynamic && (!params->fn || !params->scale)))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: %s: expected arrays for %s, found NULL", call, what,
                         shape->dynamic ? "fn, base and scale (dynamic mapping)" : "base (static mapping)");
    return MHC_OK;
}

mhc_status mhc__need_workspace(const void *workspace, size_t size, size_t needed, const char *call, mhc_error *error) {
    if (needed == 0 || (workspace && size >= needed))
        return MHC_OK;
    return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: workspace: expected %zu bytes, found %zu", call, needed,
                     workspace ? size : (size_t)0);
}

mhc_status mhc_site_sizes_query(const mhc_spec *spec, int64_t tokens, mhc_site_sizes *sizes, mhc_error *error) {
    mhc_context context = {MHC_DEVICE_CPU, NULL, 1};
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(&context, spec, tokens, &s, error));
    MHC__TRY(mhc__need(sizes, "mhc_site_sizes_query", "sizes", error));
    memset(sizes, 0, sizeof *sizes);
    sizes->fn_rows = s.width;
    sizes->fn_columns = s.dynamic ? (s.per_stream ? 1 : s.n) * s.channels : 0;
    sizes->base = s.logits;
    sizes->scale = s.dynamic ? 3 : 0;
    sizes->coefficients = (s.dynamic ? tokens : 1) * s.coefficients;
    sizes->saved = s.dynamic ? tokens * s.saved : 0;
    int ranges = mhc__ranges(tokens);
    int64_t floats = mhc__pre_scratch_floats(&s, ranges);
    const mhc__pre pre = mhc__pre_of(spec, &s, NULL, (mhc_streams){0}, NULL, NULL, NULL);
    if (s.dynamic)
        floats = mhc__max(floats, mhc__pre_forward_floats(&pre, tokens) + mhc__seam_panels_floats(&s, tokens));
    else
        floats = mhc__max(floats, ranges * 2 * MHC__MERGE_SUMS(s.n));
    sizes->workspace = (size_t)floats * sizeof(float);
    sizes->cuda_workspace = mhc__cuda && s.n <= MHC__CUDA_STREAMS ? mhc__cuda->site_workspace(spec, &s, tokens) : 0;
    return MHC_OK;
}

/* count: logits of a gate, none of a fixed one. */
static void start_matrix(float *logits, int count, int n, float diagonal, float off) {
    for (int i = 0; i < count; i++)
        logits[i] = i / n == i % n ? diagonal : off;
}

static void start_vector(float *logits, int count, int home, float at_home, float off) {
    for (int i = 0; i < count; i++)
        logits[i] = i == home ? at_home : off;
}

static void start_xavier(float *base, const mhc__shape *s, int site, uint64_t seed) {
    mhc__uniform_fill(seed, mhc__philox_place(PLACE_BASE, (uint32_t)site), 1.0f, base, s->logits);
    for (int i = 0; i < s->logits; i++) {
        int part = i < s->pre ? s->pre : i < s->pre + s->post ? s->post : s->res;
        double fans = part == s->n ? s->n + 1 : 2.0 * s->n;
        base[i] *= (float)sqrt(6.0 / fans);
    }
}

static void start_base(const mhc_spec *spec, const mhc__shape *s, int site, uint64_t seed, float *base) {
    int n = s->n, home = site % n;
    float *pre = base, *post = base + s->pre, *res = post + s->post;
    memset(base, 0, (size_t)s->logits * sizeof *base);
    switch (spec->start) {
    case MHC_INIT_ZEROS:
        break;
    case MHC_INIT_HOME:
        start_vector(pre, s->pre, home, 3.0f, -3.0f);
        break;
    case MHC_INIT_HC:
    case MHC_INIT_HC_MEAN:
        if (spec->start == MHC_INIT_HC)
            start_vector(pre, s->pre, home, 1.0f, 0.0f);
        else
            start_vector(pre, s->pre, -1, 0.0f, 1.0f / (float)n);
        start_vector(post, s->post, -1, 0.0f, 1.0f);
        break;
    case MHC_INIT_LITE:
        start_vector(pre, s->pre, home, 1.0f, -1.0f);
        start_vector(post, s->post, home, 1.0f, -1.0f);
        break;
    case MHC_INIT_2I_J:
        start_matrix(pre, s->pre, n, 1.0f, -1.0f);
        start_matrix(post, s->post, n, 1.0f, -1.0f);
        break;
    case MHC_INIT_XAVIER:
        start_xavier(base, s, site, seed);
        break;
    }
    mhc__start_res(spec, res);
}

mhc_status mhc_site_init(const mhc_spec *spec, int site, uint64_t seed, const mhc_site_params *params,
                         mhc_error *error) {
    mhc_context context = {MHC_DEVICE_CPU, NULL, 1};
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(&context, spec, 0, &s, error));
    if (site < 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "mhc_site_init: site: expected at least 0, found %d", site);
    MHC__TRY(mhc__need_params(&s, params, "mhc_site_init", "params", error));
    if (s.logits > 0)
        start_base(spec, &s, site, seed, params->base);
    if (s.dynamic) {
        for (int k = 0; k < 3; k++)
            params->scale[k] = spec->scale_start;
        int64_t count = s.width * (s.per_stream ? 1 : s.n) * s.channels;
        if (spec->fn_start == 0.0f)
            memset(params->fn, 0, (size_t)count * sizeof *params->fn);
        else
            mhc__normal_fill(seed, mhc__philox_place(PLACE_FN, (uint32_t)site), spec->fn_start, params->fn, count);
    }
    return MHC_OK;
}
