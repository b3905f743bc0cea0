#include "probe/intervention.h"

#include "base/memory.h"

mhc_status mhc__coefficient_means_open(const mhc__model *model, mhc__coefficient_means *means, mhc_error *error) {
    const mhc_spec *spec = mhc__model_spec(model);
    *means = (mhc__coefficient_means){.sites = mhc__model_sites(model), .streams = spec->streams};
    if (spec->mapping == MHC_MAPPING_NONE)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "model.connection: expected one with H_pre, H_post and H_res, found residual");
    int64_t row = (int64_t)spec->streams * (spec->streams + 2);
    MHC__TRY(MHC__ALLOCATE(means->sums, means->sites * row, "means of coefficients", error));
    mhc_status status = MHC__ALLOCATE(means->rows, means->sites, "means of coefficients", error);
    if (status != MHC_OK)
        mhc__coefficient_means_close(means);
    return status;
}

void mhc__coefficient_means_close(mhc__coefficient_means *means) {
    mhc__release(means->sums);
    mhc__release(means->rows);
    *means = (mhc__coefficient_means){0};
}

void mhc__coefficient_means_add(void *self, int site, int64_t rows, float *coefficients) {
    mhc__coefficient_means *means = self;
    int64_t row = (int64_t)means->streams * (means->streams + 2);
    double *sums = means->sums + site * row;
    for (int64_t t = 0; t < rows; t++)
        for (int64_t e = 0; e < row; e++)
            sums[e] += (double)coefficients[t * row + e];
    means->rows[site] += rows;
}

const char *mhc__map_name(mhc__map map) {
    static const char *const names[MHC__MAPS] = {"H_pre", "H_post", "H_res"};
    return names[map];
}

const char *mhc__substitute_name(mhc__substitute substitute) {
    static const char *const names[MHC__SUBSTITUTES] = {"I", "1/n", "token mean"};
    return names[substitute];
}

void mhc__intervention_act(void *self, int site, int64_t rows, float *coefficients) {
    const mhc__intervention *what = self;
    const int n = what->means->streams, row = n * (n + 2);
    const int from = what->map == MHC__MAP_PRE ? 0 : what->map == MHC__MAP_POST ? n : 2 * n;
    const int count = what->map == MHC__MAP_RES ? n * n : n;
    const double *sums = what->means->sums + (int64_t)site * row;
    float value[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    if (site < what->first || site >= what->end)
        return;
    for (int e = 0; e < count; e++)
        value[e] = what->by == MHC__BY_MEAN      ? (float)(sums[from + e] / (double)what->means->rows[site])
                   : what->by == MHC__BY_UNIFORM ? 1.0f / (float)n
                   : e / n == e % n              ? 1.0f
                                                 : 0.0f;
    for (int64_t t = 0; t < rows; t++)
        for (int e = 0; e < count; e++)
            coefficients[t * row + from + e] = value[e];
}
