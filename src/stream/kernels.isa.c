/* The kernels for one instruction set: compiled once for each, with -DMHC__KERNELS=mhc__kernels_NAME. */
#include "stream/kernels.h"

#include "stream/kernel/coefficients.h"
#include "stream/kernel/collapse.h"
#include "stream/kernel/constraint.h"
#include "stream/kernel/ends.h"
#include "stream/kernel/merge.h"
#include "stream/kernel/products.h"
#include "stream/kernel/products_back.h"

extern const mhc__kernels MHC__KERNELS;

const mhc__kernels MHC__KERNELS = {
    .products = mhc__products_run,
    .products_back = mhc__products_back_run,
    .coefficients = mhc__coefficients_run,
    .coefficients_back = mhc__coefficients_back_run,
    .constraint = mhc__constraint_run,
    .constraint_back = mhc__constraint_back_run,
    .merge = mhc__merge_run,
    .merge_back = mhc__merge_back_run,
    .collapse = mhc__collapse_run,
    .collapse_dots = mhc__collapse_dots_run,
    .spread = mhc__spread_run,
    .unmerge = mhc__unmerge_run,
    .head_weights = mhc__head_weights_run,
    .sum_rows = mhc__sum_rows_run,
};
