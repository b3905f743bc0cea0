/* The five sentences of the depth report, each chosen by what was measured. */
#include <math.h>
#include <string.h>

#include "study/depth.h"

/* Streams that differ by less than this share of their rms differ by rounding alone. */
static const double ROUNDING = 1e-4;

static const char *name_of(mhc__depth *study, int c) {
    return strcmp(study->connections[c], "residual") ? mhc__depth_label(study, c) : "plain residuals";
}

/* "24.8 with plain residuals, 25.1 with HC and 24.9 with mHC": one value of each connection at one depth. */
static void values(mhc__depth *study, int depth, mhc__depth_value which, mhc__text *text) {
    for (int c = 0; c < study->connection_count; c++) {
        double value = mhc__depth_mean(study, depth, c, which);
        const char *join = c == 0 ? "" : c + 1 == study->connection_count ? " and " : ", ";
        if (isfinite(value))
            mhc__text_format(text, "%s%.3g with %s", join, value, name_of(study, c));
        else
            mhc__text_format(text, "%snot a number with %s", join, name_of(study, c));
    }
}

static void signals(mhc__depth *study, mhc__html *html) {
    int deepest = study->depth_count - 1;
    mhc__text before = {0}, after = {0};
    values(study, deepest, MHC__DEPTH_SIGNAL, &before);
    values(study, deepest, MHC__DEPTH_SIGNAL_END, &after);
    if (before.data && after.data)
        mhc__html_item(
            html,
            "**Signals.** At %d blocks the streams leave the network larger than they entered it by a factor of "
            "%s at the start, and of %s after training.",
            study->depths[deepest], before.data, after.data);
    mhc__text_free(&before);
    mhc__text_free(&after);
}

static void gradients(mhc__depth *study, mhc__html *html) {
    int deepest = study->depth_count - 1;
    mhc__text before = {0}, after = {0};
    values(study, deepest, MHC__DEPTH_GRADIENT, &before);
    values(study, deepest, MHC__DEPTH_GRADIENT_END, &after);
    if (before.data && after.data)
        mhc__html_item(
            html,
            "**Gradients.** On the way back through the same %d blocks the gradient grows by a factor of %s at "
            "the start, and of %s after training.",
            study->depths[deepest], before.data, after.data);
    mhc__text_free(&before);
    mhc__text_free(&after);
}

/* One clause for each connection that has matrices: does the product of H_res stay 1, and does it grow with depth? */
static void residual_path(mhc__depth *study, mhc__html *html) {
    int deepest = study->depth_count - 1;
    mhc__text text = {0};
    for (int c = 0; c < study->connection_count; c++) {
        if (!strcmp(study->connections[c], "residual"))
            continue;
        const char *label = mhc__depth_label(study, c);
        double first = mhc__depth_mean(study, 0, c, MHC__DEPTH_COMPOSITE_MAX);
        double last = mhc__depth_mean(study, deepest, c, MHC__DEPTH_COMPOSITE_MAX);
        double back = mhc__depth_mean(study, deepest, c, MHC__DEPTH_COMPOSITE_BACK_MAX);
        mhc__text_format(&text, "%s", text.length ? "; " : "");
        if (!isfinite(last))
            mhc__text_format(&text, "that of %s is not a number at %d blocks", label, study->depths[deepest]);
        else if (fabs(last - 1) <= 1e-3)
            mhc__text_format(&text,
                             "that of %s stays at 1 within %.0e at every depth and step (backward: at most %.3g)",
                             label, fmax(fabs(last - 1), fabs(first - 1)) + 1e-9, back);
        else
            mhc__text_format(&text, "that of %s reaches %.3g at %d blocks and %.3g at %d (it starts at %.3g)", label,
                             first, study->depths[0], last, study->depths[deepest],
                             mhc__depth_mean(study, deepest, c, MHC__DEPTH_COMPOSITE));
    }
    if (text.data)
        mhc__html_item(
            html,
            "**The residual path alone.** The composite gain, which is what the product of all H_res does to a "
            "signal, is 1 for plain residuals; %s.",
            text.data);
    mhc__text_free(&text);
}

static int failures(const mhc__depth *study, int depth, int connection) {
    int count = 0;
    for (int s = 0; s < study->seeds; s++)
        count += mhc__depth_arm(study, depth, connection, s)->not_finite_at >= 0;
    return count;
}

static void training(mhc__depth *study, mhc__html *html) {
    int deepest = study->depth_count - 1;
    mhc__text broken = {0}, losses = {0};
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->connection_count; c++)
            if (failures(study, d, c))
                mhc__text_format(&broken, "%s%s at %d blocks in step %lld", broken.length ? ", " : "",
                                 mhc__depth_label(study, c), study->depths[d],
                                 (long long)mhc__depth_arm(study, d, c, 0)->not_finite_at);
    values(study, deepest, MHC__DEPTH_LOSS_END, &losses);
    if (losses.data)
        mhc__html_item(html, "**Training.** After %lld steps at %d blocks the loss is %s (%.2f is guessing)%s%s%s.",
                       (long long)study->config.train.steps, study->depths[deepest], losses.data, log(256.0),
                       broken.data ? "; NaN or Inf ended the runs of " : "; no step was NaN or Inf",
                       broken.data ? broken.data : "",
                       broken.data ? ""
                                   : ", so at this size unbounded gains are a risk that grows with depth, not a crash");
    mhc__text_free(&broken);
    mhc__text_free(&losses);
}

static void caveats(mhc__depth *study, mhc__html *html) {
    int deepest = study->depth_count - 1;
    mhc__text same = {0}, apart = {0};
    for (int c = 0; c < study->connection_count; c++) {
        if (!strcmp(study->connections[c], "residual"))
            continue;
        double spread = mhc__depth_mean(study, deepest, c, MHC__DEPTH_SPREAD);
        mhc__text *list = spread < ROUNDING ? &same : &apart;
        mhc__text_format(list, "%s%s (%.1e)", list->length ? ", " : "", mhc__depth_label(study, c), spread);
    }
    mhc__html_item(
        html,
        "**How far this goes.** The streams%s%s%s%s; the task is small and can be learned without any depth, "
        "%s, and a tiny width is not a large model: take the gains and gradients from here, not the losses.",
        apart.data ? " differ from each other, by this share of their rms at most: " : "", apart.data ? apart.data : "",
        same.data ? (apart.data ? "; they are copies of each other, one stream in truth, in "
                                : " are copies of each other, one stream in truth, in ")
                  : "",
        same.data ? same.data : "", study->seeds > 1 ? "the values are means over seeds" : "there is one seed");
    mhc__text_free(&same);
    mhc__text_free(&apart);
}

void mhc__depth_findings(mhc__depth *study, mhc__html *html) {
    mhc__html_list_start(html);
    signals(study, html);
    gradients(study, html);
    residual_path(study, html);
    training(study, html);
    caveats(study, html);
    mhc__html_list_end(html);
}
