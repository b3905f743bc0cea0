/* Norm and product with fn in double. */
#include <math.h>

#include "stream/oracle.h"

static double mean_of_squares(int64_t count, const double *x) {
    double sum = 0.0;
    for (int64_t c = 0; c < count; c++)
        sum += x[c] * x[c];
    return sum / (double)count;
}

double mhc__oracle_norm(const mhc_spec *spec, int64_t count, const double *x) {
    double s = mean_of_squares(count, x), eps = mhc__oracle_eps(spec->norm_eps);
    double under = spec->norm_eps_place == MHC_EPS_INSIDE ? sqrt(s + eps) : sqrt(s) + eps;
    return under < MHC__SMALLEST_RMS ? 0.0 : 1.0 / under;
}

void mhc__oracle_project(const mhc_spec *spec, int64_t count, const double *x, int width, const double *fn,
                         double *mix) {
    double r = mhc__oracle_norm(spec, count, x);
    for (int k = 0; k < width; k++) {
        double sum = 0.0;
        for (int64_t c = 0; c < count; c++)
            sum += fn[k * count + c] * x[c];
        mix[k] = r * sum;
    }
}

/* mix = r(x) fn x, so dx = r fn^T d_mix + (dL/dr) dr/dx with dL/dr = <d_mix, fn x>, and
 * dr/dx = -r^3 x / K (eps inside) or -r^2 x / (K sqrt(s)) (outside). */
void mhc__oracle_project_back(const mhc_spec *spec, int64_t count, const double *x, int width, const double *fn,
                              const double *d_mix, double *d_x, double *d_fn) {
    double r = mhc__oracle_norm(spec, count, x), root = sqrt(mean_of_squares(count, x)), d_r = 0.0;
    for (int k = 0; k < width; k++)
        for (int64_t c = 0; c < count; c++) {
            d_r += d_mix[k] * fn[k * count + c] * x[c];
            if (d_x)
                d_x[c] += r * d_mix[k] * fn[k * count + c];
            if (d_fn)
                d_fn[k * count + c] += r * d_mix[k] * x[c];
        }
    if (!d_x || root < MHC__SMALLEST_RMS)
        return;
    double slope = spec->norm_eps_place == MHC_EPS_INSIDE ? r * r * r : r * r / root;
    for (int64_t c = 0; c < count; c++)
        d_x[c] -= d_r * slope * x[c] / (double)count;
}
