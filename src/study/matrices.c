/* The mixing matrices of trained models, as the paper's figures 7 and 8 show them. */
#include "study/matrices.h"

#include <stdlib.h>
#include <string.h>

#include "study/subject.h"
#include "study/text_model.h"

static const char *const OWN_FIELDS[] = {"checkpoints", "sites", "ranges", "connections", NULL};

/* The end of a path, without slashes after it. */
static void end_of(const char *path, char *label, size_t size) {
    size_t length = strlen(path), start;
    while (length > 1 && path[length - 1] == '/')
        length--;
    for (start = length; start > 0 && path[start - 1] != '/';)
        start--;
    snprintf(label, size, "%.*s", (int)(length - start), path + start);
}

static mhc_status take_checkpoints(mhc__matrices *study, const char *list, mhc_error *error) {
    MHC__TRY(mhc__subject_alone(study->options, "checkpoints", error));
    char path[1300];
    while (mhc__study_next_piece(&list, path, sizeof path)) {
        if (!*path)
            return mhc__fail(error, MHC_INVALID_ARGUMENT,
                             "study.checkpoints: expected folders of runs or of checkpoints, found nothing");
        if (study->model_count == MHC__MATRICES_MODELS)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.checkpoints: more than %d", MHC__MATRICES_MODELS);
        mhc__matrices_model *model = &study->models[study->model_count++];
        memcpy(model->path, path, sizeof model->path);
        end_of(path, model->label, sizeof model->label);
    }
    return MHC_OK;
}

static mhc_status train(mhc__matrices *study, const mhc__choice *choice, mhc_error *error) {
    mhc__matrices_model *model = &study->models[study->model_count++];
    mhc__subject_run run;
    MHC__TRY(mhc__subject_train(study->options, choice, &study->config, study->folder.out, &run, error));
    snprintf(model->label, sizeof model->label, "%s", choice->label);
    snprintf(model->path, sizeof model->path, "%s", run.folder);
    model->failed = !run.finite;
    model->seconds = run.seconds;
    return MHC_OK;
}

static mhc_status train_own(mhc__matrices *study, mhc_error *error) {
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];
    int count;
    study->own = true;
    MHC__TRY(mhc__study_choose(study->options, NULL, "hc,paper", choices, &count, error));
    if (count > MHC__MATRICES_MODELS)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.connections: more than %d", MHC__MATRICES_MODELS);
    MHC__TRY(mhc__subject_no_residual(choices, count, "H_res to look at", error));
    study->config = mhc__study_deep_text_model();
    study->config.train.steps = study->options->size == MHC__SIZE_QUICK ? 60 : 300;
    MHC__TRY(mhc__study_configure(study->options, 0.05, NULL, &study->config, error));
    for (int c = 0; c < count; c++)
        MHC__TRY(train(study, &choices[c], error));
    return MHC_OK;
}

static mhc_status work(mhc__matrices *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    const char *checkpoints = mhc__study_setting(options, "checkpoints", NULL);
    MHC__TRY(mhc__study_settings_check(options, OWN_FIELDS, error));
    MHC__TRY(mhc__subject_one_seed(options, "matrices", error));
    MHC__TRY(mhc__study_folders(options, "matrices", &study->folder, error));
    study->sites = mhc__study_setting(options, "sites", NULL);
    study->ranges = mhc__study_setting(options, "ranges", NULL);
    MHC__TRY(checkpoints ? take_checkpoints(study, checkpoints, error) : train_own(study, error));
    for (int m = 0; m < study->model_count; m++)
        if (!study->models[m].failed)
            MHC__TRY(mhc__matrices_measure(study, &study->models[m], error));
    return mhc__matrices_report(study, error);
}

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    mhc__matrices *study = calloc(1, sizeof *study);
    if (!study)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "matrices: no memory");
    study->options = options;
    mhc_status status = work(study, error);
    for (int m = 0; m < study->model_count; m++)
        mhc__matrices_model_free(&study->models[m]);
    free(study);
    return status;
}

extern const mhc__study mhc__study_matrices;
const mhc__study mhc__study_matrices = {
    "matrices",
    "the paper's figures 7 and 8 from any checkpoint: mixing matrices, single and multiplied, with their sums",
    "--quick 1 minute, else 3",
    "arXiv 2512.24880, figures 3, 7 and 8",
    "Draws H_res of chosen sites and products over chosen ranges, averaged over the tokens of one batch, as heat\n"
    "maps with numbers and sums of rows (forward gain) and columns (backward gain), several models below each other;\n"
    "and the gains by site, both of the mean matrix and the mean of each token's gain. Without checkpoints it trains\n"
    "small models of HC and mHC with 60 sites first.\n"
    "\n"
    "  --set study.checkpoints=DIR,DIR   runs' folders, arms of studies, or checkpoints\n"
    "  --set study.sites=A,B,…          single matrices, from 1; default: first, middle, last\n"
    "  --set study.ranges=A-B,C-D       products; default: both halves, all\n"
    "  --data TEXT            text for the checkpoints (default: their own), or text to train on\n"
    "  --quick                60 steps\n"
    "  --steps N              300\n"
    "  --seed N               42\n"
    "  --out DIR              runs/matrices\n"
    "  --set study.connections=A,B,…    hc,paper: what is trained without checkpoints\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, of the models that are trained\n"
    "\n"
    "A stopped or killed study goes on where it was when the same command is run again.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md (every entry), claims.tsv.\n",
    run};
