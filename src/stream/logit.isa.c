/* The kernels over logits for one instruction set: compiled for each, with -DMHC__KERNELS=mhc__logit_kernels_ISA. */
#include "stream/kernels.h"

#include "stream/kernel/coefficients.h"
#include "stream/kernel/constraint.h"
#include "stream/kernel/head.h"

extern const mhc__logit_kernels MHC__KERNELS;

const mhc__logit_kernels MHC__KERNELS = {
    .coefficients = mhc__coefficients_run,
    .coefficients_back = mhc__coefficients_back_run,
    .constraint = mhc__constraint_run,
    .constraint_back = mhc__constraint_back_run,
    .head_weights = mhc__head_weights_run,
};
