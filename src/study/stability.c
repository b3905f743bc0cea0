#include "study/stability.h"

#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"

static const char *const OWN_FIELDS[] = {"connections", NULL};

/* github.com/yaoshengzhe/reproducing-mhc, experiment_stability.py at be59c58, its published arguments (2,000
 * iterations, enwik8). */
static mhc__config published_config(void) {
    mhc__config config = mhc__config_default();
    mhc__model_config *model = &config.model;
    model->vocabulary = 0;
    model->sequence = 128;
    model->channels = 256;
    model->blocks = 8;
    model->heads = 8;
    model->kv_heads = 0;
    model->ffn = 1024;
    model->norm = MHC__LAYERNORM;
    model->norm_eps = 1e-5f;
    model->position = MHC__POSITION_LEARNED;
    model->mlp = MHC__MLP_GELU;
    model->bias = false;
    model->tied = true;
    model->dropout_embedding = model->dropout_attention = model->dropout_output = 0.1f;
    model->init_std = 0.02f;
    model->streams = 4;
    model->wrap = MHC__WRAP_SUBLAYER;
    model->contract = MHC__CONTRACT_MEAN;
    model->sinkhorn_iterations = 0;
    mhc__train_config *train = &config.train;
    train->steps = 2000;
    train->batch = 32;
    train->accumulate = 1;
    train->lr = 3e-4f;
    train->beta1 = 0.9f;
    train->beta2 = 0.95f;
    train->eps = 1e-8f;
    train->weight_decay = 0.1f;
    train->decay = MHC__DECAY_ALL;
    train->clip = 1.0f;
    train->schedule = MHC__SCHEDULE_COSINE;
    train->floor = 0.1f;
    train->on_nan = MHC__NAN_STOP;
    train->eval_every = 0;
    train->checkpoint_every = 100;
    train->keep_checkpoints = 1;
    train->log_every = 20;
    snprintf(config.data.path, sizeof config.data.path, "builtin");
    config.data.eval_path[0] = '\0';
    snprintf(config.data.tokenizer, sizeof config.data.tokenizer, "char");
    config.data.skip_invalid = true;
    config.data.sampling = MHC__SAMPLING_SHUFFLED;
    config.data.eval_share = 0;
    return config;
}

/* What tells the causes apart: the same factor of H_post without matrices, the matrices without the factor, and each of
 * the choices that set this mHC apart from the paper's. 1/4 and 4 are for four streams. */
static const mhc__variant VARIANTS[] = {{.name = "residual-quarter",
                                         .label = "baseline, branches × 1/4",
                                         .connection = "residual",
                                         .set = {"model.branch_scale=0.25"}},
                                        {.name = "mhc-whole",
                                         .label = "mHC, branches × 4",
                                         .connection = "reproducing-mhc",
                                         .set = {"model.branch_scale=4"}},
                                        {.name = "mhc-identity",
                                         .label = "mHC, no mixing",
                                         .connection = "reproducing-mhc",
                                         .set = {"model.constraint=identity"}},
                                        {.name = "mhc-two-sigma",
                                         .label = "mHC, 2 sigmoid",
                                         .connection = "reproducing-mhc",
                                         .set = {"model.post=sigmoid"}},
                                        {.name = "mhc-near-identity",
                                         .label = "mHC from near I",
                                         .connection = "reproducing-mhc",
                                         .set = {"model.off_diagonal=0.05"}},
                                        {.name = NULL}};

static mhc_status read_options(mhc__stability *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    MHC__TRY(mhc__study_settings_check(options, OWN_FIELDS, error));
    MHC__TRY(mhc__study_choose(options, VARIANTS,
                               options->size == MHC__SIZE_PUBLISHED
                                   ? "residual,hc-static,reproducing-mhc"
                                   : "residual,hc-static,reproducing-mhc,residual-quarter,mhc-whole,mhc-identity",
                               study->choices, &study->choice_count, error));
    MHC__TRY(mhc__study_seeds(options, &study->seeds, error));
    MHC__TRY(mhc__study_folders(options, "stability", &study->folder, error));
    study->config = published_config();
    if (options->size == MHC__SIZE_QUICK)
        study->config.train.steps = 40;
    MHC__TRY(mhc__study_configure(options, 0.05, NULL, &study->config, error));
    study->every = study->config.train.steps >= 200 ? 20 : 1;
    return MHC_OK;
}

static mhc_status work(mhc__stability *study, mhc_error *error) {
    MHC__TRY(read_options(study, error));
    MHC__TRY(mhc__arms_make(study->choice_count * study->seeds, &study->arms, error));
    MHC__TRY(mhc__arms_run(study->arms, study->choices, study->choice_count, study->seeds, &study->config,
                           study->folder.out, study->options, error));
    MHC__TRY(mhc__stability_compare_starts(study, error));
    return mhc__stability_report(study, error);
}

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    mhc__stability *study = calloc(1, sizeof *study);
    if (!study)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "stability: no memory");
    study->options = options;
    mhc_status status = work(study, error);
    mhc__arms_free(study->arms, study->choice_count * study->seeds);
    free(study);
    return status;
}

extern const mhc__study mhc__study_stability;
const mhc__study mhc__study_stability = {
    "stability",
    "baseline, HC and mHC of reproducing-mhc side by side: loss, gradients and gains over 2,000 steps",
    "--quick 7 minutes, default 4 to 9 hours, --published 2 to 5",
    "github.com/yaoshengzhe/reproducing-mhc, be59c58",
    "Repeats the experiment of github.com/yaoshengzhe/reproducing-mhc: a transformer of 8 blocks and 256\n"
    "channels, 4 streams, trained on characters for 2,000 steps of 32 x 128, once with plain residuals, once\n"
    "with static hyper-connections, once with its mHC; and the controls that tell the causes apart: plain\n"
    "residuals whose branches are multiplied by 1/4, mHC whose branches are multiplied by 4 (so that H_post is\n"
    "1), and mHC with H_res = I. All arms of a seed start from the same weights and see the same batches and\n"
    "dropout masks. Writes the published table beside what was measured here, the published pictures, and a\n"
    "verdict on each published claim.\n"
    "\n"
    "  --data TEXT            the text (published: enwik8, `mhc data get enwik8`); default: the built-in corpus\n"
    "  --quick                40 steps\n"
    "  --published            without the controls\n"
    "  --steps N              2000\n"
    "  --seeds N              1; with more, mean and spread over seeds\n"
    "  --seed N               42, the first one\n"
    "  --out DIR              runs/stability\n"
    "  --set study.connections=A,B,…    residual,hc-static,reproducing-mhc,residual-quarter,mhc-whole,\n"
    "                         mhc-identity; also mhc-two-sigma, mhc-near-identity, and any connection by its name\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, e.g. train.batch=16 or model.dropout_output=0\n"
    "\n"
    "A stopped or killed study goes on where it was when the same command is run again.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md, DIR/<connection>-seed<N>/metrics.jsonl.\n",
    run};
