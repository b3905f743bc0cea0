/* Means of permutations and Kronecker products of 2 x 2 matrices, in double. */
#include <math.h>

#include "stream/constraint/oracles.h"

/* Permutation number k of n in lexicographic order, from the factorial digits of k. */
static void permutation(int n, int k, int *p) {
    bool used[5] = {false};
    for (int i = 0; i < n; i++) {
        int block = mhc__factorial(n - 1 - i), skip = k / block;
        k %= block;
        int candidate = 0;
        while (used[candidate] || skip > 0)
            skip -= !used[candidate++];
        used[candidate] = true;
        p[i] = candidate;
    }
}

static void softmax(int count, const double *x, double *p) {
    double most = x[0], sum = 0.0;
    for (int k = 1; k < count; k++)
        most = fmax(most, x[k]);
    for (int k = 0; k < count; k++)
        sum += p[k] = exp(x[k] - most);
    for (int k = 0; k < count; k++)
        p[k] /= sum;
}

static int count_of(const mhc_spec *spec) {
    return spec->constraint == MHC_CONSTRAINT_CIRCULANT ? spec->streams : mhc__factorial(spec->streams);
}

static void member(const mhc_spec *spec, int k, int *p) {
    int n = spec->streams;
    if (spec->constraint == MHC_CONSTRAINT_PERMUTATIONS) {
        permutation(n, k, p);
        return;
    }
    for (int i = 0; i < n; i++)
        p[i] = (i + k) % n;
}

void mhc__oracle_permutations(const mhc_spec *spec, const double *logits, double *res) {
    int n = spec->streams, count = count_of(spec), p[MHC_MAX_STREAMS];
    double a[120];
    softmax(count, logits, a);
    for (int e = 0; e < n * n; e++)
        res[e] = 0.0;
    for (int k = 0; k < count; k++) {
        member(spec, k, p);
        for (int i = 0; i < n; i++)
            res[i * n + p[i]] += a[k];
    }
}

void mhc__oracle_permutations_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits) {
    int n = spec->streams, count = count_of(spec), p[MHC_MAX_STREAMS];
    double a[120], mean = 0.0;
    softmax(count, logits, a);
    for (int k = 0; k < count; k++) {
        member(spec, k, p);
        d_logits[k] = 0.0;
        for (int i = 0; i < n; i++)
            d_logits[k] += d_res[i * n + p[i]];
        mean += a[k] * d_logits[k];
    }
    for (int k = 0; k < count; k++)
        d_logits[k] = a[k] * (d_logits[k] - mean);
}

/* Entry (i, j) is the product over the factors of p where their bit of i and j agrees, of 1 - p where it does not. The
 * first factor has the most significant bit. */
static double share(const double *logits, int k, int same) {
    double p = 1.0 / (1.0 + exp(logits[2 * k + 1] - logits[2 * k]));
    return same ? p : 1.0 - p;
}

void mhc__oracle_kronecker(const mhc_spec *spec, const double *logits, double *res) {
    int n = spec->streams, factors = mhc__constraint_count(spec) / 2;
    for (int e = 0; e < n * n; e++) {
        res[e] = 1.0;
        for (int k = 0; k < factors; k++)
            res[e] *= share(logits, k, ((e / n ^ e % n) >> (factors - 1 - k) & 1) == 0);
    }
}

void mhc__oracle_kronecker_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits) {
    int n = spec->streams, factors = mhc__constraint_count(spec) / 2;
    for (int f = 0; f < factors; f++) {
        double d = 0.0, p = share(logits, f, 1);
        for (int e = 0; e < n * n; e++) {
            double others = 1.0;
            for (int k = 0; k < factors; k++)
                if (k != f)
                    others *= share(logits, k, ((e / n ^ e % n) >> (factors - 1 - k) & 1) == 0);
            bool same = ((e / n ^ e % n) >> (factors - 1 - f) & 1) == 0;
            d += (same ? d_res[e] : -d_res[e]) * others;
        }
        d_logits[2 * f] = d * p * (1.0 - p);
        d_logits[2 * f + 1] = -d_logits[2 * f];
    }
}
