#include "base/spread.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

mhc__spread mhc__spread_of(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    mhc__spread spread = {values[count / 2], values[0], values[count - 1]};
    if (count % 2 == 0)
        spread.median = (values[count / 2 - 1] + values[count / 2]) / 2;
    return spread;
}
