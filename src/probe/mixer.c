#include "probe/mixer.h"

#include "probe/matrix.h"
#include "probe/range.h"
#include "probe/site_parameters.h"

/* The logits of res are the last ones of base: n * n, or one for each permutation. */
static void measure_raw(mhc__model *model, const mhc__parameter *base, mhc__mixer *mixer) {
    int64_t pre, post;
    mhc__base_parts(model, &pre, &post);
    const float *raw = mhc__model_weights(model) + base->offset;
    double squares = 0.0;
    mhc__range range = MHC__RANGE_EMPTY;
    if (pre + post == base->count) /* res has no logits */
        return;
    for (int64_t k = pre + post; k < base->count; k++) {
        double value = (double)raw[k];
        squares += value * value;
        mhc__widen(&range, value);
    }
    mixer->raw_min = range.low;
    mixer->raw_max = range.high;
    mixer->raw_norm = sqrt(squares);
}

static void measure_projected(const float *coefficients, int n, int64_t rows, mhc__mixer *mixer) {
    double h[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    mhc__range entries = MHC__RANGE_EMPTY;
    mixer->norm = mixer->forward = mixer->backward = 0.0;
    for (int64_t t = 0; t < rows; t++) {
        mhc__res_at(coefficients, n, t, h);
        mixer->norm += mhc__frobenius(h, n) / (double)rows;
        mixer->forward += mhc__gain_forward(h, n) / (double)rows;
        mixer->backward += mhc__gain_backward(h, n) / (double)rows;
        for (int i = 0; i < n; i++) {
            mixer->residual = mhc__max_abs(mixer->residual, mhc__row_sum(h, n, i) - 1.0);
            mixer->residual = mhc__max_abs(mixer->residual, mhc__column_sum(h, n, i) - 1.0);
        }
        for (int k = 0; k < n * n; k++)
            mhc__widen(&entries, h[k]);
    }
    mixer->entry_min = entries.low;
}

mhc_status mhc__mixer_measure(mhc__model *model, int site, mhc__mixer *mixer, mhc_error *error) {
    const mhc_spec *spec = mhc__model_spec(model);
    if (site < 0 || site >= mhc__model_sites(model))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "site: %d is not in 0..%d", site, mhc__model_sites(model) - 1);
    if (mhc__model_tokens(model) == 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "measurement: expected a forward before it");
    mhc__mixer found = {.norm = 1, .forward = 1, .backward = 1};
    if (spec->mapping != MHC_MAPPING_NONE) {
        const mhc__parameter *base = mhc__site_base(model, site);
        if (base)
            measure_raw(model, base, &found);
        int64_t rows = spec->mapping == MHC_MAPPING_DYNAMIC ? mhc__model_tokens(model) : 1;
        measure_projected(mhc__model_coefficients(model, site), spec->streams, rows, &found);
    } else {
        found.entry_min = 1;
    }
    *mixer = found;
    return MHC_OK;
}
