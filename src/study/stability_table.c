#include "study/stability_table.h"

#include <math.h>
#include <string.h>

const char *const mhc__stability_heads[MHC__STABILITY_COLUMNS] = {"Final Loss", "Min Loss", "Avg Grad",
                                                                  "Max Grad",   "Avg Amax", "Max Amax"};

void mhc__stability_row(const mhc__series *series, int64_t every, double row[MHC__STABILITY_COLUMNS]) {
    for (int i = 0; i < MHC__STABILITY_COLUMNS; i++)
        row[i] = NAN;
    int64_t records = 0;
    double loss_min = INFINITY, grad_sum = 0, grad_max = -INFINITY, gain_sum = 0, gain_max = -INFINITY;
    for (int64_t i = 0; i < series->count; i += every, records++) {
        const mhc__measurement *m = &series->at[i];
        row[MHC__FINAL_LOSS] = m->loss;
        loss_min = fmin(loss_min, m->loss);
        grad_max = fmax(grad_max, m->grad_norm);
        gain_max = fmax(gain_max, m->gains.activation);
        grad_sum += m->grad_norm;
        gain_sum += m->gains.activation;
    }
    /* A run that ended early at a step between two records still ended: the seed fills the rest with NaN. */
    bool broken = series->count > 0 && isnan(series->at[series->count - 1].loss);
    if (broken)
        row[MHC__FINAL_LOSS] = NAN;
    if (records == 0 || broken)
        return;
    row[MHC__MIN_LOSS] = loss_min;
    row[MHC__AVG_GRAD] = grad_sum / (double)records;
    row[MHC__MAX_GRAD] = grad_max;
    row[MHC__AVG_AMAX] = gain_sum / (double)records;
    row[MHC__MAX_AMAX] = gain_max;
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

void mhc__mean_spread(const double *values, int count, double *mean, double *spread) {
    double sum = 0, squares = 0;
    for (int i = 0; i < count; i++)
        sum += values[i];
    *mean = sum / count;
    for (int i = 0; i < count; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *spread = count > 1 ? sqrt(squares / (count - 1)) : 0;
}
