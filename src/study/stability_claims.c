#include "study/stability_claims.h"

#include <math.h>

#define README "README of reproducing-mhc, be59c58"
#define BLOG   "Reproducing mHC: The Art of Constraining Signal (blog, 2026-01-04)"

typedef mhc__stability_evidence evidence;
typedef mhc__stability_evidence_arm arm;

/* The sentence of a claim whose models are not all there, or not finite. */
static bool missing(const arm *const *arms, const char *const *names, int count, mhc__finding *finding) {
    for (int i = 0; i < count; i++) {
        if (!arms[i]->there)
            mhc__ruled(finding, MHC__NOT_DECIDED, "It takes the model `%s`, which is not part of this run.", names[i]);
        else if (arms[i]->failures)
            mhc__ruled(finding, MHC__NOT_DECIDED, "`%s` was not finite, so that there is nothing to compare.",
                       names[i]);
        else
            continue;
        return true;
    }
    return false;
}

static bool without_hc(const evidence *e, mhc__finding *finding) {
    const arm *const arms[] = {&e->base, &e->hc};
    static const char *const names[] = {"residual", "hc-static"};
    return missing(arms, names, 2, finding);
}

static bool without_mhc(const evidence *e, mhc__finding *finding) {
    const arm *const arms[] = {&e->base, &e->mhc};
    static const char *const names[] = {"residual", "reproducing-mhc"};
    return missing(arms, names, 2, finding);
}

/* mHC and its control give the same logits before training. */
#define SAME_LOGITS 1e-6
/* … and the same loss in every step: what rounding may make of it. */
#define SAME_LOSS 1e-4

/* What the gain of mHC is due to. */
typedef enum cause { CAUSE_UNKNOWN, CAUSE_SCALE, CAUSE_MATRIX, CAUSE_OTHER } cause;

static bool usable(const arm *control) {
    return control->there && !control->failures;
}

/* Whether mHC is the baseline with scaled branches: by the control, where it was run, else by its coefficients. */
static bool is_scaled(const evidence *e) {
    if (usable(&e->scaled))
        return e->scaled.logits_off <= SAME_LOGITS && e->scaled.loss_off <= SAME_LOSS;
    return !isnan(e->mhc.branch_factor);
}

/* The factor on its branches that makes a baseline of it. */
static double factor_of(const evidence *e) {
    return isnan(e->mhc.branch_factor) ? 0.25 : e->mhc.branch_factor;
}

static bool is_low(const evidence *e, const arm *control) {
    return e->base.gain_max / control->gain_max >= 3;
}

/* The factor without the matrices, and the matrices without the factor: which of them lowers the gain. */
static cause cause_of(const evidence *e) {
    if (!usable(&e->scaled) || !usable(&e->whole))
        return is_scaled(e) ? CAUSE_SCALE : CAUSE_UNKNOWN;
    bool scaled = is_low(e, &e->scaled), whole = is_low(e, &e->whole);
    return scaled && !whole ? CAUSE_SCALE : whole && !scaled ? CAUSE_MATRIX : CAUSE_OTHER;
}

static void measured_scaled(const evidence *e, mhc__finding *finding) {
    if (!usable(&e->scaled))
        return;
    if (e->scaled.logits_off == 0 && e->scaled.loss_off == 0)
        mhc__measured(finding,
                      "the baseline with branches × 1/4 is mHC to the last bit: in every logit before training, "
                      "and in the loss of every step");
    else
        mhc__measured(
            finding,
            "the baseline with branches × 1/4 differs from mHC by at most %.2g in every logit before training "
            "(rms %.3g), and by %.2g in the loss of any step",
            e->scaled.logits_off, e->scaled.logits_rms, e->scaled.loss_off);
}

static void measured_controls(const evidence *e, mhc__finding *finding) {
    measured_scaled(e, finding);
    if (usable(&e->scaled))
        mhc__measured(finding, "its largest gain is %.4g", e->scaled.gain_max);
    if (usable(&e->whole))
        mhc__measured(finding, "that of mHC with branches × 4, so that H_post is 1: %.4g", e->whole.gain_max);
    if (usable(&e->identity))
        mhc__measured(finding, "of mHC with H_res = I: %.4g", e->identity.gain_max);
}

static void hc_explodes(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_hc(e, finding))
        return;
    double peak = e->hc.gain_max / e->base.gain_max, end = e->hc.gain_last / e->base.gain_last;
    mhc__measured(finding, "largest gain %.4g against %.4g (%.2f times)", e->hc.gain_max, e->base.gain_max, peak);
    mhc__measured(finding, "last quarter %.4g against %.4g (%.2f times)", e->hc.gain_last, e->base.gain_last, end);
    if (peak > 1.2 && end > 1.2)
        mhc__ruled(finding, MHC__REPRODUCED,
                   "Both the largest gain and that of the last quarter exceed the baseline's.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED,
                   "Compared like with like, %s. The blog sets HC's maximum against the baseline's average.",
                   peak > 1.2 ? "the excess at the peak is gone in the last quarter"
                              : "the largest gains are the same within a fifth");
}

static void mhc_gain_is_low(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_mhc(e, finding))
        return;
    double ratio = e->base.gain_max / e->mhc.gain_max;
    mhc__measured(finding, "largest gain %.4g against the baseline's %.4g: %.2f times lower", e->mhc.gain_max,
                  e->base.gain_max, ratio);
    if (!isnan(e->mhc.branch_factor))
        mhc__measured(finding, "every H_post is %.3g, every entry of H_res 1/n, all streams are copies",
                      e->mhc.branch_factor);
    measured_controls(e, finding);
    if (!(ratio >= 3 && ratio <= 5)) {
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "The ratio %.2f is not in 3 to 5%s.", ratio,
                   is_scaled(e) ? "; and H_res does nothing here: mixing copies changes nothing" : "");
        return;
    }
    switch (cause_of(e)) {
    case CAUSE_SCALE:
        if (is_scaled(e))
            mhc__ruled(finding, MHC__OTHER_REASON,
                       "This mHC is the baseline with every branch multiplied by %.3g%s, which lowers the gain. Mixing "
                       "copies changes nothing: H_res does nothing at all.",
                       factor_of(e),
                       usable(&e->scaled) ? ", in every logit before training and in the loss of every step" : "");
        else
            mhc__ruled(finding, MHC__OTHER_REASON,
                       "The baseline with branches × 1/4 has the low gain as well, and with H_post = 1 the same H_res "
                       "does not: the factor on the branches lowers it.");
        return;
    case CAUSE_MATRIX:
        mhc__ruled(finding, MHC__REPRODUCED,
                   "With H_post = 1 the gain is low as well, and the baseline with branches × 1/4 does not have it: "
                   "H_res lowers it.");
        return;
    case CAUSE_OTHER:
        mhc__ruled(finding, MHC__NOT_DECIDED,
                   "The ratio is in 3 to 5, but the controls don't tell the factor of H_post and H_res apart.");
        return;
    case CAUSE_UNKNOWN:
        mhc__ruled(finding, MHC__REPRODUCED, "The ratio is in 3 to 5, and the model is not a scaled baseline.");
    }
}

static void is_multi_stream(const arm *which, const char *name, mhc__finding *finding) {
    if (missing(&which, &name, 1, finding))
        return;
    mhc__measured(finding, "largest spread of the streams %.2g of their rms", which->spread);
    if (which->spread > MHC__ONE_STREAM)
        mhc__ruled(finding, MHC__REPRODUCED, "The streams differ by more than rounding.");
    else
        mhc__ruled(
            finding, MHC__NOT_REPRODUCED,
            "All streams stay copies of one: they start as copies, and the coefficients start the same for each, "
            "so that training can't tell them apart.");
}

static void mhc_is_multi_stream(const void *data, mhc__finding *finding) {
    is_multi_stream(&((const evidence *)data)->mhc, "reproducing-mhc", finding);
}

static void hc_is_multi_stream(const void *data, mhc__finding *finding) {
    is_multi_stream(&((const evidence *)data)->hc, "hc-static", finding);
}

static void mhc_gradients_are_low(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_mhc(e, finding))
        return;
    double mean = e->mhc.gradient_mean / e->base.gradient_mean, most = e->mhc.gradient_max / e->base.gradient_max;
    mhc__measured(finding, "mean %.4g against %.4g (%.3f times)", e->mhc.gradient_mean, e->base.gradient_mean, mean);
    mhc__measured(finding, "largest %.4g against %.4g (%.3f times)", e->mhc.gradient_max, e->base.gradient_max, most);
    if (usable(&e->scaled))
        mhc__measured(finding,
                      "of the baseline with branches × 1/4: mean %.3f times, largest %.3f times the baseline's",
                      e->scaled.gradient_mean / e->base.gradient_mean, e->scaled.gradient_max / e->base.gradient_max);
    if (!(mean < 1 && most < 1))
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "They are not both below the baseline's.");
    else if (is_scaled(e))
        mhc__ruled(
            finding, MHC__OTHER_REASON,
            "They are lower, as those of a baseline with branches multiplied by %.3g, which is what this model is.",
            factor_of(e));
    else
        mhc__ruled(finding, MHC__REPRODUCED, "Both are below the baseline's.");
}

static void hc_gradients_are_useless(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (!e->base.there || !e->hc.there || e->base.failures) {
        without_hc(e, finding);
        return;
    }
    if (e->hc.failures) {
        mhc__measured(finding, "%d of %d runs of HC not finite", e->hc.failures, e->seeds);
        mhc__ruled(finding, MHC__REPRODUCED, "Gradients that are not finite mean nothing.");
        return;
    }
    double ratio = e->hc.gradient_mean / e->base.gradient_mean;
    mhc__measured(finding, "mean gradient norm %.3f times the baseline's; always finite", ratio);
    if (ratio > 1.5)
        mhc__ruled(finding, MHC__REPRODUCED, "More than 1.5 times the baseline's.");
    else
        mhc__ruled(finding, MHC__CONTRADICTED,
                   "The published averages themselves are 1.03 for HC and 1.06 for the baseline; here HC's is %.2f "
                   "times the baseline's.",
                   ratio);
}

static void mhc_learns_better(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_mhc(e, finding))
        return;
    char error[32] = "";
    if (e->seeds > 1)
        snprintf(error, sizeof error, " ± %.4f", e->mhc.loss_less_base_error);
    mhc__measured(finding, "loss over the last tenth of the steps, same batches: %+.4f%s against the baseline",
                  e->mhc.loss_less_base, error);
    measured_scaled(e, finding);
    if (e->mhc.loss_differs == MHC__TOO_FEW_SEEDS)
        mhc__ruled(finding, MHC__NOT_DECIDED, "It takes three seeds or more (`--seeds 3`); this run has %d.", e->seeds);
    else if (e->mhc.loss_differs == MHC__NOT_SEEN || e->mhc.loss_less_base >= 0)
        mhc__ruled(
            finding, MHC__NOT_REPRODUCED,
            "No lower loss that holds in all seeds. The minimum of 100 single minibatches, which was published, is "
            "noise; the published final losses go the other way (1.913 against 1.876).");
    else if (is_scaled(e))
        mhc__ruled(finding, MHC__OTHER_REASON,
                   "The loss is lower in all seeds, but the model is the baseline with branches multiplied by %.3g.",
                   factor_of(e));
    else
        mhc__ruled(finding, MHC__REPRODUCED, "The loss is lower in all seeds, by more than twice the standard error.");
}

static void hc_is_jagged(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_hc(e, finding))
        return;
    double ratio = e->hc.loss_noise / e->base.loss_noise;
    mhc__measured(finding, "standard deviation around a line %.4f against %.4f (%.2f times)", e->hc.loss_noise,
                  e->base.loss_noise, ratio);
    if (ratio > 1.5)
        mhc__ruled(finding, MHC__REPRODUCED, "More than 1.5 times the baseline's.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "HC's loss is no rougher: both follow the noise of the batches.");
}

static void hc_norms_spiral(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_hc(e, finding))
        return;
    double start = e->hc.growth_start / e->base.growth_start, end = e->hc.growth / e->base.growth;
    mhc__measured(finding,
                  "norm at the end over that at the entrance, HC over baseline: %.4f at the start, %.4f trained", start,
                  end);
    if (e->hc.growth_rises && end > 1.5)
        mhc__ruled(finding, MHC__REPRODUCED,
                   "After training HC gains on the baseline at every block, 1.5 times in all.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "%s%s.",
                   fabs(start - 1) < 1e-6 ? "At the start HC is the baseline exactly; after training "
                                          : "After training ",
                   e->hc.growth_rises ? "it gains less than 1.5 times" : "it does not gain at every block");
}

static void bounded_signal(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_mhc(e, finding))
        return;
    mhc__measured(finding, "||H_res||_2 is at most %.7f", e->mhc.single_bound);
    mhc__measured(finding, "the state grows by %.3g at the start and %.3g after training", e->mhc.growth_start,
                  e->mhc.growth);
    double growth = fmax(e->mhc.growth_start, e->mhc.growth);
    if (!(e->mhc.single_bound <= 1 + 1e-6))
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "A spectral norm may exceed 1 by more than 1e-6.");
    else if (growth > 1.01)
        mhc__ruled(
            finding, MHC__NOT_REPRODUCED,
            "The bound holds, what is concluded from it does not: branches add to the state, and it grows. The bound "
            "is about the residual path alone.");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "The bound holds, and the state does not grow.");
}

static void product_is_stochastic(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_mhc(e, finding))
        return;
    mhc__measured(finding, "row and column sums of the product of all H_res are off 1 by at most %.2g",
                  e->mhc.composite_off);
    if (e->mhc.composite_off <= MHC__GAIN_OF_ONE)
        mhc__ruled(finding, MHC__REPRODUCED, "Within what 20 iterations leave; at every step and in all seeds.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "By more than %g.", MHC__GAIN_OF_ONE);
}

static void identity_is_back(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_mhc(e, finding))
        return;
    mhc__measured(finding, "largest distance of an entry of H_res from the identity %.4f at the start, %.4f trained",
                  e->mhc.from_identity_start, e->mhc.from_identity);
    if (e->mhc.from_identity_start < 0.1 && e->mhc.from_identity < 0.1)
        mhc__ruled(finding, MHC__REPRODUCED, "H_res is near the identity throughout.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "H_res is not near the identity%s.",
                   e->mhc.from_uniform_start < 1e-6 ? ": it starts as 1/n in every entry, which averages all streams"
                                                    : "");
}

static void start_is_folded(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_mhc(e, finding))
        return;
    mhc__measured(finding, "largest distance of an entry of H_res from 1/n at the start %.2g",
                  e->mhc.from_uniform_start);
    if (e->mhc.from_uniform_start < 1e-6)
        mhc__ruled(
            finding, MHC__NOT_REPRODUCED,
            "The parameters of the model start at 0, not at random: its matrix is balanced before any iteration. "
            "The published picture, redrawn below, shows a random matrix that the model does not contain.");
    else
        mhc__ruled(finding, MHC__REPRODUCED,
                   "The matrices start away from 1/n, and are balanced after the projection.");
}

static void follows_with_benefits(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_mhc(e, finding))
        return;
    mhc__measured(finding, "spread of the streams %.2g; loss %+.4f against the baseline", e->mhc.spread,
                  e->mhc.loss_less_base);
    measured_scaled(e, finding);
    if (is_scaled(e))
        mhc__ruled(finding, MHC__NOT_REPRODUCED,
                   "It is the baseline with branches multiplied by %.3g: there are no several streams to benefit from.",
                   factor_of(e));
    else if (e->mhc.spread > MHC__ONE_STREAM && e->mhc.loss_differs == MHC__SEEN && e->mhc.loss_less_base < 0)
        mhc__ruled(finding, MHC__REPRODUCED, "The streams differ, and the loss is lower in all seeds.");
    else if (e->mhc.loss_differs == MHC__TOO_FEW_SEEDS)
        mhc__ruled(finding, MHC__NOT_DECIDED, "It takes three seeds or more (`--seeds 3`).");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "No benefit that holds in all seeds.");
}

/* Published gains at step 0: 10.7 of the baseline, 13.4 of HC. */
static void comparison_is_fair(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without_hc(e, finding))
        return;
    double ratio = e->hc.gain_start / e->base.gain_start;
    mhc__measured(finding,
                  "from the same weights, on the same batch: gain %.5g of HC and %.5g of the baseline at step 0",
                  e->hc.gain_start, e->base.gain_start);
    if (fabs(ratio - 1) < 1e-3)
        mhc__ruled(
            finding, MHC__CONTRADICTED,
            "HC is the baseline exactly when it starts. Gains that differ by a quarter there show other weights, "
            "batches and dropout masks: one generator runs through the three models in turn.");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "The two models differ at step 0, so that their gains may.");
}

const mhc__claim mhc__stability_claims[MHC__STABILITY_CLAIMS] = {
    {"reproducing-mhc-1", "HC explodes: its activation gain is well above the baseline's.", README "; " BLOG,
     "maximum 61.33 against 41.82 (README), against an average of 25.40 (blog)",
     "Largest against largest and last quarter against last quarter, on the same batches, both above 1.2.", hc_explodes,
     NULL},
    {"reproducing-mhc-2",
     "mHC lowers the largest activation gain 3.6 times against the baseline, because H_res is doubly stochastic.",
     README, "41.82 → 11.70",
     "The ratio is in 3 to 5; and the reason holds only if mHC's gain is low with H_post = 1 as well, and the "
     "baseline's with branches × 1/4 is not (low: 3 times below the baseline's). Without these controls: unless mHC "
     "is, by its coefficients, a baseline with scaled branches.",
     mhc_gain_is_low, NULL},
    {"reproducing-mhc-3", "Its mHC is a model of several streams.", README, NULL,
     "Spread of the streams above 1e-5 at some step.", mhc_is_multi_stream, NULL},
    {"reproducing-mhc-4", "Its HC is a model of several streams.", README, NULL,
     "Spread of the streams above 1e-5 at some step.", hc_is_multi_stream, NULL},
    {"reproducing-mhc-5", "mHC has the lowest gradient norms, because it is constrained.", README,
     "largest 4.46 against 6.18, average 0.91 against 1.06",
     "Mean and largest norm both below the baseline's; and mHC is not the baseline with branches × 1/4: logits "
     "before training within 1e-6, loss of every step within 1e-4; without this control, by its coefficients.",
     mhc_gradients_are_low, NULL},
    {"reproducing-mhc-6", "HC's gradients become meaningless.", BLOG, "average 1.03; the baseline's is 1.06",
     "Mean gradient norm above 1.5 times the baseline's, or not finite.", hc_gradients_are_useless, NULL},
    {"reproducing-mhc-7", "mHC reaches the best loss: stability improves optimisation.", README,
     "minimum 1.787 against 1.841",
     "Difference of the losses on the same batches over the last tenth of the steps: the same sign in all of three or "
     "more seeds, and above twice its standard error; and mHC is not the baseline with branches × 1/4.",
     mhc_learns_better, NULL},
    {"reproducing-mhc-8", "HC's loss is a jagged mess while the baseline converges steadily.", BLOG, NULL,
     "Standard deviation of the loss around a line over the last quarter, HC over baseline, above 1.5.", hc_is_jagged,
     NULL},
    {"reproducing-mhc-9", "HC amplifies the feature norm at every layer; norms spiral with depth.", BLOG,
     "a picture without a definition",
     "Norm growth of HC over the baseline's rises at every block, to 1.5 or more, after "
     "training.",
     hc_norms_spiral, NULL},
    {"reproducing-mhc-10", "||H_res||_2 ≤ 1 for mHC, so that the signal cannot explode however deep the network is.",
     BLOG, NULL, "√(largest row sum × largest column sum) of every H_res ≤ 1 + 1e-6; and the state does not grow.",
     bounded_signal, NULL},
    {"reproducing-mhc-11", "A product of doubly stochastic matrices is doubly stochastic.", BLOG, NULL,
     "Sums of the product of all H_res within 1e-3 of 1, at every step.", product_is_stochastic, NULL},
    {"reproducing-mhc-12", "mHC restores the identity mapping.", BLOG, NULL,
     "Every entry of every H_res within 0.1 of the identity, before and after training.", identity_is_back, NULL},
    {"reproducing-mhc-13", "Sinkhorn folds the chaotic random start of the parameters into a balanced matrix.", BLOG,
     "a picture", "H_res differs from 1/n before training.", start_is_folded, NULL},
    {"reproducing-mhc-14", "mHC follows the baseline while giving the benefits of hyper-connectivity.", BLOG, NULL,
     "The streams differ and the loss is lower in all of three or more seeds; not if mHC is a scaled baseline.",
     follows_with_benefits, NULL},
    {"reproducing-mhc-15", "The published comparison isolates the connection.", README,
     "gains at step 0: 10.7 baseline, 13.4 HC",
     "HC and baseline are the same function at step 0 (gains equal within 1e-3) when they start from the same weights.",
     comparison_is_fair, NULL},
    {"reproducing-mhc-16", "What is seen here holds for language models of any depth and size.", BLOG, NULL, NULL, NULL,
     "held-out data, models of several sizes, and streams that differ: none is part of the experiment"},
};
