/* What is known about a constraint without its logits. */
#ifndef MHC_STREAM_CONSTRAINT_PROPERTIES_H
#define MHC_STREAM_CONSTRAINT_PROPERTIES_H

#include <stdbool.h>

#include "base/compiler.h"
#include "mhc/constraint.h"

enum { MHC__CONSTRAINTS = MHC_CONSTRAINT_ORTHOGONAL + 1 };

/* Are its logits an n x n matrix, which a convention may lay out as [src, dst]? */
MHC__SHARED_CODE static inline bool mhc__constraint_has_matrix(mhc_constraint_kind kind) {
    return kind == MHC_CONSTRAINT_NONE || kind == MHC_CONSTRAINT_EXP || kind == MHC_CONSTRAINT_SINKHORN ||
           kind == MHC_CONSTRAINT_ROW_STOCHASTIC || kind == MHC_CONSTRAINT_BIRKHOFF;
}

/* May its entries be negative? */
static inline bool mhc__constraint_is_signed(mhc_constraint_kind kind) {
    return kind == MHC_CONSTRAINT_NONE || kind == MHC_CONSTRAINT_SPECTRAL || kind == MHC_CONSTRAINT_ROTATION ||
           kind == MHC_CONSTRAINT_ORTHOGONAL;
}

/* Logits of res; spec as mhc_spec_check wants it. */
int mhc__constraint_count(const mhc_spec *spec);
/* Can a start leave this off-diagonal mass? spec is otherwise good. */
mhc_status mhc__start_check(const mhc_spec *spec, double off_diagonal, const char *what, mhc_error *error);
/* base's part for res, as spec->start or spec->off_diagonal says, save MHC_INIT_XAVIER. */
void mhc__start_res(const mhc_spec *spec, float *logits);

#endif
