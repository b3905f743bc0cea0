/* The experiment of boolq-100: the gradient of every layer of a network of 100 layers, at every step. */
#include <stdlib.h>
#include <string.h>

#include "study/flow.h"

static const char *const OWN_FIELDS[] = {"connections", NULL};

/* github.com/ApurvPujari/mHC-implementation at 888e83a, mHC_implementation_git.ipynb: 20 epochs of 295 batches. */
static mhc__config published_config(mhc__study_size size) {
    mhc__config config = mhc__config_default();
    mhc__model_config *model = &config.model;
    model->family = MHC__FAMILY_BAG;
    model->vocabulary = 0;
    model->sequence = 128;
    model->embedding = 256;
    model->channels = 512;
    model->blocks = 100;
    model->classes = 2;
    model->relu = MHC__RELU_STREAMS;
    model->norm = MHC__NORM_NONE;
    model->norm_eps = 0;
    model->init = MHC__INIT_PYTORCH;
    model->init_std = 1;
    model->streams = 4;
    model->contract = MHC__CONTRACT_MEAN;
    model->sinkhorn_iterations = 0;
    mhc__train_config *train = &config.train;
    train->steps = size == MHC__SIZE_PUBLISHED ? 5900 : size == MHC__SIZE_QUICK ? 200 : 1500;
    train->batch = 32;
    train->accumulate = 1;
    train->lr = 1e-3f;
    train->beta1 = 0.9f;
    train->beta2 = 0.999f;
    train->eps = 1e-8f;
    train->bias_correction = true;
    train->weight_decay = 0;
    train->decay = MHC__DECAY_ALL;
    train->clip = 0;
    train->schedule = MHC__SCHEDULE_CONSTANT;
    train->on_nan = MHC__NAN_STOP;
    train->eval_every = 0;
    train->checkpoint_every = 500;
    train->keep_checkpoints = 1;
    train->log_every = 20;
    snprintf(config.data.path, sizeof config.data.path, "questions");
    config.data.eval_path[0] = '\0';
    config.data.eval_share = 0;
    return config;
}

static const mhc__variant VARIANTS[] = {
    {.name = "boolq-100-hc", .label = "baseline (raw HC)", .connection = "boolq-100-hc"},
    {.name = "boolq-100", .label = "mHC", .connection = "boolq-100"},
    {.name = "residual", .label = "residual", .connection = "residual", .set = {"model.relu=branch"}},
    {.name = "residual-norm",
     .label = "residual with norms",
     .connection = "residual",
     .set = {"model.relu=branch", "model.norm=layernorm"}},
    {.name = "residual-relu", .label = "residual, ReLU on it", .connection = "residual"},
    {.name = "hc-identity", .label = "HC, identity start", .connection = "hc-static"},
    {.name = NULL}};

void mhc__flow_layers(int blocks, int layers[MHC__FLOW_LAYERS]) {
    const int shares[MHC__FLOW_LAYERS] = {0, 40, 80, 99};
    for (int i = 0; i < MHC__FLOW_LAYERS; i++)
        layers[i] = i + 1 == MHC__FLOW_LAYERS ? blocks - 1 : shares[i] * blocks / 100;
}

static mhc_status read_options(mhc__flow *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    MHC__TRY(mhc__study_settings_check(options, OWN_FIELDS, error));
    MHC__TRY(mhc__study_choose(options, VARIANTS, "boolq-100-hc,boolq-100,residual,residual-norm,hc-identity",
                               study->choices, &study->choice_count, error));
    MHC__TRY(mhc__study_seeds(options, &study->seeds, error));
    MHC__TRY(mhc__study_folders(options, "gradient-flow", &study->folder, error));
    study->config = published_config(options->size);
    MHC__TRY(mhc__study_configure(options, 0, NULL, &study->config, error));
    if (study->config.model.family != MHC__FAMILY_BAG || study->config.model.classes != 2)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "model.family, model.classes: this study's networks choose between yes and no");
    return mhc__questions_open(&study->config.data, study->config.model.sequence, options->seed, &study->questions,
                               error);
}

static mhc_status run_arm(mhc__flow *study, int c, int seed, mhc_error *error) {
    mhc__flow_arm *flow = &study->arms[c * study->seeds + seed];
    mhc__arm *arm = &flow->arm;
    const mhc__choice *choice = &study->choices[c];
    uint64_t number = study->options->seed + (uint64_t)seed;
    MHC__TRY(mhc__arm_choose(arm, choice, &study->config, number, study->folder.out, "", error));
    snprintf(arm->label, sizeof arm->label, "%-20s seed %llu", choice->label, (unsigned long long)number);
    flow->log.questions = study->questions;
    flow->log.every = mhc__questions_batches(study->questions, MHC__QUESTIONS_TRAIN, study->config.train.batch);
    mhc__arm_watch watch = mhc__layer_log_watch(&flow->log);
    arm->watch = &watch;
    mhc_status status = mhc__arm_run(arm, study->options, error);
    arm->watch = NULL;
    mhc__layer_log_close(&flow->log);
    return status;
}

static mhc_status run_arms(mhc__flow *study, mhc_error *error) {
    for (int seed = 0; seed < study->seeds; seed++)
        for (int c = 0; c < study->choice_count; c++) {
            MHC__TRY(mhc__study_stopped(study->options, error));
            MHC__TRY(run_arm(study, c, seed, error));
        }
    return MHC_OK;
}

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    mhc__flow *study = calloc(1, sizeof *study);
    if (!study)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "gradient-flow: no memory");
    study->options = options;
    mhc_status status = read_options(study, error);
    int count = study->choice_count * study->seeds;
    if (status == MHC_OK) {
        study->arms = calloc((size_t)count, sizeof *study->arms);
        if (!study->arms)
            status = mhc__fail(error, MHC_OUT_OF_MEMORY, "gradient-flow: no memory for %d arms", count);
    }
    if (status == MHC_OK)
        status = run_arms(study, error);
    if (status == MHC_OK)
        status = mhc__flow_report(study, error);
    for (int i = 0; study->arms && i < count; i++) {
        mhc__arm_free(&study->arms[i].arm);
        mhc__layer_log_free(&study->arms[i].log);
    }
    mhc__questions_close(study->questions);
    free(study->arms);
    free(study);
    return status;
}

extern const mhc__study mhc__study_gradient_flow;
const mhc__study mhc__study_gradient_flow = {
    "gradient-flow",
    "the gradient of each of 100 layers at every step: boolq-100's baseline and mHC, and real residuals",
    "--quick 1 to 4 minutes, default 8 to 30, --published half an hour to 2 hours",
    "github.com/ApurvPujari/mHC-implementation, 888e83a",
    "Repeats the experiment of github.com/ApurvPujari/mHC-implementation: a network of 100 linear layers that\n"
    "answers BoolQ's questions from their words alone, with four streams and raw random matrices (its\n"
    "\"baseline\") and with its mHC; and what it lacks: a residual network, one with norms, and hyper-connections\n"
    "that start at the identity. Keeps the gradient norm of every layer and the norms of H_pre, H_post and H_res,\n"
    "raw and projected, of every step, and the accuracy on the dev questions beside the majority's share.\n"
    "\n"
    "  --data PATH            the questions: the folder that `mhc data get boolq` leaves (train.jsonl, dev.jsonl),\n"
    "                         or a training file, then --set data.eval_path=FILE for the dev ones. Without it\n"
    "                         generated questions, whose answers depend on nothing\n"
    "  --quick                200 steps; default: 1500\n"
    "  --published            5900 steps\n"
    "  --steps N              as above\n"
    "  --seeds N              1\n"
    "  --seed N               42, the first one\n"
    "  --out DIR              runs/gradient-flow\n"
    "  --set study.connections=A,B,…    boolq-100-hc,boolq-100,residual,residual-norm,hc-identity; also\n"
    "                         residual-relu, and any connection by its name\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, e.g. model.blocks=30 or train.lr=1e-4\n"
    "\n"
    "A stopped or killed study goes on where it was when the same command is run again.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md, DIR/<connection>-seed<N>/layers.jsonl,\n"
    "evaluations.jsonl and metrics.jsonl.\n",
    run};
