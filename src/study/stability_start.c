/* The models of the stability study as they start: whether two of them are the same function. */
#include <math.h>

#include "study/stability.h"
#include "study/start.h"

/* All models of one seed against number `mhc`. */
static mhc_status compare(mhc__stability *study, int mhc, int seed, mhc_error *error) {
    const mhc__arm *arms[MHC__STUDY_MAX_CHOICES];
    mhc__start_difference found[MHC__STUDY_MAX_CHOICES];
    for (int c = 0; c < study->choice_count; c++)
        arms[c] = mhc__stability_arm(study, c, seed);
    MHC__TRY(mhc__starts_compare(arms[mhc], arms, study->choice_count, found, error));
    for (int c = 0; c < study->choice_count; c++) {
        mhc__range off = {0, study->starts[c].logits_off};
        mhc__widen(&off, found[c].off);
        study->starts[c] = (mhc__stability_start){off.high, found[c].rms};
    }
    return MHC_OK;
}

mhc_status mhc__stability_compare_starts(mhc__stability *study, mhc_error *error) {
    int mhc = mhc__choice_find(study->choices, study->choice_count, "reproducing-mhc");
    for (int c = 0; c < study->choice_count; c++)
        study->starts[c] = mhc < 0 ? (mhc__stability_start){NAN, NAN} : (mhc__stability_start){0, 0};
    for (int seed = 0; mhc >= 0 && seed < study->seeds; seed++)
        MHC__TRY(compare(study, mhc, seed, error));
    return MHC_OK;
}
