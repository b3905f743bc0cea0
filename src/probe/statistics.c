#include "probe/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "probe/range.h"

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double quantile(const double *sorted, int64_t count, double share) {
    double place = share * (double)(count - 1);
    int64_t below = (int64_t)place, above = below + 1 < count ? below + 1 : below;
    double part = place - (double)below;
    /* Without a product of 0 and Inf. */
    return part == 0.0 || sorted[below] == sorted[above] ? sorted[below]
                                                         : sorted[below] * (1.0 - part) + sorted[above] * part;
}

mhc__statistics mhc__statistics_of(double *values, int64_t count, bool quantiles) {
    mhc__range range = MHC__RANGE_EMPTY;
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) {
        sum += values[i];
        mhc__widen(&range, values[i]);
    }
    if (isnan(range.low) || count < 1)
        return (mhc__statistics){NAN, NAN, NAN, NAN, NAN, NAN};
    mhc__statistics found = {sum / (double)count, range.low, NAN, NAN, NAN, range.high};
    if (!quantiles)
        return found;
    qsort(values, (size_t)count, sizeof *values, by_value);
    found.p5 = quantile(values, count, 0.05);
    found.median = quantile(values, count, 0.5);
    found.p95 = quantile(values, count, 0.95);
    return found;
}

int64_t mhc__sample(int64_t tokens, int64_t count, int64_t k) {
    if (count >= tokens)
        return k;
    const double golden = 0.61803398874989485;
    double turn = (double)k * golden, place = turn - floor(turn);
    int64_t first = k * tokens / count, length = (k + 1) * tokens / count - first;
    return first + (int64_t)(place * (double)length);
}
