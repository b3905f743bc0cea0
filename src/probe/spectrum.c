#include "probe/spectrum.h"

#include <math.h>
#include <string.h>

#include "probe/qr.h"
#include "probe/svd.h"

/* Which orthogonal basis the product starts in makes no difference to its singular values, but in a basis that the
 * factors leave invariant the directions would never sort themselves by growth, and small values would drown in the
 * rounding of large ones. The cosine basis (DCT-II) has no zeros and nothing in common with matrices that occur. */
void mhc__spectrum_start(mhc__spectrum *spectrum, int m) {
    const double pi = 3.14159265358979323846;
    spectrum->m = m;
    for (int i = 0; i < m; i++) {
        spectrum->scale[i] = 0.0;
        for (int j = 0; j < m; j++) {
            spectrum->q[i * m + j] = j ? sqrt(2.0 / m) * cos(pi * (2 * i + 1) * j / (2.0 * m)) : sqrt(1.0 / m);
            spectrum->rows[i * m + j] = i == j ? 1.0 : 0.0;
        }
    }
}

/* Row i of r times the triangular part, which has the rows i and below alone. Rows below i are not yet overwritten. */
static void push_row(mhc__spectrum *spectrum, const double *r, int i) {
    int m = spectrum->m;
    double row[MHC_MAX_STREAMS] = {0}, most = -INFINITY, squares = 0.0;
    for (int k = i; k < m; k++)
        if (r[i * m + k] != 0.0 && !(spectrum->scale[k] <= most))
            most = spectrum->scale[k];
    for (int k = i; k < m && most != -INFINITY; k++) {
        double factor = r[i * m + k] * exp(spectrum->scale[k] - most);
        for (int j = k; j < m; j++)
            row[j] += factor * spectrum->rows[k * m + j];
    }
    for (int j = i; j < m; j++)
        squares += row[j] * row[j];
    double length = sqrt(squares);
    spectrum->scale[i] = length == 0.0 ? -INFINITY : most + log(length);
    for (int j = i; j < m; j++)
        spectrum->rows[i * m + j] = length == 0.0 ? 0.0 : row[j] / length;
}

void mhc__spectrum_push(mhc__spectrum *spectrum, const double *factor) {
    int m = spectrum->m;
    double z[MHC_MAX_STREAMS * MHC_MAX_STREAMS];
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) {
            double sum = 0.0;
            for (int k = 0; k < m; k++)
                sum += factor[i * m + k] * spectrum->q[k * m + j];
            z[i * m + j] = sum;
        }
    mhc__qr(m, z, spectrum->q);
    for (int i = 0; i < m; i++)
        push_row(spectrum, z, i);
}

void mhc__spectrum_logs(const mhc__spectrum *spectrum, double *logs) {
    int m = spectrum->m;
    double vectors[MHC_MAX_STREAMS * MHC_MAX_STREAMS], scale[MHC_MAX_STREAMS];
    memcpy(vectors, spectrum->rows, (size_t)m * (size_t)m * sizeof *vectors);
    memcpy(scale, spectrum->scale, (size_t)m * sizeof *scale);
    mhc__graded_log_values(m, vectors, scale, logs);
}
