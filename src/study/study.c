#include "study/study.h"

#include <stddef.h>
#include <string.h>

extern const mhc__study mhc__study_ablation, mhc__study_constraints, mhc__study_contraction, mhc__study_demo,
    mhc__study_depth, mhc__study_gradient_flow, mhc__study_intervene, mhc__study_matrices, mhc__study_overhead,
    mhc__study_sinkhorn, mhc__study_stability;

mhc__study_options mhc__study_options_default(void) {
    mhc__study_options options = {.seed = 42};
    return options;
}

const mhc__study *mhc__study_at(int index) {
    static const mhc__study *const studies[] = {
        &mhc__study_ablation, &mhc__study_constraints,   &mhc__study_contraction, &mhc__study_demo,
        &mhc__study_depth,    &mhc__study_gradient_flow, &mhc__study_intervene,   &mhc__study_matrices,
        &mhc__study_overhead, &mhc__study_sinkhorn,      &mhc__study_stability};
    return index >= 0 && index < (int)(sizeof studies / sizeof studies[0]) ? studies[index] : NULL;
}

const mhc__study *mhc__study_find(const char *name) {
    for (int i = 0; mhc__study_at(i); i++)
        if (!strcmp(mhc__study_at(i)->name, name))
            return mhc__study_at(i);
    return NULL;
}
