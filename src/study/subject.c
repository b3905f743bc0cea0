#include "study/subject.h"

#include <stdio.h>
#include <string.h>

#include "study/arm.h"

mhc_status mhc__subject_one_seed(const mhc__study_options *options, const char *study, mhc_error *error) {
    if (options->seeds <= 1)
        return MHC_OK;
    return mhc__fail(error, MHC_INVALID_ARGUMENT,
                     "--seeds: %s looks at one model of each connection; another one: --seed N", study);
}

mhc_status mhc__subject_alone(const mhc__study_options *options, const char *field, mhc_error *error) {
    if (options->steps)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "--steps: study.%s is trained: nothing more is", field);
    for (int i = 0; i < options->set_count; i++)
        if (strncmp(options->set[i], "study.", 6) != 0 || !strncmp(options->set[i], "study.connections", 17))
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "--set %s: study.%s has its own model, training and data",
                             options->set[i], field);
    return MHC_OK;
}

mhc_status mhc__subject_no_residual(const mhc__choice *choices, int count, const char *what, mhc_error *error) {
    for (int c = 0; c < count; c++)
        if (mhc__choice_is_residual(&choices[c]))
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.connections: residual has no %s", what);
    return MHC_OK;
}

mhc_status mhc__subject_train(const mhc__study_options *options, const mhc__choice *choice, const mhc__config *config,
                              const char *out, mhc__subject_run *run, mhc_error *error) {
    mhc__arm *arm;
    MHC__TRY(mhc__study_stopped(options, error));
    MHC__TRY(mhc__arms_make(1, &arm, error));
    mhc_status status = mhc__arm_choose(arm, choice, config, options->seed, out, "", error);
    if (status == MHC_OK) {
        snprintf(arm->label, sizeof arm->label, "%s", choice->label);
        memcpy(run->folder, arm->folder, sizeof run->folder);
        status = mhc__arm_run(arm, options, error);
    }
    run->finite = arm->not_finite_at < 0;
    run->seconds = arm->seconds;
    mhc__arms_free(arm, 1);
    return status;
}
