/* Gates of pre and post in double. */
#include <math.h>

#include "stream/oracle.h"

static void softmax(int n, const double *x, double *p) {
    double most = x[0], sum = 0.0;
    for (int k = 1; k < n; k++)
        most = fmax(most, x[k]);
    for (int k = 0; k < n; k++)
        sum += p[k] = exp(x[k] - most);
    for (int k = 0; k < n; k++)
        p[k] /= sum;
}

static void softmax_back(int n, const double *p, const double *d_p, double *d_x) {
    double mean = 0.0;
    for (int k = 0; k < n; k++)
        mean += p[k] * d_p[k];
    for (int k = 0; k < n; k++)
        d_x[k] = p[k] * (d_p[k] - mean);
}

void mhc__oracle_gate(const mhc_gate *gate, int n, const double *logits, double *value) {
    double f[MHC_MAX_STREAMS] = {0}, p[MHC_MAX_STREAMS];
    switch (gate->kind) {
    case MHC_GATE_FREE:
    case MHC_GATE_SIGMOID:
        for (int k = 0; k < n; k++)
            f[k] = gate->kind == MHC_GATE_FREE ? logits[k] : 1.0 / (1.0 + exp(-logits[k]));
        break;
    case MHC_GATE_SOFTMAX:
        softmax(n, logits, f);
        break;
    case MHC_GATE_MATRIX_MEAN:
    case MHC_GATE_MATRIX_SUM:
        for (int i = 0; i < n; i++) {
            softmax(n, logits + i * n, p);
            for (int j = 0; j < n; j++)
                f[j] += gate->kind == MHC_GATE_MATRIX_MEAN ? p[j] / n : p[j];
        }
        break;
    case MHC_GATE_FIXED:
        for (int k = 0; k < n; k++)
            f[k] = 1.0;
        break;
    }
    for (int k = 0; k < n; k++)
        value[k] = (double)gate->multiplier * f[k] + mhc__oracle_eps(gate->eps);
}

void mhc__oracle_gate_back(const mhc_gate *gate, int n, const double *logits, const double *d_value, double *d_logits) {
    double d_f[MHC_MAX_STREAMS], p[MHC_MAX_STREAMS];
    for (int k = 0; k < n; k++)
        d_f[k] = (double)gate->multiplier * d_value[k] / (gate->kind == MHC_GATE_MATRIX_MEAN ? n : 1);
    switch (gate->kind) {
    case MHC_GATE_FREE:
        for (int k = 0; k < n; k++)
            d_logits[k] = d_f[k];
        break;
    case MHC_GATE_SIGMOID:
        for (int k = 0; k < n; k++)
            d_logits[k] = d_f[k] / (1.0 + exp(-logits[k])) / (1.0 + exp(logits[k]));
        break;
    case MHC_GATE_SOFTMAX:
        softmax(n, logits, p);
        softmax_back(n, p, d_f, d_logits);
        break;
    case MHC_GATE_MATRIX_MEAN:
    case MHC_GATE_MATRIX_SUM:
        for (int i = 0; i < n; i++) {
            softmax(n, logits + i * n, p);
            softmax_back(n, p, d_f, d_logits + i * n);
        }
        break;
    case MHC_GATE_FIXED:
        break;
    }
}
