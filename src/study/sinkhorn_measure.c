#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/philox.h"
#include "base/threads.h"
#include "mhc/context.h"
#include "mhc/oracle.h"
#include "probe/matrix.h"
#include "probe/svd.h"
#include "study/sinkhorn.h"

enum { N = MHC__SINKHORN_N, ENTRIES = N * N };

const int mhc__sinkhorn_times[MHC__SINKHORN_TIMES] = {1, 2, 5, 10, 20, 50, 100};
const int mhc__sinkhorn_depths[MHC__SINKHORN_DEPTHS] = {1, 24, 60, 120};
const double mhc__sinkhorn_scales[MHC__SINKHORN_SCALES] = {1, 2, 4};
const char *const mhc__sinkhorn_kinds[MHC__SINKHORN_KINDS] = {
    "paper", "deepseek-v4", "megatron", "liger", "reproducing-mhc", "mhc-poc", "boolq-100", "birkhoff"};
const mhc__sinkhorn_logits mhc__sinkhorn_cases[MHC__SINKHORN_CASES] = {
    {"N(0, 1)", 0, 1},         {"N(0, 2²)", 0, 2},        {"N(0, 3²)", 0, 3},         {"N(0, 4²)", 0, 4},
    {"N(0, 6²)", 0, 6},        {"N(0, 10²)", 0, 10},      {"gap 2 + N(0, 1)", 2, 1},  {"gap 4 + N(0, 1)", 4, 1},
    {"gap 6 + N(0, 1)", 6, 1}, {"gap 8 + N(0, 1)", 8, 1}, {"gap 10 + N(0, 1)", 10, 1}};

/* Places of the Philox counter: each kind of draw has numbers of its own. */
enum {
    PLACE_CASE = 0x534b0100,
    PLACE_SCALE = 0x534b0200,
    PLACE_STACK = 0x534b0300,
    PLACE_BOOLQ = 0x534b0400,
    PLACE_GRADIENT = 0x534b0500
};

void mhc__sinkhorn_start(const double *logits, double *h) {
    double most = logits[0];
    for (int e = 1; e < ENTRIES; e++)
        most = fmax(most, logits[e]);
    for (int e = 0; e < ENTRIES; e++)
        h[e] = exp(logits[e] - most);
}

void mhc__sinkhorn_cycle(double *h) {
    for (int j = 0; j < N; j++) {
        double sum = mhc__column_sum(h, N, j);
        for (int i = 0; i < N; i++)
            h[i * N + j] /= sum;
    }
    for (int i = 0; i < N; i++) {
        double sum = mhc__row_sum(h, N, i);
        for (int j = 0; j < N; j++)
            h[i * N + j] /= sum;
    }
}

static double column_error(const double *h) {
    double most = 0;
    for (int j = 0; j < N; j++)
        most = fmax(most, fabs(mhc__column_sum(h, N, j) - 1));
    return most;
}

static double residual(const double *h) {
    double most = column_error(h);
    for (int i = 0; i < N; i++)
        most = fmax(most, fabs(mhc__row_sum(h, N, i) - 1));
    return most;
}

static void draw(uint64_t seed, uint32_t place, int64_t index, const mhc__sinkhorn_logits *kind, double *logits) {
    float numbers[ENTRIES];
    mhc__normal_fill(seed, mhc__philox_place(place, (uint32_t)index), 1.0f, numbers, ENTRIES);
    for (int e = 0; e < ENTRIES; e++)
        logits[e] = kind->deviation * (double)numbers[e] + (e % (N + 1) == 0 ? kind->gap : 0);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The value that a share `at` of the finite values lies below; sorts them to the front. NaN when there is none. */
static double quantile(double *values, int64_t count, double at) {
    int64_t finite = 0;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            values[finite++] = values[i];
    if (finite == 0)
        return NAN;
    qsort(values, (size_t)finite, sizeof *values, ascending);
    return values[(int64_t)(at * (double)(finite - 1) + 0.5)];
}

static double mean_of(const double *values, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

/* What one draw gives. cycles: NaN where the cap was reached. */
typedef struct sample {
    double curve[MHC__SINKHORN_STEPS];
    double cycles, rate_off, sigma, off_diagonal;
} sample;

static mhc_spec convention(const char *name) {
    mhc_spec spec;
    mhc_error error;
    bool exact = !strcmp(name, "birkhoff");
    mhc_spec_preset(&spec, exact ? "paper" : name, N, 1, &error); /* the names are ours */
    if (exact)
        spec.constraint = MHC_CONSTRAINT_BIRKHOFF;
    return spec;
}

static mhc_status take(const double *logits, int cap, sample *s, mhc_error *error) {
    const mhc_spec exact = convention("birkhoff");
    double h[ENTRIES], limit[ENTRIES], differences[ENTRIES], values[N];
    MHC__TRY(mhc_oracle_constraint_forward(&exact, logits, limit, error));
    mhc__difference_block(limit, N, differences);
    mhc__singular_values(N - 1, differences, values);
    *s = (sample){.cycles = NAN, .rate_off = NAN, .sigma = values[0]};
    for (int i = 0; i < N; i++)
        s->off_diagonal += (1 - limit[i * (N + 1)]) / N;
    mhc__sinkhorn_start(logits, h);
    double before = INFINITY;
    for (int cycle = 1; cycle <= cap; cycle++) {
        mhc__sinkhorn_cycle(h);
        double now = column_error(h);
        if (cycle <= MHC__SINKHORN_STEPS)
            s->curve[cycle - 1] = now;
        if (isnan(s->cycles) && now < 1e-6)
            s->cycles = cycle;
        if (isnan(s->rate_off) && before < 1e-6 && now > 1e-12)
            s->rate_off = fabs(now / before - s->sigma * s->sigma);
        if (now < 1e-8 && cycle >= MHC__SINKHORN_STEPS)
            break;
        before = now;
    }
    return MHC_OK;
}

/* Relative Frobenius distance of the gradient through 20 cycles from that of the limit, for a random one upstream. */
static mhc_status gradient_distance(uint64_t seed, int64_t index, const double *logits, double *distance,
                                    mhc_error *error) {
    static const mhc__sinkhorn_logits unit = {"", 0, 1};
    const mhc_spec twenty = convention("paper"), exact = convention("birkhoff");
    double upstream[ENTRIES], ours[ENTRIES], limit[ENTRIES], off = 0, size = 0;
    draw(seed, PLACE_GRADIENT, index, &unit, upstream);
    MHC__TRY(mhc_oracle_constraint_backward(&twenty, logits, upstream, ours, error));
    MHC__TRY(mhc_oracle_constraint_backward(&exact, logits, upstream, limit, error));
    for (int e = 0; e < ENTRIES; e++) {
        off += (ours[e] - limit[e]) * (ours[e] - limit[e]);
        size += limit[e] * limit[e];
    }
    *distance = sqrt(off / size);
    return MHC_OK;
}

/* The samples of one case into its figures; `values` is scratch for as many numbers as there are draws. */
static void summarise(const sample *samples, int64_t draws, int cap, double *values, mhc__sinkhorn_case *c) {
#define EACH(expression)                                                                                               \
    for (int64_t i = 0; i < draws; i++)                                                                                \
    values[i] = (expression)
    for (int step = 0; step < MHC__SINKHORN_STEPS; step++) {
        EACH(samples[i].curve[step]);
        c->curve[step] = mean_of(values, draws);
    }
    for (int time = 0; time < MHC__SINKHORN_TIMES; time++) {
        int step = mhc__sinkhorn_times[time] - 1;
        int64_t above = 0;
        EACH(samples[i].curve[step]);
        for (int64_t i = 0; i < draws; i++)
            above += values[i] > 1e-3;
        c->mean[time] = c->curve[step];
        c->above[time] = (double)above / (double)draws;
        c->p99[time] = quantile(values, draws, 0.99);
        c->most[time] = quantile(values, draws, 1);
    }
    int64_t capped = 0;
    for (int64_t i = 0; i < draws; i++)
        capped += isnan(samples[i].cycles);
    c->capped = (double)capped / (double)draws;
    EACH(isnan(samples[i].cycles) ? cap : samples[i].cycles);
    c->cycles_mean = mean_of(values, draws);
    c->cycles_p99 = quantile(values, draws, 0.99);
    EACH(samples[i].sigma);
    c->sigma = mean_of(values, draws);
    EACH(samples[i].off_diagonal);
    c->off_diagonal = mean_of(values, draws);
    EACH(samples[i].rate_off);
    c->rate_off = quantile(values, draws, 0.5);
#undef EACH
}

/* The first error of a team; every call that fails after it is let go. */
static void note(mhc_status status, const mhc_error *error, mhc_status *first, mhc_error *first_error) {
    if (status == MHC_OK)
        return;
#pragma omp critical(mhc__sinkhorn_note)
    if (*first == MHC_OK) {
        *first = status;
        *first_error = *error;
    }
}

static mhc_status measure_case(const mhc__study_options *options, int which, int64_t draws, int cap, sample *samples,
                               double *values, mhc__sinkhorn_case *c, mhc_error *error) {
    const mhc__sinkhorn_logits *kind = &mhc__sinkhorn_cases[which];
    const int64_t gradients = draws / 10 + 1;
    const int threads = mhc_context_cpu(options->threads).threads;
    mhc_status first = MHC_OK;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (int64_t i = 0; i < draws; i++) {
        double logits[ENTRIES];
        mhc_error own;
        draw(options->seed, PLACE_CASE + (uint32_t)which, i, kind, logits);
        mhc_status status = mhc__study_stopped(options, &own);
        note(status == MHC_OK ? take(logits, cap, &samples[i], &own) : status, &own, &first, error);
    }
    MHC__TRY(first);
    summarise(samples, draws, cap, values, c);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (int64_t i = 0; i < gradients; i++) {
        double logits[ENTRIES];
        mhc_error own;
        draw(options->seed, PLACE_CASE + (uint32_t)which, i, kind, logits);
        note(gradient_distance(options->seed, i, logits, &values[i], &own), &own, &first, error);
    }
    MHC__TRY(first);
    c->gradient_median = quantile(values, gradients, 0.5);
    c->gradient_p99 = quantile(values, gradients, 0.99);
    return MHC_OK;
}

/* res by a convention from logits [dst, src], whatever its own order is. */
static mhc_status res_by(const mhc_spec *spec, const double *logits, double *res, mhc_error *error) {
    double turned[ENTRIES];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            turned[i * N + j] = spec->transposed ? logits[j * N + i] : logits[i * N + j];
    return mhc_oracle_constraint_forward(spec, turned, res, error);
}

/* values: scratch for KINDS x KINDS x draws numbers. */
static mhc_status compare_kinds(const mhc__study_options *options, int scale, int64_t draws, double *values,
                                mhc__sinkhorn_evidence *e, mhc_error *error) {
    const mhc__sinkhorn_logits kind = {"", 0, mhc__sinkhorn_scales[scale]};
    double res[MHC__SINKHORN_KINDS][ENTRIES];
    mhc_spec specs[MHC__SINKHORN_KINDS];
    for (int k = 0; k < MHC__SINKHORN_KINDS; k++)
        specs[k] = convention(mhc__sinkhorn_kinds[k]);
    for (int64_t i = 0; i < draws; i++) {
        double logits[ENTRIES];
        draw(options->seed, PLACE_SCALE + (uint32_t)scale, i, &kind, logits);
        for (int k = 0; k < MHC__SINKHORN_KINDS; k++)
            MHC__TRY(res_by(&specs[k], logits, res[k], error));
        for (int a = 0; a < MHC__SINKHORN_KINDS; a++)
            for (int b = 0; b < MHC__SINKHORN_KINDS; b++) {
                double most = 0;
                for (int n = 0; n < ENTRIES; n++)
                    most = mhc__max_abs(most, res[a][n] - res[b][n]);
                values[(a * MHC__SINKHORN_KINDS + b) * draws + i] = most;
            }
    }
    for (int a = 0; a < MHC__SINKHORN_KINDS; a++)
        for (int b = 0; b < MHC__SINKHORN_KINDS; b++) {
            double *pair = values + (a * MHC__SINKHORN_KINDS + b) * draws;
            e->median[scale][a][b] = quantile(pair, draws, 0.5);
            e->largest[scale][a][b] = quantile(pair, draws, 1);
        }
    return MHC_OK;
}

static void measure_stack(const mhc__study_options *options, int which, int64_t stacks, double *values,
                          mhc__sinkhorn_stack *s) {
    static const struct {
        const char *name;
        double deviation;
        bool shared;
    } KINDS[MHC__SINKHORN_STACKS] = {{"independent layers, N(0, 6²)", 6, false},
                                     {"independent layers, N(0, 20²)", 20, false},
                                     {"one matrix in all layers, N(0, 3²)", 3, true},
                                     {"one matrix in all layers, N(0, 6²)", 6, true},
                                     {"one matrix in all layers, N(0, 10²)", 10, true}};
    enum { DEEPEST = 120 };
    s->name = KINDS[which].name;
    s->deviation = KINDS[which].deviation;
    s->shared = KINDS[which].shared;
    const mhc__sinkhorn_logits kind = {"", 0, s->deviation};
    for (int64_t i = 0; i < stacks; i++) {
        double product[ENTRIES], h[ENTRIES], logits[ENTRIES];
        int depth = 0;
        for (int layer = 0; layer < DEEPEST; layer++) {
            if (layer == 0 || !s->shared) {
                draw(options->seed, PLACE_STACK + (uint32_t)which, i * DEEPEST + layer, &kind, logits);
                mhc__sinkhorn_start(logits, h);
                for (int cycle = 0; cycle < 20; cycle++)
                    mhc__sinkhorn_cycle(h);
            }
            if (layer == 0)
                memcpy(product, h, sizeof product);
            else
                mhc__multiply_left(h, N, product);
            if (layer + 1 == mhc__sinkhorn_depths[depth])
                values[depth++ * stacks + i] = mhc__gain_backward(product, N);
        }
        s->forward_off = mhc__max_abs(s->forward_off, mhc__gain_forward(product, N) - 1);
    }
    for (int depth = 0; depth < MHC__SINKHORN_DEPTHS; depth++) {
        s->p95[depth] = quantile(values + depth * stacks, stacks, 0.95);
        s->most[depth] = quantile(values + depth * stacks, stacks, 1);
    }
}

/* The start of boolq-100: uniform within sqrt(6 / 2n). */
static mhc_status measure_boolq(const mhc__study_options *options, int64_t draws, mhc__sinkhorn_evidence *e,
                                mhc_error *error) {
    static const int counts[] = {10, 20, 40};
    mhc_spec spec = convention("boolq-100");
    e->boolq_iterations = spec.sinkhorn.iterations;
    for (int k = 0; k < 3; k++) {
        spec.sinkhorn.iterations = counts[k];
        for (int64_t i = 0; i < draws; i++) {
            float numbers[ENTRIES];
            double logits[ENTRIES], res[ENTRIES];
            mhc__uniform_fill(options->seed, mhc__philox_place(PLACE_BOOLQ, (uint32_t)i), sqrtf(6.0f / (2 * N)),
                              numbers, ENTRIES);
            for (int n = 0; n < ENTRIES; n++)
                logits[n] = (double)numbers[n];
            MHC__TRY(mhc_oracle_constraint_forward(&spec, logits, res, error));
            e->boolq_residual[k] = fmax(e->boolq_residual[k], residual(res));
        }
    }
    return MHC_OK;
}

mhc_status mhc__sinkhorn_measure(const mhc__study_options *options, int64_t draws, int cap, mhc__sinkhorn_evidence *e,
                                 mhc_error *error) {
    const int64_t compared = draws / 10 + 1, pairs = MHC__SINKHORN_KINDS * MHC__SINKHORN_KINDS;
    sample *samples = NULL;
    double *values = NULL;
    memset(e, 0, sizeof *e);
    e->draws = draws;
    e->cap = cap;
    mhc_status status = MHC__ALLOCATE(samples, draws, "samples", error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(values, mhc__max(draws, pairs * compared), "values of samples", error);
    for (int c = 0; status == MHC_OK && c < MHC__SINKHORN_CASES; c++) {
        status = mhc__study_stopped(options, error);
        if (status == MHC_OK)
            status = measure_case(options, c, draws, cap, samples, values, &e->cases[c], error);
        if (status == MHC_OK)
            mhc__study_note(options, "%-18s error after 20 cycles %.2g, %.0f cycles to 1e-6",
                            mhc__sinkhorn_cases[c].name, e->cases[c].mean[4], e->cases[c].cycles_mean);
    }
    for (int k = 0; status == MHC_OK && k < MHC__SINKHORN_SCALES; k++) {
        status = mhc__study_stopped(options, error);
        if (status == MHC_OK)
            status = compare_kinds(options, k, compared, values, e, error);
    }
    for (int k = 0; status == MHC_OK && k < MHC__SINKHORN_STACKS; k++) {
        status = mhc__study_stopped(options, error);
        if (status == MHC_OK)
            measure_stack(options, k, draws / 20 + 1, values, &e->stacks[k]);
    }
    if (status == MHC_OK)
        status = measure_boolq(options, draws, e, error);
    mhc__release(samples);
    mhc__release(values);
    return status;
}
