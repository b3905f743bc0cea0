/* From the logs of the arms to the numbers that decide claims. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "mhc/oracle.h"
#include "probe/matrix.h"
#include "probe/range.h"
#include "study/flow.h"

enum { EARLY = 100, LATE = 500, WINDOW = 100, DRAWS = 2000 };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts values; NaN for none. */
static double median(double *values, int64_t count) {
    if (count == 0)
        return NAN;
    qsort(values, (size_t)count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

/* The largest of a step's layers; NaN and Inf count as Inf. */
static double largest(const mhc__layer_log *log, int64_t step) {
    double most = 0;
    for (int layer = 0; layer < log->layers; layer++) {
        double g = mhc__layer_at(log, step, MHC__LAYER_GRADIENT, layer);
        most = isfinite(g) ? fmax(most, g) : INFINITY;
    }
    return most;
}

int64_t mhc__flow_burst(const mhc__layer_log *log) {
    for (int64_t step = EARLY + 1; step < log->count; step++) {
        double before[WINDOW];
        int64_t first = step - WINDOW;
        for (int64_t i = 0; i < WINDOW; i++)
            before[i] = largest(log, first + i);
        if (largest(log, step) > 100 * median(before, WINDOW))
            return step;
    }
    return -1;
}

/* The median over steps first..end of the last layer's gradient over the first's. */
static double ratio(const mhc__layer_log *log, int64_t first, int64_t end) {
    double values[LATE];
    int64_t count = 0;
    for (int64_t step = first < 0 ? 0 : first; step < end && count < LATE; step++) {
        double of_first = mhc__layer_at(log, step, MHC__LAYER_GRADIENT, 0);
        double of_last = mhc__layer_at(log, step, MHC__LAYER_GRADIENT, log->layers - 1);
        if (isfinite(of_first) && isfinite(of_last) && of_last > 0)
            values[count++] = of_last / of_first; /* 0 below: Inf, which sorts last */
    }
    return median(values, count);
}

static void gradients(const mhc__layer_log *log, mhc__flow_model *m) {
    mhc__range all = MHC__RANGE_EMPTY, first = MHC__RANGE_EMPTY;
    for (int64_t step = 0; step < log->count; step++) {
        mhc__range here = MHC__RANGE_EMPTY;
        for (int layer = 0; layer < log->layers; layer++)
            mhc__widen(&here, mhc__layer_at(log, step, MHC__LAYER_GRADIENT, layer));
        mhc__widen(&all, here.low);
        mhc__widen(&all, here.high);
        m->outside += !(here.low >= MHC__FLOW_CLAIMED_LEAST && here.high <= MHC__FLOW_CLAIMED_MOST);
        mhc__widen(&first, mhc__layer_at(log, step, MHC__LAYER_GRADIENT, 0));
        if (step < EARLY)
            m->gradient_max_early = fmax(m->gradient_max_early, largest(log, step));
    }
    m->gradient_min = all.low;
    m->gradient_max = all.high;
    m->first_layer_min = first.low;
    m->ratio_early = ratio(log, 0, log->count < EARLY ? log->count : EARLY);
    m->ratio_late = ratio(log, log->count - LATE, log->count);
}

/* The largest relative change of a layer's value from the first step to one before `end`. */
static double change_of(const mhc__layer_log *log, mhc__layer_value which, int64_t end) {
    double most = 0;
    for (int layer = 0; layer < log->layers; layer++) {
        double start = mhc__layer_at(log, 0, which, layer);
        for (int64_t step = 1; step < end; step++)
            most = fmax(most, fabs(mhc__layer_at(log, step, which, layer) - start) / start);
    }
    return most;
}

static void matrices(const mhc__layer_log *log, mhc__flow_model *m) {
    int64_t end = m->burst >= 0 ? m->burst : log->count;
    mhc__range projected = MHC__RANGE_EMPTY;
    m->raw_start = m->raw_end = m->raw_change = m->routing_change = NAN;
    if (log->count == 0 || isnan(mhc__layer_at(log, 0, MHC__LAYER_RES_RAW, 0)))
        return;
    m->raw_start = m->raw_end = 0;
    m->raw_change = change_of(log, MHC__LAYER_RES_RAW, end);
    m->routing_change =
        fmax(m->raw_change, fmax(change_of(log, MHC__LAYER_PRE_RAW, end), change_of(log, MHC__LAYER_POST_RAW, end)));
    for (int layer = 0; layer < log->layers; layer++) {
        m->raw_start += mhc__layer_at(log, 0, MHC__LAYER_RES_RAW, layer) / log->layers;
        m->raw_end += mhc__layer_at(log, log->count - 1, MHC__LAYER_RES_RAW, layer) / log->layers;
        for (int64_t step = 0; step < log->count; step++)
            mhc__widen(&projected, mhc__layer_at(log, step, MHC__LAYER_RES, layer));
    }
    m->projected_min = projected.low;
    m->projected_max = projected.high;
}

static void bursts(const mhc__flow *study, int c, mhc__flow_model *m) {
    m->seeds = study->seeds;
    m->burst_first = m->burst_last = -1;
    for (int s = 0; s < study->seeds; s++) {
        int64_t burst = mhc__flow_burst(&mhc__flow_at(study, c, s)->log);
        if (s == 0)
            m->burst = burst;
        if (burst < 0)
            continue;
        m->burst_first = m->bursts == 0 || burst < m->burst_first ? burst : m->burst_first;
        m->burst_last = burst > m->burst_last ? burst : m->burst_last;
        m->bursts++;
    }
}

double mhc__flow_loss_late(const mhc__flow_arm *flow) {
    const mhc__series *series = &flow->arm.series;
    int64_t quarter = (series->count + 3) / 4, late = flow->log.every < quarter ? flow->log.every : quarter;
    double sum = 0;
    for (int64_t i = series->count - late; i < series->count; i++)
        sum += series->at[i].loss / (double)late;
    return sum;
}

static mhc__flow_model model_of(const mhc__flow *study, const char *name) {
    int c = mhc__choice_find(study->choices, study->choice_count, name);
    mhc__flow_model m = {.there = c >= 0, .burst = -1};
    if (!m.there)
        return m;
    const mhc__flow_arm *flow = mhc__flow_at(study, c, 0);
    m.steps = flow->log.count;
    bursts(study, c, &m);
    gradients(&flow->log, &m);
    matrices(&flow->log, &m);
    m.loss_late = mhc__flow_loss_late(flow);
    m.accuracy = m.yes = m.moved_min = NAN;
    if (flow->log.evaluation_count) {
        const mhc__evaluation *last = &flow->log.evaluations[flow->log.evaluation_count - 1];
        m.accuracy = last->accuracy;
        m.yes = last->yes;
        m.moved_min = last->moved_min;
    }
    const mhc__profile *before = &flow->arm.before;
    m.growth = before->points > 1 ? before->norm[before->points - 1] / before->norm[0] : NAN;
    m.seconds = flow->arm.seconds / (double)flow->arm.series.count;
    return m;
}

/* The largest distance of a row or column sum from 1 after `iterations`, over logits as mHC's start. In double, where
 * what is left is the iteration's own. */
static double sinkhorn_residual(int n, int iterations) {
    mhc_spec spec;
    float draw[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    double logits[MHC_MAX_STREAMS * MHC_MAX_STREAMS], res[MHC_MAX_STREAMS * MHC_MAX_STREAMS], worst = 0;
    if (mhc_spec_preset(&spec, "boolq-100", n, 1, NULL) != MHC_OK)
        return NAN;
    spec.sinkhorn.iterations = iterations;
    for (int k = 0; k < DRAWS; k++) {
        mhc__uniform_fill(7, mhc__philox_place(0xF10Bu, (uint32_t)k), sqrtf(6.0f / (float)(2 * n)), draw, n * n);
        for (int i = 0; i < n * n; i++)
            logits[i] = (double)draw[i];
        if (mhc_oracle_constraint_forward(&spec, logits, res, NULL) != MHC_OK)
            return NAN;
        for (int i = 0; i < n; i++) {
            worst = fmax(worst, fabs(mhc__row_sum(res, n, i) - 1));
            worst = fmax(worst, fabs(mhc__column_sum(res, n, i) - 1));
        }
    }
    return worst;
}

static double entropy(double p) {
    return p > 0 && p < 1 ? -p * log(p) - (1 - p) * log(1 - p) : 0;
}

mhc__flow_evidence mhc__flow_evidence_of(const mhc__flow *study) {
    static const int iterations[3] = {10, 20, 40};
    const mhc__questions *q = study->questions;
    double train = (double)mhc__questions_count(q, MHC__QUESTIONS_TRAIN);
    mhc__flow_evidence e = {.hc = model_of(study, "boolq-100-hc"),
                            .mhc = model_of(study, "boolq-100"),
                            .residual = model_of(study, "residual"),
                            .residual_norm = model_of(study, "residual-norm"),
                            .identity_start = model_of(study, "hc-identity")};
    e.prior_entropy = entropy((double)mhc__questions_yes(q, MHC__QUESTIONS_TRAIN) / train);
    e.dev_questions = mhc__questions_count(q, MHC__QUESTIONS_DEV);
    double yes = (double)mhc__questions_yes(q, MHC__QUESTIONS_DEV) / (double)e.dev_questions;
    e.majority = fmax(yes, 1 - yes);
    e.real_questions = strcmp(study->config.data.path, "questions") != 0;
    mhc_spec spec;
    int n = study->config.model.streams;
    if (mhc_spec_preset(&spec, "boolq-100", n, 1, NULL) == MHC_OK)
        e.sinkhorn_iterations = spec.sinkhorn.iterations;
    for (int i = 0; i < 3; i++)
        e.sinkhorn_residual[i] = sinkhorn_residual(n, iterations[i]);
    return e;
}
