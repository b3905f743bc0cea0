#include "study/stability_table.h"

#include <math.h>
#include <string.h>

#include "probe/range.h"

const char *const mhc__stability_heads[MHC__STABILITY_COLUMNS] = {"Final Loss", "Min Loss", "Avg Grad",
                                                                  "Max Grad",   "Avg Amax", "Max Amax"};

void mhc__stability_row(const mhc__series *series, int64_t every, double row[MHC__STABILITY_COLUMNS]) {
    for (int i = 0; i < MHC__STABILITY_COLUMNS; i++)
        row[i] = NAN;
    int64_t records = 0;
    double grad_sum = 0, gain_sum = 0;
    mhc__range loss = MHC__RANGE_EMPTY, grad = MHC__RANGE_EMPTY, gain = MHC__RANGE_EMPTY;
    for (int64_t i = 0; i < series->count; i += every, records++) {
        const mhc__measurement *m = &series->at[i];
        row[MHC__FINAL_LOSS] = m->loss;
        mhc__widen(&loss, m->loss);
        mhc__widen(&grad, m->grad_norm);
        mhc__widen(&gain, m->gains.activation);
        grad_sum += m->grad_norm;
        gain_sum += m->gains.activation;
    }
    /* A run that ended early at a step between two records still ended: the seed fills the rest with NaN. */
    bool broken = series->count > 0 && !isfinite(series->at[series->count - 1].loss);
    if (broken)
        row[MHC__FINAL_LOSS] = NAN;
    if (records == 0 || broken)
        return;
    row[MHC__MIN_LOSS] = loss.low;
    row[MHC__AVG_GRAD] = grad_sum / (double)records;
    row[MHC__MAX_GRAD] = grad.high;
    row[MHC__AVG_AMAX] = gain_sum / (double)records;
    row[MHC__MAX_AMAX] = gain.high;
}

const double *mhc__stability_published(const char *connection) {
    static const double baseline[] = {1.876, 1.841, 1.06, 6.18, 25.40, 41.82};
    static const double hc[] = {1.978, 1.844, 1.03, 6.73, 27.72, 61.33};
    static const double mhc[] = {1.913, 1.787, 0.91, 4.46, 6.99, 11.70};
    return !strcmp(connection, "residual")          ? baseline
           : !strcmp(connection, "hc-static")       ? hc
           : !strcmp(connection, "reproducing-mhc") ? mhc
                                                    : NULL;
}
