/* Specs of every constraint, and random logits for them. */
#ifndef MHC_TESTS_STREAM_CONSTRAINTS_H
#define MHC_TESTS_STREAM_CONSTRAINTS_H

#include "stream/fixture.h"

/* Logits, or entries of res, of one matrix. */
enum { MOST = MHC_MAX_STREAMS * MHC_MAX_STREAMS };

/* False where the constraint does not exist for n streams, or the finish for the constraint. */
static inline bool constrained(mhc_spec *spec, int kind, int n, mhc_finish finish, float leak, bool transposed) {
    OK(mhc_spec_preset(spec, "paper", n, 8, error));
    spec->constraint = (mhc_constraint_kind)kind;
    spec->finish = finish;
    spec->leak = leak;
    spec->transposed = transposed;
    return mhc_spec_check(spec, NULL) == MHC_OK;
}

static inline int count_of(const mhc_spec *spec) {
    int count;
    OK(mhc_constraint_logits(spec, &count, error));
    return count;
}

static inline unsigned properties_of(const mhc_spec *spec) {
    unsigned properties;
    OK(mhc_constraint_properties(spec, &properties, error));
    return properties;
}

/* For messages. */
static inline const char *name_of(const mhc_spec *spec) {
    static char name[96];
    const char *const finishes[] = {"", ", rounding", ", affine"};
    snprintf(name, sizeof name, "%s%s%s%s, n = %d", mhc_constraint_name((int)spec->constraint), finishes[spec->finish],
             spec->leak > 0.0f ? ", leak" : "", spec->transposed ? ", transposed" : "", spec->streams);
    return name;
}

#define FOR_CONSTRAINTS(kind) for (int kind = 0; mhc_constraint_name(kind); kind++)

#endif
