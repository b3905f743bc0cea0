#include "probe/lu.h"

#include <math.h>
#include <string.h>

#include "mhc/spec.h"

static void exchange(double *x, double *y) {
    double kept = *x;
    *x = *y;
    *y = kept;
}

/* Brings the largest entry of column k below the diagonal onto it, and clears the rest of the column, in a and, unless
 * it is NULL, in x with it. The pivot; nothing is cleared when it is 0. */
static double eliminate(int m, int k, double *a, double *x) {
    int best = k;
    for (int i = k + 1; i < m; i++)
        if (fabs(a[i * m + k]) > fabs(a[best * m + k]))
            best = i;
    for (int j = k; j < m; j++)
        exchange(&a[best * m + j], &a[k * m + j]);
    if (x)
        exchange(&x[best], &x[k]);
    double pivot = a[k * m + k];
    for (int i = k + 1; i < m && pivot != 0.0; i++) {
        double factor = a[i * m + k] / pivot;
        for (int j = k; j < m; j++)
            a[i * m + j] -= factor * a[k * m + j];
        if (x)
            x[i] -= factor * x[k];
    }
    return pivot;
}

double mhc__log_determinant(int m, const double *a) {
    double u[MHC_MAX_STREAMS * MHC_MAX_STREAMS], sum = 0.0;
    for (int i = 0; i < m * m; i++)
        if (!isfinite(a[i]))
            return NAN;
    memcpy(u, a, (size_t)m * (size_t)m * sizeof *a);
    for (int k = 0; k < m; k++) {
        double pivot = eliminate(m, k, u, NULL);
        if (pivot == 0.0)
            return -INFINITY;
        sum += log(fabs(pivot));
    }
    return sum;
}

bool mhc__solve(int m, double *a, double *x) {
    for (int k = 0; k < m; k++) {
        double pivot = eliminate(m, k, a, x);
        if (pivot == 0.0 || !isfinite(pivot))
            return false;
    }
    for (int i = m - 1; i >= 0; i--) {
        for (int j = i + 1; j < m; j++)
            x[i] -= a[i * m + j] * x[j];
        x[i] /= a[i * m + i];
    }
    return true;
}
