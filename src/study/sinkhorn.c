#include "study/sinkhorn.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static mhc_status refuse_training(const mhc__study_options *options, mhc_error *error) {
    const char *given = options->data ? "--data" : options->steps ? "--steps" : options->seeds ? "--seeds" : NULL;
    if (given)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "%s: study sinkhorn trains nothing; it has --seed and study.draws", given);
    for (int i = 0; i < options->set_count; i++)
        if (strncmp(options->set[i], "study.", 6) != 0)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "--set %s: expected study.draws=N or study.cap=N",
                             options->set[i]);
    return MHC_OK;
}

/* A whole number of the study's own, or `otherwise`. */
static mhc_status number(const mhc__study_options *options, const char *name, int64_t otherwise, int64_t most,
                         int64_t *value, mhc_error *error) {
    const char *text = mhc__study_setting(options, name, NULL);
    *value = otherwise;
    if (!text)
        return MHC_OK;
    char *end;
    long long read = strtoll(text, &end, 10);
    if (*end || end == text || read < 100 || read > most)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.%s: %s: expected a whole number in 100..%lld", name, text,
                         (long long)most);
    *value = read;
    return MHC_OK;
}

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    static const char *const OWN[] = {"draws", "cap", NULL};
    const bool quick = options->size == MHC__SIZE_QUICK;
    mhc__study_folder folder;
    int64_t draws, cap;
    MHC__TRY(mhc__study_settings_check(options, OWN, error));
    MHC__TRY(refuse_training(options, error));
    MHC__TRY(number(options, "draws", quick ? 2000 : 20000, 10000000, &draws, error));
    MHC__TRY(number(options, "cap", quick ? 1000 : 5000, 1000000, &cap, error));
    MHC__TRY(mhc__study_folders(options, "sinkhorn", &folder, error));
    mhc__sinkhorn_evidence *evidence = calloc(1, sizeof *evidence);
    if (!evidence)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "sinkhorn: no memory");
    double start = mhc__clock_seconds();
    mhc_status status = mhc__sinkhorn_measure(options, draws, (int)cap, evidence, error);
    if (status == MHC_OK)
        status = mhc__sinkhorn_report(options, evidence, mhc__clock_seconds() - start, folder.report, error);
    free(evidence);
    return status;
}

extern const mhc__study mhc__study_sinkhorn;
const mhc__study mhc__study_sinkhorn = {
    "sinkhorn",
    "what 20 iterations of Sinkhorn leave, for which logits, and how the published conventions differ",
    "--quick seconds, else a minute",
    "arXiv 2512.24880, 2601.05732; the conventions' own code",
    "Random 4 x 4 logits of eleven kinds, in double precision: the error of the sums by cycle, cycles to 1e-6, the\n"
    "gradient through 20 cycles against that of the exact limit (birkhoff), all conventions against each other, and\n"
    "products over depth. Trains nothing.\n"
    "\n"
    "  --quick                2,000 matrices of each kind, 1,000 cycles at most\n"
    "  --seed N               42\n"
    "  --out DIR              runs/sinkhorn\n"
    "  --set study.draws=N    20000\n"
    "  --set study.cap=N      5000, the most cycles that are tried\n"
    "\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and claims.tsv, pictures with their data.\n",
    run};
