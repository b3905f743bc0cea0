/* The fp64 oracle: one whole site in double precision, plain loops, contiguous arrays. It is the executable definition
 * of every convention, and what to test a port of your own against. Not fast, and not meant to be.
 *
 * Arrays, all contiguous doubles owned by the caller: x, merged, d_merged, d_x [T, n, C]; z, u, d_u, d_z [T, C];
 * coefficients [T or 1, n (n + 2)] as in mhc/site.h; fn, base, scale as in mhc_site_params; carried, d_carried like
 * coefficients. spec->type is of no consequence here: widen what has 16 bits. Errors: as mhc_spec_check;
 * MHC_OUT_OF_MEMORY (the oracle allocates its scratch, and frees it). */
#ifndef MHC_ORACLE_H
#define MHC_ORACLE_H

#include "mhc/spec.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mhc_oracle_params {
    double *fn, *base, *scale;
} mhc_oracle_params;

/* coefficients, u and merged for given z. Any output may be NULL. */
MHC_API mhc_status mhc_oracle_site_forward(const mhc_spec *spec, const mhc_oracle_params *params, int64_t tokens,
                                           const double *x, const double *z, const double *carried,
                                           double *coefficients, double *u, double *merged, mhc_error *error);

/* Gradients of sum(u d_u) + sum(merged d_merged) + sum(pre d_pre); all outputs are written, not added; any may be NULL.
 * d_pre [T or 1, n]: upstream gradient of this site's pre under the shifted schedule, else NULL. d_carried: shaped
 * like coefficients; only its pre part is written. */
MHC_API mhc_status mhc_oracle_site_backward(const mhc_spec *spec, const mhc_oracle_params *params, int64_t tokens,
                                            const double *x, const double *z, const double *carried, const double *d_u,
                                            const double *d_merged, const double *d_pre, double *d_x, double *d_z,
                                            double *d_carried, const mhc_oracle_params *gradients, mhc_error *error);

/* The constraint alone: res [n, n] from logits, and d_logits from d_res. */
MHC_API mhc_status mhc_oracle_constraint_forward(const mhc_spec *spec, const double *logits, double *res,
                                                 mhc_error *error);
MHC_API mhc_status mhc_oracle_constraint_backward(const mhc_spec *spec, const double *logits, const double *d_res,
                                                  double *d_logits, mhc_error *error);

/* Contraction: y [T, C] and its gradients. Outputs written; any may be NULL. */
MHC_API mhc_status mhc_oracle_contract_forward(const mhc_spec *spec, const mhc_oracle_params *head, int64_t tokens,
                                               const double *x, const double *carried, double *y, mhc_error *error);
MHC_API mhc_status mhc_oracle_contract_backward(const mhc_spec *spec, const mhc_oracle_params *head, int64_t tokens,
                                                const double *x, const double *carried, const double *d_y, double *d_x,
                                                double *d_carried, const mhc_oracle_params *gradients,
                                                mhc_error *error);

#ifdef __cplusplus
}
#endif

#endif
