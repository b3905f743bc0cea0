#include "probe/state.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "mhc/context.h"
#include "probe/matrix.h"
#include "probe/statistics.h"
#include "probe/stream_sums.h"
#include "probe/svd.h"

enum { MATRIX = MHC_MAX_STREAMS * MHC_MAX_STREAMS };

static const char *const NAMES[MHC__STATE_METRICS] = {
    [MHC__STATE_NORM] = "norm",
    [MHC__STATE_NORM_OF_MEAN] = "norm_of_mean",
    [MHC__STATE_ENERGY_MEAN] = "energy_mean",
    [MHC__STATE_ENERGY_DIFFERENCES] = "energy_differences",
    [MHC__STATE_DIFFERENCE_SHARE] = "difference_share",
    [MHC__STATE_COSINE] = "cosine",
    [MHC__STATE_EFFECTIVE_RANK] = "effective_rank",
    [MHC__STATE_PARTICIPATION] = "participation",
    [MHC__STATE_DOMINANT_SHARE] = "dominant_share",
    [MHC__STATE_SPREAD] = "spread",
};

const char *mhc__state_metric_name(mhc__state_metric metric) {
    return NAMES[metric];
}

/* Of one token: the energies and the Gram matrix of its streams, [n, n]. */
typedef struct token {
    mhc__split split;
    double *gram;
} token;

static void measure_token(const float *x, int n, int64_t channels, token *at) {
    at->split = mhc__split_streams(x, n, channels);
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
            at->gram[i * n + j] = at->gram[j * n + i] = mhc__inner(x + i * channels, x + j * channels, channels);
}

/* mean over pairs of <x_i, x_j> / (|x_i| |x_j|); a stream of zeros has a cosine of 0 with all others. NaN for n = 1. */
static double cosine(const double *gram, int n) {
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) {
            double lengths = sqrt(gram[i * n + i]) * sqrt(gram[j * n + j]);
            sum += lengths == 0.0 ? 0.0 : gram[i * n + j] / lengths;
        }
    return sum / (n * (n - 1) / 2.0);
}

static double dominant_share(const double *gram, int n, double energy) {
    double most = 0.0;
    for (int i = 0; i < n; i++)
        most = mhc__max_abs(most, gram[i * n + i]);
    return most / energy;
}

/* From the eigenvalues of the mean Gram matrix, which are its singular values. */
static void measure_ranks(const double *gram, int n, double *values) {
    double eigen[MHC_MAX_STREAMS], sum = 0.0, squares = 0.0, entropy = 0.0;
    mhc__singular_values(n, gram, eigen);
    for (int k = 0; k < n; k++) {
        sum += eigen[k];
        squares += eigen[k] * eigen[k];
    }
    for (int k = 0; k < n; k++) {
        double share = eigen[k] / sum;
        entropy -= share == 0.0 ? 0.0 : share * log(share);
    }
    values[MHC__STATE_EFFECTIVE_RANK] = exp(entropy);
    values[MHC__STATE_PARTICIPATION] = sum * sum / squares;
}

/* Tokens in their order. */
static void gather(const token *tokens, int64_t count, int n, int64_t channels, double *values, double *norms) {
    double gram[MATRIX] = {0}, apart = 0.0, energy = 0.0;
    for (int64_t t = 0; t < count; t++) {
        const token *at = &tokens[t];
        double of_token = at->split.mean + at->split.differences;
        energy += of_token;
        apart = mhc__max_abs(apart, at->split.apart);
        values[MHC__STATE_NORM] += sqrt(of_token / n) / (double)count;
        values[MHC__STATE_NORM_OF_MEAN] += sqrt(at->split.mean / n) / (double)count;
        values[MHC__STATE_ENERGY_MEAN] += at->split.mean / (double)count;
        values[MHC__STATE_ENERGY_DIFFERENCES] += at->split.differences / (double)count;
        values[MHC__STATE_DIFFERENCE_SHARE] += at->split.differences / of_token / (double)count;
        values[MHC__STATE_COSINE] += cosine(at->gram, n) / (double)count;
        values[MHC__STATE_DOMINANT_SHARE] += dominant_share(at->gram, n, of_token) / (double)count;
        for (int i = 0; i < n; i++)
            norms[i] += sqrt(at->gram[i * n + i]) / (double)count;
        for (int k = 0; k < n * n; k++)
            gram[k] += at->gram[k] / (double)count;
    }
    measure_ranks(gram, n, values);
    double rms = sqrt(energy / ((double)count * n * (double)channels));
    values[MHC__STATE_SPREAD] = rms > 0.0 || isnan(rms) ? apart / rms : 0.0;
}

static mhc_status measure_point(mhc__model *model, int point, int threads, token *tokens, mhc__states *states,
                                mhc_error *error) {
    int64_t all = mhc__model_tokens(model), channels = mhc__model_spec(model)->channels;
    int n = states->streams;
    mhc_streams x = mhc__model_streams(model, point);
    if (!x.data)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "measurement: expected a training forward right before it");
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t k = 0; k < states->tokens; k++)
        measure_token((const float *)x.data + mhc__sample(all, states->tokens, k) * x.token_stride, n, channels,
                      &tokens[k]);
    gather(tokens, states->tokens, n, channels, states->values + point * MHC__STATE_METRICS, states->norms + point * n);
    return MHC_OK;
}

mhc_status mhc__states_measure(mhc__model *model, int threads, int64_t tokens, mhc__states *states, mhc_error *error) {
    const mhc_spec *spec = mhc__model_spec(model);
    const char *what = "measurements of the streams";
    int64_t all = mhc__model_tokens(model), n = spec->streams;
    *states = (mhc__states){.points = mhc__model_sites(model) + 1,
                            .streams = spec->streams,
                            .tokens = tokens > 0 ? mhc__min(tokens, all) : all};
    token *of_token = NULL;
    double *grams = NULL;
    mhc_status status = MHC__ALLOCATE(states->values, states->points * (int64_t)MHC__STATE_METRICS, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(states->norms, states->points * n, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(of_token, states->tokens, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(grams, states->tokens * n * n, what, error);
    for (int64_t t = 0; status == MHC_OK && t < states->tokens; t++)
        of_token[t].gram = grams + t * n * n;
    for (int point = 0; status == MHC_OK && point < states->points; point++)
        status = measure_point(model, point, mhc_context_cpu(threads).threads, of_token, states, error);
    if (status != MHC_OK)
        mhc__states_free(states);
    mhc__release(of_token);
    mhc__release(grams);
    return status;
}

void mhc__states_free(mhc__states *states) {
    mhc__release(states->values);
    mhc__release(states->norms);
    *states = (mhc__states){0};
}

double mhc__states_spread(const mhc__states *states) {
    double most = 0.0;
    for (int point = 0; point < states->points; point++)
        most = mhc__max_abs(most, mhc__state_at(states, point, MHC__STATE_SPREAD));
    return most;
}
