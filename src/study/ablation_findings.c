#include <math.h>

#include "probe/range.h"
#include "study/ablation.h"

static void say_difference(const mhc__ablation_difference *d, int seeds, mhc__text *text) {
    static const char *const verdicts[] = {
        [MHC__NOT_SEEN] = "not the same sign in all seeds, or not twice the standard error: no difference",
        [MHC__SEEN] = "the same sign in all seeds and more than twice the standard error: a difference"};
    mhc__text_format(text, "%.2g nats %s (", fabs(d->mean), d->mean < 0 ? "below" : "above");
    if (d->seen == MHC__TOO_FEW_SEEDS)
        mhc__text_format(text, "%s: no verdict)", seeds == 1 ? "one seed" : "two seeds");
    else
        mhc__text_format(text, "standard error %.1g; %s)", d->error, verdicts[d->seen]);
}

/* Streams that are one: why, where the settings say why. */
static void about_copies(const mhc__ablation *study, mhc__html *html, int c, double spread) {
    const mhc__arm *arms = mhc__ablation_arm(study, c, 0);
    mhc__range rows = mhc__gain_range(arms, study->seeds, offsetof(mhc__gains, single_forward));
    bool equal = arms->config.model.post == MHC__POST_ONES && mhc__range_from(rows, 1) <= MHC__GAIN_OF_ONE;
    mhc__text less = {0};
    int fixed = mhc__choice_find(study->choices, study->choice_count, "residual");
    mhc__ablation_difference d = mhc__ablation_between(study, c, fixed);
    if (d.there) {
        mhc__text_format(&less, " Its held-out loss is ");
        say_difference(&d, study->seeds, &less);
        mhc__text_format(&less, " against the residual's.");
    }
    html->text.failed |= less.failed;
    mhc__html_item(
        html, "**The streams of \"%s\" stay copies of each other** (spread at most %.2g in all steps and seeds)%s%s",
        study->choices[c].label, spread,
        equal ? ": H_post = 1 writes the same into each, and an H_res whose rows sum to 1 passes equal streams "
                "on as they are. Whatever H_res is then, the model is the plain residual, up to the factor by "
                "which H_pre multiplies what a layer's own norm divides again."
              : ".",
        less.data ? less.data : "");
    mhc__text_free(&less);
}

static void about_choice(const mhc__ablation *study, mhc__html *html, int c) {
    const mhc__arm *arms = mhc__ablation_arm(study, c, 0);
    const char *label = study->choices[c].label;
    mhc__failures failures = mhc__failures_of(arms, study->seeds);
    if (failures.count) {
        mhc__html_item(html, "**%s: %d of %d seed%s %s not finite**, first at step %lld.", label, failures.count,
                       study->seeds, study->seeds > 1 ? "s" : "", failures.count > 1 ? "were" : "was",
                       (long long)failures.first);
        return;
    }
    if (mhc__choice_is_residual(&study->choices[c]))
        return;
    double spread = mhc__gain_range(arms, study->seeds, offsetof(mhc__gains, spread)).high;
    if (spread <= MHC__ONE_STREAM)
        about_copies(study, html, c, spread);
}

static void about_missing_row(const mhc__ablation *study, mhc__html *html, const char *kind,
                              const mhc__ablation_family *family) {
    if (!family->of_res.there)
        return;
    mhc__text said = {0};
    say_difference(&family->of_res, study->seeds, &said);
    html->text.failed |= said.failed;
    mhc__html_item(html, "The row that the table lacks: the held-out loss of %s is %s against %s with H_res = I.", kind,
                   said.data ? said.data : "", kind);
    mhc__text_free(&said);
}

void mhc__ablation_findings(const mhc__ablation *study, mhc__html *html) {
    mhc__ablation_evidence evidence = mhc__ablation_gather(study);
    mhc__html_list_start(html);
    about_missing_row(study, html, "HC", &evidence.hc);
    about_missing_row(study, html, "mHC", &evidence.mhc);
    for (int c = 0; c < study->choice_count; c++)
        about_choice(study, html, c);
    if (study->seeds < 3)
        mhc__html_item(html, "A verdict takes three random seeds or more: `--seeds 3`.");
    mhc__html_list_end(html);
}
