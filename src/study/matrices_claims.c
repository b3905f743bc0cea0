/* What the paper says about its figures 3, 7 and 8, and the rules that decide it. */
#include <math.h>
#include <string.h>

#include "study/matrices.h"

typedef mhc__matrices_evidence evidence;

static bool missing(double value, const char *what, mhc__finding *f) {
    if (isnan(value))
        mhc__ruled(f, MHC__NOT_DECIDED, "it takes a model whose connection is `%s`", what);
    return isnan(value);
}

static void forward_one(const void *data, mhc__finding *f) {
    const evidence *e = data;
    if (missing(e->mhc_forward_off, "paper", f))
        return;
    mhc__measured(f, "composite forward gains within %.2g of 1", e->mhc_forward_off);
    mhc__measured(f, "smallest column sum of the whole product %.4g", e->mhc_column_min);
    if (e->mhc_forward_off <= 1e-3 && fabs(e->mhc_column_min - 1) <= 1e-3)
        mhc__ruled(f, MHC__REPRODUCED, "columns are as near to 1 as rows: the iteration has converged");
    else if (e->mhc_forward_off <= 1e-3)
        mhc__ruled(f, MHC__OTHER_REASON,
                   "they are 1 because the iteration ends on rows, not because it has converged: the error of a finite "
                   "iteration is all in the columns");
    else
        mhc__ruled(f, MHC__NOT_REPRODUCED, "a forward gain left 1 by more than 1e-3");
}

static void bounded(const void *data, mhc__finding *f) {
    const evidence *e = data;
    if (missing(e->mhc_composite, "paper", f))
        return;
    mhc__measured(f, "largest backward gain: single %.4g, composite %.4g; the orders of averaging differ by up to %.2g",
                  e->mhc_single, e->mhc_composite, e->mhc_orders);
    mhc__measured(f, "smallest column sum of the whole product %.4g", e->mhc_column_min);
    if (e->mhc_composite <= 1.65)
        mhc__ruled(f, MHC__REPRODUCED, "bounded by the paper's own figure, in this model");
    else
        mhc__ruled(f, MHC__NOT_REPRODUCED, "a composite backward gain is above 1.65");
}

static void unbounded(const void *data, mhc__finding *f) {
    const evidence *e = data;
    if (missing(e->hc_composite, "hc", f))
        return;
    mhc__measured(f, "largest composite gain of HC %.4g", e->hc_composite);
    if (e->hc_composite >= 1000)
        mhc__ruled(f, MHC__REPRODUCED, "three orders of magnitude from 1");
    else
        mhc__ruled(f, MHC__NOT_REPRODUCED, "%s",
                   e->hc_composite > 1.65 ? "it leaves 1, but not by three orders of magnitude in this model"
                                          : "it stays within 1.65, the paper's figure for mHC");
}

const mhc__claim mhc__matrices_claims[MHC__MATRICES_CLAIMS] = {
    {"matrices-1", "mHC's forward gain is 1 at every depth, single and composite.", "arXiv 2512.24880, figure 7",
     "1 at all layers",
     "Composite forward gains of token-averaged matrices within 1e-3 of 1. Where columns are off, true for another "
     "reason.",
     forward_one, NULL},
    {"matrices-2", "mHC's composite gain deviates, but stays bounded, at most about 1.6.",
     "arXiv 2512.24880, section 5.4", "backward 1.1 to 1.65, single layers 1.00 to 1.06",
     "The largest composite backward gain of token-averaged matrices is at most 1.65.", bounded, NULL},
    {"matrices-3", "HC's composite gain leaves 1 by three orders of magnitude.", "arXiv 2512.24880, figure 3",
     "peak 3000 in a trained model of 27B parameters",
     "The largest composite gain of HC, either way, is at least 1000.", unbounded, NULL},
};

static const mhc__matrices_model *find(const mhc__matrices *study, const char *connection) {
    for (int m = 0; m < study->model_count; m++)
        if (!study->models[m].failed && !study->models[m].altered && !strcmp(study->models[m].connection, connection))
            return &study->models[m];
    return NULL;
}

mhc__matrices_evidence mhc__matrices_gather(const mhc__matrices *study) {
    const mhc__matrices_model *mhc = find(study, "paper"), *hc = find(study, "hc");
    evidence e = {NAN, NAN, NAN, NAN, NAN, NAN};
    if (mhc) {
        e.mhc_single = mhc__matrices_most(mhc, mhc->of_mean, MHC__SINGLE_BACKWARD);
        e.mhc_composite = mhc__matrices_most(mhc, mhc->of_mean, MHC__COMPOSITE_BACKWARD);
        e.mhc_column_min = mhc->column_min;
        e.mhc_forward_off = e.mhc_orders = 0;
        for (int s = 0; s < mhc->sites; s++) {
            int forward = MHC__COMPOSITE_FORWARD * mhc->sites + s, backward = MHC__COMPOSITE_BACKWARD * mhc->sites + s;
            e.mhc_forward_off = fmax(e.mhc_forward_off, fabs(mhc->of_mean[forward] - 1));
            e.mhc_orders = fmax(e.mhc_orders, fabs(mhc->of_mean[backward] - mhc->of_token[backward]));
        }
    }
    if (hc)
        e.hc_composite = fmax(mhc__matrices_most(hc, hc->of_mean, MHC__COMPOSITE_FORWARD),
                              mhc__matrices_most(hc, hc->of_mean, MHC__COMPOSITE_BACKWARD));
    return e;
}
