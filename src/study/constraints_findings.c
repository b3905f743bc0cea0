#include <math.h>

#include "study/constraints.h"
#include "study/summary.h"

/* Logits nearer than this share of their rms are the same function, up to rounding through all layers. */
#define SAME_START 1e-4
#define ERROR_RATE 0.05

static void add_name(mhc__text *list, const mhc__constraints *study, int choice) {
    mhc__text_format(list, "%s%s", list->length ? ", " : "", study->choices[choice].label);
}

static void about_start(const mhc__constraints *study, mhc__html *html) {
    if (study->reference < 0)
        return;
    mhc__text same = {0}, others = {0};
    for (int c = 0; c < study->choice_count; c++) {
        const mhc__start_difference *start = &study->starts[c];
        if (c == study->reference)
            continue;
        bool is_same = start->off <= SAME_START * start->rms;
        add_name(is_same ? &same : &others, study, c);
        if (!is_same)
            mhc__text_format(&others, " (%.2g)", start->off);
    }
    html->text.failed |= same.failed || others.failed;
    mhc__html_item(
        html,
        "**The same function as %s before training**, with logits within %g of their rms (%.2g): %s. Not the "
        "same: %s.",
        study->choices[study->reference].label, SAME_START, study->starts[study->reference].rms,
        same.data ? same.data : "none", others.data ? others.data : "none");
    mhc__text_free(&same);
    mhc__text_free(&others);
}

static void say(const mhc__constraints *study, int choice, const mhc__paired *d, mhc__text *text) {
    mhc__text_format(text, "%s%s (%+.3f, 95 %% %+.3f to %+.3f, p %.2g)", text->length ? ", " : "",
                     study->choices[choice].label, d->mean, d->low, d->high, d->holm);
}

/* The rate at which a choice was trained. */
static double rate_of(const mhc__constraints *study, int choice) {
    return (double)mhc__constraints_arm(study, choice, 0)->config.train.lr;
}

/* Models that differ from `base` and were trained at another rate: that may be all the difference. */
static void about_other_rates(const mhc__constraints *study, mhc__html *html, int base, const mhc__paired *results) {
    mhc__text others = {0};
    for (int c = 0; c < study->choice_count; c++)
        if (results[c].holm <= ERROR_RATE && study->seeds >= 3 && rate_of(study, c) != rate_of(study, base)) {
            add_name(&others, study, c);
            mhc__text_format(&others, " (%g)", rate_of(study, c));
        }
    html->text.failed |= others.failed;
    if (others.data)
        mhc__html_item(html,
                       "**Of these, trained at another rate than %s (%g)**: %s. Such a difference is one of rates as "
                       "well, or of rates alone; `--set study.rates=R` trains all at one.",
                       study->choices[base].label, rate_of(study, base), others.data);
    mhc__text_free(&others);
}

static void about_losses(const mhc__constraints *study, mhc__html *html, int base) {
    mhc__paired results[MHC__STUDY_MAX_CHOICES];
    mhc__text below = {0}, above = {0};
    int undecided = 0;
    if (base < 0)
        return;
    mhc__constraints_against(study, base, results);
    for (int c = 0; c < study->choice_count; c++)
        if (results[c].holm <= ERROR_RATE)
            say(study, c, &results[c], results[c].mean < 0 ? &below : &above);
        else
            undecided += !isnan(results[c].holm);
    html->text.failed |= below.failed || above.failed;
    const char *name = study->choices[base].label;
    if (study->seeds < 3)
        mhc__html_item(html, "Against %s no verdict: it takes three seeds or more.", name);
    else if (!undecided && !below.data && !above.data)
        mhc__html_item(html, "Against %s no verdict: no pair was finite for all seeds.", name);
    else if (!below.data && !above.data)
        mhc__html_item(html,
                       "**Against %s none differs** in held-out loss, of %d: no p is 0.05 or less after Holm's "
                       "correction. That is no proof that they are equal; the intervals say what is left open.",
                       name, undecided);
    else
        mhc__html_item(html, "**Against %s** lower in held-out loss: %s; higher: %s; undecided: %d.", name,
                       below.data ? below.data : "none", above.data ? above.data : "none", undecided);
    about_other_rates(study, html, base, results);
    mhc__text_free(&below);
    mhc__text_free(&above);
}

static void about_rates(const mhc__constraints *study, mhc__html *html) {
    mhc__text edge = {0};
    for (int c = 0; c < study->choice_count; c++) {
        int best = study->swept[c].best;
        if (best < 0 || best == 0 || best == study->rate_count - 1)
            add_name(&edge, study, c);
    }
    html->text.failed |= edge.failed;
    if (study->rate_count == 1)
        mhc__html_item(html, "All were trained at the one rate that was given, %g.", study->rates[0]);
    else if (edge.data)
        mhc__html_item(html,
                       "**The best rate lies at an end of those tried, or none was finite**: %s. A rate beyond may "
                       "be better: widen `study.rates`.",
                       edge.data);
    else
        mhc__html_item(html, "The best rate of each lies inside those tried.");
    mhc__text_free(&edge);
}

static void about_gains(const mhc__constraints *study, mhc__html *html) {
    mhc__text one = {0}, others = {0};
    for (int c = 0; c < study->choice_count; c++) {
        if (mhc__choice_is_residual(&study->choices[c]))
            continue;
        mhc__composite composite = mhc__composite_of(mhc__constraints_arm(study, c, 0), study->seeds);
        bool is_one = mhc__composite_off(&composite) <= MHC__GAIN_OF_ONE;
        add_name(is_one ? &one : &others, study, c);
        if (is_one)
            continue;
        mhc__text_format(&others, " (");
        mhc__composite_say(&composite, &others);
        mhc__text_format(&others, ")");
    }
    html->text.failed |= one.failed || others.failed;
    mhc__html_item(
        html,
        "The product of all matrices keeps gains and column sums of 1 within %g, in all steps and seeds: %s. Others: "
        "%s.",
        MHC__GAIN_OF_ONE, one.data ? one.data : "none", others.data ? others.data : "none");
    mhc__text_free(&one);
    mhc__text_free(&others);
}

void mhc__constraints_findings(const mhc__constraints *study, mhc__html *html) {
    int control = mhc__choice_find(study->choices, study->choice_count, "residual");
    int wide = mhc__choice_find(study->choices, study->choice_count, "residual-wide");
    mhc__html_list_start(html);
    about_losses(study, html, control);
    about_losses(study, html, wide);
    about_losses(study, html, study->reference);
    for (int c = 0; c < study->choice_count; c++) {
        mhc__failures failures = mhc__failures_of(mhc__constraints_arm(study, c, 0), study->seeds);
        if (failures.count)
            mhc__html_item(html, "**%s: %d of %d seeds not finite**, first at step %lld.", study->choices[c].label,
                           failures.count, study->seeds, (long long)failures.first);
    }
    about_rates(study, html);
    about_start(study, html);
    about_gains(study, html);
    mhc__html_list_end(html);
}
