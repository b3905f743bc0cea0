/* The constraint: how logits become res, by itself.
 *
 * Constraints form a ladder of properties, which hold for every finite logit up to the rounding that
 * src/stream/constraint/README.md states. With J = 1 1' / n and D the part of res on the differences between streams:
 *
 *     row sums        res 1 = 1          the mean of equal streams is kept, forward
 *     column sums     1' res = 1'        the mean of the streams is kept; the same for gradients, backward
 *     nonnegative     res_ij >= 0
 *     non-expansive   |D| <= 1           no difference grows, at any depth
 *     isometry        |D x| = |x|        no difference shrinks either
 *
 * A start is given as mass off the diagonal, 1 - mean_i res_ii, which is comparable between constraints, where biases
 * and angles are not. With it res starts as J + (1 - n / (n - 1) off) (I - J) under every constraint that has this
 * matrix: all but kronecker for more than two streams, which has another of the same mass, and rotation and orthogonal,
 * which start as one rotation that keeps the mean. */
#ifndef MHC_CONSTRAINT_H
#define MHC_CONSTRAINT_H

#include "mhc/context.h"
#include "mhc/spec.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mhc_property {
    MHC_ROW_SUMS = 1,
    MHC_COLUMN_SUMS = 2,
    MHC_NONNEGATIVE = 4,
    MHC_NONEXPANSIVE = 8,
    MHC_ISOMETRY = 16
} mhc_property;

/* The name of a constraint ("none", "identity", …), or NULL past the last. */
MHC_API const char *mhc_constraint_name(int index);

/* The constraint of that name. Errors: MHC_INVALID_ARGUMENT for an unknown one (the message lists the names). */
MHC_API mhc_status mhc_constraint_find(const char *name, mhc_constraint_kind *kind, mhc_error *error);

/* What spec's res promises, finish and leak included: a sum of mhc_property. Sinkhorn promises the sums that it
 * normalises last, where no eps is in their way; the others are as close as its iterations bring them. Errors: as
 * mhc_spec_check. */
MHC_API mhc_status mhc_constraint_properties(const mhc_spec *spec, unsigned *properties, mhc_error *error);

/* Logits of res for one token or site. Errors: as mhc_spec_check. */
MHC_API mhc_status mhc_constraint_logits(const mhc_spec *spec, int *count, mhc_error *error);

/* The mass off the diagonal at a gap: softmax of `gap` on the diagonal and 0 elsewhere, (n - 1) / (e^gap + n - 1). A
 * rotation by an angle has 2 / n (1 - cos angle) for each plane that turns; at n = 4 rotation has sin^2(angle / 2). */
MHC_API double mhc_off_diagonal_of_gap(int streams, double gap);

/* logits [mhc_constraint_logits] at which 1 - mean_i res_ii = off_diagonal, finish and leak included. Errors:
 * MHC_INVALID_ARGUMENT where the constraint does not reach it: with one stream only 0; no more than (n - 1) / n, that
 * of J; 0 itself only for none, identity (which has nothing else), rotation and orthogonal. */
MHC_API mhc_status mhc_constraint_start(const mhc_spec *spec, double off_diagonal, float *logits, mhc_error *error);

/* For `rows` sets of logits: res [rows, n, n] from logits [rows, mhc_constraint_logits] in the convention's own order.
 * What hostile logits give is stated in src/stream/constraint/README.md. */
MHC_API mhc_status mhc_constraint_forward(const mhc_context *context, const mhc_spec *spec, int64_t rows,
                                          const float *logits, float *res, mhc_error *error);
/* d_logits (written) from logits and d_res: the gradient of what forward computed. Nothing is kept from forward: logits
 * are all that it needs. */
MHC_API mhc_status mhc_constraint_backward(const mhc_context *context, const mhc_spec *spec, int64_t rows,
                                           const float *logits, const float *d_res, float *d_logits, mhc_error *error);

#ifdef __cplusplus
}
#endif

#endif
