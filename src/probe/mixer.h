/* The mixers of a model, site by site: raw parameters and what the constraint makes of them. Definitions:
 * docs/metrics.md. */
#ifndef MHC_PROBE_MIXER_H
#define MHC_PROBE_MIXER_H

#include "model/model.h"

typedef struct mhc__mixer {
    double raw_norm, raw_min, raw_max; /* of the logits of res in hc.base (without the part that depends on X) */
    double norm;                       /* ||H||_F of res, mean over the tokens of the last pass */
    double residual; /* max over tokens of max(max_i |row sum - 1|, max_j |column sum - 1|): 0 when doubly stochastic */
    double entry_min;         /* the smallest entry, over tokens */
    double forward, backward; /* amax gains, mean over tokens */
} mhc__mixer;

/* After a forward, of any mode. A residual model has H = 1 and no raw part (0). */
mhc_status mhc__mixer_measure(mhc__model *model, int site, mhc__mixer *mixer, mhc_error *error);

#endif
