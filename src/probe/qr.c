#include "probe/qr.h"

#include <math.h>

#include "mhc/spec.h"

/* x -= 2 v (v . x) for each column x of a from `first` on; v has zeros above row k. */
static void reflect(int m, int k, const double *v, double *a, int first) {
    for (int j = first; j < m; j++) {
        double along = 0.0;
        for (int i = k; i < m; i++)
            along += v[i] * a[i * m + j];
        for (int i = k; i < m; i++)
            a[i * m + j] -= 2.0 * along * v[i];
    }
}

/* The unit vector v whose reflection takes column k of a, from row k on, to a multiple of the unit vector k. All zero
 * where the column is so already. */
static void reflector(int m, int k, const double *a, double *v) {
    double largest = 0.0, squares = 0.0, below = 0.0;
    for (int i = k; i < m; i++) {
        v[i] = a[i * m + k];
        largest = isnan(v[i]) ? NAN : fmax(largest, fabs(v[i]));
        below = i > k ? fmax(below, fabs(v[i])) : below;
    }
    if (below == 0.0 && !isnan(largest)) {
        for (int i = k; i < m; i++)
            v[i] = 0.0;
        return;
    }
    for (int i = k; i < m; i++) {
        v[i] /= largest;
        squares += v[i] * v[i];
    }
    v[k] += v[k] < 0.0 ? -sqrt(squares) : sqrt(squares); /* the sign that doesn't cancel */
    squares = 0.0;
    for (int i = k; i < m; i++)
        squares += v[i] * v[i];
    double length = sqrt(squares);
    for (int i = k; i < m; i++)
        v[i] /= length;
}

void mhc__qr(int m, double *a, double *q) {
    double v[MHC_MAX_STREAMS][MHC_MAX_STREAMS];
    for (int k = 0; k + 1 < m; k++) {
        reflector(m, k, a, v[k]);
        reflect(m, k, v[k], a, k);
        for (int i = k + 1; i < m; i++)
            a[i * m + k] = 0.0;
    }
    for (int i = 0; i < m * m; i++)
        q[i] = i / m == i % m ? 1.0 : 0.0;
    for (int k = m - 2; k >= 0; k--)
        reflect(m, k, v[k], q, k);
}
