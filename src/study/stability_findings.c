/* Sentences of the stability report, each chosen by what was measured. */
#include <math.h>

#include "study/stability.h"

typedef struct summary {
    mhc__failures failures;
    mhc__range spread;
    mhc__composite composite;
    mhc__range uniform;                          /* before and after training: |res - 1/n| */
    double gain, gain_last, gain_peak, gradient; /* means over steps; gain_last: of the last quarter */
    int64_t peak_step;
} summary;

static const mhc__arm *seeds_of(const mhc__stability *study, int c) {
    return mhc__stability_arm(study, c, 0);
}

/* Over all seeds of a connection; every step. */
static summary summarise(const mhc__stability *study, int c) {
    const mhc__arm *arms = seeds_of(study, c);
    summary s = {.failures = mhc__failures_of(arms, study->seeds),
                 .spread = mhc__gain_range(arms, study->seeds, offsetof(mhc__gains, spread)),
                 .composite = mhc__composite_of(arms, study->seeds),
                 .uniform = MHC__RANGE_EMPTY};
    int64_t count = 0, last = 0, steps = study->config.train.steps;
    for (int seed = 0; seed < study->seeds; seed++) {
        const mhc__series *series = &arms[seed].series;
        for (int64_t i = 0; i < series->count; i++, count++) {
            const mhc__measurement *m = &series->at[i];
            s.gain += m->gains.activation;
            s.gradient += m->grad_norm;
            if (m->gains.activation > s.gain_peak) {
                s.gain_peak = m->gains.activation;
                s.peak_step = m->step;
            }
            if (4 * m->step >= 3 * steps) {
                s.gain_last += m->gains.activation;
                last++;
            }
        }
        mhc__widen(&s.uniform, arms[seed].before.res_from_uniform);
        mhc__widen(&s.uniform, arms[seed].after.res_from_uniform);
    }
    s.gain /= (double)count;
    s.gradient /= (double)count;
    s.gain_last /= (double)last;
    return s;
}

static void about_streams(mhc__html *html, const char *label, const summary *s, bool symmetry) {
    const char *cause = symmetry ? ": they start as copies, and nothing in this set-up tells them apart" : "";
    double spread = s->spread.high;
    if (isnan(spread))
        mhc__html_item(html, "The spread of the streams of %s was not finite in some step.", label);
    else if (spread == 0)
        mhc__html_item(html,
                       "**%s has one stream, not several.** All its streams are exact copies of each other at every "
                       "measured step (spread 0)%s.",
                       label, cause);
    else if (spread <= MHC__ONE_STREAM)
        mhc__html_item(html,
                       "**%s has one stream, not several.** Its streams are the same up to rounding at every measured "
                       "step (largest spread %.2g)%s.",
                       label, spread, cause);
    else
        mhc__html_item(html, "**The streams of %s differ**: the largest spread is %.2g of their rms.", label, spread);
}

static void about_gain(mhc__html *html, const char *label, const summary *s, const summary *base, double factor) {
    double ratio = s->gain / base->gain;
    if (factor == 1)
        mhc__html_item(
            html,
            "**%s is the baseline.** Before and after training every entry of H_res is 1/n (to %.2g), which "
            "changes nothing in copies, and H_post times the factor on the branches is 1. Its mean activation "
            "gain, over all steps, is %.3f times the baseline's.",
            label, s->uniform.high, ratio);
    else if (!isnan(factor))
        mhc__html_item(
            html,
            "**%s is the baseline with every branch multiplied by %.3g.** Its matrices have not moved: before and "
            "after training every entry of H_res is 1/n (to %.2g) and every H_post is %.3g. Mixing copies changes "
            "nothing, so only H_post acts. Its mean activation gain, over all steps, is %.3f times the baseline's, and "
            "that factor of H_post is the reason, not the doubly stochastic constraint.",
            label, factor, s->uniform.high, factor, ratio);
    else
        mhc__html_item(
            html,
            "The mean activation gain of %s, over all steps, is %.3f times the baseline's (%.3g against %.3g). It "
            "peaks at %.3g in step %lld (baseline: %.3g in step %lld); over the last quarter of training the ratio is "
            "%.3f.",
            label, ratio, s->gain, base->gain, s->gain_peak, (long long)s->peak_step, base->gain_peak,
            (long long)base->peak_step, s->gain_last / base->gain_last);
}

static void about_composite(mhc__html *html, const char *label, const mhc__composite *composite) {
    double off = mhc__composite_off(composite);
    mhc__text said = {0};
    mhc__composite_say(composite, &said);
    if (isnan(off))
        mhc__html_item(html, "The composite gains of %s were not finite in some step.", label);
    else if (said.data)
        mhc__html_item(html, "By the paper's own metric%s the composite gain of %s is %s, over all steps.",
                       off <= MHC__GAIN_OF_ONE ? " it neither amplifies nor damps:" : ",", label, said.data);
    mhc__text_free(&said);
}

static void about_loss(const mhc__stability *study, mhc__html *html, const char *label, int c, int base) {
    double mean, error;
    mhc__significance significance = mhc__stability_loss(study, c, base, &mean, &error);
    mhc__text said = {0};
    if (significance == MHC__TOO_FEW_SEEDS)
        mhc__text_format(&said, "%s: no verdict", study->seeds == 1 ? "one seed" : "two seeds");
    else
        mhc__text_format(&said, "mean of %d seeds, standard error %.4f; %s", study->seeds, error,
                         significance == MHC__SEEN
                             ? "the same sign in all of them and more than twice the standard error: a difference"
                             : "not the same sign in all of them, or not twice the standard error: no difference");
    html->text.failed |= said.failed;
    mhc__html_item(html,
                   "On the same batches, over the last tenth of the steps, the loss of %s is %.4f %s the baseline's "
                   "(%s). Final and Min Loss are those of single minibatches%s; a difference of a few hundredths there "
                   "means nothing.",
                   label, fabs(mean), mean < 0 ? "below" : "above", said.data ? said.data : "",
                   study->seeds > 1 ? ", one for each seed" : "");
    mhc__text_free(&said);
}

/* A connection whose every seed stayed finite. base: the baseline's number, -1 where there is none to compare with. */
static void about_connection(mhc__stability *study, mhc__html *html, int c, int base, const summary *baseline) {
    summary s = summarise(study, c);
    const char *label = study->choices[c].label;
    const bool plain = mhc__choice_is_residual(&study->choices[c]);
    if (!plain)
        about_streams(html, label, &s, mhc__stability_symmetric(study, c));
    if (base >= 0) {
        about_gain(html, label, &s, baseline, mhc__stability_branch_factor(study, c));
        mhc__html_item(html, "The mean gradient norm of %s, over all steps, is %.3f times the baseline's.", label,
                       s.gradient / baseline->gradient);
    }
    if (!plain)
        about_composite(html, label, &s.composite);
    if (base >= 0)
        about_loss(study, html, label, c, base);
}

void mhc__stability_findings(mhc__stability *study, mhc__html *html) {
    int base = mhc__choice_find(study->choices, study->choice_count, "residual");
    summary baseline = {0};
    if (base >= 0)
        baseline = summarise(study, base);
    int compared = base >= 0 && baseline.failures.count == 0 ? base : -1;
    mhc__html_list_start(html);
    for (int c = 0; c < study->choice_count; c++) {
        mhc__failures failures = mhc__failures_of(seeds_of(study, c), study->seeds);
        if (failures.count)
            mhc__html_item(html, "**%s: %d of %d seed%s %s not finite**, first at step %lld.", study->choices[c].label,
                           failures.count, study->seeds, study->seeds > 1 ? "s" : "",
                           failures.count > 1 ? "were" : "was", (long long)failures.first);
        else if (c != base)
            about_connection(study, html, c, compared, &baseline);
    }
    if (study->seeds < 3)
        mhc__html_item(html, "A verdict takes three random seeds or more: `--seeds 3`.");
    mhc__html_list_end(html);
}
