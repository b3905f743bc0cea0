#include "study/study.h"

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

int mhc__command_study(const mhc__arguments *arguments) {
    const char *name = mhc__operand(arguments, 0);
    if (!name) {
        for (int i = 0; mhc__study_at(i); i++)
            printf("%-12s %s\n", mhc__study_at(i)->name, mhc__study_at(i)->summary);
        return MHC__EXIT_FINE;
    }
    const mhc__study *study = mhc__study_find(name);
    if (!study)
        return unknown_study(arguments, name);
    mhc__study_options options = mhc__study_options_default();
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
