/* The sentences of the depth report, each chosen by what was measured. */
#include <math.h>
#include <string.h>

#include "study/summary.h"
#include "study/sweep.h"

static const char *name_of(mhc__sweep *study, int c) {
    return !mhc__choice_is_residual(&study->choices[c]) ? study->choices[c].label : "plain residuals";
}

/* "24.8 with plain residuals, 25.1 ± 0.2 with HC and 24.9 ± 0.3 with mHC": one value of each connection at one depth.
 */
static void values(mhc__sweep *study, int depth, mhc__sweep_value which, mhc__text *text) {
    for (int c = 0; c < study->choice_count; c++) {
        double mean, deviation;
        mhc__sweep_over_seeds(study, depth, c, which, &mean, &deviation);
        mhc__text_format(text, "%s", c == 0 ? "" : c + 1 == study->choice_count ? " and " : ", ");
        if (!isfinite(mean))
            mhc__text_format(text, "not a number with %s", name_of(study, c));
        else if (study->seeds > 1)
            mhc__text_format(text, "%.3g ± %.2g with %s", mean, deviation, name_of(study, c));
        else
            mhc__text_format(text, "%.3g with %s", mean, name_of(study, c));
    }
}

static void signals(mhc__sweep *study, mhc__html *html) {
    int deepest = study->depth_count - 1;
    mhc__text before = {0}, after = {0};
    values(study, deepest, MHC__SWEEP_SIGNAL, &before);
    values(study, deepest, MHC__SWEEP_SIGNAL_END, &after);
    if (before.data && after.data)
        mhc__html_item(html,
                       "**Signals.** %d blocks multiply the norm of the streams by %s at the start, and by %s after "
                       "training.",
                       study->depths[deepest], before.data, after.data);
    mhc__text_free(&before);
    mhc__text_free(&after);
}

static void gradients(mhc__sweep *study, mhc__html *html) {
    int deepest = study->depth_count - 1;
    mhc__text before = {0}, after = {0};
    values(study, deepest, MHC__SWEEP_GRADIENT, &before);
    values(study, deepest, MHC__SWEEP_GRADIENT_END, &after);
    if (before.data && after.data)
        mhc__html_item(html,
                       "**Gradients.** On the way back the same %d blocks multiply the norm of the gradient by %s at "
                       "the start, and by %s after training.",
                       study->depths[deepest], before.data, after.data);
    mhc__text_free(&before);
    mhc__text_free(&after);
}

static mhc__composite composite_at(const mhc__sweep *study, int depth, int c) {
    return mhc__composite_of(mhc__sweep_arm(study, depth, c, 0), study->seeds);
}

/* One sentence: does the product of the H_res of a connection stay 1, at every depth, step and seed? */
static void composite_sentence(mhc__sweep *study, int c, mhc__text *text) {
    mhc__text_format(text, "The composite gain of %s, over all depths and steps%s, is ", study->choices[c].label,
                     study->seeds > 1 ? ", all seeds" : "");
    mhc__composite all = {MHC__RANGE_EMPTY, MHC__RANGE_EMPTY, MHC__RANGE_EMPTY};
    for (int d = 0; d < study->depth_count; d++) {
        mhc__composite here = composite_at(study, d, c);
        if (isnan(mhc__composite_off(&here))) {
            mhc__text_format(text, "not a number at %d blocks.", study->depths[d]);
            return;
        }
        mhc__widen_by(&all.forward, here.forward);
        mhc__widen_by(&all.backward, here.backward);
        mhc__widen_by(&all.column_min, here.column_min);
    }
    if (mhc__composite_off(&all) <= MHC__GAIN_OF_ONE || study->depth_count == 1) {
        mhc__composite_say(&all, text);
        mhc__text_format(text, ".");
        return;
    }
    mhc__composite first = composite_at(study, 0, c), last = composite_at(study, study->depth_count - 1, c);
    mhc__text_format(text, "at %d blocks ", study->depths[0]);
    mhc__composite_say(&first, text);
    mhc__text_format(text, "; at %d blocks ", study->depths[study->depth_count - 1]);
    mhc__composite_say(&last, text);
    mhc__text_format(text, ".");
}

static void residual_path(mhc__sweep *study, mhc__html *html) {
    bool connected = false;
    for (int c = 0; c < study->choice_count; c++)
        connected |= !mhc__choice_is_residual(&study->choices[c]);
    if (!connected)
        return;
    mhc__html_item(html, "**The residual path alone.** The composite gain is what the product of all H_res does to a "
                         "signal; for plain residuals it is 1.");
    for (int c = 0; c < study->choice_count; c++) {
        mhc__text text = {0};
        if (mhc__choice_is_residual(&study->choices[c]))
            continue;
        composite_sentence(study, c, &text);
        mhc__html_item_text(html, &text);
    }
}

static void training(mhc__sweep *study, mhc__html *html) {
    int deepest = study->depth_count - 1;
    mhc__text broken = {0}, losses = {0};
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->choice_count; c++) {
            mhc__failures failures = mhc__failures_of(mhc__sweep_arm(study, d, c, 0), study->seeds);
            if (failures.count)
                mhc__text_format(&broken, "%s%s at %d blocks (%d of %d runs, first in step %lld)",
                                 broken.length ? ", " : "", study->choices[c].label, study->depths[d], failures.count,
                                 study->seeds, (long long)failures.first);
        }
    values(study, deepest, MHC__SWEEP_LOSS_END, &losses);
    int vocabulary = mhc__sweep_arm(study, 0, 0, 0)->config.model.vocabulary;
    if (losses.data)
        mhc__html_item(html,
                       "**Training.** After %lld steps at %d blocks the loss is %s (%.2f is guessing among %d tokens)"
                       "%s%s.",
                       (long long)study->config.train.steps, study->depths[deepest], losses.data,
                       log((double)vocabulary), vocabulary,
                       broken.data ? "; NaN or Inf ended runs of " : "; no step was NaN or Inf",
                       broken.data ? broken.data : "");
    mhc__text_free(&broken);
    mhc__text_free(&losses);
}

static void caveats(mhc__sweep *study, mhc__html *html) {
    mhc__text streams = {0};
    for (int c = 0; c < study->choice_count; c++) {
        if (mhc__choice_is_residual(&study->choices[c]))
            continue;
        mhc__range spread = {0, 0};
        for (int d = 0; d < study->depth_count; d++)
            mhc__widen_by(&spread,
                          mhc__gain_range(mhc__sweep_arm(study, d, c, 0), study->seeds, offsetof(mhc__gains, spread)));
        const char *label = study->choices[c].label;
        if (isnan(spread.high))
            mhc__text_format(&streams, "The streams of %s were not finite in some step. ", label);
        else if (spread.high <= MHC__ONE_STREAM)
            mhc__text_format(&streams,
                             "The streams of %s are copies of each other, one stream in truth (spread %.2g). ", label,
                             spread.high);
        else
            mhc__text_format(&streams, "The streams of %s differ, by %.2g of their rms at most. ", label, spread.high);
    }
    bool small = !strcmp(study->config.data.path, "increment");
    mhc__text seeds = {0};
    if (study->seeds > 1)
        mhc__text_format(&seeds, "Values are means over %d seeds ± sample standard deviation", study->seeds);
    else
        mhc__text_format(&seeds, "There is one seed");
    if (seeds.data)
        mhc__html_item(html, "**How far this goes.** %s%s; a width of %d is not a large model%s.",
                       streams.data ? streams.data : "", seeds.data, study->config.model.channels,
                       small ? ", and the task can be learned without any depth: take the gains and gradients from "
                               "here, not the losses"
                             : "");
    mhc__text_free(&streams);
    mhc__text_free(&seeds);
}

void mhc__sweep_findings(mhc__sweep *study, mhc__html *html) {
    mhc__html_list_start(html);
    signals(study, html);
    gradients(study, html);
    residual_path(study, html);
    training(study, html);
    caveats(study, html);
    mhc__html_list_end(html);
}
