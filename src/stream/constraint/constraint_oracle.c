/* res from logits in double, constraint by constraint, with what may follow it. */
#include <math.h>
#include <string.h>

#include "stream/constraint/oracles.h"

int64_t mhc__oracle_history(const mhc_spec *spec) {
    return spec->constraint == MHC_CONSTRAINT_SINKHORN ? mhc__oracle_sinkhorn_history(spec) : 0;
}

void mhc__oracle_solve(int n, double *a, int columns, double *b) {
    for (int p = 0; p < n; p++) {
        int best = p;
        for (int i = p + 1; i < n; i++)
            best = fabs(a[i * n + p]) > fabs(a[best * n + p]) ? i : best;
        for (int j = 0; j < n; j++) {
            double swap = a[p * n + j];
            a[p * n + j] = a[best * n + j];
            a[best * n + j] = swap;
        }
        for (int j = 0; j < columns; j++) {
            double swap = b[p * columns + j];
            b[p * columns + j] = b[best * columns + j];
            b[best * columns + j] = swap;
        }
        for (int i = 0; i < n; i++) {
            double factor = i == p || a[p * n + p] == 0.0 ? 0.0 : a[i * n + p] / a[p * n + p];
            for (int j = 0; j < n; j++)
                a[i * n + j] -= factor * a[p * n + j];
            for (int j = 0; j < columns; j++)
                b[i * columns + j] -= factor * b[p * columns + j];
        }
    }
    for (int p = 0; p < n; p++)
        for (int j = 0; j < columns; j++)
            b[p * columns + j] = a[p * n + p] == 0.0 ? 0.0 : b[p * columns + j] / a[p * n + p];
}

static void turned(int n, const double *from, double *to) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            to[i * n + j] = from[j * n + i];
}

static void matrix(const mhc_spec *spec, const double *x, double *k, double *history) {
    int n = spec->streams;
    switch (spec->constraint) {
    case MHC_CONSTRAINT_NONE:
        memcpy(k, x, (size_t)(n * n) * sizeof *k);
        break;
    case MHC_CONSTRAINT_IDENTITY:
        for (int e = 0; e < n * n; e++)
            k[e] = e / n == e % n;
        break;
    case MHC_CONSTRAINT_EXP:
        for (int e = 0; e < n * n; e++)
            k[e] = exp(x[e]);
        break;
    case MHC_CONSTRAINT_SINKHORN:
        mhc__oracle_sinkhorn(spec, x, k, history);
        break;
    case MHC_CONSTRAINT_PERMUTATIONS:
    case MHC_CONSTRAINT_CIRCULANT:
        mhc__oracle_permutations(spec, x, k);
        break;
    case MHC_CONSTRAINT_ROW_STOCHASTIC:
        mhc__oracle_row_stochastic(spec, x, k);
        break;
    case MHC_CONSTRAINT_BIRKHOFF:
        mhc__oracle_birkhoff(spec, x, k);
        break;
    case MHC_CONSTRAINT_KRONECKER:
        mhc__oracle_kronecker(spec, x, k);
        break;
    case MHC_CONSTRAINT_SPECTRAL:
    case MHC_CONSTRAINT_ROTATION:
        mhc__oracle_spectral(spec, x, k);
        break;
    case MHC_CONSTRAINT_ORTHOGONAL:
        mhc__oracle_orthogonal(spec, x, k);
        break;
    }
}

static void matrix_back(const mhc_spec *spec, const double *x, const double *d, double *d_x, double *history) {
    int n = spec->streams;
    switch (spec->constraint) {
    case MHC_CONSTRAINT_NONE:
        memcpy(d_x, d, (size_t)(n * n) * sizeof *d_x);
        break;
    case MHC_CONSTRAINT_IDENTITY:
        break;
    case MHC_CONSTRAINT_EXP:
        for (int e = 0; e < n * n; e++)
            d_x[e] = d[e] * exp(x[e]);
        break;
    case MHC_CONSTRAINT_SINKHORN:
        mhc__oracle_sinkhorn_back(spec, x, d, d_x, history);
        break;
    case MHC_CONSTRAINT_PERMUTATIONS:
    case MHC_CONSTRAINT_CIRCULANT:
        mhc__oracle_permutations_back(spec, x, d, d_x);
        break;
    case MHC_CONSTRAINT_ROW_STOCHASTIC:
        mhc__oracle_row_stochastic_back(spec, x, d, d_x);
        break;
    case MHC_CONSTRAINT_BIRKHOFF:
        mhc__oracle_birkhoff_back(spec, x, d, d_x);
        break;
    case MHC_CONSTRAINT_KRONECKER:
        mhc__oracle_kronecker_back(spec, x, d, d_x);
        break;
    case MHC_CONSTRAINT_SPECTRAL:
    case MHC_CONSTRAINT_ROTATION:
        mhc__oracle_spectral_back(spec, x, d, d_x);
        break;
    case MHC_CONSTRAINT_ORTHOGONAL:
        mhc__oracle_orthogonal_back(spec, x, d, d_x);
        break;
    }
}

/* K as [dst, src], before finish and leak. */
static void oriented(const mhc_spec *spec, const double *logits, double *k, double *history) {
    double copy[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    int n = spec->streams;
    if (!spec->transposed) {
        matrix(spec, logits, k, history);
    } else if (mhc__constraint_has_matrix(spec->constraint)) {
        turned(n, logits, copy);
        matrix(spec, copy, k, history);
    } else {
        matrix(spec, logits, copy, history);
        turned(n, copy, k);
    }
}

void mhc__oracle_constraint(const mhc_spec *spec, const double *logits, double *res, double *history) {
    oriented(spec, logits, res, history);
    mhc__oracle_finish(spec, res);
}

void mhc__oracle_constraint_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits,
                                 double *history) {
    double k[MHC_MAX_STREAMS * MHC_MAX_STREAMS], d[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    double x[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    int n = spec->streams;
    oriented(spec, logits, k, history);
    mhc__oracle_finish_back(spec, k, d_res, d);
    if (!spec->transposed) {
        matrix_back(spec, logits, d, d_logits, history);
    } else if (mhc__constraint_has_matrix(spec->constraint)) {
        turned(n, logits, x);
        matrix_back(spec, x, d, k, history);
        turned(n, k, d_logits);
    } else {
        turned(n, d, k);
        matrix_back(spec, logits, k, d_logits, history);
    }
}
