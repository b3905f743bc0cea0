#include "probe/similarity.h"

#include <math.h>

#include "base/memory.h"
#include "base/threads.h"
#include "mhc/context.h"
#include "probe/statistics.h"

enum { LANES = 8 }; /* sums side by side, which a compiler may vectorise */

void mhc__centred_gram(int threads, int64_t tokens, int64_t channels, double *x, double *gram) {
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0.0;
        for (int64_t t = 0; t < tokens; t++)
            sum += x[t * channels + c];
        const double mean = sum / (double)tokens;
        for (int64_t t = 0; t < tokens; t++)
            x[t * channels + c] -= mean;
    }
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int64_t s = 0; s < tokens; s++)
        for (int64_t t = 0; t <= s; t++) {
            const double *a = x + s * channels, *b = x + t * channels;
            double sums[LANES] = {0}, sum = 0.0;
            int64_t c = 0;
            for (; c + LANES <= channels; c += LANES)
                for (int l = 0; l < LANES; l++)
                    sums[l] += a[c + l] * b[c + l];
            for (int l = 0; l < LANES; l++)
                sum += sums[l];
            for (; c < channels; c++)
                sum += a[c] * b[c];
            gram[s * tokens + t] = gram[t * tokens + s] = sum;
        }
}

double mhc__alignment(int64_t tokens, const double *a, const double *b) {
    double ab = 0.0, aa = 0.0, bb = 0.0;
    for (int64_t k = 0; k < tokens * tokens; k++) {
        ab += a[k] * b[k];
        aa += a[k] * a[k];
        bb += b[k] * b[k];
    }
    return ab / (sqrt(aa) * sqrt(bb));
}

typedef struct work {
    int threads, n;
    int64_t all, tokens, channels;
    double *x;     /* [T, C] */
    double *grams; /* [n + 2][T, T]: of the streams, and of the mean stream here and one point before, by turns */
} work;

static double *gram_of(const work *w, int index) {
    return w->grams + index * w->tokens * w->tokens;
}

/* Stream `stream` of the sampled tokens; -1: the mean of all. */
static void take(const work *w, const float *from, int stream) {
    for (int64_t k = 0; k < w->tokens; k++) {
        const float *row = from + mhc__sample(w->all, w->tokens, k) * w->n * w->channels;
        for (int64_t c = 0; c < w->channels; c++) {
            double sum = 0.0;
            for (int i = 0; i < w->n; i++)
                sum += stream == i || stream < 0 ? (double)row[i * w->channels + c] : 0.0;
            w->x[k * w->channels + c] = stream < 0 ? sum / w->n : sum;
        }
    }
}

static void measure_point(const work *w, const float *from, int point, mhc__similarity *similarity) {
    double sum = 0.0;
    for (int i = 0; i < w->n; i++) {
        take(w, from, i);
        mhc__centred_gram(w->threads, w->tokens, w->channels, w->x, gram_of(w, i));
        for (int j = 0; j < i; j++)
            sum += mhc__alignment(w->tokens, gram_of(w, i), gram_of(w, j));
    }
    double *mean = gram_of(w, w->n + point % 2), *before = gram_of(w, w->n + (point + 1) % 2);
    take(w, from, -1);
    mhc__centred_gram(w->threads, w->tokens, w->channels, w->x, mean);
    similarity->of_streams[point] = sum / (w->n * (w->n - 1) / 2.0); /* 0 / 0 with one */
    similarity->from_before[point] = point ? mhc__alignment(w->tokens, mean, before) : NAN;
}

mhc_status mhc__similarity_measure(mhc__model *model, const mhc__mixing_options *options, mhc__similarity *similarity,
                                   mhc_error *error) {
    const char *what = "measurements of similarity";
    const mhc_spec *spec = mhc__model_spec(model);
    *similarity = (mhc__similarity){0};
    if (mhc__model_tokens(model) == 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "measurement: expected a forward before it");
    work w = {.threads = mhc_context_cpu(options->threads).threads,
              .n = spec->mapping == MHC_MAPPING_NONE ? 1 : spec->streams,
              .all = mhc__model_tokens(model),
              .channels = spec->channels};
    w.tokens = mhc__min(w.all, options->tokens > 0 ? options->tokens : w.all);
    w.tokens = mhc__min(w.tokens, MHC__SIMILARITY_TOKENS);
    similarity->tokens = w.tokens;
    similarity->points = mhc__model_sites(model) + 1;
    mhc_status status = MHC__ALLOCATE(similarity->of_streams, similarity->points, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(similarity->from_before, similarity->points, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(w.x, w.tokens * w.channels, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(w.grams, (w.n + 2) * w.tokens * w.tokens, what, error);
    for (int point = 0; status == MHC_OK && point < similarity->points; point++) {
        mhc_streams x = mhc__model_streams(model, point);
        if (x.data)
            measure_point(&w, x.data, point, similarity);
        else
            status = mhc__fail(error, MHC_INVALID_ARGUMENT, "measurement: expected a training forward before it");
    }
    if (status != MHC_OK)
        mhc__similarity_free(similarity);
    mhc__release(w.x);
    mhc__release(w.grams);
    return status;
}

void mhc__similarity_free(mhc__similarity *similarity) {
    mhc__release(similarity->of_streams);
    mhc__release(similarity->from_before);
    *similarity = (mhc__similarity){0};
}
