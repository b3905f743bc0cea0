/* orthogonal, rotation and spectral in double. Quaternions are multiplied as quaternions, Cayley's map is a system that
 * is solved for Q itself: (I + A) Q = I - A; its differential gives dA = -(I - A)^-1 dQ (I + Q)'. */
#include <math.h>
#include <string.h>

#include "stream/constraint/oracles.h"

enum { ENTRIES = MHC_MAX_STREAMS * MHC_MAX_STREAMS };

static void system_of(int m, const double *logits, double sign, double *a) {
    for (int i = 0; i < m; i++) {
        a[i * m + i] = 1.0;
        for (int j = i + 1; j < m; j++) {
            a[i * m + j] = sign * *logits;
            a[j * m + i] = -sign * *logits++;
        }
    }
}

static void cayley(int m, const double *logits, double *q) {
    double a[ENTRIES];
    system_of(m, logits, 1.0, a);
    system_of(m, logits, -1.0, q);
    mhc__oracle_solve(m, a, m, q);
}

static void cayley_back(int m, const double *logits, const double *d_q, double *d_logits) {
    double a[ENTRIES], q[ENTRIES], s[ENTRIES], d[ENTRIES];
    cayley(m, logits, q);
    system_of(m, logits, -1.0, a); /* (I + A)' = I - A */
    memcpy(s, d_q, (size_t)(m * m) * sizeof *s);
    mhc__oracle_solve(m, a, m, s);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) {
            d[i * m + j] = -s[i * m + j];
            for (int k = 0; k < m; k++)
                d[i * m + j] -= s[i * m + k] * q[j * m + k];
        }
    for (int i = 0; i < m; i++)
        for (int j = i + 1; j < m; j++)
            *d_logits++ = d[i * m + j] - d[j * m + i];
}

/* ---- quaternions (w, x, y, z) ---- */

static void product(const double *a, const double *b, double *c) {
    c[0] = a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3];
    c[1] = a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2];
    c[2] = a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1];
    c[3] = a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0];
}

static void conjugate(const double *a, double *b) {
    for (int k = 0; k < 4; k++)
        b[k] = k ? -a[k] : a[k];
}

static double unit(const double *logits, double *u) {
    double length = sqrt((1.0 + logits[0]) * (1.0 + logits[0]) + logits[1] * logits[1] + logits[2] * logits[2] +
                         logits[3] * logits[3]);
    for (int k = 0; k < 4; k++)
        u[k] = (logits[k] + (k == 0)) / length;
    return length;
}

static void unit_back(const double *logits, const double *d_u, double *d_logits) {
    double u[4], length = unit(logits, u), along = 0.0;
    for (int k = 0; k < 4; k++)
        along += u[k] * d_u[k];
    for (int k = 0; k < 4; k++)
        d_logits[k] = (d_u[k] - u[k] * along) / length;
}

/* Column j of H is q e_j r~. H is linear in q and in r: the gradient of component k is <G, H with e_k in its place>. */
static void both_sides(const double *q, const double *r, double *h) {
    for (int j = 0; j < 4; j++) {
        double e[4] = {j == 0, j == 1, j == 2, j == 3}, half[4], back[4], column[4];
        conjugate(r, back);
        product(q, e, half);
        product(half, back, column);
        for (int i = 0; i < 4; i++)
            h[i * 4 + j] = column[i];
    }
}

static double inner(int count, const double *a, const double *b) {
    double sum = 0.0;
    for (int e = 0; e < count; e++)
        sum += a[e] * b[e];
    return sum;
}

void mhc__oracle_orthogonal(const mhc_spec *spec, const double *logits, double *res) {
    double q[4], r[4];
    if (spec->streams != 4) {
        cayley(spec->streams, logits, res);
        return;
    }
    unit(logits, q);
    unit(logits + 4, r);
    both_sides(q, r, res);
}

void mhc__oracle_orthogonal_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits) {
    double q[4], r[4], d_q[4], d_r[4], h[16];
    if (spec->streams != 4) {
        cayley_back(spec->streams, logits, d_res, d_logits);
        return;
    }
    unit(logits, q);
    unit(logits + 4, r);
    for (int k = 0; k < 4; k++) {
        double e[4] = {k == 0, k == 1, k == 2, k == 3};
        both_sides(e, r, h);
        d_q[k] = inner(16, d_res, h);
        both_sides(q, e, h);
        d_r[k] = inner(16, d_res, h);
    }
    unit_back(logits, d_q, d_logits);
    unit_back(logits + 4, d_r, d_logits + 4);
}

/* ---- J + U D U' ---- */

/* Column j of the basis at stream i: Hadamard's at n = 4, otherwise Helmert's. */
static double basis(int n, int i, int j) {
    static const double hadamard[4][3] = {{.5, .5, .5}, {.5, -.5, -.5}, {-.5, .5, -.5}, {-.5, -.5, .5}};
    if (n == 4)
        return hadamard[i][j];
    return i <= j ? 1.0 / sqrt((j + 1.0) * (j + 2.0)) : i == j + 1 ? -sqrt((j + 1.0) / (j + 2.0)) : 0.0;
}

/* D [m, m] of the differences. For four streams' rotation: v -> q v q~ of the vector part. */
static void differences(const mhc_spec *spec, const double *x, double *d) {
    int n = spec->streams, m = n - 1, angles = m * (m - 1) / 2;
    double p[ENTRIES], v[ENTRIES], q[4], h[16];
    if (spec->constraint == MHC_CONSTRAINT_ROTATION && n != 4) {
        cayley(m, x, d);
    } else if (spec->constraint == MHC_CONSTRAINT_ROTATION) {
        unit(x, q);
        both_sides(q, q, h);
        for (int e = 0; e < 9; e++)
            d[e] = h[(e / 3 + 1) * 4 + e % 3 + 1];
    } else {
        cayley(m, x, p);
        cayley(m, x + angles, v);
        for (int i = 0; i < m; i++)
            for (int j = 0; j < m; j++) {
                d[i * m + j] = 0.0;
                for (int k = 0; k < m; k++)
                    d[i * m + j] += p[i * m + k] * tanh(x[2 * angles + k]) * v[j * m + k];
            }
    }
}

void mhc__oracle_spectral(const mhc_spec *spec, const double *logits, double *res) {
    int n = spec->streams, m = n - 1;
    double d[ENTRIES];
    differences(spec, logits, d);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            res[i * n + j] = 1.0 / n;
            for (int e = 0; e < m * m; e++)
                res[i * n + j] += basis(n, i, e / m) * d[e] * basis(n, j, e % m);
        }
}

static void sphere_back(int m, const double *x, const double *g, double *d_x) {
    int angles = m * (m - 1) / 2;
    double p[ENTRIES], v[ENTRIES], d_p[ENTRIES], d_v[ENTRIES];
    cayley(m, x, p);
    cayley(m, x + angles, v);
    for (int i = 0; i < m; i++)
        for (int k = 0; k < m; k++) {
            double s = tanh(x[2 * angles + k]);
            d_p[i * m + k] = d_v[i * m + k] = 0.0;
            for (int j = 0; j < m; j++) {
                d_p[i * m + k] += g[i * m + j] * v[j * m + k] * s;
                d_v[i * m + k] += g[j * m + i] * p[j * m + k] * s;
            }
        }
    for (int k = 0; k < m; k++) {
        double sum = 0.0, c = cosh(x[2 * angles + k]);
        for (int e = 0; e < m * m; e++)
            sum += g[e] * p[e / m * m + k] * v[e % m * m + k];
        d_x[2 * angles + k] = sum / (c * c);
    }
    cayley_back(m, x, d_p, d_x);
    cayley_back(m, x + angles, d_v, d_x + angles);
}

void mhc__oracle_spectral_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits) {
    int n = spec->streams, m = n - 1;
    double g[ENTRIES], q[4], d_q[4], back[16], left[16], right[16];
    for (int e = 0; e < m * m; e++) {
        g[e] = 0.0;
        for (int f = 0; f < n * n; f++)
            g[e] += basis(n, f / n, e / m) * d_res[f] * basis(n, f % n, e % m);
    }
    if (spec->constraint == MHC_CONSTRAINT_SPECTRAL) {
        sphere_back(m, logits, g, d_logits);
    } else if (n != 4) {
        cayley_back(m, logits, g, d_logits);
    } else {
        memset(back, 0, sizeof back);
        for (int e = 0; e < 9; e++)
            back[(e / 3 + 1) * 4 + e % 3 + 1] = g[e];
        unit(logits, q);
        for (int k = 0; k < 4; k++) {
            double e[4] = {k == 0, k == 1, k == 2, k == 3};
            both_sides(e, q, left);
            both_sides(q, e, right);
            d_q[k] = inner(16, back, left) + inner(16, back, right);
        }
        unit_back(logits, d_q, d_logits);
    }
}
