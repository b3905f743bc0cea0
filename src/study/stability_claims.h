/* What reproducing-mhc claims (its README and the blog of its author), and the rules that decide it. */
#ifndef MHC_STUDY_STABILITY_CLAIMS_H
#define MHC_STUDY_STABILITY_CLAIMS_H

#include "report/claim.h"
#include "study/stability.h"

/* Of one model, all its seeds together. */
typedef struct mhc__stability_evidence_arm {
    bool there;
    int failures;                                /* seeds that were not finite */
    double gain_start, gain_max, gain_last;      /* activation gain: of step 0; largest; mean of the last quarter */
    double gradient_mean, gradient_max;          /* global gradient norm */
    double loss_noise;                           /* standard deviation around a line, last quarter of the steps */
    double loss_less_base, loss_less_base_error; /* last tenth of the steps, same batches; and its standard error */
    mhc__significance loss_differs;
    double spread;        /* of the streams, the largest */
    double single_bound;  /* largest of sqrt(forward x backward single gain), which bounds ||H_res||_2 */
    double composite_off; /* largest distance of a composite gain from 1 */
    double from_identity_start, from_identity; /* largest distance of an entry of H_res; of all sites */
    double from_uniform_start;
    double growth_start, growth;              /* ||x_L|| / ||x_0|| */
    bool growth_rises_at_start, growth_rises; /* over the baseline's, at every block */
    double logits_off, logits_rms; /* before training: largest difference from mHC's logits, and the rms of those */
    double loss_off;               /* from mHC's, the largest of all steps */
    double branch_factor; /* it is the baseline with this factor on every branch, by its coefficients; NaN: it isn't */
} mhc__stability_evidence_arm;

typedef struct mhc__stability_evidence {
    int seeds;
    mhc__stability_evidence_arm base, hc, mhc;
    mhc__stability_evidence_arm scaled;   /* baseline with branches / n */
    mhc__stability_evidence_arm whole;    /* mHC with branches x n: H_post is 1 */
    mhc__stability_evidence_arm identity; /* mHC with H_res = I */
} mhc__stability_evidence;

enum { MHC__STABILITY_CLAIMS = 16 };
extern const mhc__claim mhc__stability_claims[MHC__STABILITY_CLAIMS];

/* What the rules look at, from the arms of a study. */
mhc__stability_evidence mhc__stability_gather(const mhc__stability *study);

#endif
