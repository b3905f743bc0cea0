/* The mixing matrices of a pass, site by site, and their products over depth, token by token: P_t = H_s,t ... H_0,t.
 * Definitions: docs/metrics.md. */
#ifndef MHC_PROBE_MIXING_H
#define MHC_PROBE_MIXING_H

#include <stdbool.h>

#include "base/error.h"
#include "model/model.h"
#include "probe/matrix_metrics.h"
#include "probe/statistics.h"

/* Where matrices are. */
typedef struct mhc__mixing_source {
    int sites, streams;
    int64_t rows;                     /* 1: one matrix for all tokens */
    const float *const *coefficients; /* [sites] -> rows of pre [n] | post [n] | res [n, n] */
} mhc__mixing_source;

typedef struct mhc__mixing_options {
    int threads;    /* 0: all; the results are the same */
    int64_t tokens; /* how many are looked at, spread over the pass (mhc__sample); 0: all */
    bool complete;  /* the products of the first 1, 2, ... sites too, not the whole alone, and quantiles over tokens */
} mhc__mixing_options;

typedef struct mhc__mixing {
    int sites, products; /* products: as many as sites, or 1 */
    int streams;
    int64_t tokens; /* looked at */
    /* ln of the singular values of products: of their n - 1 on stream differences where each site has row sums of 1
     * within 1e-4, or each column sums of 1, so that differences stay among themselves; else of all n. */
    int directions;
    bool on_differences;
    mhc__statistics *of_site; /* [sites][MHC__MATRIX_METRICS], of single matrices over tokens */
    mhc__statistics
        *of_product; /* [products][MHC__MATRIX_METRICS]; the last is the whole. LOG_VOLUME is summed, and where
                        on_differences DIFFERENCE_MAX and _MIN are from the spectrum: nothing underflows */
    mhc__statistics *spectrum;  /* [products][directions], falling */
    mhc__statistics *survival;  /* [products]: ln of the root mean square of the product's singular values */
    mhc__statistics *half_life; /* [sites] with options.complete, else NULL: from this site on, the sites after which
                                   half of a difference is left: the smallest k with ||U'PU||_F <= sqrt(n - 1) / 2, P
                                   the product of k matrices; Inf: more than there are; NaN: one stream */
    double *site_of_mean;       /* [sites][MHC__MATRIX_GAINS]: gains of the matrix averaged over tokens */
    double *product_of_mean;    /* [products][MHC__MATRIX_GAINS] */
} mhc__mixing;

mhc_status mhc__mixing_measure(const mhc__mixing_source *source, const mhc__mixing_options *options,
                               mhc__mixing *mixing, mhc_error *error);
/* After a forward, of any mode. A residual model is one stream with H = 1. */
mhc_status mhc__mixing_of_model(const mhc__model *model, const mhc__mixing_options *options, mhc__mixing *mixing,
                                mhc_error *error);
void mhc__mixing_free(mhc__mixing *mixing);

static inline const mhc__statistics *mhc__mixing_site(const mhc__mixing *mixing, int site, mhc__matrix_metric metric) {
    return &mixing->of_site[site * MHC__MATRIX_METRICS + (int)metric];
}

/* The sites after which half of a difference is left, by the law of volumes: (n - 1) ln 2 over the mean volume of a
 * site. Inf where nothing is lost, NaN where sums are not exact or there is one stream. */
double mhc__mixing_half_life(const mhc__mixing *mixing);

/* Of the product over all sites. */
static inline const mhc__statistics *mhc__mixing_whole(const mhc__mixing *mixing, mhc__matrix_metric metric) {
    return &mixing->of_product[(mixing->products - 1) * MHC__MATRIX_METRICS + (int)metric];
}

#endif
