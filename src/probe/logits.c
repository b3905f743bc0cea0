#include "probe/logits.h"

#include <math.h>

#include "base/memory.h"
#include "base/threads.h"
#include "mhc/oracle.h"
#include "probe/range.h"
#include "probe/site_parameters.h"

/* The spec that makes the oracle give logits for res: the mapping as it is, and no constraint. */
static bool bare_spec(const mhc_spec *spec, mhc_spec *bare) {
    *bare = *spec;
    bare->constraint = MHC_CONSTRAINT_NONE;
    bare->finish = MHC_FINISH_NONE;
    bare->leak = bare->off_diagonal = 0.0f;
    bare->schedule = MHC_SCHEDULE_SAME_SITE; /* nobody asks for u */
    if (bare->contraction == MHC_CONTRACT_CARRIED)
        bare->contraction = MHC_CONTRACT_MEAN;
    return spec->mapping != MHC_MAPPING_NONE &&
           (spec->constraint == MHC_CONSTRAINT_SINKHORN || spec->constraint == MHC_CONSTRAINT_BIRKHOFF ||
            spec->constraint == MHC_CONSTRAINT_ROW_STOCHASTIC || spec->constraint == MHC_CONSTRAINT_EXP);
}

/* Tokens whose streams are held in double at a time. */
enum { BLOCK = 64 };

/* In double, for the oracle. */
typedef struct work {
    double *x, *parameters, *coefficients, *range; /* [BLOCK, n, C], fn | base | scale, [T, n (n + 2)], [T] */
} work;

static mhc_status widened(mhc__model *model, int site, work *w, mhc_oracle_params *params, mhc_error *error) {
    const mhc__parameter *tensors[3];
    double **of[3] = {&params->fn, &params->base, &params->scale};
    int64_t count = 0;
    mhc__site_tensors(model, site, tensors);
    for (int i = 0; i < 3; i++)
        count += tensors[i] ? tensors[i]->count : 0;
    mhc__release(w->parameters);
    w->parameters = NULL;
    MHC__TRY(MHC__ALLOCATE(w->parameters, count, "parameters of a site", error));
    double *next = w->parameters;
    for (int i = 0; i < 3; i++) {
        *of[i] = tensors[i] ? next : NULL;
        for (int64_t k = 0; tensors[i] && k < tensors[i]->count; k++)
            *next++ = (double)mhc__model_weights(model)[tensors[i]->offset + k];
    }
    return MHC_OK;
}

/* Tokens first..end of `tokens` that are looked at. */
static mhc_status widen_streams(mhc__model *model, int site, int64_t first, int64_t end, int64_t tokens, double *x,
                                mhc_error *error) {
    const mhc_spec *spec = mhc__model_spec(model);
    mhc_streams from = mhc__model_streams(model, site);
    if (!from.data)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "measurement: expected a training forward before it");
    int64_t row = spec->streams * spec->channels;
    for (int64_t k = first; k < end; k++)
        for (int64_t i = 0; i < row; i++)
            x[(k - first) * row + i] =
                (double)((const float *)from.data)[mhc__sample(mhc__model_tokens(model), tokens, k) * row + i];
    return MHC_OK;
}

static void add_up(const double *range, int64_t tokens, double *histogram, double *saturated) {
    for (int64_t k = 0; k < tokens; k++) {
        if (isnan(range[k]))
            continue;
        int bin = range[k] >= MHC__LOGIT_BINS - 1 ? MHC__LOGIT_BINS - 1 : (int)range[k];
        histogram[bin] += 1.0 / (double)tokens;
        *saturated += range[k] >= MHC__LOGIT_SATURATED ? 1.0 / (double)tokens : 0.0;
    }
}

static mhc_status measure_site(mhc__model *model, int site, const mhc_spec *bare, bool quantiles, work *w,
                               mhc__logit_ranges *ranges, mhc_error *error) {
    const int n = bare->streams;
    mhc_oracle_params params;
    MHC__TRY(widened(model, site, w, &params, error));
    for (int64_t first = 0; first < ranges->tokens; first += BLOCK) {
        const int64_t end = mhc__min(ranges->tokens, first + BLOCK);
        if (bare->mapping == MHC_MAPPING_DYNAMIC)
            MHC__TRY(widen_streams(model, site, first, end, ranges->tokens, w->x, error));
        MHC__TRY(mhc_oracle_site_forward(bare, &params, end - first, w->x, NULL, NULL,
                                         w->coefficients + first * n * (n + 2), NULL, NULL, error));
    }
    for (int64_t k = 0; k < ranges->tokens; k++) {
        mhc__range logits = MHC__RANGE_EMPTY;
        for (int i = 0; i < n * n; i++)
            mhc__widen(&logits, w->coefficients[k * n * (n + 2) + 2 * n + i]);
        w->range[k] = (logits.high - logits.low) / log(10.0);
    }
    add_up(w->range, ranges->tokens, ranges->histogram + site * MHC__LOGIT_BINS, &ranges->saturated[site]);
    ranges->range[site] = mhc__statistics_of(w->range, ranges->tokens, quantiles);
    return MHC_OK;
}

mhc_status mhc__logits_measure(mhc__model *model, const mhc__mixing_options *options, mhc__logit_ranges *ranges,
                               mhc_error *error) {
    const mhc_spec *spec = mhc__model_spec(model);
    const char *what = "measurements of logits";
    mhc_spec bare;
    *ranges = (mhc__logit_ranges){0};
    if (!bare_spec(spec, &bare))
        return MHC_OK;
    int64_t all = spec->mapping == MHC_MAPPING_DYNAMIC ? mhc__model_tokens(model) : 1, n = spec->streams;
    if (mhc__model_tokens(model) == 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "measurement: expected a forward before it");
    ranges->tokens = options->tokens > 0 ? mhc__min(options->tokens, all) : all;
    ranges->sites = mhc__model_sites(model);
    work w = {0};
    mhc_status status = MHC__ALLOCATE(ranges->range, ranges->sites, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(ranges->histogram, ranges->sites * MHC__LOGIT_BINS, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(ranges->saturated, ranges->sites, what, error);
    if (status == MHC_OK) /* the oracle wants them for static mappings too */
        status = MHC__ALLOCATE(w.x, mhc__min(ranges->tokens, BLOCK) * n * spec->channels, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(w.coefficients, ranges->tokens * n * (n + 2), what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(w.range, ranges->tokens, what, error);
    for (int site = 0; status == MHC_OK && site < ranges->sites; site++)
        status = measure_site(model, site, &bare, options->complete, &w, ranges, error);
    if (status != MHC_OK)
        mhc__logits_free(ranges);
    mhc__release(w.x);
    mhc__release(w.parameters);
    mhc__release(w.coefficients);
    mhc__release(w.range);
    return status;
}

void mhc__logits_free(mhc__logit_ranges *ranges) {
    mhc__release(ranges->range);
    mhc__release(ranges->histogram);
    mhc__release(ranges->saturated);
    *ranges = (mhc__logit_ranges){0};
}
