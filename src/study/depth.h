/* Inside of the depth study: what its report adds to that of a sweep. */
#ifndef MHC_STUDY_DEPTH_H
#define MHC_STUDY_DEPTH_H

#include "study/sweep.h"

/* What mhc-poc published for one of its models at one depth (docs/results.md, cuda/docs/results.md at cf4504f). NaN
 * where it has no value, or has NaN. */
typedef struct mhc__depth_published {
    const char *connection;
    int blocks;
    double mlx_loss, mlx_gain, cuda_loss, cuda_gain;
} mhc__depth_published;
/* NULL when there is nothing. */
const mhc__depth_published *mhc__depth_published_of(const char *connection, int blocks);

/* The claims, and the published tables beside ours. */
mhc_status mhc__depth_page(mhc__sweep *study, mhc__html *html, mhc_error *error);
/* The published pictures. */
mhc_status mhc__depth_figures(mhc__sweep *study, mhc__html *html, mhc_error *error);

#endif
