#include "probe/matrix_metrics.h"

#include <math.h>
#include <stdbool.h>

#include "probe/assignment.h"
#include "probe/cycles.h"
#include "probe/lu.h"
#include "probe/matrix.h"
#include "probe/range.h"
#include "probe/svd.h"

static const double ORTHOGONAL = 1e-4; /* how far H'H may be from I, in an entry: fp32 */

static const char *const NAMES[MHC__MATRIX_METRICS] = {
    [MHC__FORWARD_MAX] = "forward_max",
    [MHC__FORWARD_MIN] = "forward_min",
    [MHC__BACKWARD_MAX] = "backward_max",
    [MHC__BACKWARD_MIN] = "backward_min",
    [MHC__FORWARD_ABS_MAX] = "forward_abs_max",
    [MHC__FORWARD_ABS_MIN] = "forward_abs_min",
    [MHC__BACKWARD_ABS_MAX] = "backward_abs_max",
    [MHC__BACKWARD_ABS_MIN] = "backward_abs_min",
    [MHC__RESIDUAL_ROWS] = "residual_rows",
    [MHC__RESIDUAL_COLUMNS] = "residual_columns",
    [MHC__ENTRY_MIN] = "entry_min",
    [MHC__ENTRY_MAX] = "entry_max",
    [MHC__LOG_VOLUME] = "log_volume",
    [MHC__OFF_DIAGONAL] = "off_diagonal",
    [MHC__DIFFERENCE_MAX] = "difference_max",
    [MHC__DIFFERENCE_MIN] = "difference_min",
    [MHC__EFFECTIVE_RANK] = "effective_rank",
    [MHC__FROM_IDENTITY] = "from_identity",
    [MHC__FROM_UNIFORM] = "from_uniform",
    [MHC__FROM_PERMUTATION] = "from_permutation",
    [MHC__ENTROPY] = "entropy",
    [MHC__DOBRUSHIN] = "dobrushin",
    [MHC__ROTATION_MAX] = "rotation_max",
    [MHC__ROTATION_MIN] = "rotation_min",
    [MHC__CYCLES] = "cycles",
};

const char *mhc__matrix_metric_name(mhc__matrix_metric metric) {
    return NAMES[metric];
}

void mhc__matrix_gains(const double *h, int n, double *values) {
    mhc__range rows = MHC__RANGE_EMPTY, columns = rows, absolute_rows = rows, absolute_columns = rows;
    for (int i = 0; i < n; i++) {
        double row = 0.0, column = 0.0, absolute_row = 0.0, absolute_column = 0.0;
        for (int j = 0; j < n; j++) {
            row += h[i * n + j];
            column += h[j * n + i];
            absolute_row += fabs(h[i * n + j]);
            absolute_column += fabs(h[j * n + i]);
        }
        mhc__widen(&rows, fabs(row));
        mhc__widen(&columns, fabs(column));
        mhc__widen(&absolute_rows, absolute_row);
        mhc__widen(&absolute_columns, absolute_column);
    }
    values[MHC__FORWARD_MAX] = rows.high;
    values[MHC__FORWARD_MIN] = rows.low;
    values[MHC__BACKWARD_MAX] = columns.high;
    values[MHC__BACKWARD_MIN] = columns.low;
    values[MHC__FORWARD_ABS_MAX] = absolute_rows.high;
    values[MHC__FORWARD_ABS_MIN] = absolute_rows.low;
    values[MHC__BACKWARD_ABS_MAX] = absolute_columns.high;
    values[MHC__BACKWARD_ABS_MIN] = absolute_columns.low;
}

static void measure_sums(const double *h, int n, double *values) {
    mhc__range entries = MHC__RANGE_EMPTY;
    double rows = 0.0, columns = 0.0, diagonal = 0.0;
    for (int i = 0; i < n; i++) {
        rows = mhc__max_abs(rows, mhc__row_sum(h, n, i) - 1.0);
        columns = mhc__max_abs(columns, mhc__column_sum(h, n, i) - 1.0);
        diagonal += 1.0 - h[i * n + i];
    }
    for (int k = 0; k < n * n; k++)
        mhc__widen(&entries, h[k]);
    values[MHC__RESIDUAL_ROWS] = rows;
    values[MHC__RESIDUAL_COLUMNS] = columns;
    values[MHC__ENTRY_MIN] = entries.low;
    values[MHC__ENTRY_MAX] = mhc__range_from(entries, 0.0);
    values[MHC__OFF_DIAGONAL] = diagonal / n;
}

static void measure_distances(const double *h, int n, double *values) {
    int column_of[MHC_MAX_STREAMS];
    double identity = 0.0, uniform = 0.0, permutation = 0.0, entropy = 0.0;
    mhc__assign(n, h, column_of);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double x = h[i * n + j], from_i = x - (i == j), from_j = x - 1.0 / n, from_p = x - (j == column_of[i]);
            identity += from_i * from_i;
            uniform += from_j * from_j;
            permutation += from_p * from_p;
            entropy -= x == 0.0 ? 0.0 : x * log(x); /* NaN below 0 */
        }
    values[MHC__FROM_IDENTITY] = sqrt(identity);
    values[MHC__FROM_UNIFORM] = sqrt(uniform);
    values[MHC__FROM_PERMUTATION] = sqrt(permutation);
    values[MHC__ENTROPY] = entropy / n;
}

static double effective_rank(const double *h, int n) {
    double values[MHC_MAX_STREAMS], sum = 0.0, entropy = 0.0;
    mhc__singular_values(n, h, values);
    for (int k = 0; k < n; k++)
        sum += values[k];
    for (int k = 0; k < n; k++) {
        double share = values[k] / sum;
        entropy -= share == 0.0 ? 0.0 : share * log(share);
    }
    return exp(entropy);
}

static void measure_spectrum(const double *h, int n, double *values) {
    double block[MHC_MAX_STREAMS * MHC_MAX_STREAMS], sigma[MHC_MAX_STREAMS] = {NAN};
    if (n > 1) {
        mhc__difference_block(h, n, block);
        mhc__singular_values(n - 1, block, sigma);
    }
    values[MHC__DIFFERENCE_MAX] = sigma[0];
    values[MHC__DIFFERENCE_MIN] = sigma[n > 1 ? n - 2 : 0];
    values[MHC__LOG_VOLUME] = -mhc__log_determinant(n, h);
    values[MHC__EFFECTIVE_RANK] = effective_rank(h, n);
    values[MHC__CYCLES] = mhc__cycles_to_go(h, n, sigma[0]);
}

/* max over pairs of rows of half their L1 distance: by how much mixing can shrink the range of a quantity. */
static double dobrushin(const double *h, int n) {
    double most = n > 1 ? 0.0 : NAN;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) {
            double distance = 0.0;
            for (int k = 0; k < n; k++)
                distance += fabs(h[i * n + k] - h[j * n + k]) / 2;
            most = mhc__max_abs(most, distance);
        }
    return most;
}

static bool is_orthogonal(const double *h, int n) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            double inner = i == j ? -1.0 : 0.0;
            for (int k = 0; k < n; k++)
                inner += h[k * n + i] * h[k * n + j];
            if (!(fabs(inner) <= ORTHOGONAL))
                return false;
        }
    return true;
}

/* The eigenvalues are exp(i angle). Both H - I and H + I are normal, with singular values 2 sin(angle / 2) and 2
 * cos(angle / 2): one falls where the other rises, so that sorting pairs them, and the quotient is accurate near 0 and
 * near pi. The angles of a real matrix come in pairs, but for those of 0 and pi: every second one in falling order is
 * one of each pair. */
static void measure_rotation(const double *h, int n, double *values) {
    double shifted[2][MHC_MAX_STREAMS * MHC_MAX_STREAMS], sine[MHC_MAX_STREAMS], cosine[MHC_MAX_STREAMS];
    if (n < 2 || !is_orthogonal(h, n))
        return;
    for (int k = 0; k < n * n; k++) {
        shifted[0][k] = h[k] - (k / n == k % n);
        shifted[1][k] = h[k] + (k / n == k % n);
    }
    mhc__singular_values(n, shifted[0], sine);
    mhc__singular_values(n, shifted[1], cosine);
    int last = n - 1 - n % 2;
    values[MHC__ROTATION_MAX] = 2 * atan2(sine[0], cosine[n - 1]);
    values[MHC__ROTATION_MIN] = 2 * atan2(sine[last], cosine[n - 1 - last]);
}

void mhc__matrix_measure(const double *h, int n, double *values) {
    bool fine = true;
    for (int k = 0; k < n * n; k++)
        fine = fine && !isnan(h[k]);
    for (int m = 0; m < MHC__MATRIX_METRICS; m++)
        values[m] = NAN;
    if (!fine)
        return;
    mhc__matrix_gains(h, n, values);
    measure_sums(h, n, values);
    measure_distances(h, n, values);
    measure_spectrum(h, n, values);
    values[MHC__DOBRUSHIN] = dobrushin(h, n);
    measure_rotation(h, n, values);
}
