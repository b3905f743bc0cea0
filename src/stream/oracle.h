/* The fp64 oracle from inside: each operation's own plain transcription, one token at a time. Independent of the fp32
 * code on purpose: it shares the spec and the shape with it, and no arithmetic. */
#ifndef MHC_STREAM_ORACLE_H
#define MHC_STREAM_ORACLE_H

#include "mhc/oracle.h"
#include "stream/shape.h"

/* The decimal that a float of a spec stands for, to the 6 digits that a float always holds: 1e-6, where (double)1e-6f
 * is 9.99999997e-7, which 40 half steps turn into 4e-11 of the gradients. oracle.c. */
double mhc__oracle_eps(float eps);

/* constraint/constraint_oracle.c. history: scratch of mhc__oracle_history doubles. */
int64_t mhc__oracle_history(const mhc_spec *spec);
void mhc__oracle_constraint(const mhc_spec *spec, const double *logits, double *res, double *history);
/* d_logits written (nothing for the identity). */
void mhc__oracle_constraint_back(const mhc_spec *spec, const double *logits, const double *d_res, double *d_logits,
                                 double *history);

/* mapping/gate_oracle.c. n values from their logits, and d_logits written. */
void mhc__oracle_gate(const mhc_gate *gate, int n, const double *logits, double *value);
void mhc__oracle_gate_back(const mhc_gate *gate, int n, const double *logits, const double *d_value, double *d_logits);

/* mapping/projection_oracle.c. One row x [count]: its factor r; mix [width] = r fn x, fn [width][count]. */
double mhc__oracle_norm(const mhc_spec *spec, int64_t count, const double *x);
void mhc__oracle_project(const mhc_spec *spec, int64_t count, const double *x, int width, const double *fn,
                         double *mix);
/* Adds to d_x and d_fn (either may be NULL). */
void mhc__oracle_project_back(const mhc_spec *spec, int64_t count, const double *x, int width, const double *fn,
                              const double *d_mix, double *d_x, double *d_fn);

#endif
