/* From the arms of the depth study to the numbers that decide mhc-poc's claims. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "mhc/oracle.h"
#include "probe/matrix.h"
#include "study/depth_claims.h"
#include "study/summary.h"

enum { SPIKE_WINDOW = 20, PRODUCT = 24, STREAMS = 4, ENTRIES = STREAMS * STREAMS };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int count_spikes(const mhc__series *series) {
    int spikes = 0;
    for (int64_t step = SPIKE_WINDOW; step < series->count; step++) {
        double before[SPIKE_WINDOW];
        for (int i = 0; i < SPIKE_WINDOW; i++)
            before[i] = series->at[step - 1 - i].grad_norm;
        qsort(before, SPIKE_WINDOW, sizeof *before, ascending);
        spikes += series->at[step].grad_norm > 5 * (before[SPIKE_WINDOW / 2 - 1] + before[SPIKE_WINDOW / 2]);
    }
    return spikes;
}

static int count_rises(const mhc__series *series) {
    int rises = 0;
    for (int64_t step = 1; step < series->count; step++)
        rises += series->at[step].grad_norm > series->at[step - 1].grad_norm;
    return rises;
}

/* Least squares; NaN below two steps or where a norm is not finite. */
static double slope_of(const mhc__series *series) {
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (int64_t step = series->count / 2; step < series->count; step++) {
        double at = (double)step / 100, value = log10(series->at[step].grad_norm);
        n++;
        x += at;
        y += value;
        xx += at * at;
        xy += at * value;
    }
    return (n * xy - x * y) / (n * xx - x * x);
}

static mhc__depth_model model_of(const mhc__sweep *study, int d, const char *name) {
    int c = mhc__choice_find(study->choices, study->choice_count, name);
    mhc__depth_model m = {.there = c >= 0, .not_finite = -1};
    if (!m.there)
        return m;
    const mhc__arm *arms = mhc__sweep_arm(study, d, c, 0);
    const mhc__series *series = &arms->series;
    mhc__composite composite = mhc__composite_of(arms, 1);
    m.steps = series->count;
    m.not_finite = mhc__failures_of(arms, study->seeds).first;
    m.proxy_start = arms->before.gains.proxy;
    m.proxy_end = arms->after.gains.proxy;
    m.composite_off = mhc__composite_off(&composite);
    m.signal = mhc__sweep_of(arms, MHC__SWEEP_SIGNAL);
    m.growth = mhc__sweep_of(arms, MHC__SWEEP_GROWTH);
    m.growth_end = pow(mhc__sweep_of(arms, MHC__SWEEP_SIGNAL_END), 1.0 / arms->config.model.blocks);
    m.spread_start = arms->before.gains.spread;
    m.spread_max = mhc__sweep_of(arms, MHC__SWEEP_SPREAD);
    mhc__range losses = MHC__RANGE_EMPTY;
    for (int s = 0; s < study->seeds; s++)
        mhc__widen(&losses, mhc__sweep_of(&arms[s], MHC__SWEEP_LOSS_END));
    m.loss = mhc__sweep_mean(study, d, c, MHC__SWEEP_LOSS_END);
    m.loss_worst = losses.high;
    m.spikes = count_spikes(series);
    m.rises = count_rises(series);
    m.slope = slope_of(series);
    m.gradient_start = series->count ? series->at[0].grad_norm : NAN;
    m.gradient_end = series->count ? series->at[series->count - 1].grad_norm : NAN;
    return m;
}

/* ---- products of matrices ---- */

static double proxy_of(const double *h) {
    return log10(fmax(mhc__entry_max(h, STREAMS), 1e-12));
}

/* log10 of the largest entry of h to the power PRODUCT. */
static double proxy_of_power(const double *h) {
    double product[ENTRIES];
    memcpy(product, h, sizeof product);
    for (int i = 1; i < PRODUCT; i++)
        mhc__multiply_left(h, STREAMS, product);
    return proxy_of(product);
}

static void project(int iterations, const double *logits, double *res) {
    mhc_spec spec;
    for (int i = 0; i < ENTRIES; i++)
        res[i] = NAN;
    if (mhc_spec_preset(&spec, "mhc-poc", STREAMS, 1, NULL) != MHC_OK)
        return;
    spec.sinkhorn.iterations = iterations;
    mhc_oracle_constraint_forward(&spec, logits, res, NULL);
}

static double random_product(void) {
    double product[ENTRIES], h[ENTRIES], logits[ENTRIES];
    for (int k = 0; k < PRODUCT; k++) {
        float draw[ENTRIES];
        mhc__normal_fill(11, mhc__philox_place(0xDEE9u, (uint32_t)k), 1.0f, draw, ENTRIES);
        for (int i = 0; i < ENTRIES; i++)
            logits[i] = (double)draw[i];
        project(20, logits, h);
        if (k == 0)
            memcpy(product, h, sizeof product);
        else
            mhc__multiply_left(h, STREAMS, product);
    }
    return proxy_of(product);
}

static void softmax_rows(const double *logits, double *res) {
    for (int i = 0; i < STREAMS; i++) {
        double sum = 0;
        for (int j = 0; j < STREAMS; j++)
            sum += exp(logits[i * STREAMS + j]);
        for (int j = 0; j < STREAMS; j++)
            res[i * STREAMS + j] = exp(logits[i * STREAMS + j]) / sum;
    }
}

static void controls(mhc__depth_evidence *e) {
    double start[ENTRIES], right[ENTRIES], once[ENTRIES], rows[ENTRIES], uniform[ENTRIES], identity[ENTRIES];
    for (int i = 0; i < ENTRIES; i++) {
        identity[i] = i / STREAMS == i % STREAMS;
        start[i] = 2 * identity[i] - 1;
        uniform[i] = 1.0 / STREAMS;
    }
    project(20, start, right);
    project(1, start, once);
    softmax_rows(start, rows);
    e->proxy_random = random_product();
    e->proxy_uniform = proxy_of_power(uniform);
    e->proxy_identity = proxy_of_power(identity);
    double of_right = proxy_of_power(right);
    e->proxy_wrong = fmax(fabs(proxy_of_power(once) - of_right), fabs(proxy_of_power(rows) - of_right));
    e->proxy_wrong = fmax(e->proxy_wrong, fabs(e->proxy_uniform - of_right));
}

mhc__depth_evidence mhc__depth_evidence_of(const mhc__sweep *study) {
    static const char *const names[MHC__DEPTH_MODELS] = {
        "residual",     "mhc-poc-hc", "mhc-poc",        "hc-robust-norm", "hc-no-inner", "mhc-no-inner", "residual-mlx",
        "mhc-identity", "mhc-rows",   "mhc-one-stream", "no-blocks",      "mhc-uniform", "mhc-large-eps"};
    const mhc__config *config = &study->config;
    mhc__depth_evidence e = {.depth_count = study->depth_count,
                             .seeds = study->seeds,
                             .lr = (double)config->train.lr,
                             .full_size = config->model.channels == 256 && config->model.sequence == 128,
                             .demo_mhc = config->model.channels == 128 && config->model.sequence == 64 &&
                                         config->train.steps >= 50 && config->train.lr == 1e-3f};
    for (int d = 0; d < study->depth_count; d++) {
        e.depths[d] = study->depths[d];
        for (int m = 0; m < MHC__DEPTH_MODELS; m++)
            e.at[d][m] = model_of(study, d, names[m]);
    }
    controls(&e);
    return e;
}
