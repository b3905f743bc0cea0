/* The experiment of mhc-poc: what 12, 24 and 48 blocks do to a plain network, to its HC and to its mHC. */
#include "study/depth.h"

#include <string.h>

/* github.com/softwarewrighter/mHC-poc at cf4504f, cuda/configs/tiny_*: 800 steps; its CUDA table has 200. */
static mhc__config published_config(mhc__study_size size) {
    const bool quick = size == MHC__SIZE_QUICK;
    mhc__config config = mhc__config_default();
    mhc__model_config *model = &config.model;
    model->vocabulary = 0;
    model->sequence = quick ? 32 : 128;
    model->channels = quick ? 32 : 256;
    model->heads = 4;
    model->kv_heads = 0;
    model->ffn = quick ? 128 : 1024;
    model->norm = MHC__LAYERNORM_PYTORCH;
    model->norm_eps = 1e-5f;
    model->position = MHC__POSITION_LEARNED;
    model->mlp = MHC__MLP_GELU;
    model->bias = true;
    model->tied = false;
    model->dropout_embedding = model->dropout_attention = model->dropout_output = 0;
    model->init = MHC__INIT_PYTORCH;
    model->init_std = 1;
    model->streams = 4;
    model->wrap = MHC__WRAP_SUBLAYER;
    model->contract = MHC__CONTRACT_NATIVE;
    model->sinkhorn_iterations = 0;
    mhc__train_config *train = &config.train;
    train->steps = size == MHC__SIZE_PUBLISHED ? 800 : quick ? 250 : 200;
    train->batch = quick ? 8 : 32;
    train->accumulate = 1;
    train->lr = 2e-3f;
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
    train->checkpoint_every = quick ? 50 : 20;
    train->keep_checkpoints = 1;
    train->log_every = 20;
    snprintf(config.data.path, sizeof config.data.path, "increment");
    config.data.eval_path[0] = '\0';
    snprintf(config.data.tokenizer, sizeof config.data.tokenizer, "byte");
    config.data.sampling = MHC__SAMPLING_WINDOWS;
    config.data.eval_share = 0;
    return config;
}

static int batch_of(const mhc__config *config, int blocks) {
    return blocks > 24 ? config->train.batch / 2 : config->train.batch;
}

static const mhc__variant VARIANTS[] = {
    {.name = "residual", .label = "baseline", .connection = "residual"},
    {.name = "mhc-poc-hc", .label = "HC", .connection = "mhc-poc-hc", .set = {"model.wrap=block"}},
    {.name = "mhc-poc", .label = "mHC", .connection = "mhc-poc", .set = {"model.wrap=block"}},
    {.name = "hc-robust-norm",
     .label = "HC, robust norm",
     .connection = "mhc-poc-hc",
     .set = {"model.wrap=block", "model.norm=layernorm"}},
    {.name = "mhc-robust-norm",
     .label = "mHC, robust norm",
     .connection = "mhc-poc",
     .set = {"model.wrap=block", "model.norm=layernorm"}},
    {.name = "hc-no-inner",
     .label = "HC, no inner residual",
     .connection = "mhc-poc-hc",
     .set = {"model.wrap=branches", "model.norm=layernorm"}},
    {.name = "mhc-no-inner",
     .label = "mHC, no inner residual",
     .connection = "mhc-poc",
     .set = {"model.wrap=branches", "model.norm=layernorm"}},
    {.name = "mhc-identity",
     .label = "mHC with H_res = I",
     .connection = "mhc-poc",
     .set = {"model.wrap=block", "model.constraint=identity"}},
    {.name = "mhc-rows",
     .label = "mHC with rows alone",
     .connection = "mhc-poc",
     .set = {"model.wrap=block", "model.constraint=row-stochastic"}},
    {.name = "mhc-one-stream",
     .label = "one stream, grows as mHC",
     .connection = "mhc-poc",
     .set = {"model.wrap=block", "model.streams=1"}},
    {.name = "no-blocks", .label = "no blocks", .connection = "residual", .set = {"model.branch_scale=0"}},
    {.name = "mhc-uniform",
     .label = "mHC from 1/n",
     .connection = "mhc-poc",
     .set = {"model.wrap=block", "model.start=zeros"}},
    {.name = "mhc-large-eps",
     .label = "mHC, AdamW eps 1e-5",
     .connection = "mhc-poc",
     .set = {"model.wrap=block", "train.eps=1e-5"}},
    {.name = "residual-mlx",
     .label = "baseline, as in MLX",
     .connection = "residual",
     .set = {"model.init_std=0.0625", "train.bias_correction=false", "model.norm=layernorm-mlx"}},
    {.name = "residual-small-embedding",
     .label = "baseline, N(0, 1/16) embedding",
     .connection = "residual",
     .set = {"model.init_std=0.0625"}},
    {.name = "residual-no-correction",
     .label = "baseline, no bias correction",
     .connection = "residual",
     .set = {"train.bias_correction=false"}},
    {.name = "hc-mlx",
     .label = "HC, as in MLX",
     .connection = "mhc-poc-hc",
     .set = {"model.wrap=block", "model.init_std=0.0625", "train.bias_correction=false", "model.norm=layernorm-mlx"}},
    {.name = NULL}};

static const char NEXT[] =
    "# deeper than published\n"
    "mhc study depth --quick --set study.depths=12,24,48,96,192 --out runs/depth-192\n"
    "# why MLX's baseline fails: the embedding, AdamW without bias correction, or both\n"
    "mhc study depth --out runs/depth-mlx --set study.connections=residual,residual-small-embedding,"
    "residual-no-correction,residual-mlx\n"
    "# does the constraint matter? any other one in its place\n"
    "mhc study depth --out runs/depth-constraint --set study.depths=48 "
    "--set study.connections=residual,mhc-poc,mhc-identity,mhc-rows,mhc-no-inner\n"
    "# its \"demo_mhc\"\n"
    "mhc study depth --out runs/depth-demo --steps 50 --set study.depths=24 --set model.channels=128 "
    "--set model.ffn=512 --set model.sequence=64 --set train.lr=1e-3 --set train.weight_decay=0.01 "
    "--set study.connections=residual,mhc-poc-hc,mhc-poc\n"
    "# the same question to connections whose streams differ\n"
    "mhc study demo\n";

static const mhc__sweep_kind KIND = {
    .name = "depth",
    .title = "Depth: a plain network, HC and mHC at 12, 24 and 48 blocks",
    .subtitle = "`mhc study depth`: the experiment of mhc-poc, repeated, with the controls that tell its causes apart",
    .question =
        "Does unconstrained mixing (HC) explode with depth, and does mHC stay trainable at 48 blocks where a plain "
        "network struggles, as mhc-poc reports? And what causes what it saw: the connection, its start, the residuals "
        "inside the wrapped block, the norm, or the way that the models are started and trained?",
    .config = published_config,
    .batch = batch_of,
    .variants = VARIANTS,
    .connections = "residual,mhc-poc-hc,mhc-poc,hc-robust-norm,hc-no-inner,mhc-no-inner,residual-mlx,mhc-one-stream,"
                   "no-blocks",
    .quick = "residual,mhc-poc-hc,mhc-poc,hc-robust-norm,hc-no-inner,mhc-no-inner,residual-mlx,mhc-one-stream,"
             "no-blocks,mhc-uniform,mhc-large-eps",
    .depths = "12,24,48",
    .own_page = mhc__depth_page,
    .own_figures = mhc__depth_figures,
    .next = NEXT,
};

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    return mhc__sweep_run(&KIND, options, error);
}

extern const mhc__study mhc__study_depth;
const mhc__study mhc__study_depth = {
    "depth",
    "baseline, HC and mHC of mhc-poc at 12, 24 and 48 blocks, and why they do what they do",
    "--quick 3 minutes, default 2 to 7 hours, --published 8 to 28",
    "github.com/softwarewrighter/mHC-poc, cf4504f",
    "Repeats the experiment of github.com/softwarewrighter/mHC-poc: small transformers of 12, 24 and 48 blocks\n"
    "that learn to count upwards modulo 256, with plain residuals, with its HC and with its mHC; and the\n"
    "controls that tell the causes apart: HC with a norm that does not overflow, HC and mHC without the\n"
    "residuals inside the wrapped block, the baseline as MLX starts and trains it, one stream that grows as\n"
    "mHC's do, and no blocks at all. Writes both published\n"
    "tables beside what was measured here, the published pictures, and a verdict on each published claim.\n"
    "\n"
    "  --quick                32 channels, 8 rows of 32 tokens, 250 steps\n"
    "                         default: 256 channels, 32 rows of 128 tokens (16 from 48 blocks on), 200 steps\n"
    "  --published            800 steps\n"
    "  --steps N              as above\n"
    "  --seeds N              1; the tables then have mean ± standard deviation over seeds\n"
    "  --seed N               42, the first one\n"
    "  --out DIR              runs/depth\n"
    "  --set study.depths=A,B,…         12,24,48; up to 1000\n"
    "  --set study.connections=A,B,…    residual,mhc-poc-hc,mhc-poc,hc-robust-norm,hc-no-inner,mhc-no-inner,\n"
    "                         residual-mlx,mhc-one-stream,no-blocks; with --quick mhc-uniform,mhc-large-eps too;\n"
    "                         also mhc-robust-norm, mhc-identity, mhc-rows, hc-mlx, residual-small-embedding,\n"
    "                         residual-no-correction, and any connection by its name\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, e.g. model.norm=layernorm or train.lr=1e-3\n"
    "\n"
    "A stopped or killed study goes on where it was when the same command is run again.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md, DIR/<blocks>-<connection>-seed<N>/metrics.jsonl.\n",
    run};
