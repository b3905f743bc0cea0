/* The ablation of arXiv 2512.24880, table 1, with the row that it lacks, of HC and of mHC. */
#include "study/ablation.h"

#include <stdlib.h>

#include "study/text_model.h"

static const char *const OWN_FIELDS[] = {"connections", NULL};

/* What is not named is fixed, as in the paper: pre at 1/n, post at 1, res at I. */
#define PRE  "model.pre=mean"
#define POST "model.post=ones"
#define RES  "model.constraint=identity"
static const mhc__variant VARIANTS[] = {
    {"hc-none", "HC: none", "hc", {PRE, POST, RES, "model.static_mapping=true"}},
    {"hc-pre", "HC: pre", "hc", {POST, RES}},
    {"hc-post", "HC: post", "hc", {PRE, RES}},
    {"hc-pre-post", "HC: pre, post", "hc", {RES}},
    {"hc-res", "HC: res", "hc", {PRE, POST}},
    {"hc-res-pre", "HC: res, pre", "hc", {POST}},
    {"hc-res-post", "HC: res, post", "hc", {PRE}},
    {"hc", "HC: res, pre, post", "hc", {NULL}},
    {"paper-pre", "mHC: pre", "paper", {POST, RES}},
    {"paper-post", "mHC: post", "paper", {PRE, RES}},
    {"paper-pre-post", "mHC: pre, post", "paper", {RES}},
    {"paper-res", "mHC: res", "paper", {PRE, POST}},
    {"paper-res-pre", "mHC: res, pre", "paper", {POST}},
    {"paper-res-post", "mHC: res, post", "paper", {PRE}},
    {"paper", "mHC: res, pre, post", "paper", {NULL}},
    {.name = NULL},
};

static const char CONNECTIONS[] =
    "residual,hc-res,hc-res-pre,hc,hc-pre-post,paper-res,paper-res-pre,paper,paper-pre-post";

static mhc_status read_options(mhc__ablation *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    MHC__TRY(mhc__study_settings_check(options, OWN_FIELDS, error));
    MHC__TRY(mhc__study_choose(options, VARIANTS, CONNECTIONS, study->choices, &study->choice_count, error));
    MHC__TRY(mhc__study_seeds(options, &study->seeds, error));
    if (!options->seeds)
        study->seeds = 3; /* the fewest that allow a verdict */
    MHC__TRY(mhc__study_folders(options, "ablation", &study->folder, error));
    study->config = mhc__study_text_model(); /* the paper does not give the model of its table */
    study->config.train.steps = options->size == MHC__SIZE_QUICK ? 40 : 800;
    MHC__TRY(mhc__study_configure(options, 0.05, NULL, &study->config, error));
    return mhc__study_needs_held_out(&study->config.data, error);
}

static mhc_status work(mhc__ablation *study, mhc_error *error) {
    MHC__TRY(read_options(study, error));
    const int count = study->choice_count * study->seeds;
    MHC__TRY(mhc__arms_make(count, &study->arms, error));
    MHC__TRY(mhc__arms_run(study->arms, study->choices, study->choice_count, study->seeds, &study->config,
                           study->folder.out, study->options, error));
    for (int i = 0; i < count; i++)
        MHC__TRY(mhc__arm_needs_held_out(&study->arms[i], error));
    return mhc__ablation_report(study, error);
}

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    mhc__ablation *study = calloc(1, sizeof *study);
    if (!study)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "ablation: no memory");
    study->options = options;
    mhc_status status = work(study, error);
    mhc__arms_free(study->arms, study->choice_count * study->seeds);
    free(study);
    return status;
}

extern const mhc__study mhc__study_ablation;
const mhc__study mhc__study_ablation = {
    "ablation",
    "H_pre, H_post and H_res one by one: the paper's table 1, with its missing row H_res = I, of HC and mHC",
    "--quick 3 minutes, else an hour",
    "arXiv 2512.24880, table 1",
    "Trains a small transformer of 4 blocks and 128 channels, 4 streams, with some of the three maps learned and\n"
    "the others fixed as in the paper (H_pre at 1/n, H_post at 1, H_res at I), for HC and for mHC, and compares\n"
    "losses on held-out text, seed by seed. All arms of a seed start from the same weights and see the same\n"
    "batches. With all three fixed the model is the plain residual, which is the control.\n"
    "\n"
    "  --data TEXT            the text (`mhc data get tinyshakespeare`); default: the built-in corpus\n"
    "  --quick                40 steps\n"
    "  --steps N              800\n"
    "  --seeds N              3\n"
    "  --seed N               42, the first one\n"
    "  --out DIR              runs/ablation\n"
    "  --set study.connections=A,B,…    the rows of the table and the missing one, of HC and of mHC. Own ones:\n"
    "                         hc-none, hc-pre, hc-post, hc-pre-post, hc-res, hc-res-pre, hc-res-post, and paper-…\n"
    "                         alike: what is named is learned, the rest is fixed\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, e.g. train.lr=3e-4 or model.blocks=8\n"
    "\n"
    "A stopped or killed study goes on where it was when the same command is run again.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md, DIR/<connection>-seed<N>/held-out.json.\n",
    run};
