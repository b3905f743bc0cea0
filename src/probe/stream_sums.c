#include "probe/stream_sums.h"

#include "base/compiler.h"
#include "base/threads.h"
#include "probe/matrix.h"

enum { CHANNELS = 256 }; /* whose means are at hand at a time */

static double total(const double *lanes) {
    double sum = 0.0;
    for (int l = 0; l < MHC__LANES; l++)
        sum += lanes[l];
    return sum;
}

MHC__CLONES
double mhc__squares(const float *x, int64_t count) {
    double lanes[MHC__LANES] = {0};
    int64_t i = 0;
    for (; i + MHC__LANES <= count; i += MHC__LANES)
        for (int l = 0; l < MHC__LANES; l++)
            lanes[l] += (double)x[i + l] * (double)x[i + l];
    for (; i < count; i++)
        lanes[i % MHC__LANES] += (double)x[i] * (double)x[i];
    return total(lanes);
}

MHC__CLONES
double mhc__inner(const float *x, const float *y, int64_t count) {
    double lanes[MHC__LANES] = {0};
    int64_t i = 0;
    for (; i + MHC__LANES <= count; i += MHC__LANES)
        for (int l = 0; l < MHC__LANES; l++)
            lanes[l] += (double)x[i + l] * (double)y[i + l];
    for (; i < count; i++)
        lanes[i % MHC__LANES] += (double)x[i] * (double)y[i];
    return total(lanes);
}

/* The maximum over lanes is taken with comparisons that a NaN loses; it shows in the sum of squares. */
MHC__CLONES
static void add_differences(const float *x, const double *mean, int64_t count, double *lanes, double *most) {
    for (int64_t i = 0; i < count; i++) {
        double difference = (double)x[i] - mean[i], size = difference < 0.0 ? -difference : difference;
        lanes[i % MHC__LANES] += difference * difference;
        most[i % MHC__LANES] = size > most[i % MHC__LANES] ? size : most[i % MHC__LANES];
    }
}

MHC__CLONES
static void mean_of(const float *x, int n, int64_t stride, int64_t count, double *mean, double *lanes) {
    for (int64_t c = 0; c < count; c++)
        mean[c] = 0.0;
    for (int i = 0; i < n; i++)
        for (int64_t c = 0; c < count; c++)
            mean[c] += (double)x[i * stride + c];
    for (int64_t c = 0; c < count; c++) {
        mean[c] /= n; /* in double n copies of a float have exactly that float as their mean */
        lanes[c % MHC__LANES] += mean[c] * mean[c];
    }
}

mhc__split mhc__split_streams(const float *x, int n, int64_t channels) {
    double of_mean[MHC__LANES] = {0}, of_differences[MHC__LANES] = {0}, most[MHC__LANES] = {0}, mean[CHANNELS];
    for (int64_t first = 0; first < channels; first += CHANNELS) {
        int64_t count = mhc__min(CHANNELS, channels - first);
        mean_of(x + first, n, channels, count, mean, of_mean);
        for (int i = 0; i < n; i++)
            add_differences(x + i * channels + first, mean, count, of_differences, most);
    }
    mhc__split split = {n * total(of_mean), total(of_differences), 0.0};
    for (int l = 0; l < MHC__LANES; l++)
        split.apart = mhc__max_abs(split.apart, most[l]);
    split.apart = isnan(split.differences) ? split.differences : split.apart;
    return split;
}
