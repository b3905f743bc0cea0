#include "nn/cross_entropy.h"

#include <math.h>
#include <stddef.h>

static double log_of_sum(int64_t classes, const float *logits) {
    double most = (double)logits[0], sum = 0;
    for (int64_t c = 1; c < classes; c++)
        most = fmax(most, (double)logits[c]);
    for (int64_t c = 0; c < classes; c++)
        sum += exp((double)logits[c] - most);
    return most + log(sum);
}

double mhc__cross_entropy(int64_t rows, int64_t classes, const float *logits, const int32_t *targets, float scale,
                          float *d_logits) {
    int64_t counted = 0;
    double loss = 0;
    for (int64_t r = 0; r < rows; r++)
        counted += targets[r] >= 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *row = logits + r * classes;
        double whole = log_of_sum(classes, row);
        if (targets[r] >= 0)
            loss += (whole - (double)row[targets[r]]) / (double)counted;
        for (int64_t c = 0; d_logits && c < classes; c++) {
            double excess = exp((double)row[c] - whole) - (c == targets[r]);
            d_logits[r * classes + c] = targets[r] < 0 ? 0.0f : (float)((double)scale * excess / (double)counted);
        }
    }
    return loss;
}
