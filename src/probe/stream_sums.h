/* Sums over the channels of one token's streams, in double, the same for every instruction set: MHC__LANES partial
 * sums, added in order. Streams of a token lie one after the other: x [n, C]. */
#ifndef MHC_PROBE_STREAM_SUMS_H
#define MHC_PROBE_STREAM_SUMS_H

#include <stdint.h>

double mhc__squares(const float *x, int64_t count);               /* sum_k x_k^2 */
double mhc__inner(const float *x, const float *y, int64_t count); /* sum_k x_k y_k */

typedef struct mhc__split {
    double mean;        /* n |m|^2 with m the mean of the streams: the energy of what they share */
    double differences; /* sum_i |x_i - m|^2: of what sets them apart. The two add up to sum_i |x_i|^2 */
    double apart;       /* max_i,c |x_ic - m_c| */
} mhc__split;

/* Copies of one stream have differences of exactly 0, whatever n is. NaN and Inf spread. */
mhc__split mhc__split_streams(const float *x, int n, int64_t channels);

#endif
