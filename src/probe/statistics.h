/* What the values of many tokens come to. */
#ifndef MHC_PROBE_STATISTICS_H
#define MHC_PROBE_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mhc__statistics {
    double mean, low, p5, median, p95, high;
} mhc__statistics;

/* With quantiles values are sorted, and p of count values lies at p (count - 1), between the two nearest; without, p5,
 * median and p95 are NaN. A NaN among the values, or no value, makes all NaN. */
mhc__statistics mhc__statistics_of(double *values, int64_t count, bool quantiles);

/* Of count > 0 tokens out of `tokens`: the number of the k-th, growing with k. One of each of count equal stretches, at
 * a place in it that moves by the golden ratio, so that no period of the text (its rows, for one) is met again and
 * again. All of them where count >= tokens. */
int64_t mhc__sample(int64_t tokens, int64_t count, int64_t k);

#endif
