#include "probe/mixing.h"

#include <math.h>

#include "base/memory.h"
#include "base/threads.h"
#include "mhc/context.h"
#include "probe/matrix.h"
#include "probe/spectrum.h"

enum { MATRIX = MHC_MAX_STREAMS * MHC_MAX_STREAMS };
static const double EXACT = 1e-4; /* how far from 1 exact sums may be: fp32, and the eps of some conventions */

/* The values of all tokens, one row of `tokens` for each number. */
typedef struct work {
    const mhc__mixing_source *source;
    mhc__mixing *mixing;
    int threads;
    bool quantiles;
    double *of_site, *of_product, *spectrum; /* [sites][metrics], [products][metrics], [products][directions][tokens] */
    double *survival;                        /* [products][tokens] */
    double *half_life;                       /* [sites][tokens], or NULL */
    double *means;                           /* [sites + products][n, n] */
} work;

static int64_t row_of(const work *w, int64_t k) {
    return mhc__sample(w->source->rows, w->mixing->tokens, k);
}

/* ---- one token ---- */

/* Into every tokens-th place from at on. */
static void keep(double *at, int64_t tokens, int count, const double *values) {
    for (int i = 0; i < count; i++)
        at[i * tokens] = values[i];
}

/* ln sqrt(mean of exp(2 log)) of falling logarithms. NaN of none. */
static double root_mean_square(const double *logs, int count) {
    double sum = 0.0;
    if (count > 0 && logs[0] == -INFINITY)
        return -INFINITY;
    for (int k = 0; k < count; k++)
        sum += exp(2.0 * (logs[k] - logs[0]));
    return count > 0 ? logs[0] + 0.5 * log(sum / count) : NAN;
}

static void measure_product(const work *w, int64_t k, int product, const double *p, double volume,
                            const mhc__spectrum *spectrum) {
    const mhc__mixing *mixing = w->mixing;
    int64_t tokens = mixing->tokens;
    double values[MHC__MATRIX_METRICS], logs[MHC_MAX_STREAMS];
    mhc__matrix_measure(p, w->source->streams, values);
    mhc__spectrum_logs(spectrum, logs);
    values[MHC__LOG_VOLUME] = volume;
    if (mixing->on_differences && mixing->directions > 0) {
        values[MHC__DIFFERENCE_MAX] = exp(logs[0]);
        values[MHC__DIFFERENCE_MIN] = exp(logs[mixing->directions - 1]);
    }
    keep(w->of_product + product * MHC__MATRIX_METRICS * tokens + k, tokens, MHC__MATRIX_METRICS, values);
    keep(w->spectrum + (int64_t)product * mixing->directions * tokens + k, tokens, mixing->directions, logs);
    w->survival[product * tokens + k] = root_mean_square(logs, mixing->directions);
}

static void measure_token(const work *w, int64_t k) {
    const mhc__mixing *mixing = w->mixing;
    int n = w->source->streams, skipped = mixing->sites - mixing->products;
    double h[MATRIX], d[MATRIX], product[MATRIX], values[MHC__MATRIX_METRICS], volume = 0.0;
    mhc__spectrum spectrum;
    mhc__spectrum_start(&spectrum, mixing->directions);
    for (int i = 0; i < n * n; i++)
        product[i] = i / n == i % n;
    for (int site = 0; site < mixing->sites; site++) {
        mhc__res_at(w->source->coefficients[site], n, row_of(w, k), h);
        mhc__matrix_measure(h, n, values);
        keep(w->of_site + site * MHC__MATRIX_METRICS * mixing->tokens + k, mixing->tokens, MHC__MATRIX_METRICS, values);
        volume += values[MHC__LOG_VOLUME];
        mhc__multiply_left(h, n, product);
        if (mixing->on_differences)
            mhc__difference_block(h, n, d);
        mhc__spectrum_push(&spectrum, mixing->on_differences ? d : h);
        if (site >= skipped)
            measure_product(w, k, site - skipped, product, volume, &spectrum);
    }
}

/* Of differences that enter `from`. */
static double half_life(const work *w, int64_t k, int from) {
    int n = w->source->streams;
    double h[MATRIX], d[MATRIX], product[MATRIX];
    for (int i = 0; i < n * n; i++)
        product[i] = i / n == i % n;
    for (int site = from; n > 1 && site < w->mixing->sites; site++) {
        mhc__res_at(w->source->coefficients[site], n, row_of(w, k), h);
        mhc__multiply_left(h, n, product);
        mhc__difference_block(product, n, d);
        double left = mhc__frobenius(d, n - 1);
        if (isnan(left) || left <= sqrt(n - 1.0) / 2)
            return isnan(left) ? NAN : site - from + 1;
    }
    return n > 1 ? INFINITY : NAN;
}

/* ---- all tokens ---- */

/* Whether differences of streams stay differences at every site: all rows sum to 1, or all columns. A NaN says no. */
static bool keeps_differences(const work *w) {
    int n = w->source->streams;
    double rows = 0.0, columns = 0.0, h[MATRIX];
    for (int site = 0; site < w->source->sites; site++)
        for (int64_t k = 0; k < w->mixing->tokens; k++) {
            mhc__res_at(w->source->coefficients[site], n, row_of(w, k), h);
            for (int i = 0; i < n; i++) {
                rows = mhc__max_abs(rows, mhc__row_sum(h, n, i) - 1.0);
                columns = mhc__max_abs(columns, mhc__column_sum(h, n, i) - 1.0);
            }
        }
    return rows <= EXACT || columns <= EXACT;
}

static void add_to(const double *h, int count, double *sum) {
    for (int i = 0; i < count; i++)
        sum[i] += h[i];
}

/* mean_t H and mean_t P, tokens in their order. */
static void average(const work *w) {
    const mhc__mixing *mixing = w->mixing;
    int n = w->source->streams, skipped = mixing->sites - mixing->products;
    double h[MATRIX], product[MATRIX];
    for (int64_t k = 0; k < mixing->tokens; k++) {
        for (int i = 0; i < n * n; i++)
            product[i] = i / n == i % n;
        for (int site = 0; site < mixing->sites; site++) {
            mhc__res_at(w->source->coefficients[site], n, row_of(w, k), h);
            mhc__multiply_left(h, n, product);
            add_to(h, n * n, w->means + site * n * n);
            if (site >= skipped)
                add_to(product, n * n, w->means + (mixing->sites + site - skipped) * n * n);
        }
    }
    for (int64_t i = 0; i < (int64_t)(mixing->sites + mixing->products) * n * n; i++)
        w->means[i] /= (double)mixing->tokens;
}

static void gather(const work *w, double *values, int64_t count, mhc__statistics *statistics) {
    int threads = w->threads;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < count; i++)
        statistics[i] = mhc__statistics_of(values + i * w->mixing->tokens, w->mixing->tokens, w->quantiles);
}

static void measure(const work *w) {
    const mhc__mixing *mixing = w->mixing;
    int n = w->source->streams, threads = w->threads;
    int64_t tokens = mixing->tokens;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t k = 0; k < tokens; k++)
        measure_token(w, k);
    if (w->half_life) {
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t i = 0; i < mixing->sites * tokens; i++)
            w->half_life[i] = half_life(w, i % tokens, (int)(i / tokens));
        gather(w, w->half_life, mixing->sites, mixing->half_life);
    }
    average(w);
    for (int site = 0; site < mixing->sites; site++)
        mhc__matrix_gains(w->means + site * n * n, n, mixing->site_of_mean + site * MHC__MATRIX_GAINS);
    for (int p = 0; p < mixing->products; p++)
        mhc__matrix_gains(w->means + (mixing->sites + p) * n * n, n, mixing->product_of_mean + p * MHC__MATRIX_GAINS);
    gather(w, w->of_site, (int64_t)mixing->sites * MHC__MATRIX_METRICS, mixing->of_site);
    gather(w, w->of_product, (int64_t)mixing->products * MHC__MATRIX_METRICS, mixing->of_product);
    gather(w, w->spectrum, (int64_t)mixing->products * mixing->directions, mixing->spectrum);
    gather(w, w->survival, mixing->products, mixing->survival);
}

static mhc_status allocate(work *w, mhc_error *error) {
    mhc__mixing *mixing = w->mixing;
    const char *what = "measurements of the mixing matrices";
    int64_t sites = mixing->sites, products = mixing->products, tokens = mixing->tokens;
    int64_t n = w->source->streams, metrics = MHC__MATRIX_METRICS, directions = mixing->directions;
    MHC__TRY(MHC__ALLOCATE(mixing->of_site, sites * metrics, what, error));
    MHC__TRY(MHC__ALLOCATE(mixing->of_product, products * metrics, what, error));
    MHC__TRY(MHC__ALLOCATE(mixing->spectrum, products * directions, what, error));
    MHC__TRY(MHC__ALLOCATE(mixing->survival, products, what, error));
    MHC__TRY(MHC__ALLOCATE(w->survival, products * tokens, what, error));
    MHC__TRY(MHC__ALLOCATE(mixing->site_of_mean, sites * MHC__MATRIX_GAINS, what, error));
    MHC__TRY(MHC__ALLOCATE(mixing->product_of_mean, products * MHC__MATRIX_GAINS, what, error));
    MHC__TRY(MHC__ALLOCATE(w->of_site, sites * metrics * tokens, what, error));
    MHC__TRY(MHC__ALLOCATE(w->of_product, products * metrics * tokens, what, error));
    MHC__TRY(MHC__ALLOCATE(w->spectrum, products * directions * tokens, what, error));
    if (w->quantiles) {
        MHC__TRY(MHC__ALLOCATE(mixing->half_life, sites, what, error));
        MHC__TRY(MHC__ALLOCATE(w->half_life, sites * tokens, what, error));
    }
    return MHC__ALLOCATE(w->means, (sites + products) * n * n, what, error);
}

mhc_status mhc__mixing_measure(const mhc__mixing_source *source, const mhc__mixing_options *options,
                               mhc__mixing *mixing, mhc_error *error) {
    *mixing = (mhc__mixing){0};
    if (source->sites < 1 || source->rows < 1 || source->streams < 1 || source->streams > MHC_MAX_STREAMS)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "mixing: expected matrices of 1 to %d streams, found %d sites, %lld tokens, %d streams",
                         MHC_MAX_STREAMS, source->sites, (long long)source->rows, source->streams);
    work w = {.source = source,
              .mixing = mixing,
              .threads = mhc_context_cpu(options->threads).threads,
              .quantiles = options->complete};
    mixing->sites = source->sites;
    mixing->streams = source->streams;
    mixing->products = options->complete ? source->sites : 1;
    mixing->tokens = options->tokens > 0 ? mhc__min(options->tokens, source->rows) : source->rows;
    mixing->on_differences = keeps_differences(&w);
    mixing->directions = source->streams - mixing->on_differences;
    mhc_status status = allocate(&w, error);
    if (status == MHC_OK)
        measure(&w);
    else
        mhc__mixing_free(mixing);
    mhc__release(w.of_site);
    mhc__release(w.of_product);
    mhc__release(w.spectrum);
    mhc__release(w.survival);
    mhc__release(w.half_life);
    mhc__release(w.means);
    return status;
}

mhc_status mhc__mixing_of_model(const mhc__model *model, const mhc__mixing_options *options, mhc__mixing *mixing,
                                mhc_error *error) {
    static const float PLAIN[3] = {1, 1, 1};
    const mhc_spec *spec = mhc__model_spec(model);
    bool plain = spec->mapping == MHC_MAPPING_NONE;
    *mixing = (mhc__mixing){0};
    if (mhc__model_tokens(model) == 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "measurement: expected a forward before it");
    const float **coefficients;
    MHC__TRY(MHC__ALLOCATE(coefficients, mhc__model_sites(model), "measurements of the mixing matrices", error));
    for (int site = 0; site < mhc__model_sites(model); site++)
        coefficients[site] = plain ? PLAIN : mhc__model_coefficients(model, site);
    mhc__mixing_source source = {mhc__model_sites(model), plain ? 1 : spec->streams,
                                 spec->mapping == MHC_MAPPING_DYNAMIC ? mhc__model_tokens(model) : 1, coefficients};
    mhc_status status = mhc__mixing_measure(&source, options, mixing, error);
    mhc__release(coefficients);
    return status;
}

double mhc__mixing_half_life(const mhc__mixing *mixing) {
    double volume = mhc__mixing_whole(mixing, MHC__LOG_VOLUME)->mean / mixing->sites;
    if (!mixing->on_differences || mixing->streams < 2)
        return NAN;
    return volume <= 0.0 ? INFINITY : (mixing->streams - 1) * log(2.0) / volume;
}

void mhc__mixing_free(mhc__mixing *mixing) {
    mhc__release(mixing->half_life);
    mhc__release(mixing->of_site);
    mhc__release(mixing->of_product);
    mhc__release(mixing->spectrum);
    mhc__release(mixing->survival);
    mhc__release(mixing->site_of_mean);
    mhc__release(mixing->product_of_mean);
    *mixing = (mhc__mixing){0};
}
