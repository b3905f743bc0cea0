/* Starts of the logits of res, by the mass that they leave off the diagonal. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "stream/constraint/properties.h"
#include "stream/shape.h"

/* The gap of starts that mean the identity: 6 I - 3 of MHC_INIT_HOME. */
static const double GAP = 6.0;

double mhc_off_diagonal_of_gap(int streams, double gap) {
    double others = (double)streams - 1.0;
    return others / (exp(gap) + others);
}

/* Of which K, before the leak, has to have the mass. */
static double mass_of_matrix(const mhc_spec *spec, double off) {
    return spec->leak > 0.0f ? off / (double)spec->leak : off;
}

static bool starts_at_identity(mhc_constraint_kind kind) {
    return kind == MHC_CONSTRAINT_NONE || kind == MHC_CONSTRAINT_IDENTITY || kind == MHC_CONSTRAINT_ROTATION ||
           kind == MHC_CONSTRAINT_ORTHOGONAL;
}

/* rotation and orthogonal turn the differences: one plane of them for three streams and four, none for two. */
static bool turns(mhc_constraint_kind kind) {
    return kind == MHC_CONSTRAINT_ROTATION || kind == MHC_CONSTRAINT_ORTHOGONAL;
}

mhc_status mhc__start_check(const mhc_spec *spec, double off_diagonal, const char *what, mhc_error *error) {
    int n = spec->streams;
    const char *name = mhc_constraint_name((int)spec->constraint);
    double most = n == 1 || spec->constraint == MHC_CONSTRAINT_IDENTITY || (turns(spec->constraint) && n == 2)
                      ? 0.0
                      : (double)(n - 1) / n * (spec->leak > 0.0f ? (double)spec->leak : 1.0);
    if (!(off_diagonal >= 0.0 && off_diagonal <= most))
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "%s: expected 0..%.6g, which %s%s reaches with %d streams, found %g", what, most, name,
                         spec->leak > 0.0f ? " with its leak" : "", n, off_diagonal);
    if (off_diagonal == 0.0 && n > 1 && !starts_at_identity(spec->constraint))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: expected more than 0, which %s reaches at infinite logits",
                         what, name);
    return MHC_OK;
}

static void diagonal(float *logits, int n, double at, double off) {
    for (int e = 0; e < n * n; e++)
        logits[e] = (float)(e / n == e % n ? at : off);
}

static void first(float *logits, int count, double at, double off) {
    for (int k = 0; k < count; k++)
        logits[k] = (float)(k == 0 ? at : off);
}

/* Spread in row and column of a rotation of `order` by Cayley with all a_ij = a: its planes turn by 2 atan(a cot((2 k -
 * 1) pi / (2 order))), k = 1.. order / 2. Returns order - trace. */
static double lost_trace(int order, double a) {
    double lost = 0.0;
    for (int k = 1; k <= order / 2; k++) {
        double t = a / tan((2 * k - 1) * acos(-1.0) / (2.0 * order));
        lost += 4.0 * t * t / (1.0 + t * t); /* 2 (1 - cos) */
    }
    return lost;
}

/* The angle parameter a at which a rotation of the n - 1 differences leaves the mass `off`: by bisection. */
static double cayley_of(int n, double off) {
    double low = 0.0, high = 1.0;
    while (lost_trace(n - 1, high) < n * off && high < 1e6)
        high *= 2.0;
    for (int k = 0; k < 100; k++) {
        double middle = 0.5 * (low + high);
        if (lost_trace(n - 1, middle) < n * off)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

static void start_rotation(float *logits, int n, double off) {
    if (n == 4) { /* about the first axis of Hadamard's basis: all streams alike; off = sin^2(half the angle) */
        logits[0] = (float)(sqrt(1.0 - off) - 1.0);
        logits[1] = (float)sqrt(off);
        logits[2] = logits[3] = 0.0f;
        return;
    }
    double a = n > 2 && off > 0.0 ? cayley_of(n, off) : 0.0;
    for (int k = 0; k < (n - 1) * (n - 2) / 2; k++)
        logits[k] = (float)a;
}

/* The same rotation of n streams: U A U' of the differences' skew A, as U's columns are Helmert's. At n = 4 the unit
 * quaternions that turn about the same axis, k on the left and j on the right. */
static void start_orthogonal(float *logits, int n, double off) {
    if (n == 4) {
        memset(logits, 0, 8 * sizeof *logits);
        logits[0] = logits[4] = (float)(sqrt(1.0 - off) - 1.0);
        logits[3] = logits[6] = (float)sqrt(off);
        return;
    }
    double a = n > 2 && off > 0.0 ? cayley_of(n, off) : 0.0;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            double sum = 0.0;
            for (int p = 0; p < n - 1; p++)
                for (int q = 0; q < n - 1; q++) {
                    double up = 1.0 / sqrt((p + 1.0) * (p + 2.0)), uq = 1.0 / sqrt((q + 1.0) * (q + 2.0));
                    double ip = i <= p ? up : i == p + 1 ? -(p + 1) * up : 0.0;
                    double jq = j <= q ? uq : j == q + 1 ? -(q + 1) * uq : 0.0;
                    sum += ip * (p < q ? a : p > q ? -a : 0.0) * jq;
                }
            *logits++ = (float)sum;
        }
}

/* P = V = I and equal singular values. */
static void start_spectral(float *logits, int n, double kept) {
    int m = n - 1, angles = m * (m - 1);
    memset(logits, 0, (size_t)angles * sizeof *logits);
    for (int q = 0; q < m; q++)
        logits[angles + q] = (float)atanh(kept);
}

/* off: of K, reachable; n > 1. */
static void start_at(const mhc_spec *spec, double off, float *logits) {
    int n = spec->streams, count = mhc__constraint_count(spec);
    double gap = log((n - 1) * (1.0 / off - 1.0)), kept = 1.0 - off * n / (n - 1);
    switch (spec->constraint) {
    case MHC_CONSTRAINT_NONE:
        diagonal(logits, n, 1.0 - off, off / (n - 1));
        break;
    case MHC_CONSTRAINT_IDENTITY:
        break;
    case MHC_CONSTRAINT_EXP:
        diagonal(logits, n, log(1.0 - off), log(off / (n - 1)));
        break;
    case MHC_CONSTRAINT_SINKHORN:
    case MHC_CONSTRAINT_ROW_STOCHASTIC:
    case MHC_CONSTRAINT_BIRKHOFF:
        diagonal(logits, n, gap / 2, -gap / 2);
        break;
    case MHC_CONSTRAINT_PERMUTATIONS:
        first(logits, count, 0.0, -log((count - mhc__factorial(n - 1)) / off - (count - 1)));
        break;
    case MHC_CONSTRAINT_CIRCULANT:
        first(logits, count, gap / 2, -gap / 2);
        break;
    case MHC_CONSTRAINT_KRONECKER: {
        double p = pow(1.0 - off, 2.0 / count), logit = log(p / (1.0 - p));
        for (int k = 0; k < count; k++)
            logits[k] = (float)(k % 2 ? -logit / 2 : logit / 2);
        break;
    }
    case MHC_CONSTRAINT_SPECTRAL:
        start_spectral(logits, n, kept);
        break;
    case MHC_CONSTRAINT_ROTATION:
        start_rotation(logits, n, off);
        break;
    case MHC_CONSTRAINT_ORTHOGONAL:
        start_orthogonal(logits, n, off);
        break;
    }
}

/* One stream has no mass to leave: whatever gives 1. */
static void start_alone(const mhc_spec *spec, float *logits) {
    for (int k = 0; k < mhc__constraint_count(spec); k++)
        logits[k] = spec->constraint == MHC_CONSTRAINT_NONE ? 1.0f : 0.0f;
}

mhc_status mhc_constraint_start(const mhc_spec *spec, double off_diagonal, float *logits, mhc_error *error) {
    MHC__TRY(mhc_spec_check(spec, error));
    if (spec->mapping == MHC_MAPPING_NONE)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "mhc_constraint_start: the plain residual has no constraint");
    MHC__TRY(mhc__start_check(spec, off_diagonal, "mhc_constraint_start: off_diagonal", error));
    if (mhc__constraint_count(spec) > 0)
        MHC__TRY(mhc__need(logits, "mhc_constraint_start", "logits", error));
    if (spec->streams == 1)
        start_alone(spec, logits);
    else
        start_at(spec, mass_of_matrix(spec, off_diagonal), logits);
    return MHC_OK;
}

/* The start that stands for the identity: K = I where the constraint has it, a gap of 6 where it does not. */
static void start_near_identity(const mhc_spec *spec, float *logits) {
    int n = spec->streams;
    if (n == 1)
        start_alone(spec, logits);
    else if (starts_at_identity(spec->constraint))
        start_at(spec, 0.0, logits);
    else if (mhc__constraint_has_matrix(spec->constraint) && spec->constraint != MHC_CONSTRAINT_EXP)
        diagonal(logits, n, GAP / 2, -GAP / 2);
    else
        start_at(spec, mhc_off_diagonal_of_gap(n, GAP), logits);
}

void mhc__start_res(const mhc_spec *spec, float *logits) {
    int n = spec->streams;
    if (spec->off_diagonal > 0.0f) {
        start_at(spec, mass_of_matrix(spec, (double)spec->off_diagonal), logits);
        return;
    }
    switch (spec->start) {
    case MHC_INIT_ZEROS:
    case MHC_INIT_XAVIER: /* drawn by who calls */
        break;
    case MHC_INIT_HOME:
    case MHC_INIT_HC:
    case MHC_INIT_HC_MEAN:
        start_near_identity(spec, logits);
        break;
    case MHC_INIT_LITE:
        if (spec->constraint == MHC_CONSTRAINT_PERMUTATIONS)
            first(logits, mhc__constraint_count(spec), 0.0, -8.0);
        else
            start_near_identity(spec, logits);
        break;
    case MHC_INIT_2I_J:
        if (mhc__constraint_has_matrix(spec->constraint))
            diagonal(logits, n, 1.0, -1.0);
        else
            start_near_identity(spec, logits);
        break;
    }
}
