/* Everything that the probes see of one training pass: mixing matrices and their products, streams, gradients. The
 * numbers of a step, one each, and their names in metrics.jsonl; the full arrays, site by site, as lines of JSON.
 * Definitions: docs/metrics.md. */
#ifndef MHC_PROBE_PROBE_H
#define MHC_PROBE_PROBE_H

#include "base/text.h"
#include "probe/gradient.h"
#include "probe/gradient_flow.h"
#include "probe/logits.h"
#include "probe/mixing.h"
#include "probe/similarity.h"
#include "probe/state.h"

typedef struct mhc__probe {
    double activation_gain;
    mhc__mixing mixing;
    mhc__states states;
    mhc__logit_ranges logits;   /* with options.complete, and so */
    mhc__similarity similarity; /* this */
    mhc__gradients gradients;
    int points;    /* of the state gradients: sites + 1, or 0 where none were watched */
    double *flow;  /* [3][points]: state gradient, of the mean, of the differences */
    bool sinkhorn; /* whether the matrices come from Sinkhorn's iteration, which has cycles to go */
} mhc__probe;

/* After forward and backward of a training pass. flow: what watched that backward, NULL for nothing. options.complete
 * makes the arrays over depth and tokens complete. */
mhc_status mhc__probe_measure(mhc__model *model, const mhc__gradient_flow *flow, const mhc__mixing_options *options,
                              mhc__probe *probe, mhc_error *error);
void mhc__probe_free(mhc__probe *probe);

/* The numbers of a step. */
enum { MHC__PROBE_NUMBERS = 42 };
const char *mhc__probe_name(int number);
void mhc__probe_numbers(const mhc__probe *probe, double *values); /* [MHC__PROBE_NUMBERS]; NaN where there is none */

/* Appends the arrays, one line for each metric: {"step":S,"metric":"…","mean":[…], …}. NaN and Inf become null. */
void mhc__probe_lines(const mhc__probe *probe, int64_t step, mhc__text *text);

#endif
