#include "mhc/recompute.h"

#include "stream/cuda.h"
#include "stream/pre/pre.h"

static mhc_status refuse(int step, const char *what, mhc_error *error) {
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "mhc_recompute: steps[%d].%s", step, what);
}

static mhc_status check(const mhc__shape *s, int64_t tokens, mhc_streams x, const float *carried,
                        const mhc_recompute_step *steps, int count, mhc_error *error) {
    const char *call = "mhc_recompute";
    if (count < 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: count: expected at least 0, found %d", call, count);
    if (carried && !s->shifted)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "%s: carried: expected NULL (the schedule is not shifted), found an array", call);
    if (tokens == 0 || count == 0)
        return MHC_OK;
    MHC__TRY(mhc__need(x.data, call, "x", error));
    MHC__TRY(mhc__need(steps, call, "steps", error));
    for (int k = 0; k < count; k++) {
        if (!s->plain && !steps[k].coefficients)
            return refuse(k, "coefficients: expected an array, found NULL", error);
        if (k + 1 < count && !steps[k].out.data)
            return refuse(k, "out: expected streams, found NULL: a step follows that begins with them", error);
        if (steps[k].out.data && !steps[k].z.data)
            return refuse(k, "z: expected rows, found NULL", error);
    }
    return MHC_OK;
}

/* All steps on tokens first..end. */
static void replay(const mhc__stream_kernels *kernels, const mhc__shape *s, int64_t first, int64_t end, mhc_streams x,
                   const float *carried, const mhc_recompute_step *steps, int count) {
    const float ones[3] = {1.0f, 1.0f, 1.0f}; /* the residual's */
    for (int k = 0; k < count; k++) {
        const mhc_recompute_step *step = &steps[k];
        mhc__weights weights = mhc__pre_weights(s, step->coefficients, carried);
        if (step->u.data)
            kernels->collapse(s->n, s->channels, false, first, end, x, weights.data, weights.stride, step->u);
        if (step->out.data) {
            mhc__merging merging = {
                s->n,  s->channels, x, step->z, s->plain ? ones : step->coefficients, s->dynamic ? s->coefficients : 0,
                false, false};
            kernels->merge(&merging, first, end, step->out);
        }
        x = step->out;
        carried = s->shifted ? step->coefficients : NULL;
    }
}

/* A step after the other: a GPU's cache holds no block of tokens from one kernel to the next. */
static mhc_status replay_on_cuda(const mhc__cuda_call *call, mhc_streams x, const float *carried,
                                 const mhc_recompute_step *steps, int count) {
    const mhc__shape *s = call->shape;
    for (int k = 0; k < count; k++) {
        const mhc_recompute_step *step = &steps[k];
        const float *weights = s->shifted ? carried : s->plain ? NULL : step->coefficients;
        if (step->u.data)
            MHC__TRY(mhc__cuda->collapse(call, x, weights, s->dynamic ? s->coefficients : 0, step->u));
        if (step->out.data)
            MHC__TRY(mhc__cuda->merge(call, &(mhc__cuda_merge){x, step->z, step->coefficients, step->out}));
        x = step->out;
        carried = s->shifted ? step->coefficients : NULL;
    }
    return MHC_OK;
}

mhc_status mhc_recompute(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc_streams x,
                         const float *carried, const mhc_recompute_step *steps, int count, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(mhc__site_enter(context, spec, tokens, &s, error));
    MHC__TRY(check(&s, tokens, x, carried, steps, count, error));
    if (mhc__on_cuda(context)) {
        mhc__cuda_call cuda = mhc__cuda_call_of(context, spec, &s, tokens, NULL, "mhc_recompute", error);
        return replay_on_cuda(&cuda, x, carried, steps, tokens > 0 ? count : 0);
    }
    const mhc__stream_kernels *kernels = mhc__stream_kernels_chosen(s.type);
    int64_t blocks = count > 0 ? mhc__blocks(tokens, MHC__TOKEN_BLOCK) : 0;
#pragma omp parallel for num_threads(context->threads) schedule(static) if (blocks > 1)
    for (int64_t block = 0; block < blocks; block++)
        replay(kernels, &s, block * MHC__TOKEN_BLOCK, mhc__min(tokens, (block + 1) * MHC__TOKEN_BLOCK), x, carried,
               steps, count);
    return MHC_OK;
}

int mhc_recompute_span(int streams, int sites) {
    const int64_t kept = streams, again = (int64_t)streams + 2;
    int best = 1;
    if (streams < 1)
        return best;
    int64_t least = INT64_MAX;
    for (int length = 1; length <= sites && again * length < least; length++) {
        int64_t values = kept * mhc__blocks(sites, length) + again * length;
        if (values < least) {
            least = values;
            best = length;
        }
    }
    return best;
}
