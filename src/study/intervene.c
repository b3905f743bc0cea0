/* What a trained model loses where its maps are replaced. */
#include "study/intervene.h"

#include <stdlib.h>
#include <string.h>

#include "study/subject.h"
#include "study/text_model.h"

static const char *const OWN_FIELDS[] = {"checkpoint", "batches", "connections", NULL};

static mhc_status read_batches(mhc__intervene *study, mhc_error *error) {
    const char *text = mhc__study_setting(study->options, "batches", "0");
    char *end;
    long long read = strtoll(text, &end, 10);
    if (*end || end == text || read < 0 || read > 1000000000)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.batches: %s: expected a whole number in 0..1000000000",
                         text);
    study->batches = read;
    return MHC_OK;
}

/* A trained model has its own settings. */
static mhc_status take_checkpoint(mhc__intervene *study, const char *path, mhc_error *error) {
    MHC__TRY(mhc__subject_alone(study->options, "checkpoint", error));
    mhc__intervene_model *model = &study->models[0];
    if (!*path || strlen(path) >= sizeof model->path)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "study.checkpoint: expected the folder of a run or of a checkpoint, in less than %zu bytes",
                         sizeof model->path);
    study->model_count = 1;
    study->text = study->options->data;
    snprintf(model->path, sizeof model->path, "%s", path);
    snprintf(model->folder, sizeof model->folder, "%s/checkpoint", study->folder.out);
    return MHC_OK;
}

static mhc_status train(mhc__intervene *study, const mhc__choice *choice, mhc__intervene_model *model,
                        mhc_error *error) {
    mhc__subject_run run;
    MHC__TRY(mhc__subject_train(study->options, choice, &study->config, study->folder.out, &run, error));
    memcpy(model->label, choice->label, sizeof model->label);
    memcpy(model->folder, run.folder, sizeof model->folder);
    memcpy(model->path, run.folder, sizeof model->path);
    model->failed = !run.finite;
    model->seconds = run.seconds;
    return MHC_OK;
}

static mhc_status train_own(mhc__intervene *study, mhc_error *error) {
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];
    int count;
    MHC__TRY(mhc__study_choose(study->options, NULL, "hc,paper", choices, &count, error));
    MHC__TRY(mhc__subject_no_residual(choices, count, "H_pre, H_post and H_res to replace", error));
    study->config = mhc__study_text_model();
    study->config.train.steps = study->options->size == MHC__SIZE_QUICK ? 100 : 800;
    MHC__TRY(mhc__study_configure(study->options, 0.05, NULL, &study->config, error));
    MHC__TRY(mhc__study_needs_held_out(&study->config.data, error));
    for (int c = 0; c < count; c++) {
        MHC__TRY(train(study, &choices[c], &study->models[c], error));
        study->model_count++;
    }
    return MHC_OK;
}

static mhc_status work(mhc__intervene *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    const char *checkpoint = mhc__study_setting(options, "checkpoint", NULL);
    MHC__TRY(mhc__study_settings_check(options, OWN_FIELDS, error));
    MHC__TRY(mhc__subject_one_seed(options, "intervene", error));
    MHC__TRY(mhc__study_folders(options, "intervene", &study->folder, error));
    MHC__TRY(read_batches(study, error));
    MHC__TRY(checkpoint ? take_checkpoint(study, checkpoint, error) : train_own(study, error));
    for (int m = 0; m < study->model_count; m++)
        if (!study->models[m].failed)
            MHC__TRY(mhc__intervene_measure(study, &study->models[m], error));
    return mhc__intervene_report(study, error);
}

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    mhc__intervene *study = calloc(1, sizeof *study);
    if (!study)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "intervene: no memory");
    study->options = options;
    mhc_status status = work(study, error);
    for (int m = 0; m < MHC__STUDY_MAX_CHOICES; m++)
        free(study->models[m].results);
    free(study);
    return status;
}

extern const mhc__study mhc__study_intervene;
const mhc__study mhc__study_intervene = {
    "intervene",
    "what a trained model loses where its H_res is replaced by I, by 1/n or by its token mean, early or late",
    "--quick 2 minutes, else 6",
    "own",
    "Evaluates a trained model on held-out text with H_res replaced by the identity, by 1/n, and by its mean over\n"
    "the tokens of that text, and H_pre and H_post by their means: in all sites, in the first half and in the\n"
    "second; and H_res of each site alone. The cost is the loss that each adds, with its standard error over batches\n"
    "of the text. Without a checkpoint it trains small models of HC and mHC first.\n"
    "\n"
    "  --set study.checkpoint=DIR       a run's folder, an arm of a study, or a checkpoint\n"
    "  --data TEXT            held-out text for the checkpoint (default: its own), or text to train on\n"
    "  --set study.batches=N            batches of held-out text; 0: all of it\n"
    "  --quick                100 steps\n"
    "  --steps N              800\n"
    "  --seed N               42\n"
    "  --out DIR              runs/intervene\n"
    "  --set study.connections=A,B,…    hc,paper: what is trained without a checkpoint\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, of the models that are trained\n"
    "\n"
    "A stopped or killed study goes on where it was when the same command is run again.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md, DIR/<model>/interventions.jsonl.\n",
    run};
