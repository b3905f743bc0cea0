/* The kernels over logits for one instruction set: compiled for each, with -DMHC__KERNELS=mhc__logit_kernels_ISA. */
#include "stream/kernels.h"

#include "stream/kernel/coefficients.h"
#include "stream/kernel/constraint.h"
#include "stream/kernel/head.h"

static void coefficients_run(const mhc_spec *spec, const mhc__shape *shape, int tokens, const float *mix,
                             int64_t mix_stride, const float *scale, const float *base, float *coefficients) {
    int n = shape->n, w = mhc__lanes_for(n, tokens);
#define RUN(streams, lanes)                                                                                            \
    mhc__forward_lanes(spec, shape, streams, lanes, tokens, mix, mix_stride, scale, base, coefficients)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

static void coefficients_back_run(const mhc_spec *spec, const mhc__shape *shape, int tokens, const float *mix,
                                  int64_t mix_stride, const float *scale, const float *base,
                                  const float *d_coefficients, float *d_mix, int64_t d_mix_stride, double *sums) {
    int n = shape->n, w = mhc__lanes_for(n, tokens);
#define RUN(streams, lanes)                                                                                            \
    mhc__backward_lanes(spec, shape, streams, lanes, tokens, mix, mix_stride, scale, base, d_coefficients, d_mix,      \
                        d_mix_stride, sums)
    MHC__LANE_SIZES_FEW(RUN);
#undef RUN
}

extern const mhc__logit_kernels MHC__KERNELS;

const mhc__logit_kernels MHC__KERNELS = {
    .coefficients = coefficients_run,
    .coefficients_back = coefficients_back_run,
    .constraint = mhc__constraint_run,
    .constraint_back = mhc__constraint_back_run,
    .head_weights = mhc__head_weights_run,
};
