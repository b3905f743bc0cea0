/* The gradients of the parameters, layer by layer. Definitions: docs/metrics.md. */
#ifndef MHC_PROBE_GRADIENT_H
#define MHC_PROBE_GRADIENT_H

#include <stdbool.h>

#include "base/error.h"
#include "model/model.h"

/* A mixer's gradient below this share of that of pre's logits is dead. */
#define MHC__DEAD_MIXER 1e-6

typedef struct mhc__gradients {
    int sites, blocks;
    double *layer;         /* [sites]: L2 norm over the parameters of what the site wraps */
    double *connection;    /* [sites]: over those of its connection; 0 where it has none */
    double *mixer_ratio;   /* [sites]: root mean square of dL/dbase over the logits of res, over that of pre; NaN where
                              there   are no such logits */
    double *block;         /* [blocks]: all parameters of the block's layers */
    double all;            /* every parameter of the model */
    double stratification; /* block[blocks - 1] / block[0]; NaN where both are 0 */
    double connection_share; /* of all squares, those of connections */
    int dead_mixers;         /* sites whose mixer_ratio is below MHC__DEAD_MIXER, or 0 / 0 */
} mhc__gradients;

/* Of the gradients as they are, so after a backward. NaN and Inf show in the norms they enter. */
mhc_status mhc__gradients_measure(mhc__model *model, int threads, mhc__gradients *gradients, mhc_error *error);
void mhc__gradients_free(mhc__gradients *gradients);

#endif
