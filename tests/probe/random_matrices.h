/* Random matrices for the tests of this folder, the same on every run. */
#ifndef MHC_TESTS_PROBE_RANDOM_MATRICES_H
#define MHC_TESTS_PROBE_RANDOM_MATRICES_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "mhc/spec.h"

enum { MATRIX = MHC_MAX_STREAMS * MHC_MAX_STREAMS };

/* In double: cmocka's own comparison rounds to float first. */
static inline void assert_near(double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance))
        fail_msg("found %.17g, expected %.17g within %g", found, expected, tolerance);
}

/* N(0, deviation^2) entries; number: which one. */
static inline void random_matrix(uint64_t number, int n, float deviation, double *h) {
    float entries[MATRIX];
    mhc__normal_fill(17, number, deviation, entries, (int64_t)n * n);
    for (int k = 0; k < n * n; k++)
        h[k] = (double)entries[k];
}

/* Doubly stochastic to 1e-15: exp of random logits, with gap on the diagonal, and Sinkhorn until nothing changes. */
static inline void random_mixer(uint64_t number, int n, double gap, float deviation, double *h) {
    random_matrix(number, n, deviation, h);
    for (int k = 0; k < n * n; k++)
        h[k] = exp(h[k] + (k / n == k % n ? gap : 0.0));
    for (int cycle = 0; cycle < 20000; cycle++) {
        double error = 0.0;
        for (int i = 0; i < n; i++) {
            double sum = 0.0;
            for (int j = 0; j < n; j++)
                sum += h[i * n + j];
            for (int j = 0; j < n; j++)
                h[i * n + j] /= sum;
        }
        for (int j = 0; j < n; j++) {
            double sum = 0.0;
            for (int i = 0; i < n; i++)
                sum += h[i * n + j];
            error = fmax(error, fabs(sum - 1.0));
            for (int i = 0; i < n; i++)
                h[i * n + j] /= sum;
        }
        if (error < 1e-15)
            break;
    }
}

/* Orthogonal: a product of n reflections. */
static inline void random_rotation(uint64_t number, int n, double *q) {
    double vectors[MATRIX];
    random_matrix(number, n, 1.0f, vectors);
    for (int k = 0; k < n * n; k++)
        q[k] = k / n == k % n;
    for (int v = 0; v < n; v++) {
        const double *x = vectors + v * n;
        double squares = 0.0;
        for (int i = 0; i < n; i++)
            squares += x[i] * x[i];
        for (int j = 0; j < n; j++) {
            double along = 0.0;
            for (int i = 0; i < n; i++)
                along += x[i] * q[i * n + j];
            for (int i = 0; i < n; i++)
                q[i * n + j] -= 2.0 * along * x[i] / squares;
        }
    }
}

static inline void multiply(int n, const double *a, const double *b, double *product) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0.0;
            for (int k = 0; k < n; k++)
                sum += a[i * n + k] * b[k * n + j];
            product[i * n + j] = sum;
        }
}

static inline void transpose(int n, const double *a, double *t) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            t[j * n + i] = a[i * n + j];
}

/* i -> (i * step + shift) mod n, step prime to n. */
static inline void permutation_matrix(int n, int step, int shift, double *p) {
    memset(p, 0, (size_t)(n * n) * sizeof *p);
    for (int i = 0; i < n; i++)
        p[i * n + (i * step + shift) % n] = 1.0;
}

#endif
