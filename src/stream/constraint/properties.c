/* Names, sizes and promises of the constraints. */
#include "stream/constraint/properties.h"

#include <string.h>

#include "base/error.h"
#include "stream/shape.h"

enum {
    SUMS = MHC_ROW_SUMS | MHC_COLUMN_SUMS,
    STOCHASTIC = SUMS | MHC_NONNEGATIVE | MHC_NONEXPANSIVE /* doubly; by Birkhoff's theorem a mean of permutations */
};

static const struct {
    const char *name;
    unsigned properties;
} constraints[MHC__CONSTRAINTS] = {
    [MHC_CONSTRAINT_NONE] = {"none", 0},
    [MHC_CONSTRAINT_IDENTITY] = {"identity", STOCHASTIC | MHC_ISOMETRY},
    [MHC_CONSTRAINT_EXP] = {"exp", MHC_NONNEGATIVE},
    [MHC_CONSTRAINT_SINKHORN] = {"sinkhorn", MHC_NONNEGATIVE},
    [MHC_CONSTRAINT_PERMUTATIONS] = {"permutations", STOCHASTIC},
    [MHC_CONSTRAINT_CIRCULANT] = {"circulant", STOCHASTIC},
    [MHC_CONSTRAINT_ROW_STOCHASTIC] = {"row-stochastic", MHC_ROW_SUMS | MHC_NONNEGATIVE},
    [MHC_CONSTRAINT_BIRKHOFF] = {"birkhoff", STOCHASTIC},
    [MHC_CONSTRAINT_KRONECKER] = {"kronecker", STOCHASTIC},
    [MHC_CONSTRAINT_SPECTRAL] = {"spectral", SUMS | MHC_NONEXPANSIVE},
    [MHC_CONSTRAINT_ROTATION] = {"rotation", SUMS | MHC_NONEXPANSIVE | MHC_ISOMETRY},
    [MHC_CONSTRAINT_ORTHOGONAL] = {"orthogonal", MHC_NONEXPANSIVE | MHC_ISOMETRY},
};

const char *mhc_constraint_name(int index) {
    return index >= 0 && index < MHC__CONSTRAINTS ? constraints[index].name : NULL;
}

mhc_status mhc_constraint_find(const char *name, mhc_constraint_kind *kind, mhc_error *error) {
    if (!name || !kind)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "mhc_constraint_find: expected a name and a kind, found NULL");
    char names[256] = "";
    for (int i = 0; i < MHC__CONSTRAINTS; i++) {
        if (strcmp(constraints[i].name, name) == 0) {
            *kind = (mhc_constraint_kind)i;
            return MHC_OK;
        }
        strcat(names, i == 0 ? "" : ", ");
        strcat(names, constraints[i].name);
    }
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "constraint: expected one of %s; found \"%.64s\"", names, name);
}

/* The half step that comes last is exact; a clamp or an eps is in its way. */
static unsigned sinkhorn_sums(const mhc_sinkhorn *s) {
    if (s->eps_mode != MHC_EPS_NONE && s->eps > 0.0f)
        return 0;
    return s->first == MHC_AXIS_DST ? MHC_ROW_SUMS : MHC_COLUMN_SUMS;
}

static unsigned properties_of(const mhc_spec *spec) {
    if (spec->streams == 1 && spec->constraint != MHC_CONSTRAINT_NONE && spec->constraint != MHC_CONSTRAINT_EXP &&
        spec->constraint != MHC_CONSTRAINT_SINKHORN)
        return STOCHASTIC | MHC_ISOMETRY; /* res = 1 */
    unsigned found = constraints[spec->constraint].properties;
    if (spec->constraint == MHC_CONSTRAINT_SINKHORN)
        found |= sinkhorn_sums(&spec->sinkhorn);
    if (spec->finish == MHC_FINISH_ROUNDING)
        found = STOCHASTIC | (found & MHC_ISOMETRY);
    if (spec->finish == MHC_FINISH_AFFINE && (found & SUMS) != SUMS) /* otherwise it changes nothing */
        found = SUMS | (found & MHC_NONEXPANSIVE);
    if (spec->leak > 0.0f && spec->leak < 1.0f && spec->constraint != MHC_CONSTRAINT_IDENTITY)
        found &= ~(unsigned)MHC_ISOMETRY;
    return found;
}

mhc_status mhc_constraint_properties(const mhc_spec *spec, unsigned *properties, mhc_error *error) {
    MHC__TRY(mhc_spec_check(spec, error));
    MHC__TRY(mhc__need(properties, "mhc_constraint_properties", "properties", error));
    *properties = spec->mapping == MHC_MAPPING_NONE ? STOCHASTIC | MHC_ISOMETRY : properties_of(spec);
    return MHC_OK;
}

static int doublings(int n) {
    int count = 0;
    while (1 << count < n)
        count++;
    return count;
}

int mhc__constraint_count(const mhc_spec *spec) {
    int n = spec->streams, m = n - 1;
    switch (spec->constraint) {
    case MHC_CONSTRAINT_IDENTITY:
        return 0;
    case MHC_CONSTRAINT_PERMUTATIONS:
        return mhc__factorial(n);
    case MHC_CONSTRAINT_CIRCULANT:
        return n;
    case MHC_CONSTRAINT_KRONECKER:
        return 2 * doublings(n);
    case MHC_CONSTRAINT_SPECTRAL:
        return m * m;
    case MHC_CONSTRAINT_ROTATION:
        return n == 4 ? 4 : m * (m - 1) / 2;
    case MHC_CONSTRAINT_ORTHOGONAL:
        return n == 4 ? 8 : n * m / 2;
    case MHC_CONSTRAINT_NONE:
    case MHC_CONSTRAINT_EXP:
    case MHC_CONSTRAINT_SINKHORN:
    case MHC_CONSTRAINT_ROW_STOCHASTIC:
    case MHC_CONSTRAINT_BIRKHOFF:
        break;
    }
    return n * n;
}

mhc_status mhc_constraint_logits(const mhc_spec *spec, int *count, mhc_error *error) {
    MHC__TRY(mhc_spec_check(spec, error));
    MHC__TRY(mhc__need(count, "mhc_constraint_logits", "count", error));
    *count = spec->mapping == MHC_MAPPING_NONE ? 0 : mhc__constraint_count(spec);
    return MHC_OK;
}
