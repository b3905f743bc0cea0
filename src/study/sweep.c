#include "study/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/summary.h"

static const char *const OWN_FIELDS[] = {"connections", "depths", NULL};
/* Fields of the configuration that follow from them. */
static const char *const OWN_OPTIONS[][2] = {{"model.blocks", "--set study.depths=A,B,…"}, {NULL, NULL}};

static double largest_gradient(const mhc__series *series) {
    mhc__range range = MHC__RANGE_EMPTY;
    for (int64_t i = 0; i < series->count; i++)
        mhc__widen(&range, series->at[i].grad_norm);
    return range.high;
}

static double last_losses(const mhc__series *series) {
    double sum = 0;
    int64_t used = series->count < 5 ? series->count : 5;
    for (int64_t i = series->count - used; i < series->count; i++)
        sum += series->at[i].loss / (double)used;
    return series->count ? sum : NAN;
}

double mhc__sweep_of(const mhc__arm *arm, mhc__sweep_value which) {
    const mhc__profile *before = &arm->before, *after = &arm->after;
    const mhc__series *series = &arm->series;
    int last = before->points - 1;
    switch (which) {
    case MHC__SWEEP_LOSS_END:
        return last_losses(series);
    case MHC__SWEEP_GRAD_MAX:
        return largest_gradient(series);
    case MHC__SWEEP_SIGNAL:
        return before->norm[last] / before->norm[0];
    case MHC__SWEEP_SIGNAL_END:
        return after->norm[last] / after->norm[0];
    case MHC__SWEEP_GROWTH:
        return pow(before->norm[last] / before->norm[0], 1.0 / arm->config.model.blocks);
    case MHC__SWEEP_GRADIENT:
        return before->gradient[0] / before->gradient[last];
    case MHC__SWEEP_GRADIENT_END:
        return after->gradient[0] / after->gradient[last];
    case MHC__SWEEP_COMPOSITE:
        return before->gains.composite_forward;
    case MHC__SWEEP_COMPOSITE_MAX:
        return mhc__gain_range(arm, 1, offsetof(mhc__gains, composite_forward)).high;
    case MHC__SWEEP_COMPOSITE_BACK_MAX:
        return mhc__gain_range(arm, 1, offsetof(mhc__gains, composite_backward)).high;
    case MHC__SWEEP_LOSS_LAST:
        return series->count ? series->at[series->count - 1].loss : NAN;
    case MHC__SWEEP_PROXY_START:
        return before->gains.proxy;
    case MHC__SWEEP_PROXY:
        return after->gains.proxy;
    case MHC__SWEEP_SPREAD:
        return mhc__gain_range(arm, 1, offsetof(mhc__gains, spread)).high;
    case MHC__SWEEP_SECONDS:
        return arm->seconds / (double)series->count;
    }
    return NAN;
}

void mhc__sweep_over_seeds(const mhc__sweep *study, int depth, int choice, mhc__sweep_value which, double *mean,
                           double *deviation) {
    double values[MHC__STUDY_MAX_SEEDS];
    for (int s = 0; s < study->seeds; s++)
        values[s] = mhc__sweep_of(mhc__sweep_arm(study, depth, choice, s), which);
    mhc__mean_spread(values, study->seeds, mean, deviation);
}

double mhc__sweep_mean(const mhc__sweep *study, int depth, int choice, mhc__sweep_value which) {
    double mean, deviation;
    mhc__sweep_over_seeds(study, depth, choice, which, &mean, &deviation);
    return mean;
}

static int by_value(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static mhc_status read_options(mhc__sweep *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    const mhc__sweep_kind *kind = study->kind;
    MHC__TRY(mhc__study_settings_check(options, OWN_FIELDS, error));
    MHC__TRY(mhc__study_choose(options, kind->variants,
                               options->size == MHC__SIZE_QUICK && kind->quick ? kind->quick : kind->connections,
                               study->choices, &study->choice_count, error));
    const char *list = mhc__study_setting(options, "depths", kind->depths);
    MHC__TRY(mhc__study_integers(list, "depths", study->depths, &study->depth_count, error));
    qsort(study->depths, (size_t)study->depth_count, sizeof study->depths[0], by_value);
    MHC__TRY(mhc__study_seeds(options, &study->seeds, error));
    MHC__TRY(mhc__study_folders(options, kind->name, &study->folder, error));
    study->config = kind->config(options->size);
    return mhc__study_configure(options, 0, OWN_OPTIONS, &study->config, error);
}

static mhc_status describe_arm(mhc__sweep *study, int depth, int c, int seed, mhc__arm *arm, mhc_error *error) {
    const mhc__choice *choice = &study->choices[c];
    char prefix[32];
    mhc__config config = study->config;
    uint64_t number = study->options->seed + (uint64_t)seed;
    config.model.blocks = study->depths[depth];
    if (study->kind->batch && !mhc__study_is_set(study->options, "train.batch"))
        config.train.batch = study->kind->batch(&study->config, study->depths[depth]);
    snprintf(prefix, sizeof prefix, "%d-", study->depths[depth]);
    MHC__TRY(mhc__arm_choose(arm, choice, &config, number, study->folder.out, prefix, error));
    int length = snprintf(arm->label, sizeof arm->label, "%2d blocks  %-8s", study->depths[depth], choice->label);
    if (study->seeds > 1)
        snprintf(arm->label + length, sizeof arm->label - (size_t)length, "  seed %llu", (unsigned long long)number);
    return MHC_OK;
}

static mhc_status run_arms(mhc__sweep *study, mhc_error *error) {
    mhc__arm *arm = study->arms;
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->choice_count; c++)
            for (int s = 0; s < study->seeds; s++, arm++) {
                MHC__TRY(mhc__study_stopped(study->options, error));
                MHC__TRY(describe_arm(study, d, c, s, arm, error));
                MHC__TRY(mhc__arm_run(arm, study->options, error));
            }
    return MHC_OK;
}

static mhc_status work(mhc__sweep *study, mhc_error *error) {
    MHC__TRY(read_options(study, error));
    MHC__TRY(mhc__arms_make(study->depth_count * study->choice_count * study->seeds, &study->arms, error));
    MHC__TRY(run_arms(study, error));
    return mhc__sweep_report(study, error);
}

mhc_status mhc__sweep_run(const mhc__sweep_kind *kind, const mhc__study_options *options, mhc_error *error) {
    mhc__sweep *study = calloc(1, sizeof *study);
    if (!study)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", kind->name);
    study->kind = kind;
    study->options = options;
    mhc_status status = work(study, error);
    mhc__arms_free(study->arms, study->depth_count * study->choice_count * study->seeds);
    free(study);
    return status;
}
