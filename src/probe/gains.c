#include "probe/gains.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "base/threads.h"
#include "mhc/context.h"
#include "probe/matrix.h"
#include "probe/stream_sums.h"

enum { BLOCK = 64 }; /* tokens of one partial result */

/* |x| as its bits: they order like the values, with NaN above infinity, so that a maximum never hides a NaN. */
static uint32_t magnitude_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7FFFFFFFu;
}

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

MHC__CLONES
static uint32_t row_max(const float *x, int64_t count) {
    uint32_t most = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = magnitude_bits(x[i]);
        most = bits > most ? bits : most;
    }
    return most;
}

static double state_max(mhc_streams x, int threads, int64_t tokens, int64_t width) {
    uint32_t most = 0;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(max : most)
    for (int64_t t = 0; t < tokens; t++) {
        uint32_t here = row_max((const float *)x.data + t * x.token_stride, width);
        most = here > most ? here : most;
    }
    return (double)from_bits(most);
}

/* Partial results of one block of tokens. */
typedef struct spread {
    double squares, apart;
} spread;

static void add_token(const float *x, int n, int64_t channels, spread *sum) {
    mhc__split split = mhc__split_streams(x, n, channels);
    sum->squares += split.mean + split.differences;
    sum->apart = mhc__max_abs(sum->apart, split.apart);
}

/* max |x_i - mean_i x_i| / rms(x) of one state. partial: one for each block. */
static double state_spread(mhc_streams x, int threads, int64_t tokens, int n, int64_t channels, spread *partial) {
    int64_t blocks = mhc__blocks(tokens, BLOCK);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        spread here = {0};
        for (int64_t t = block * BLOCK; t < mhc__min(tokens, (block + 1) * BLOCK); t++)
            add_token((const float *)x.data + t * x.token_stride, n, channels, &here);
        partial[block] = here;
    }
    spread all = {0};
    for (int64_t block = 0; block < blocks; block++) {
        all.squares += partial[block].squares;
        all.apart = mhc__max_abs(all.apart, partial[block].apart);
    }
    double rms = sqrt(all.squares / ((double)tokens * n * (double)channels));
    return rms > 0.0 || isnan(rms) ? all.apart / rms : 0.0;
}

/* Gains of one matrix, added up over tokens. */
typedef struct sums {
    double forward, backward, column_min, entry_max;
} sums;

static void add_gains(const double *h, int n, sums *s) {
    s->forward += mhc__gain_forward(h, n);
    s->backward += mhc__gain_backward(h, n);
    s->column_min += mhc__column_min(h, n);
    s->entry_max += mhc__entry_max(h, n);
}

static void measure_sites(const mhc__model *model, int64_t tokens, mhc__gains *gains) {
    int n = mhc__model_spec(model)->streams;
    double h[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    int64_t rows = mhc__model_spec(model)->mapping == MHC_MAPPING_DYNAMIC ? tokens : 1;
    gains->single_forward = gains->single_backward = 0.0;
    for (int site = 0; site < mhc__model_sites(model); site++) {
        sums s = {0};
        for (int64_t t = 0; t < rows; t++) {
            mhc__res_at(mhc__model_coefficients(model, site), n, t, h);
            add_gains(h, n, &s);
        }
        gains->single_forward = mhc__max_abs(gains->single_forward, s.forward / (double)rows);
        gains->single_backward = mhc__max_abs(gains->single_backward, s.backward / (double)rows);
    }
}

static void measure_composite(const mhc__model *model, int64_t tokens, mhc__gains *gains) {
    int n = mhc__model_spec(model)->streams;
    double product[MHC_MAX_STREAMS * MHC_MAX_STREAMS], h[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    int64_t rows = mhc__model_spec(model)->mapping == MHC_MAPPING_DYNAMIC ? tokens : 1;
    sums s = {0};
    for (int64_t t = 0; t < rows; t++) {
        mhc__res_at(mhc__model_coefficients(model, 0), n, t, product);
        for (int site = 1; site < mhc__model_sites(model); site++) {
            mhc__res_at(mhc__model_coefficients(model, site), n, t, h);
            mhc__multiply_left(h, n, product);
        }
        add_gains(product, n, &s);
    }
    gains->composite_forward = s.forward / (double)rows;
    gains->composite_backward = s.backward / (double)rows;
    gains->composite_column_min = s.column_min / (double)rows;
    double most = s.entry_max / (double)rows;
    gains->proxy = log10(most < 1e-12 ? 1e-12 : most);
}

static mhc_status needs_training_pass(mhc__model *model, mhc_error *error) {
    if (!mhc__model_streams(model, 0).data)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "measurement: expected a training forward right before it");
    return MHC_OK;
}

double mhc__activation_gain(mhc__model *model, int threads) {
    const mhc_spec *spec = mhc__model_spec(model);
    int64_t tokens = mhc__model_tokens(model), width = spec->streams * spec->channels;
    int team = mhc_context_cpu(threads).threads;
    if (!mhc__model_streams(model, 0).data)
        return NAN;
    double first = state_max(mhc__model_streams(model, 0), team, tokens, width);
    double last = state_max(mhc__model_streams(model, mhc__model_sites(model)), team, tokens, width);
    return first < 1e-8 ? 0.0 : last / first;
}

mhc_status mhc__gains_measure(mhc__model *model, int threads, int64_t max_tokens, mhc__gains *gains, mhc_error *error) {
    MHC__TRY(needs_training_pass(model, error));
    const mhc_spec *spec = mhc__model_spec(model);
    int64_t tokens = mhc__model_tokens(model), used = max_tokens > 0 ? mhc__min(max_tokens, tokens) : tokens;
    int sites = mhc__model_sites(model), team = mhc_context_cpu(threads).threads;
    spread *partial;
    MHC__TRY(MHC__ALLOCATE(partial, mhc__blocks(tokens, BLOCK), "partial sums of the gains", error));
    mhc__gains found = {.single_forward = 1,
                        .single_backward = 1,
                        .composite_forward = 1,
                        .composite_backward = 1,
                        .composite_column_min = 1};
    found.activation = mhc__activation_gain(model, team);
    if (spec->mapping != MHC_MAPPING_NONE) {
        measure_sites(model, used, &found);
        measure_composite(model, used, &found);
        for (int site = 0; site <= sites; site++)
            found.spread = mhc__max_abs(found.spread, state_spread(mhc__model_streams(model, site), team, tokens,
                                                                   spec->streams, spec->channels, partial));
    }
    mhc__release(partial);
    *gains = found;
    return MHC_OK;
}

/* ||x|| over streams as root mean square, and of the mean stream, of one token. */
static void token_norms(const float *x, int n, int64_t channels, double *per_stream, double *of_mean) {
    mhc__split split = mhc__split_streams(x, n, channels);
    *per_stream = sqrt((split.mean + split.differences) / n);
    *of_mean = sqrt(split.mean / n);
}

/* Of one state: the means over tokens, added up in their order. of_token: [2, T]. */
static void state_norms(mhc_streams x, int threads, int64_t tokens, int n, int64_t channels, double *of_token,
                        double *per_stream, double *of_mean) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < tokens; t++)
        token_norms((const float *)x.data + t * x.token_stride, n, channels, of_token + t, of_token + tokens + t);
    double sum = 0.0, sum_of_mean = 0.0;
    for (int64_t t = 0; t < tokens; t++) {
        sum += of_token[t];
        sum_of_mean += of_token[tokens + t];
    }
    *per_stream = sum / (double)tokens;
    *of_mean = sum_of_mean / (double)tokens;
}

mhc_status mhc__norms_by_depth(mhc__model *model, int threads, double *per_stream, double *of_mean, mhc_error *error) {
    MHC__TRY(needs_training_pass(model, error));
    const mhc_spec *spec = mhc__model_spec(model);
    int64_t tokens = mhc__model_tokens(model);
    double *of_token;
    MHC__TRY(MHC__ALLOCATE(of_token, 2 * tokens, "norms of the streams", error));
    for (int site = 0; site <= mhc__model_sites(model); site++)
        state_norms(mhc__model_streams(model, site), mhc_context_cpu(threads).threads, tokens, spec->streams,
                    spec->channels, of_token, per_stream + site, of_mean + site);
    mhc__release(of_token);
    return MHC_OK;
}
