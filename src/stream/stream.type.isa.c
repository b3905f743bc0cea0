/* The kernels over streams for one instruction set and one type of elements: compiled for each pair, with
 * -DMHC__KERNELS=mhc__stream_kernels_ISA_TYPE. */
#include "stream/kernels.h"

#include "stream/kernel/collapse.h"
#include "stream/kernel/expand.h"
#include "stream/kernel/gather.h"
#include "stream/kernel/merge.h"
#include "stream/kernel/products.h"
#include "stream/kernel/products_back.h"
#include "stream/kernel/rmsnorm.h"
#include "stream/kernel/spread.h"

extern const mhc__stream_kernels MHC__KERNELS;

const mhc__stream_kernels MHC__KERNELS = {
    .products = mhc__products_run,
    .pack_fn = mhc__pack_fn_run,
    .squares = mhc__squares_run,
    .products_back = mhc__products_back_run,
    .merge = mhc__merge_run,
    .merge_back = mhc__merge_back_run,
    .collapse = mhc__collapse_run,
    .collapse_rmsnorm = mhc__collapse_rmsnorm_run,
    .collapse_dots = mhc__collapse_dots_run,
    .gather = mhc__gather_run,
    .spread = mhc__spread_run,
    .sum_streams = mhc__sum_streams_run,
};
