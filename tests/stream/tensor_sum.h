/* What a tensor core adds up, for all that stands in for one: C and C++. */
#ifndef MHC_TESTS_STREAM_TENSOR_SUM_H
#define MHC_TESTS_STREAM_TENSOR_SUM_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline int mhc__exponent_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const int field = (int)(bits >> 23 & 0xff);
    return field > 0 ? field - 127 : ilogbf(value);
}

static inline double mhc__power_of_two(int exponent) {
    const uint64_t bits = (uint64_t)(1023 + exponent) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* d + sum of left right, as an A100's tensor cores take it eight products at a time (a model of what others have
 * measured: PeerJ Computer Science 7:e330, arXiv 2512.07004; later ones take sixteen and keep a bit more): products are
 * exact, all nine terms are cut below 2^-24 of the largest one's power of two, their sum is cut to fp32. Cut, not
 * rounded: what is added up so drifts towards zero. */
static inline float mhc__tensor_sum(float d, const float left[8], const float right[8]) {
    double term[9], sum = 0.0;
    bool finite = d - d == 0.0f;
    int most = d != 0.0f ? mhc__exponent_of(d) : -300; /* no product of fp32 has an exponent below */
    term[8] = d;
    for (int k = 0; k < 8; k++) {
        term[k] = (double)left[k] * (double)right[k];
        finite = finite && term[k] - term[k] == 0.0;
        if (term[k] != 0.0) {
            const int exponent = mhc__exponent_of(left[k]) + mhc__exponent_of(right[k]);
            most = exponent > most ? exponent : most;
        }
    }
    if (!finite) {
        for (int k = 0; k < 9; k++)
            sum += term[k];
        return (float)sum;
    }
    const double unit = mhc__power_of_two(most - 24), units = mhc__power_of_two(24 - most);
    for (int k = 0; k < 9; k++)
        sum += (double)(int64_t)(term[k] * units) * unit;
    const float cut = (float)sum;
    return fabs((double)cut) > fabs(sum) ? nextafterf(cut, 0.0f) : cut;
}

#endif
