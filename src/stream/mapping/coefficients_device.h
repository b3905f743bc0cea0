/* mix -> coefficients on the device and back, a token to a thread: compiled in the units cuda/arithmetic4.cu to
 * cuda/arithmetic16.cu. */
#ifndef MHC_STREAM_MAPPING_COEFFICIENTS_DEVICE_H
#define MHC_STREAM_MAPPING_COEFFICIENTS_DEVICE_H

#include "stream/cuda/arithmetic.h"

#include "stream/cuda/mapping.h"
#include "stream/mapping/norm.h"

namespace {

/* A warp: what a thread does takes long, and there are more processors than warps. */
enum { THREADS = 32 };

struct params {
    mhc_spec spec;
    mhc__shape shape;
    int64_t tokens; /* rows of coefficients */
    mhc__cuda_gates forward;
    mhc__cuda_gates_back back;
    int64_t columns;
};

params params_of(const mhc__cuda_call *call) {
    const mhc__shape *s = call->shape;
    params p = {};
    p.spec = *call->spec;
    p.shape = *s;
    p.tokens = s->dynamic ? call->tokens : 1;
    p.columns = s->channels * (s->per_stream ? 1 : s->n);
    return p;
}

mhc_status launch(const mhc__cuda_call *call, void (*kernel)(params), const params &p) {
    return mhc__launch(kernel, mhc__blocks(p.tokens, THREADS), THREADS, 0, call->queue, p, call->name, call->error);
}

MHC__KERNEL coefficients(MHC__GIVEN params p) {
    const int64_t t = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    const int n = p.shape.n, w = 1;
    if (t >= p.tokens)
        return;
#define RUN(streams, lanes)                                                                                            \
    mhc__forward_lanes(&p.spec, &p.shape, streams, lanes, 1, p.forward.saved.mix + t * p.forward.saved.stride, 0,      \
                       p.forward.scale, p.forward.base, p.forward.coefficients + t * p.shape.coefficients)
    MHC__LANE_SIZES(RUN);
#undef RUN
}

/* e and s of a token, from its d_mix, which lies where e will. */
MHC__DEVICE void row_back(const params &p, int64_t t) {
    const mhc__mixes *saved = &p.back.saved;
    const int groups = p.shape.groups, width = p.shape.width;
    for (int group = 0; group < groups; group++) {
        float *e = p.back.e + t * p.shape.logits + group * width, r = saved->r[t * saved->stride + group];
        float slope = mhc__slope(width, p.columns, e, saved->mix + t * saved->stride + group * width,
                                 saved->g[t * saved->stride + group]);
        p.back.s[t * groups + group] = slope * r;
        for (int k = 0; k < width; k++)
            e[k] *= r;
    }
}

MHC__KERNEL coefficients_back(MHC__GIVEN params p) {
    const int64_t t = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    const int n = p.shape.n, w = 1;
    double sums[MHC__LOGIT_FLOATS + 3];
    if (t >= p.tokens)
        return;
    for (int k = 0; k < p.shape.logits + 3; k++)
        sums[k] = 0.0;
#define RUN(streams, lanes)                                                                                            \
    mhc__backward_lanes(&p.spec, &p.shape, streams, lanes, 1, p.back.saved.mix + t * p.back.saved.stride, 0,           \
                        p.back.scale, p.back.base, p.back.d_coefficients + t * p.shape.coefficients,                   \
                        p.back.e + t * p.shape.logits, 0, sums)
    MHC__LANE_SIZES(RUN);
#undef RUN
    for (int k = 0; k < p.shape.pre && p.back.without_pre; k++)
        p.back.e[t * p.shape.logits + k] = 0.0f;
    if (p.shape.dynamic)
        row_back(p, t);
    for (int k = 0; k < p.shape.logits + 3 && p.shape.dynamic; k++)
        p.back.sums[k * p.tokens + t] = sums[k];
    for (int k = 0; k < p.shape.logits && !p.shape.dynamic; k++)
        p.back.d_base[k] += (float)sums[k];
}

} // namespace

mhc_status MHC__OF_UNIT(mhc__cuda_coefficients_)(const mhc__cuda_call *call, const mhc__cuda_gates *gates) {
    params p = params_of(call);
    p.forward = *gates;
    return launch(call, coefficients, p);
}

mhc_status MHC__OF_UNIT(mhc__cuda_coefficients_back_)(const mhc__cuda_call *call, const mhc__cuda_gates_back *gates) {
    params p = params_of(call);
    p.back = *gates;
    return launch(call, coefficients_back, p);
}

#endif
