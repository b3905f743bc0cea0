#include "study/study.h"

#include <string.h>

#include "command.h"
#include "config/nearest.h"
#include "stop.h"

static int unknown_study(const mhc__arguments *arguments, const char *name) {
    const char *names[32];
    int count = 0;
    for (; mhc__study_at(count) && count < 31; count++)
        names[count] = mhc__study_at(count)->name;
    names[count] = NULL;
    const char *meant = mhc__nearest(name, names);
    return mhc__misused(arguments->command, "unknown study \"%.60s\"%s%s%s", name, meant ? "; did you mean " : "",
                        meant ? meant : "", meant ? "?" : "");
}

static int list(void) {
    for (int i = 0; mhc__study_at(i); i++) {
        const mhc__study *study = mhc__study_at(i);
        printf("%-14s %s\n%-14s %s on two cores; from %s\n", study->name, study->summary, "", study->cost,
               study->source);
    }
    return MHC__EXIT_FINE;
}

int mhc__command_study(const mhc__arguments *arguments) {
    const char *name = mhc__operand(arguments, 0);
    if (!name || !strcmp(name, "list"))
        return list();
    const mhc__study *study = mhc__study_find(name);
    if (!study)
        return unknown_study(arguments, name);
    mhc__study_options options = mhc__study_options_default();
    if (mhc__option_given(arguments, "quick") && mhc__option_given(arguments, "published"))
        return mhc__misused(arguments->command, "--quick and --published: expected one of them");
    options.size = mhc__option_given(arguments, "quick")       ? MHC__SIZE_QUICK
                   : mhc__option_given(arguments, "published") ? MHC__SIZE_PUBLISHED
                                                               : MHC__SIZE_DEFAULT;
    options.data = mhc__option_text(arguments, "data");
    options.out = mhc__option_text(arguments, "out");
    options.steps = mhc__option_integer(arguments, "steps", 0);
    options.seeds = (int)mhc__option_integer(arguments, "seeds", 0);
    options.seed = (uint64_t)mhc__option_integer(arguments, "seed", (int64_t)options.seed);
    options.set = mhc__option_list(arguments, "set", &options.set_count);
    options.threads = (int)mhc__option_integer(arguments, "threads", 0);
    options.log = stderr;
    options.stop = mhc__stop_on_signals();
    options.quiet = mhc__option_given(arguments, "quiet");
    mhc_error error = {0};
    mhc_status status = study->run(&options, &error);
    if (status == MHC_OK)
        return MHC__EXIT_FINE;
    if (status == MHC_INTERRUPTED) {
        fprintf(stderr, "mhc: stopped, and saved; the same command goes on\n");
        return MHC__EXIT_FAILED;
    }
    return mhc__failed(&error);
}
