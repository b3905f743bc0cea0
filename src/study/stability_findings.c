/* Sentences of the stability report, each chosen by what was measured. */
#include <math.h>
#include <string.h>

#include "study/stability.h"
#include "study/stability_table.h"

/* Streams that differ by less than this share of their rms differ by rounding alone (fp32, 16 sites). */
static const double ROUNDING = 1e-4;

typedef struct summary {
    double spread, gain, gain_last, gain_peak, gradient, composite_low, composite_high, uniform, post_low, post_high;
    int64_t peak_step, not_finite;
} summary;

static void widen(double *low, double *high, double value) {
    *low = fmin(*low, value);
    *high = fmax(*high, value);
}

/* Over all seeds of a connection; every step. */
static summary summarise(const mhc__stability *study, int c) {
    summary s = {.composite_low = INFINITY,
                 .composite_high = -INFINITY,
                 .post_low = INFINITY,
                 .post_high = -INFINITY,
                 .not_finite = -1};
    int64_t count = 0, last = 0, steps = study->config.train.steps;
    for (int seed = 0; seed < study->seeds; seed++) {
        const mhc__arm *arm = mhc__stability_arm(study, c, seed);
        for (int64_t i = 0; i < arm->series.count; i++) {
            const mhc__measurement *m = &arm->series.at[i];
            s.spread = fmax(s.spread, m->gains.spread);
            s.gain += m->gains.activation;
            s.gradient += m->grad_norm;
            widen(&s.composite_low, &s.composite_high, m->gains.composite_forward);
            if (m->gains.activation > s.gain_peak) {
                s.gain_peak = m->gains.activation;
                s.peak_step = m->step;
            }
            count++;
            if (4 * m->step >= 3 * steps) {
                s.gain_last += m->gains.activation;
                last++;
            }
        }
        s.uniform = fmax(s.uniform, arm->after.res_from_uniform);
        s.post_low = fmin(s.post_low, arm->after.post_min);
        s.post_high = fmax(s.post_high, arm->after.post_max);
        if (arm->not_finite_at >= 0)
            s.not_finite = arm->not_finite_at;
    }
    s.gain /= (double)count;
    s.gradient /= (double)count;
    s.gain_last /= (double)last;
    return s;
}

/* Mean and standard deviation of loss(c) - loss(base), step by step on the same batches, over the last tenth. */
static int64_t paired_loss(const mhc__stability *study, int c, int base, double *mean, double *deviation) {
    double sum = 0, squares = 0;
    int64_t count = 0, from = study->config.train.steps - study->config.train.steps / 10;
    for (int seed = 0; seed < study->seeds; seed++) {
        const mhc__series *a = &mhc__stability_arm(study, c, seed)->series;
        const mhc__series *b = &mhc__stability_arm(study, base, seed)->series;
        for (int64_t i = from; i < a->count && i < b->count; i++, count++) {
            double difference = a->at[i].loss - b->at[i].loss;
            sum += difference;
            squares += difference * difference;
        }
    }
    *mean = sum / (double)count;
    *deviation = count > 1 ? sqrt(fmax(0, (squares - sum * *mean) / (double)(count - 1))) : NAN;
    return count;
}

static void about_streams(mhc__html *html, const char *label, const summary *s) {
    if (s->spread == 0)
        mhc__html_item(html,
                       "**%s has one stream, not several.** All its streams are exact copies of each other at every "
                       "measured step (spread 0): they start as copies, and nothing in this set-up tells them apart.",
                       label);
    else if (s->spread < ROUNDING)
        mhc__html_item(html,
                       "**%s has one stream, not several.** Its streams are the same up to rounding at every measured "
                       "step (largest spread %.1e): they start as copies, and nothing in this set-up tells them apart.",
                       label, s->spread);
    else
        mhc__html_item(html, "**The streams of %s differ**: the largest spread is %.2g of their rms.", label,
                       s->spread);
}

static void about_gain(mhc__html *html, const char *label, const summary *s, const summary *base) {
    double ratio = s->gain / base->gain;
    bool frozen = s->spread == 0 && s->uniform < 1e-6 && s->post_high - s->post_low < 1e-6;
    if (frozen)
        mhc__html_item(
            html,
            "**%s is the baseline with every branch multiplied by %.3g.** Its matrices have not moved: after "
            "training every entry of H_res is 1/n (to %.1e) and every H_post is %.3g. Mixing copies changes "
            "nothing, so only H_post acts. Its mean activation gain is %.3f times the baseline's, and that "
            "factor of H_post is the reason, not the doubly stochastic constraint.",
            label, s->post_high, s->uniform, s->post_high, ratio);
    else
        mhc__html_item(
            html,
            "The mean activation gain of %s is %.3f times the baseline's (%.3g against %.3g). It peaks at %.3g "
            "in step %lld (baseline: %.3g in step %lld); over the last quarter of training the ratio is %.3f.",
            label, ratio, s->gain, base->gain, s->gain_peak, (long long)s->peak_step, base->gain_peak,
            (long long)base->peak_step, s->gain_last / base->gain_last);
}

static void about_composite(mhc__html *html, const char *label, const summary *s) {
    double off = fmax(fabs(s->composite_low - 1), fabs(s->composite_high - 1));
    if (off <= 1e-3)
        mhc__html_item(
            html,
            "By the paper's own metric %s neither amplifies nor damps: the composite forward gain is 1 within "
            "%.1e at every step.",
            label, off);
    else
        mhc__html_item(html, "By the paper's own metric, the composite forward gain of %s lies between %.4g and %.4g.",
                       label, s->composite_low, s->composite_high);
}

static void about_loss(const mhc__stability *study, mhc__html *html, const char *label, int c, int base) {
    double mean, deviation;
    int64_t count = paired_loss(study, c, base, &mean, &deviation);
    if (count < 2 || !isfinite(mean))
        return;
    bool seen = fabs(mean) > 2 * deviation / sqrt((double)count);
    mhc__html_item(html,
                   "On the same batches, over the last tenth of the steps, the loss of %s is %.4f %s the baseline's "
                   "(standard deviation of one step: %.4f)%s. The columns Final and Min Loss are single minibatches; a "
                   "difference of a few hundredths there means nothing.",
                   label, fabs(mean), mean < 0 ? "below" : "above", deviation,
                   seen ? "" : ", which can't be told from zero");
}

static int index_of(const mhc__stability *study, const char *name) {
    for (int c = 0; c < study->connection_count; c++)
        if (!strcmp(study->connections[c], name))
            return c;
    return -1;
}

void mhc__stability_findings(mhc__stability *study, mhc__html *html) {
    int base = index_of(study, "residual");
    summary baseline = {0};
    if (base >= 0)
        baseline = summarise(study, base);
    mhc__html_list_start(html);
    for (int c = 0; c < study->connection_count; c++) {
        if (c == base)
            continue;
        summary s = summarise(study, c);
        const char *label = mhc__stability_label(study, c);
        if (s.not_finite >= 0)
            mhc__html_item(html, "**%s became NaN or Inf in step %lld**, and was not trained further.", label,
                           (long long)s.not_finite);
        about_streams(html, label, &s);
        if (base >= 0) {
            about_gain(html, label, &s, &baseline);
            mhc__html_item(html, "The mean gradient norm of %s is %.3f times the baseline's.", label,
                           s.gradient / baseline.gradient);
        }
        about_composite(html, label, &s);
        if (base >= 0)
            about_loss(study, html, label, c, base);
    }
    if (study->seeds == 1)
        mhc__html_item(html, "This is one random seed. `--seeds 3` gives mean and spread.");
    mhc__html_list_end(html);
}
