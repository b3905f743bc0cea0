/* Finish and leak in double, and their differentials written out from the definitions. */
#include <math.h>
#include <string.h>

#include "stream/constraint/oracles.h"

enum { ENTRIES = MHC_MAX_STREAMS * MHC_MAX_STREAMS };

/* What is left of line sums. */
static void lacks(int n, const double *k, double *rows, double *columns, double *all) {
    *all = 0.0;
    for (int i = 0; i < n; i++) {
        rows[i] = columns[i] = 1.0;
        for (int j = 0; j < n; j++) {
            rows[i] -= k[i * n + j];
            columns[i] -= k[j * n + i];
        }
        rows[i] = fmax(rows[i], 0.0);
        columns[i] = fmax(columns[i], 0.0);
        *all += rows[i];
    }
}

/* Rows (or columns) above one divided by their sums; sums: before. */
static void cap(int n, bool rows, double *k, double *sums) {
    for (int i = 0; i < n; i++) {
        sums[i] = 0.0;
        for (int j = 0; j < n; j++)
            sums[i] += rows ? k[i * n + j] : k[j * n + i];
        for (int j = 0; j < n && sums[i] > 1.0; j++)
            *(rows ? &k[i * n + j] : &k[j * n + i]) /= sums[i];
    }
}

/* k: capped. d y_j = (d x_j - y_j sum d x) / s, transposed. */
static void cap_back(int n, bool rows, const double *k, const double *sums, double *g) {
    for (int i = 0; i < n; i++) {
        double along = 0.0;
        for (int j = 0; j < n; j++) {
            int e = rows ? i * n + j : j * n + i;
            along += g[e] * k[e];
        }
        for (int j = 0; j < n && sums[i] > 1.0; j++) {
            int e = rows ? i * n + j : j * n + i;
            g[e] = (g[e] - along) / sums[i];
        }
    }
}

static void centred(int n, const double *k, double *out) {
    double rows[MHC_MAX_STREAMS] = {0}, columns[MHC_MAX_STREAMS] = {0}, all = 0.0;
    for (int e = 0; e < n * n; e++) {
        rows[e / n] += k[e] / n;
        columns[e % n] += k[e] / n;
        all += k[e] / n / n;
    }
    for (int e = 0; e < n * n; e++)
        out[e] = k[e] - rows[e / n] - columns[e % n] + all;
}

void mhc__oracle_finish(const mhc_spec *spec, double *k) {
    int n = spec->streams;
    double rows[MHC_MAX_STREAMS], columns[MHC_MAX_STREAMS], sums[MHC_MAX_STREAMS], all;
    double leak = spec->leak > 0.0f ? mhc__oracle_eps(spec->leak) : 1.0;
    if (spec->finish == MHC_FINISH_ROUNDING) {
        cap(n, true, k, sums);
        cap(n, false, k, sums);
        lacks(n, k, rows, columns, &all);
        for (int e = 0; e < n * n && all > 1e-14; e++)
            k[e] += rows[e / n] * columns[e % n] / all;
    }
    if (spec->finish == MHC_FINISH_AFFINE) {
        double out[ENTRIES];
        centred(n, k, out);
        for (int e = 0; e < n * n; e++)
            k[e] = out[e] + 1.0 / n;
    }
    for (int e = 0; e < n * n; e++)
        k[e] = (1.0 - leak) * (e / n == e % n) + leak * k[e];
}

/* With e_r, e_c the lacks and e their sum: the way back of e_r e_c' / e to e_r, e_c and, through e, to e_r again. */
static void rounding_back(int n, const double *k, double *g) {
    double rows_capped[ENTRIES], both_capped[ENTRIES], row_sums[MHC_MAX_STREAMS], column_sums[MHC_MAX_STREAMS];
    double rows[MHC_MAX_STREAMS], columns[MHC_MAX_STREAMS], all, total = 0.0;
    double to_rows[MHC_MAX_STREAMS] = {0}, to_columns[MHC_MAX_STREAMS] = {0};
    memcpy(rows_capped, k, (size_t)(n * n) * sizeof *k);
    cap(n, true, rows_capped, row_sums);
    memcpy(both_capped, rows_capped, (size_t)(n * n) * sizeof *k);
    cap(n, false, both_capped, column_sums);
    lacks(n, both_capped, rows, columns, &all);
    for (int e = 0; e < n * n && all > 1e-14; e++) {
        to_rows[e / n] += g[e] * columns[e % n] / all;
        to_columns[e % n] += g[e] * rows[e / n] / all;
        total += g[e] * rows[e / n] * columns[e % n] / (all * all);
    }
    for (int e = 0; e < n * n && all > 1e-14; e++)
        g[e] -= to_rows[e / n] - total + to_columns[e % n];
    cap_back(n, false, both_capped, column_sums, g);
    cap_back(n, true, rows_capped, row_sums, g);
}

void mhc__oracle_finish_back(const mhc_spec *spec, const double *k, const double *d_res, double *d_k) {
    int n = spec->streams;
    double leak = spec->leak > 0.0f ? mhc__oracle_eps(spec->leak) : 1.0, d[ENTRIES];
    for (int e = 0; e < n * n; e++)
        d[e] = leak * d_res[e];
    if (spec->finish == MHC_FINISH_ROUNDING)
        rounding_back(n, k, d);
    if (spec->finish == MHC_FINISH_AFFINE)
        centred(n, d, d_k);
    else
        memcpy(d_k, d, (size_t)(n * n) * sizeof *d_k);
}
