/* How much of the first layer survives the mixing matrices above it. */
#include "study/contraction.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "study/subject.h"
#include "study/text_model.h"

static const char *const OWN_FIELDS[] = {"checkpoint", "sites", "tokens", "connections", NULL};

/* The same model and the same start but for res: near the identity wherever a constraint has it. */
static const mhc__variant VARIANTS[] = {
    {.name = "sinkhorn", .connection = "paper"},
    {.name = "birkhoff", .connection = "paper", .set = {"model.constraint=birkhoff"}},
    {.name = "permutations", .connection = "paper", .set = {"model.constraint=permutations"}},
    {.name = "row-stochastic", .connection = "paper", .set = {"model.constraint=row-stochastic"}},
    {.name = "spectral", .connection = "paper", .set = {"model.constraint=spectral"}},
    {.name = "rotation", .connection = "paper", .set = {"model.constraint=rotation"}},
    {.name = "orthogonal", .connection = "paper", .set = {"model.constraint=orthogonal"}},
    {.name = "identity", .connection = "paper", .set = {"model.constraint=identity"}},
    {.name = "leaky-0.25", .connection = "paper", .set = {"model.leaky=0.25"}},
    {.name = "leaky-1", .connection = "paper", .set = {"model.leaky=1"}},
    {.name = "leaky-4", .connection = "paper", .set = {"model.leaky=4"}},
    {.name = "no-constraint", .connection = "hc", .set = {"model.contract=mean"}},
    {.name = NULL}};
static const char EVERYTHING[] = "sinkhorn,birkhoff,permutations,spectral,orthogonal,identity,leaky-0.25,leaky-1,"
                                 "leaky-4,no-constraint";
static const char FEW[] = "sinkhorn,orthogonal,identity,leaky-1,no-constraint";

static mhc_status read_sites(mhc__contraction_study *study, mhc_error *error) {
    const bool quick = study->options->size == MHC__SIZE_QUICK;
    int values[MHC__STUDY_MAX_CHOICES];
    const char *list = mhc__study_setting(study->options, "sites", quick ? "60,500" : "60,120,250,500");
    MHC__TRY(mhc__study_integers(list, "sites", values, &study->depth_count, error));
    if (study->depth_count > MHC__CONTRACTION_DEPTHS)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.sites: more than %d", MHC__CONTRACTION_DEPTHS);
    for (int d = 0; d < study->depth_count; d++) {
        if (d && values[d] < values[d - 1])
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.sites: expected rising numbers, found %d after %d",
                             values[d], values[d - 1]);
        study->depths[d] = values[d];
    }
    return MHC_OK;
}

static mhc_status read_tokens(mhc__contraction_study *study, mhc_error *error) {
    const bool quick = study->options->size == MHC__SIZE_QUICK;
    const char *text = mhc__study_setting(study->options, "tokens", quick ? "8" : "32");
    int count;
    MHC__TRY(mhc__study_integers(text, "tokens", &study->tokens, &count, error));
    return count == 1 ? MHC_OK : mhc__fail(error, MHC_INVALID_ARGUMENT, "study.tokens: expected one number");
}

static mhc_status choose_models(mhc__contraction_study *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    const bool quick = options->size == MHC__SIZE_QUICK;
    MHC__TRY(
        mhc__study_choose(options, VARIANTS, quick ? FEW : EVERYTHING, study->choices, &study->choice_count, error));
    study->config = mhc__study_deep_text_model();
    study->config.train.steps = quick ? 40 : 150;
    return mhc__study_configure(options, 0.05, NULL, &study->config, error);
}

static mhc_status read_options(mhc__contraction_study *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    MHC__TRY(mhc__study_settings_check(options, OWN_FIELDS, error));
    MHC__TRY(mhc__subject_one_seed(options, "contraction", error));
    MHC__TRY(mhc__study_folders(options, "contraction", &study->folder, error));
    MHC__TRY(read_sites(study, error));
    MHC__TRY(read_tokens(study, error));
    if (mhc__study_setting(options, "checkpoint", NULL))
        return mhc__subject_alone(options, "checkpoint", error);
    return choose_models(study, error);
}

static mhc_status work(mhc__contraction_study *study, mhc_error *error) {
    MHC__TRY(read_options(study, error));
    if (study->choice_count)
        MHC__TRY(mhc__arms_make(study->choice_count, &study->arms, error));
    MHC__TRY(mhc__contraction_models(study, error));
    double start = mhc__clock_seconds();
    MHC__TRY(mhc__contraction_maps_measure(study, error));
    study->seconds += mhc__clock_seconds() - start;
    return mhc__contraction_report(study, error);
}

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    mhc__contraction_study *study = calloc(1, sizeof *study);
    if (!study)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "contraction: no memory");
    study->options = options;
    mhc_status status = work(study, error);
    mhc__contraction_models_free(study);
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++)
        for (int depth = 0; depth < MHC__CONTRACTION_DEPTHS; depth++)
            for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++)
                mhc__contraction_free(&study->maps[map][depth][spread]);
    free(study);
    return status;
}

extern const mhc__study mhc__study_contraction;
const mhc__study mhc__study_contraction = {
    "contraction",
    "how much of what the first layer wrote survives 60 to 500 mixing matrices, by constraint",
    "--quick 3 minutes, else 15",
    "own; after arXiv 2512.24880, figure 8",
    "Measures what products of H_res do to differences between streams: singular values of products of up to 500\n"
    "matrices as logarithms, the volume against the law -ln|det H| = sum_i (1 - H_ii), half-lives, leaky mixers\n"
    "against their bound. First the constraints alone, at their starts, with the part of the logits that depends\n"
    "on inputs as it starts, and wide; then models of 60 sites with the weights of the start and trained, where\n"
    "the differences that the first layer wrote are followed upwards and gradients downwards.\n"
    "\n"
    "  --quick                five models of 40 steps, 60 and 500 sites\n"
    "  --steps N              150\n"
    "  --seed N               42\n"
    "  --data TEXT            text to train on, or to show to the checkpoint\n"
    "  --out DIR              runs/contraction\n"
    "  --set study.checkpoint=DIR       a run's folder, an arm of a study, or a checkpoint, in place of models of its "
    "own\n"
    "  --set study.sites=A,B,…          60,120,250,500: of the constraints alone\n"
    "  --set study.tokens=N             32: inputs that they see\n"
    "  --set study.connections=A,B,…    the models; its own are sinkhorn, birkhoff, permutations, row-stochastic, "
    "spectral,\n"
    "                         rotation, orthogonal, identity, leaky-0.25, leaky-1, leaky-4, no-constraint\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, of the models\n"
    "\n"
    "A stopped or killed study goes on where it was when the same command is run again.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md, claims.tsv, DIR/<model>-seed<N>/metrics.jsonl.\n",
    run};
