#include "probe/transport.h"

#include <math.h>

#include "base/memory.h"
#include "base/threads.h"
#include "mhc/context.h"
#include "probe/matrix.h"
#include "probe/stream_sums.h"

enum { MATRIX = MHC_MAX_STREAMS * MHC_MAX_STREAMS };

/* What is left of one token's differences: their Gram matrix, [m, m], up to a factor that is kept as a logarithm, so
 * that nothing underflows. */
typedef struct remains {
    double *gram;
    double scale, before; /* ln of the factor; ln of the energy at `from` */
} remains;

typedef struct work {
    mhc__model *model;
    const mhc__mixing *mixing;
    mhc__transport *transport;
    int threads, n, m; /* m: n - 1 on differences, else n */
    remains *of_token;
    double *kept, *share; /* [points][tokens] */
} work;

static int64_t row_of(const work *w, int64_t rows, int64_t k) {
    return mhc__sample(rows, w->mixing->tokens, k);
}

/* Of the differences, in either basis. */
static double energy(const work *w, const double *gram) {
    double trace = 0.0, all = 0.0;
    for (int i = 0; i < w->m; i++)
        trace += gram[i * w->m + i];
    for (int i = 0; i < w->m * w->m && w->m == w->n; i++)
        all += gram[i];
    double left = trace - all / w->n; /* of copies nothing, but for rounding; fmax would drop a NaN */
    return left < 0.0 ? 0.0 : left;
}

/* Takes the size out of the matrix. */
static void normalise(const work *w, remains *at) {
    double trace = 0.0;
    for (int i = 0; i < w->m; i++)
        trace += at->gram[i * w->m + i];
    if (!(trace > 0.0))
        return;
    for (int i = 0; i < w->m * w->m; i++)
        at->gram[i] /= trace;
    at->scale += log(trace);
}

/* Differences from the mean stream, by way of those from the first: of copies they are exactly 0. */
static void gram_of_differences(const float *x, int n, int64_t channels, double *gram) {
    double d[MHC_MAX_STREAMS];
    for (int i = 0; i < n * n; i++)
        gram[i] = 0.0;
    for (int64_t c = 0; c < channels; c++) {
        double mean = 0.0;
        for (int i = 0; i < n; i++) {
            d[i] = (double)x[i * channels + c] - (double)x[c];
            mean += d[i] / n;
        }
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                gram[i * n + j] += (d[i] - mean) * (d[j] - mean);
    }
}

static void begin(const work *w, const float *x, int64_t channels, remains *at) {
    double gram[MATRIX];
    gram_of_differences(x, w->n, channels, w->m < w->n ? gram : at->gram);
    if (w->m < w->n)
        mhc__difference_block(gram, w->n, at->gram);
    at->scale = 0.0;
    normalise(w, at);
    double size = energy(w, at->gram);
    at->before = size > 0.0 ? at->scale + log(size) : NAN;
}

static void transpose(double *a, int m) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < i; j++) {
            double other = a[i * m + j];
            a[i * m + j] = a[j * m + i];
            a[j * m + i] = other;
        }
}

/* gram = h gram h', which is h (h gram)' for a symmetric one. */
static void carry_on(const work *w, const double *h, remains *at) {
    double block[MATRIX];
    if (w->m < w->n) {
        mhc__difference_block(h, w->n, block);
        h = block;
    }
    mhc__multiply_left(h, w->m, at->gram);
    transpose(at->gram, w->m);
    mhc__multiply_left(h, w->m, at->gram);
    normalise(w, at);
}

static void note(const work *w, int64_t k, int point, const float *x, int64_t channels) {
    const remains *at = &w->of_token[k];
    double left = at->scale + log(energy(w, at->gram));
    int64_t place = point * w->mixing->tokens + k;
    w->kept[place] = left - at->before;
    w->share[place] = isnan(at->before) ? NAN : exp(left - log(mhc__split_streams(x, w->n, channels).differences));
}

static mhc_status measure_point(const work *w, int point, mhc_error *error) {
    const mhc_spec *spec = mhc__model_spec(w->model);
    int site = w->transport->from + point, threads = w->threads;
    int64_t all = mhc__model_tokens(w->model);
    mhc_streams x = mhc__model_streams(w->model, site);
    if (!x.data)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "measurement: expected a training forward right before it");
    const float *coefficients = point ? mhc__model_coefficients(w->model, site - 1) : NULL;
    int64_t rows = spec->mapping == MHC_MAPPING_DYNAMIC ? all : 1;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t k = 0; k < w->mixing->tokens; k++) {
        const float *streams = (const float *)x.data + row_of(w, all, k) * x.token_stride;
        double h[MATRIX];
        if (point) {
            mhc__res_at(coefficients, w->n, rows > 1 ? row_of(w, rows, k) : 0, h);
            carry_on(w, h, &w->of_token[k]);
        } else {
            begin(w, streams, spec->channels, &w->of_token[k]);
        }
        note(w, k, point, streams, spec->channels);
    }
    return MHC_OK;
}

static mhc_status allocate(work *w, double **grams, mhc_error *error) {
    const char *what = "measurements of stream differences";
    int64_t points = w->transport->points, tokens = w->mixing->tokens;
    MHC__TRY(MHC__ALLOCATE(w->transport->kept, points, what, error));
    MHC__TRY(MHC__ALLOCATE(w->transport->share, points, what, error));
    MHC__TRY(MHC__ALLOCATE(w->of_token, tokens, what, error));
    MHC__TRY(MHC__ALLOCATE(*grams, tokens * w->n * w->n, what, error));
    MHC__TRY(MHC__ALLOCATE(w->kept, points * tokens, what, error));
    MHC__TRY(MHC__ALLOCATE(w->share, points * tokens, what, error));
    for (int64_t k = 0; k < tokens; k++)
        w->of_token[k].gram = *grams + k * w->n * w->n;
    return MHC_OK;
}

static void gather(const work *w) {
    int64_t tokens = w->mixing->tokens;
    for (int p = 0; p < w->transport->points; p++) {
        double sum = 0.0;
        for (int64_t k = 0; k < tokens; k++)
            sum += w->share[p * tokens + k];
        w->transport->share[p] = sum / (double)tokens;
        w->transport->kept[p] = mhc__statistics_of(w->kept + p * tokens, tokens, true);
    }
}

mhc_status mhc__transport_measure(mhc__model *model, const mhc__mixing *mixing, int from, int threads,
                                  mhc__transport *transport, mhc_error *error) {
    const mhc_spec *spec = mhc__model_spec(model);
    int sites = mhc__model_sites(model), n = spec->mapping == MHC_MAPPING_NONE ? 1 : spec->streams;
    *transport = (mhc__transport){.from = from, .points = sites - from + 1};
    if (from < 0 || from > sites || mixing->sites != sites)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "transport: expected a site in 0..%d of %d sites, found %d of %d",
                         sites, sites, from, mixing->sites);
    /* A static mapping has one matrix for all tokens, but each token has streams of its own. */
    mhc__mixing looked = *mixing;
    if (spec->mapping != MHC_MAPPING_DYNAMIC)
        looked.tokens = mhc__model_tokens(model);
    transport->tokens = looked.tokens;
    work w = {.model = model,
              .mixing = &looked,
              .transport = transport,
              .threads = mhc_context_cpu(threads).threads,
              .n = n,
              .m = n - (n > 1 && mixing->on_differences)};
    double *grams = NULL;
    mhc_status status = allocate(&w, &grams, error);
    for (int point = 0; status == MHC_OK && point < transport->points && n > 1; point++)
        status = measure_point(&w, point, error);
    for (int64_t i = 0; status == MHC_OK && n == 1 && i < transport->points * looked.tokens; i++)
        w.kept[i] = w.share[i] = NAN;
    if (status == MHC_OK)
        gather(&w);
    else
        mhc__transport_free(transport);
    mhc__release(w.of_token);
    mhc__release(grams);
    mhc__release(w.kept);
    mhc__release(w.share);
    return status;
}

void mhc__transport_free(mhc__transport *transport) {
    mhc__release(transport->kept);
    mhc__release(transport->share);
    *transport = (mhc__transport){0};
}
