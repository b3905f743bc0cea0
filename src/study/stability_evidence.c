/* The numbers that the rules of stability_claims.c look at. */
#include <math.h>
#include <stdlib.h>

#include "study/stability_claims.h"
#include "study/summary.h"

bool mhc__stability_symmetric(const mhc__stability *study, int c) {
    mhc_spec spec;
    mhc_error ignored;
    const char *connection = mhc__stability_arm(study, c, 0)->config.model.connection;
    return mhc_spec_preset(&spec, connection, study->config.model.streams, 1, &ignored) == MHC_OK &&
           spec.mapping == MHC_MAPPING_STATIC &&
           (spec.start == MHC_INIT_ZEROS || spec.start == MHC_INIT_HC_MEAN || spec.start == MHC_INIT_2I_J);
}

double mhc__stability_branch_factor(const mhc__stability *study, int c) {
    mhc__range uniform = {0, 0}, post = MHC__RANGE_EMPTY, pre = MHC__RANGE_EMPTY;
    const mhc__arm *arms = mhc__stability_arm(study, c, 0);
    double spread = mhc__gain_range(arms, study->seeds, offsetof(mhc__gains, spread)).high;
    if (!mhc__stability_symmetric(study, c) || study->config.model.contract != MHC__CONTRACT_MEAN || spread != 0)
        return NAN;
    for (int s = 0; s < study->seeds; s++)
        for (int when = 0; when < 2; when++) {
            const mhc__profile *profile = when ? &arms[s].after : &arms[s].before;
            mhc__widen(&uniform, profile->res_from_uniform);
            mhc__widen(&post, profile->post_min);
            mhc__widen(&post, profile->post_max);
            mhc__widen(&pre, profile->pre_sum_min);
            mhc__widen(&pre, profile->pre_sum_max);
        }
    bool read_whole = isnan(pre.high) || mhc__range_from(pre, 1) < 1e-6;
    double scale = arms->config.model.branch_scale;
    return uniform.high < 1e-6 && post.high - post.low < 1e-6 && read_whole ? scale * post.high : NAN;
}

double mhc__stability_loss_off(const mhc__stability *study, int c, int other) {
    mhc__range off = {0, 0};
    for (int seed = 0; seed < study->seeds; seed++) {
        const mhc__series *a = &mhc__stability_arm(study, c, seed)->series;
        const mhc__series *b = &mhc__stability_arm(study, other, seed)->series;
        for (int64_t i = 0; i < study->config.train.steps; i++)
            mhc__widen(&off, i < a->count && i < b->count ? fabs(a->at[i].loss - b->at[i].loss) : NAN);
    }
    return off.high;
}

mhc__significance mhc__stability_loss(const mhc__stability *study, int c, int base, double *mean, double *error) {
    int64_t steps = study->config.train.steps, from = steps - (steps < 10 ? 1 : steps / 10);
    double differences[MHC__STUDY_MAX_SEEDS];
    for (int seed = 0; seed < study->seeds; seed++) {
        const mhc__series *a = &mhc__stability_arm(study, c, seed)->series;
        const mhc__series *b = &mhc__stability_arm(study, base, seed)->series;
        double sum = 0;
        int64_t count = 0;
        for (int64_t i = from; i < a->count && i < b->count; i++, count++)
            sum += a->at[i].loss - b->at[i].loss;
        differences[seed] = sum / (double)count;
    }
    return mhc__significance_of(differences, study->seeds, mean, error);
}

/* Standard deviation of the loss around its regression line, over the last quarter of the steps; 0 of two steps. */
static double noise_of(const mhc__series *series) {
    int64_t from = series->count - series->count / 4, count = series->count - from;
    double mean_x = (double)(count - 1) / 2, mean_y = 0, xy = 0, xx = 0, squares = 0;
    for (int64_t i = 0; i < count; i++)
        mean_y += series->at[from + i].loss / (double)count;
    for (int64_t i = 0; i < count; i++) {
        double x = (double)i - mean_x;
        xy += x * (series->at[from + i].loss - mean_y);
        xx += x * x;
    }
    for (int64_t i = 0; i < count; i++) {
        double off = series->at[from + i].loss - mean_y - (xx > 0 ? xy / xx : 0) * ((double)i - mean_x);
        squares += off * off;
    }
    return count > 2 ? sqrt(squares / (double)(count - 2)) : 0;
}

static void add_steps(const mhc__series *series, mhc__stability_evidence_arm *arm) {
    mhc__range gain = MHC__RANGE_EMPTY, gradient = MHC__RANGE_EMPTY;
    int64_t last = 0;
    double gain_last = 0, gradients = 0;
    for (int64_t i = 0; i < series->count; i++) {
        const mhc__measurement *m = &series->at[i];
        mhc__widen(&gain, m->gains.activation);
        mhc__widen(&gradient, m->grad_norm);
        gradients += m->grad_norm;
        if (4 * i >= 3 * series->count) {
            gain_last += m->gains.activation;
            last++;
        }
        double bound = sqrt(m->gains.single_forward * m->gains.single_backward);
        arm->single_bound = isnan(bound) || bound > arm->single_bound ? bound : arm->single_bound;
    }
    arm->gain_max = gain.high > arm->gain_max ? gain.high : arm->gain_max;
    arm->gradient_max = gradient.high > arm->gradient_max ? gradient.high : arm->gradient_max;
    arm->gain_last += gain_last / (double)last;
    arm->gradient_mean += gradients / (double)series->count;
    arm->loss_noise += noise_of(series);
    arm->gain_start += series->at[0].gains.activation;
}

static double growth(const mhc__profile *profile) {
    return profile->norm[profile->points - 1] / profile->norm[0];
}

/* Whether norm growth over the baseline's rises from block to block. */
static bool rises(const mhc__profile *profile, const mhc__profile *base) {
    if (profile->points != base->points)
        return false;
    double before = 1;
    for (int p = 2; p < profile->points; p += 2) { /* two sites are a block */
        double ratio = profile->norm[p] / profile->norm[0] / (base->norm[p] / base->norm[0]);
        if (!(ratio > before))
            return false;
        before = ratio;
    }
    return true;
}

/* Means over seeds, or the largest. */
static mhc__stability_evidence_arm gather(const mhc__stability *study, const char *name) {
    mhc__stability_evidence_arm arm = {.branch_factor = NAN, .logits_off = NAN, .logits_rms = NAN, .loss_off = NAN};
    int c = mhc__choice_find(study->choices, study->choice_count, name);
    int mhc = mhc__choice_find(study->choices, study->choice_count, "reproducing-mhc");
    int base = mhc__choice_find(study->choices, study->choice_count, "residual");
    if (c < 0)
        return arm;
    const mhc__arm *arms = mhc__stability_arm(study, c, 0);
    arm.there = true;
    arm.failures = mhc__failures_of(arms, study->seeds).count;
    if (arm.failures)
        return arm;
    mhc__composite composite = mhc__composite_of(arms, study->seeds);
    arm.composite_off = mhc__composite_off(&composite);
    arm.spread = mhc__gain_range(arms, study->seeds, offsetof(mhc__gains, spread)).high;
    arm.branch_factor = mhc__stability_branch_factor(study, c);
    arm.logits_off = study->starts[c].logits_off;
    arm.logits_rms = study->starts[c].logits_rms;
    if (mhc >= 0)
        arm.loss_off = mhc__stability_loss_off(study, c, mhc);
    arm.growth_rises = arm.growth_rises_at_start = base >= 0;
    for (int s = 0; s < study->seeds; s++) {
        const mhc__profile *before = &arms[s].before, *after = &arms[s].after;
        add_steps(&arms[s].series, &arm);
        arm.growth_start += growth(before) / study->seeds;
        arm.growth += growth(after) / study->seeds;
        arm.from_identity_start = fmax(arm.from_identity_start, before->res_from_identity);
        arm.from_identity = fmax(arm.from_identity, after->res_from_identity);
        arm.from_uniform_start = fmax(arm.from_uniform_start, before->res_from_uniform);
        if (base >= 0) {
            const mhc__arm *other = mhc__stability_arm(study, base, s);
            arm.growth_rises_at_start &= rises(before, &other->before);
            arm.growth_rises &= rises(after, &other->after);
        }
    }
    arm.gain_start /= study->seeds;
    arm.gain_last /= study->seeds;
    arm.gradient_mean /= study->seeds;
    arm.loss_noise /= study->seeds;
    if (base >= 0)
        arm.loss_differs = mhc__stability_loss(study, c, base, &arm.loss_less_base, &arm.loss_less_base_error);
    return arm;
}

mhc__stability_evidence mhc__stability_gather(const mhc__stability *study) {
    mhc__stability_evidence e = {.seeds = study->seeds,
                                 .base = gather(study, "residual"),
                                 .hc = gather(study, "hc-static"),
                                 .mhc = gather(study, "reproducing-mhc"),
                                 .scaled = gather(study, "residual-quarter"),
                                 .whole = gather(study, "mhc-whole"),
                                 .identity = gather(study, "mhc-identity")};
    if (study->config.model.streams != 4) /* they are made for four streams */
        e.scaled.there = e.whole.there = false;
    return e;
}
