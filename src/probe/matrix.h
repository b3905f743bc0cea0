/* Small n x n matrices in double: what gains and mixer statistics share. Row = destination stream, column = source. */
#ifndef MHC_PROBE_MATRIX_H
#define MHC_PROBE_MATRIX_H

#include <float.h>
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

/* d [n - 1, n - 1] = U' h U, U the Helmert basis of the stream differences: orthonormal, orthogonal to equal streams.
 * What cancellation leaves of larger numbers, below 8 * 2^-52 of the largest entry, becomes 0. Column j of U is (1, …,
 * 1, -j, 0, …) / sqrt(j (j + 1)) with j ones, so that products with it are running sums. */
static inline void mhc__difference_block(const double *h, int n, double *d) {
    double right[MHC_MAX_STREAMS * MHC_MAX_STREAMS], most = 0.0; /* h U: [n, n - 1] */
    for (int i = 0; i < n; i++) {
        double sum = 0.0;
        for (int j = 1; j < n; j++) {
            sum += h[i * n + j - 1];
            right[i * (n - 1) + j - 1] = (sum - j * h[i * n + j]) / sqrt((double)j * (j + 1));
        }
        for (int j = 0; j < n; j++)
            most = mhc__max_abs(most, h[i * n + j]);
    }
    for (int j = 0; j < n - 1; j++) {
        double sum = 0.0;
        for (int i = 1; i < n; i++) {
            sum += right[(i - 1) * (n - 1) + j];
            double value = (sum - i * right[i * (n - 1) + j]) / sqrt((double)i * (i + 1));
            d[(i - 1) * (n - 1) + j] = fabs(value) < 8 * DBL_EPSILON * most ? 0.0 : value;
        }
    }
}

#endif
