/* Sinkhorn in double: textbook loops over an n x n array, every intermediate matrix kept. */
#include <math.h>
#include <string.h>

#include "stream/constraint/oracles.h"

static int half_steps(const mhc_spec *spec) {
    return spec->sinkhorn.start == MHC_START_SOFTMAX_EPS ? 2 * spec->sinkhorn.iterations - 1
                                                         : 2 * spec->sinkhorn.iterations;
}

/* Half step number h, start counted in: does it make the sums over the sources (the rows of res) one? */
static bool over_sources(const mhc_spec *spec, int h) {
    int number = spec->sinkhorn.start == MHC_START_SOFTMAX_EPS ? h + 1 : h;
    return (spec->sinkhorn.first == MHC_AXIS_SRC) == (number % 2 == 0);
}

int64_t mhc__oracle_sinkhorn_history(const mhc_spec *spec) {
    /* every state, the gradient, the start's exponentials */
    return (int64_t)spec->streams * spec->streams * (half_steps(spec) + 3);
}

static double *entry(double *m, int n, bool sources, int line, int k) {
    return sources ? &m[line * n + k] : &m[k * n + line];
}

static double line_sum(double *m, int n, bool sources, int line) {
    double sum = 0.0;
    for (int k = 0; k < n; k++)
        sum += *entry(m, n, sources, line, k);
    return sum;
}

static double divisor_of(const mhc_sinkhorn *s, double sum) {
    double d = s->eps_mode == MHC_EPS_ADD     ? sum + mhc__oracle_eps(s->eps)
               : s->eps_mode == MHC_EPS_CLAMP ? (sum < mhc__oracle_eps(s->eps) ? mhc__oracle_eps(s->eps) : sum)
                                              : sum;
    return d == 0.0 ? 1.0 : d;
}

/* Softmax along the first axis (divided), or exp(x - max) along it, in place. */
static void exponentials(const mhc_spec *spec, double *m, bool shifted, bool divided) {
    int n = spec->streams;
    bool sources = spec->sinkhorn.first == MHC_AXIS_SRC;
    for (int line = 0; line < n; line++) {
        double most = 0.0;
        if (shifted) {
            most = *entry(m, n, sources, line, 0);
            for (int k = 1; k < n; k++)
                most = fmax(most, *entry(m, n, sources, line, k));
        }
        for (int k = 0; k < n; k++)
            *entry(m, n, sources, line, k) = exp(*entry(m, n, sources, line, k) - most);
        double sum = line_sum(m, n, sources, line);
        for (int k = 0; k < n && divided; k++)
            *entry(m, n, sources, line, k) /= sum;
    }
}

/* history[h]: the matrix before half step h; the last one is res. */
static void run(const mhc_spec *spec, const double *logits, double *history) {
    const mhc_sinkhorn *s = &spec->sinkhorn;
    int n = spec->streams, size = n * n;
    memcpy(history, logits, (size_t)size * sizeof *history);
    exponentials(spec, history, s->start != MHC_START_EXP, s->start == MHC_START_SOFTMAX_EPS);
    for (int e = 0; e < size && s->start == MHC_START_SOFTMAX_EPS; e++)
        history[e] += mhc__oracle_eps(s->eps);
    for (int h = 0; h < half_steps(spec); h++) {
        double *x = history + (size_t)h * size, *y = x + size;
        for (int line = 0; line < n; line++) {
            double d = divisor_of(s, line_sum(x, n, over_sources(spec, h), line));
            for (int k = 0; k < n; k++)
                *entry(y, n, over_sources(spec, h), line, k) = *entry(x, n, over_sources(spec, h), line, k) / d;
        }
    }
}

/* dX_k = dY_k / d - [sum not clamped] sum_m(dY_m X_m) / d^2 */
static void step_back(const mhc_sinkhorn *s, int n, bool sources, double *x, double *g) {
    for (int line = 0; line < n; line++) {
        double sum = line_sum(x, n, sources, line), d = divisor_of(s, sum), product = 0.0;
        for (int k = 0; k < n; k++)
            product += *entry(g, n, sources, line, k) * *entry(x, n, sources, line, k) / d;
        if ((s->eps_mode == MHC_EPS_CLAMP && sum < mhc__oracle_eps(s->eps)) || sum == 0.0)
            product = 0.0;
        for (int k = 0; k < n; k++)
            *entry(g, n, sources, line, k) = (*entry(g, n, sources, line, k) - product) / d;
    }
}

void mhc__oracle_sinkhorn(const mhc_spec *spec, const double *logits, double *res, double *history) {
    int size = spec->streams * spec->streams;
    run(spec, logits, history);
    memcpy(res, history + (size_t)half_steps(spec) * size, (size_t)size * sizeof *res);
}

void mhc__oracle_sinkhorn_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits,
                               double *history) {
    const mhc_sinkhorn *s = &spec->sinkhorn;
    int n = spec->streams, size = n * n, halves = half_steps(spec);
    run(spec, logits, history);
    double *g = history + (size_t)(halves + 1) * size, *p = g + size;
    memcpy(g, d_res, (size_t)size * sizeof *g);
    for (int h = halves - 1; h >= 0; h--)
        step_back(s, n, over_sources(spec, h), history + (size_t)h * size, g);
    memcpy(p, logits, (size_t)size * sizeof *p);
    exponentials(spec, p, s->start != MHC_START_EXP, s->start == MHC_START_SOFTMAX_EPS);
    for (int line = 0; line < n; line++) {
        bool sources = s->first == MHC_AXIS_SRC;
        double mean = 0.0;
        for (int k = 0; k < n && s->start == MHC_START_SOFTMAX_EPS; k++)
            mean += *entry(p, n, sources, line, k) * *entry(g, n, sources, line, k);
        for (int k = 0; k < n; k++)
            *entry(g, n, sources, line, k) = *entry(p, n, sources, line, k) * (*entry(g, n, sources, line, k) - mean);
    }
    memcpy(d_logits, g, (size_t)size * sizeof *g);
}
