/* The least and the largest of some numbers. fmin and fmax drop a NaN, and comparisons do when it comes first; here one
 * NaN makes both ends NaN and stays. */
#ifndef MHC_PROBE_RANGE_H
#define MHC_PROBE_RANGE_H

#include <math.h>

typedef struct mhc__range {
    double low, high;
} mhc__range;

/* Of no number: the first that widens it is both ends. */
#define MHC__RANGE_EMPTY ((mhc__range){INFINITY, -INFINITY})

static inline void mhc__widen(mhc__range *range, double value) {
    range->low = isnan(value) || value < range->low ? value : range->low;
    range->high = isnan(value) || value > range->high ? value : range->high;
}

static inline void mhc__widen_by(mhc__range *range, mhc__range other) {
    mhc__widen(range, other.low);
    mhc__widen(range, other.high);
}

/* The largest distance from `value`; NaN when an end is. */
static inline double mhc__range_from(mhc__range range, double value) {
    double low = fabs(range.low - value), high = fabs(range.high - value);
    return isnan(low) || low > high ? low : high;
}

#endif
