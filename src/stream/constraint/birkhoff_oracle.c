/* row-stochastic and birkhoff in double: Newton with exact line search by halving, and the textbook's implicit gradient
 * (diag c - T'T)^-1. */
#include <math.h>
#include <string.h>

#include "stream/constraint/oracles.h"

/* T of b, and the dual value. */
static double scaled(int n, const double *x, const double *b, double *t) {
    double value = 0.0;
    for (int i = 0; i < n; i++) {
        double most = -INFINITY, sum = 0.0;
        for (int j = 0; j < n; j++)
            most = fmax(most, x[i * n + j] + b[j]);
        for (int j = 0; j < n; j++)
            sum += t[i * n + j] = exp(x[i * n + j] + b[j] - most);
        for (int j = 0; j < n; j++)
            t[i * n + j] /= sum;
        value += most + log(sum);
    }
    for (int j = 0; j < n; j++)
        value -= b[j];
    return value;
}

void mhc__oracle_row_stochastic(const mhc_spec *spec, const double *logits, double *res) {
    const double none[MHC_MAX_STREAMS] = {0.0};
    scaled(spec->streams, logits, none, res);
}

/* Softmax's way back, row by row. */
static void rows_back(int n, const double *t, const double *g, double *d) {
    for (int i = 0; i < n; i++) {
        double mean = 0.0;
        for (int j = 0; j < n; j++)
            mean += t[i * n + j] * g[i * n + j];
        for (int j = 0; j < n; j++)
            d[i * n + j] = t[i * n + j] * (g[i * n + j] - mean);
    }
}

void mhc__oracle_row_stochastic_back(const mhc_spec *spec, const double *logits, const double *d_res,
                                     double *d_logits) {
    double t[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    mhc__oracle_row_stochastic(spec, logits, t);
    rows_back(spec->streams, t, d_res, d_logits);
}

static double column(int n, const double *t, int j) {
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += t[i * n + j];
    return sum;
}

/* diag(c) - T'T without its last row and column, and `ridge` more on the diagonal. */
static void hessian(int n, const double *t, double ridge, double *a) {
    for (int j = 0; j < n - 1; j++)
        for (int k = 0; k < n - 1; k++) {
            double sum = j == k ? column(n, t, j) + ridge : 0.0;
            for (int i = 0; i < n; i++)
                sum -= t[i * n + j] * t[i * n + k];
            a[j * (n - 1) + k] = sum;
        }
}

static double largest_error(int n, const double *t) {
    double error = 0.0;
    for (int j = 0; j < n; j++)
        error = fmax(error, fabs(column(n, t, j) - 1.0));
    return error;
}

void mhc__oracle_birkhoff(const mhc_spec *spec, const double *logits, double *res) {
    int n = spec->streams;
    double a[MHC_MAX_STREAMS * MHC_MAX_STREAMS], b[MHC_MAX_STREAMS] = {0.0}, d[MHC_MAX_STREAMS] = {0.0};
    double value = scaled(n, logits, b, res);
    for (int step = 0; step < 200 && largest_error(n, res) > 1e-15 * n; step++) {
        double trial[MHC_MAX_STREAMS], gradient = 0.0, slope = 0.0, next = INFINITY, t = 1.0;
        for (int j = 0; j < n - 1; j++) {
            d[j] = column(n, res, j) - 1.0;
            gradient += d[j] * d[j];
        }
        hessian(n, res, 0.01 * fmin(gradient, 1e-3), a);
        mhc__oracle_solve(n - 1, a, 1, d);
        for (int j = 0; j < n - 1; j++)
            slope += (column(n, res, j) - 1.0) * d[j];
        for (int half = 0; half < 40; half++, t /= 2) {
            for (int j = 0; j < n; j++)
                trial[j] = b[j] - t * d[j];
            next = scaled(n, logits, trial, res);
            if (next <= value - 1e-4 * t * slope + 1e-13 * fabs(value))
                break;
        }
        memcpy(b, trial, sizeof b);
        value = next;
    }
}

/* With M = G o T, r its row sums and c its column sums: (I - T'T) v = c - T' r (v_n = 0), u = r - T v, and
 * d_x = (G - u 1' - 1 v') o T. */
void mhc__oracle_birkhoff_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits) {
    int n = spec->streams;
    double t[MHC_MAX_STREAMS * MHC_MAX_STREAMS], a[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    double u[MHC_MAX_STREAMS], v[MHC_MAX_STREAMS];
    mhc__oracle_birkhoff(spec, logits, t);
    for (int i = 0; i < n; i++) {
        u[i] = 0.0;
        for (int j = 0; j < n; j++)
            u[i] += d_res[i * n + j] * t[i * n + j];
    }
    for (int j = 0; j < n; j++) {
        v[j] = 0.0;
        for (int i = 0; i < n; i++)
            v[j] += t[i * n + j] * (d_res[i * n + j] - u[i]);
    }
    hessian(n, t, 0.0, a);
    mhc__oracle_solve(n - 1, a, 1, v);
    v[n - 1] = 0.0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            u[i] -= t[i * n + j] * v[j];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            d_logits[i * n + j] = (d_res[i * n + j] - u[i] - v[j]) * t[i * n + j];
}
