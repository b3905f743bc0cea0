#include "probe/probe.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "probe/gains.h"
#include "probe/matrix.h"
#include "probe/range.h"

static mhc_status copy_flow(const mhc__gradient_flow *flow, mhc__probe *probe, mhc_error *error) {
    if (!flow)
        return MHC_OK;
    int64_t points = flow->sites + 1;
    MHC__TRY(MHC__ALLOCATE(probe->flow, 3 * points, "measurements of the gradients", error));
    probe->points = (int)points;
    memcpy(probe->flow, flow->norm, (size_t)points * sizeof(double));
    memcpy(probe->flow + points, flow->of_mean, (size_t)points * sizeof(double));
    memcpy(probe->flow + 2 * points, flow->of_differences, (size_t)points * sizeof(double));
    return MHC_OK;
}

/* Whether the matrices are what Sinkhorn's iteration leaves: nothing finishes or leaks them. */
static bool iterates(const mhc_spec *spec) {
    return spec->constraint == MHC_CONSTRAINT_SINKHORN && spec->finish == MHC_FINISH_NONE && spec->leak == 0.0f;
}

mhc_status mhc__probe_measure(mhc__model *model, const mhc__gradient_flow *flow, const mhc__mixing_options *options,
                              mhc__probe *probe, mhc_error *error) {
    *probe = (mhc__probe){.sinkhorn = iterates(mhc__model_spec(model))};
    probe->activation_gain = mhc__activation_gain(model, options->threads);
    mhc_status status = mhc__mixing_of_model(model, options, &probe->mixing, error);
    if (status == MHC_OK)
        status = mhc__states_measure(model, options->threads, options->tokens, &probe->states, error);
    if (status == MHC_OK && options->complete)
        status = mhc__logits_measure(model, options, &probe->logits, error);
    if (status == MHC_OK && options->complete)
        status = mhc__similarity_measure(model, options, &probe->similarity, error);
    if (status == MHC_OK)
        status = mhc__gradients_measure(model, options->threads, &probe->gradients, error);
    if (status == MHC_OK)
        status = copy_flow(flow, probe, error);
    if (status != MHC_OK)
        mhc__probe_free(probe);
    return status;
}

void mhc__probe_free(mhc__probe *probe) {
    mhc__mixing_free(&probe->mixing);
    mhc__states_free(&probe->states);
    mhc__logits_free(&probe->logits);
    mhc__similarity_free(&probe->similarity);
    mhc__gradients_free(&probe->gradients);
    mhc__release(probe->flow);
    *probe = (mhc__probe){0};
}

/* ---- the numbers of a step ---- */

/* Over sites, of the mean over tokens. */
static mhc__range range_over_sites(const mhc__probe *probe, mhc__matrix_metric metric) {
    mhc__range range = MHC__RANGE_EMPTY;
    for (int site = 0; site < probe->mixing.sites; site++)
        mhc__widen(&range, mhc__mixing_site(&probe->mixing, site, metric)->mean);
    return range;
}

static double mean_over_sites(const mhc__probe *probe, mhc__matrix_metric metric) {
    double sum = 0.0;
    for (int site = 0; site < probe->mixing.sites; site++)
        sum += mhc__mixing_site(&probe->mixing, site, metric)->mean;
    return sum / probe->mixing.sites;
}

/* The largest over sites and tokens. */
static double highest(const mhc__probe *probe, mhc__matrix_metric metric) {
    double most = 0.0;
    for (int site = 0; site < probe->mixing.sites; site++)
        most = mhc__max_abs(most, mhc__mixing_site(&probe->mixing, site, metric)->high);
    return most;
}

static double largest_gain_of_mean(const mhc__probe *probe, mhc__matrix_metric gain) {
    double most = 0.0;
    for (int site = 0; site < probe->mixing.sites; site++)
        most = mhc__max_abs(most, probe->mixing.site_of_mean[site * MHC__MATRIX_GAINS + (int)gain]);
    return most;
}

static double composite(const mhc__probe *probe, mhc__matrix_metric metric) {
    return mhc__mixing_whole(&probe->mixing, metric)->mean;
}

static double composite_of_mean(const mhc__probe *probe, mhc__matrix_metric gain) {
    return probe->mixing.product_of_mean[(probe->mixing.products - 1) * MHC__MATRIX_GAINS + (int)gain];
}

/* The largest or the smallest singular value of the composite. */
static double log_sigma(const mhc__probe *probe, bool largest) {
    const mhc__mixing *mixing = &probe->mixing;
    if (mixing->directions == 0)
        return NAN;
    int place = largest ? 0 : mixing->directions - 1;
    return mixing->spectrum[(mixing->products - 1) * mixing->directions + place].mean;
}

static double at_least(double value, double least) {
    return value < least ? least : value;
}

static mhc__range range_of(const double *values, int count) {
    mhc__range range = MHC__RANGE_EMPTY;
    for (int i = 0; i < count; i++)
        mhc__widen(&range, values[i]);
    return range;
}

static double at_the_end(const mhc__probe *probe, mhc__state_metric metric) {
    return mhc__state_at(&probe->states, probe->states.points - 1, metric);
}

static double state_gradient(const mhc__probe *probe, int point) {
    return probe->points ? probe->flow[point] : NAN;
}

/* Name in metrics.jsonl and value. */
/* clang-format off */
#define NUMBERS(X)                                                                                                     \
    X(activation_gain, p->activation_gain)                                                                             \
    X(amax_gain_forward, range_over_sites(p, MHC__FORWARD_MAX).high)                                                   \
    X(amax_gain_backward, range_over_sites(p, MHC__BACKWARD_MAX).high)                                                 \
    X(amin_gain_forward, range_over_sites(p, MHC__FORWARD_MIN).low)                                                    \
    X(amin_gain_backward, range_over_sites(p, MHC__BACKWARD_MIN).low)                                                  \
    X(amax_gain_forward_of_mean, largest_gain_of_mean(p, MHC__FORWARD_MAX))                                            \
    X(amax_gain_backward_of_mean, largest_gain_of_mean(p, MHC__BACKWARD_MAX))                                          \
    X(composite_gain_forward, composite(p, MHC__FORWARD_MAX))                                                          \
    X(composite_gain_backward, composite(p, MHC__BACKWARD_MAX))                                                        \
    X(composite_amin_forward, composite(p, MHC__FORWARD_MIN))                                                          \
    X(composite_amin_backward, composite(p, MHC__BACKWARD_MIN))                                                        \
    X(composite_abs_forward, composite(p, MHC__FORWARD_ABS_MAX))                                                       \
    X(composite_abs_backward, composite(p, MHC__BACKWARD_ABS_MAX))                                                     \
    X(composite_gain_forward_of_mean, composite_of_mean(p, MHC__FORWARD_MAX))                                          \
    X(composite_gain_backward_of_mean, composite_of_mean(p, MHC__BACKWARD_MAX))                                        \
    X(gain_proxy, log10(at_least(composite(p, MHC__ENTRY_MAX), 1e-12)))                                                \
    X(log_volume, composite(p, MHC__LOG_VOLUME))                                                                       \
    X(composite_log_sigma_max, log_sigma(p, true))                                                                     \
    X(composite_log_sigma_min, log_sigma(p, false))                                                                    \
    X(off_diagonal, mean_over_sites(p, MHC__OFF_DIAGONAL))                                                             \
    X(distance_identity, mean_over_sites(p, MHC__FROM_IDENTITY))                                                       \
    X(distance_uniform, mean_over_sites(p, MHC__FROM_UNIFORM))                                                         \
    X(distance_permutation, mean_over_sites(p, MHC__FROM_PERMUTATION))                                                 \
    X(residual_rows, highest(p, MHC__RESIDUAL_ROWS))                                                                   \
    X(residual_columns, highest(p, MHC__RESIDUAL_COLUMNS))                                                             \
    X(sinkhorn_cycles, p->sinkhorn ? range_over_sites(p, MHC__CYCLES).high : NAN)                                      \
    X(mixing_entropy, mean_over_sites(p, MHC__ENTROPY))                                                                \
    X(dobrushin, mean_over_sites(p, MHC__DOBRUSHIN))                                                                   \
    X(rotation, mean_over_sites(p, MHC__ROTATION_MAX))                                                                 \
    X(half_life, mhc__mixing_half_life(&p->mixing))                                                                    \
    X(stream_spread, mhc__states_spread(&p->states))                                                                   \
    X(norm_growth, at_the_end(p, MHC__STATE_NORM) / mhc__state_at(&p->states, 0, MHC__STATE_NORM))                     \
    X(difference_share, at_the_end(p, MHC__STATE_DIFFERENCE_SHARE))                                                    \
    X(stream_cosine, at_the_end(p, MHC__STATE_COSINE))                                                                 \
    X(stream_rank, at_the_end(p, MHC__STATE_EFFECTIVE_RANK))                                                           \
    X(state_gradient_first, state_gradient(p, 0))                                                                      \
    X(state_gradient_last, state_gradient(p, p->points - 1))                                                           \
    X(layer_gradient_min, range_of(p->gradients.layer, p->gradients.sites).low)                                        \
    X(layer_gradient_max, range_of(p->gradients.layer, p->gradients.sites).high)                                       \
    X(stratification, p->gradients.stratification)                                                                     \
    X(connection_gradient_share, p->gradients.connection_share)                                                        \
    X(dead_mixers, p->gradients.dead_mixers)
/* clang-format on */

#define NAME(name, value) #name,
static const char *const NAMES[] = {NUMBERS(NAME)};
static_assert(sizeof NAMES / sizeof NAMES[0] == MHC__PROBE_NUMBERS, "MHC__PROBE_NUMBERS counts the numbers");

const char *mhc__probe_name(int number) {
    return NAMES[number];
}

void mhc__probe_numbers(const mhc__probe *p, double *values) {
#define VALUE(name, value) *values++ = (value);
    NUMBERS(VALUE)
}

/* ---- the arrays ---- */

static void numbers(mhc__text *text, const char *name, const double *values, int count, int stride) {
    mhc__text_format(text, ",\"%s\":[", name);
    for (int i = 0; i < count; i++) {
        double value = values[(int64_t)i * stride];
        mhc__text_format(text, "%s", i ? "," : "");
        if (isfinite(value))
            mhc__text_format(text, "%.9g", value);
        else
            mhc__text_format(text, "null");
    }
    mhc__text_format(text, "]");
}

static void begin(mhc__text *text, int64_t step, const char *group, const char *metric) {
    mhc__text_format(text, "{\"step\":%lld,\"metric\":\"%s%s\"", (long long)step, group, metric);
}

static void end(mhc__text *text) {
    mhc__text_append(text, "}\n", 2);
}

static void line(mhc__text *text, int64_t step, const char *group, const char *metric, const double *values, int count,
                 int stride) {
    begin(text, step, group, metric);
    numbers(text, "value", values, count, stride);
    end(text);
}

/* Of one metric, each `stride` statistics further. One token has no more than a value. */
static void statistics(mhc__text *text, int64_t step, const char *group, const char *metric,
                       const mhc__statistics *values, int count, int stride, int64_t tokens) {
    const struct {
        const char *name;
        const double *first;
    } columns[] = {{"mean", &values->mean},     {"low", &values->low}, {"p5", &values->p5},
                   {"median", &values->median}, {"p95", &values->p95}, {"high", &values->high}};
    const int doubles = sizeof *values / sizeof values->mean;
    begin(text, step, group, metric);
    for (int c = 0; c < doubles && (c == 0 || tokens > 1); c++)
        numbers(text, columns[c].name, columns[c].first, count, stride * doubles);
    end(text);
}

static void mixing_lines(const mhc__mixing *m, bool sinkhorn, int64_t step, mhc__text *text) {
    for (int metric = 0; metric < MHC__MATRIX_METRICS; metric++) {
        const char *name = mhc__matrix_metric_name((mhc__matrix_metric)metric);
        if (metric == MHC__CYCLES && !sinkhorn)
            continue;
        statistics(text, step, "site.", name, m->of_site + metric, m->sites, MHC__MATRIX_METRICS, m->tokens);
        if (metric != MHC__CYCLES)
            statistics(text, step, "product.", name, m->of_product + metric, m->products, MHC__MATRIX_METRICS,
                       m->tokens);
    }
    for (int gain = 0; gain < MHC__MATRIX_GAINS; gain++) {
        const char *name = mhc__matrix_metric_name((mhc__matrix_metric)gain);
        line(text, step, "site_of_mean.", name, m->site_of_mean + gain, m->sites, MHC__MATRIX_GAINS);
        line(text, step, "product_of_mean.", name, m->product_of_mean + gain, m->products, MHC__MATRIX_GAINS);
    }
    for (int k = 0; k < m->directions; k++) {
        char name[16];
        snprintf(name, sizeof name, "%d", k);
        statistics(text, step, m->on_differences ? "product.log_sigma_difference." : "product.log_sigma.", name,
                   m->spectrum + k, m->products, m->directions, m->tokens);
    }
}

/* No lines for constraints that have no such logits. */
static void logit_lines(const mhc__logit_ranges *l, int64_t step, mhc__text *text) {
    if (l->sites == 0)
        return;
    statistics(text, step, "site.", "logit_range", l->range, l->sites, 1, l->tokens);
    line(text, step, "site.", "logit_saturated", l->saturated, l->sites, 1);
    for (int bin = 0; bin < MHC__LOGIT_BINS; bin++) {
        char name[24];
        snprintf(name, sizeof name, "logit_range_bin.%d", bin);
        line(text, step, "site.", name, l->histogram + bin, l->sites, MHC__LOGIT_BINS);
    }
}

static void state_lines(const mhc__states *s, int64_t step, mhc__text *text) {
    for (int metric = 0; metric < MHC__STATE_METRICS; metric++)
        line(text, step, "state.", mhc__state_metric_name((mhc__state_metric)metric), s->values + metric, s->points,
             MHC__STATE_METRICS);
    for (int i = 0; i < s->streams; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        line(text, step, "state.norm_of_stream.", name, s->norms + i, s->points, s->streams);
    }
}

void mhc__probe_lines(const mhc__probe *p, int64_t step, mhc__text *text) {
    const mhc__gradients *g = &p->gradients;
    mixing_lines(&p->mixing, p->sinkhorn, step, text);
    if (p->mixing.half_life)
        statistics(text, step, "site.", "half_life", p->mixing.half_life, p->mixing.sites, 1, p->mixing.tokens);
    logit_lines(&p->logits, step, text);
    state_lines(&p->states, step, text);
    if (p->similarity.points) {
        line(text, step, "state.", "cka", p->similarity.of_streams, p->similarity.points, 1);
        line(text, step, "state.", "cka_from_before", p->similarity.from_before, p->similarity.points, 1);
    }
    line(text, step, "gradient.", "layer", g->layer, g->sites, 1);
    line(text, step, "gradient.", "connection", g->connection, g->sites, 1);
    line(text, step, "gradient.", "mixer_ratio", g->mixer_ratio, g->sites, 1);
    line(text, step, "gradient.", "block", g->block, g->blocks, 1);
    if (p->points == 0)
        return;
    line(text, step, "gradient.", "state", p->flow, p->points, 1);
    line(text, step, "gradient.", "state_mean", p->flow + p->points, p->points, 1);
    line(text, step, "gradient.", "state_differences", p->flow + 2 * p->points, p->points, 1);
}
