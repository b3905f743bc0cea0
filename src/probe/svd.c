#include "probe/svd.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "mhc/spec.h"

enum { MATRIX = MHC_MAX_STREAMS * MHC_MAX_STREAMS, MAX_SWEEPS = 60 /* 4 to 10 are usual */ };

/* Column k of the matrix is exp(scale[k]) times row k of vectors, whose lengths stay far from what a double can't
 * square. */
typedef struct jacobi {
    int m;
    double *vectors, *scale;
    double *ratio; /* [m, m]: exp(scale[column] - scale[row]), 0 or Inf where a double holds no more */
} jacobi;

/* Cosines fall quadratically: a sweep that met none above this leaves them at rounding. */
static const double LAST_SWEEP = 1e-9;

static double dot(int m, const double *x, const double *y) {
    double sum = 0.0;
    for (int i = 0; i < m; i++)
        sum += x[i] * y[i];
    return sum;
}

/* Makes columns p and q orthogonal. With p the longer one, r the ratio of lengths and c the cosine, the rotation has t
 * = 2 r |c| / (1 - r^2 + sqrt((1 - r^2)^2 + 4 r^2 c^2)); q changes by t / r of p's direction, which stays finite where
 * r underflows. What is left of q below rounding is 0. Returns |c|. */
static double rotate(jacobi *at, int p, int q) {
    int m = at->m;
    double *x = at->vectors + (long)p * m, *y = at->vectors + (long)q * m;
    double of_x = dot(m, x, x), of_y = dot(m, y, y), between = dot(m, x, y), tiny = m * DBL_EPSILON;
    if (!(between * between > tiny * tiny * of_x * of_y)) /* also where a length is 0 */
        return 0.0;
    of_x = sqrt(of_x);
    of_y = sqrt(of_y);
    double c = between / (of_x * of_y);
    double r = at->ratio[p * m + q] * (of_y / of_x);
    if (r > 1.0) {
        r = at->ratio[q * m + p] * (of_x / of_y);
        double *vector = x, length = of_x;
        x = y;
        y = vector;
        of_x = of_y;
        of_y = length;
    }
    double apart = (1.0 - r) * (1.0 + r);
    double of_p = 2.0 * c / (apart + sqrt(apart * apart + 4.0 * r * r * c * c)), t = of_p * r;
    double cosine = 1.0 / sqrt(1.0 + t * t), to_x = t * r * of_x / of_y, to_y = of_p * of_y / of_x, squares = 0.0;
    for (int i = 0; i < m; i++) {
        double at_x = x[i], at_y = y[i];
        x[i] = cosine * (at_x + to_x * at_y);
        y[i] = cosine * (at_y - to_y * at_x);
        squares += y[i] * y[i];
    }
    if (sqrt(squares) <= 2 * m * DBL_EPSILON * of_y)
        memset(y, 0, (size_t)m * sizeof *y);
    return fabs(c);
}

/* Moves lengths far from 1 into the scale. False when anything is NaN or +Inf. */
static bool prepare(jacobi *at) {
    int m = at->m;
    for (int k = 0; k < m; k++) {
        double *x = at->vectors + (long)k * m, largest = 0.0;
        for (int i = 0; i < m; i++) {
            if (!isfinite(x[i]))
                return false;
            largest = fmax(largest, fabs(x[i]));
        }
        if (!(at->scale[k] < INFINITY))
            return false;
        bool far = largest != 0.0 && (largest < 1e-40 || largest > 1e40);
        for (int i = 0; i < m && far; i++)
            x[i] /= largest;
        at->scale[k] += far ? log(largest) : 0.0;
        if (at->scale[k] == -INFINITY)
            for (int i = 0; i < m; i++)
                x[i] = at->scale[k] = 0.0;
    }
    for (int p = 0; p < m; p++)
        for (int q = 0; q < m; q++)
            at->ratio[p * m + q] = at->scale[p] == at->scale[q] ? 1.0 : exp(at->scale[q] - at->scale[p]);
    return true;
}

/* Leaves orthogonal columns. False, and nothing to use, on bad input. */
static bool orthogonalise(jacobi *at) {
    if (!prepare(at))
        return false;
    bool again = true;
    for (int sweep = 0; again && sweep < MAX_SWEEPS; sweep++) {
        again = false;
        for (int p = 0; p < at->m; p++)
            for (int q = p + 1; q < at->m; q++)
                again |= rotate(at, p, q) > LAST_SWEEP;
    }
    return true;
}

static void sort_falling(int m, double *values) {
    for (int i = 1; i < m; i++) {
        double value = values[i];
        int k = i;
        for (; k > 0 && values[k - 1] < value; k--)
            values[k] = values[k - 1];
        values[k] = value;
    }
}

void mhc__graded_log_values(int m, double *vectors, double *scale, double *logs) {
    double ratio[MATRIX];
    jacobi at = {m, vectors, scale, ratio};
    bool fine = orthogonalise(&at);
    for (int k = 0; k < m; k++)
        logs[k] = fine ? scale[k] + log(sqrt(dot(m, vectors + (long)k * m, vectors + (long)k * m))) : NAN;
    sort_falling(m, logs);
}

void mhc__singular_values(int m, const double *a, double *values) {
    double vectors[MATRIX], ratio[MATRIX], scale[MHC_MAX_STREAMS] = {0};
    jacobi at = {m, vectors, scale, ratio};
    memcpy(vectors, a, (size_t)m * (size_t)m * sizeof *a);
    bool fine = orthogonalise(&at);
    for (int k = 0; k < m; k++) {
        double length = sqrt(dot(m, vectors + (long)k * m, vectors + (long)k * m));
        values[k] = !fine ? NAN : scale[k] == 0.0 ? length : exp(scale[k]) * length;
    }
    sort_falling(m, values);
}
