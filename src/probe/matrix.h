/* Small n x n matrices in double: what gains and mixer statistics share. Row = destination stream, column = source. */
#ifndef MHC_PROBE_MATRIX_H
#define MHC_PROBE_MATRIX_H

#include <math.h>
#include <stdint.h>

#include "mhc/spec.h"

/* A NaN wins every comparison, so that it shows in the result. */
static inline double mhc__max_abs(double most, double value) {
    double size = fabs(value);
    return isnan(most) || size <= most ? most : size;
}

/* res of row t of a site's coefficients: pre [n] | post [n] | res [n, n]. */
static inline void mhc__res_at(const float *coefficients, int n, int64_t t, double *h) {
    const float *res = coefficients + t * n * (n + 2) + 2 * n;
    for (int k = 0; k < n * n; k++)
        h[k] = (double)res[k];
}

/* product = h product */
static inline void mhc__multiply_left(const double *h, int n, double *product) {
    double column[MHC_MAX_STREAMS];
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < n; i++) {
            column[i] = 0.0;
            for (int k = 0; k < n; k++)
                column[i] += h[i * n + k] * product[k * n + j];
        }
        for (int i = 0; i < n; i++)
            product[i * n + j] = column[i];
    }
}

static inline double mhc__row_sum(const double *h, int n, int i) {
    double sum = 0.0;
    for (int j = 0; j < n; j++)
        sum += h[i * n + j];
    return sum;
}

static inline double mhc__column_sum(const double *h, int n, int j) {
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += h[i * n + j];
    return sum;
}

static inline double mhc__gain_forward(const double *h, int n) {
    double most = 0.0;
    for (int i = 0; i < n; i++)
        most = mhc__max_abs(most, mhc__row_sum(h, n, i));
    return most;
}

static inline double mhc__gain_backward(const double *h, int n) {
    double most = 0.0;
    for (int j = 0; j < n; j++)
        most = mhc__max_abs(most, mhc__column_sum(h, n, j));
    return most;
}

static inline double mhc__column_min(const double *h, int n) {
    double least = mhc__column_sum(h, n, 0);
    for (int j = 1; j < n; j++) {
        double sum = mhc__column_sum(h, n, j);
        least = isnan(least) || sum >= least ? least : sum;
    }
    return least;
}

static inline double mhc__entry_max(const double *h, int n) {
    double most = 0.0;
    for (int k = 0; k < n * n; k++)
        most = mhc__max_abs(most, h[k]);
    return most;
}

static inline double mhc__frobenius(const double *h, int n) {
    double sum = 0.0;
    for (int k = 0; k < n * n; k++)
        sum += h[k] * h[k];
    return sqrt(sum);
}

#endif
