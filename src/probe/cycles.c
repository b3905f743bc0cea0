#include "probe/cycles.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "mhc/spec.h"
#include "probe/lu.h"
#include "probe/matrix.h"
#include "probe/svd.h"

enum { MATRIX = MHC_MAX_STREAMS * MHC_MAX_STREAMS, MAX_STEPS = 20 };

static double sums_error(const double *h, int n) {
    double most = 0.0;
    for (int i = 0; i < n; i++) {
        most = mhc__max_abs(most, mhc__row_sum(h, n, i) - 1.0);
        most = mhc__max_abs(most, mhc__column_sum(h, n, i) - 1.0);
    }
    return most;
}

/* Columns of h times exp(beta), then rows divided by their sums. */
static void scale(const double *h, int n, const double *beta, double *scaled) {
    for (int i = 0; i < n; i++) {
        double sum = 0.0;
        for (int j = 0; j < n; j++)
            sum += scaled[i * n + j] = h[i * n + j] * exp(beta[j]);
        for (int j = 0; j < n; j++)
            scaled[i * n + j] /= sum;
    }
}

/* The Newton step for the first n - 1 of beta (the last is free to choose): the Jacobian of the column sums, with exact
 * rows, is diag(columns) - T'T. */
static bool newton_step(const double *t, int n, double *step) {
    double jacobian[MATRIX];
    int m = n - 1;
    for (int j = 0; j < m; j++) {
        step[j] = mhc__column_sum(t, n, j) - 1.0;
        for (int k = 0; k < m; k++) {
            double sum = j == k ? mhc__column_sum(t, n, j) : 0.0;
            for (int i = 0; i < n; i++)
                sum -= t[i * n + j] * t[i * n + k];
            jacobian[j * m + k] = sum;
        }
    }
    step[m] = 0.0;
    return mhc__solve(m, jacobian, step);
}

/* h is near its limit, so that steps need halving at most. False when they don't lead there. */
static bool find_limit(const double *h, int n, double *limit) {
    double beta[MHC_MAX_STREAMS] = {0}, step[MHC_MAX_STREAMS], tried[MHC_MAX_STREAMS];
    scale(h, n, beta, limit);
    double error = sums_error(limit, n);
    for (int i = 0; i < MAX_STEPS && error > MHC__CYCLES_TOLERANCE; i++) {
        double before = error, part = 1.0;
        if (!newton_step(limit, n, step))
            return false;
        do {
            for (int j = 0; j < n; j++)
                tried[j] = beta[j] - part * step[j];
            scale(h, n, tried, limit);
            error = sums_error(limit, n);
            part /= 2.0;
        } while (!(error < before) && part > 1e-3);
        if (!(error < before))
            return false;
        memcpy(beta, tried, sizeof beta);
    }
    return error <= MHC__CYCLES_TOLERANCE;
}

static double sigma_of(const double *h, int n) {
    double block[MATRIX], sigma[MHC_MAX_STREAMS];
    mhc__difference_block(h, n, block);
    mhc__singular_values(n - 1, block, sigma);
    return sigma[0];
}

double mhc__cycles_to_go(const double *h, int n, double sigma) {
    double limit[MATRIX];
    for (int k = 0; k < n * n; k++)
        if (!(h[k] >= 0.0) || h[k] == INFINITY)
            return NAN;
    double error = sums_error(h, n);
    if (error <= MHC__CYCLES_TOLERANCE || n == 1)
        return 0.0;
    /* sigma moves by no more than about the error, and cycles go like 1 / (1 - sigma). */
    if (error > 0.02 * (1.0 - sigma) && find_limit(h, n, limit))
        sigma = sigma_of(limit, n);
    return sigma < 1.0 ? ceil(log(error / MHC__CYCLES_TOLERANCE) / (-2.0 * log(sigma))) : INFINITY;
}
