/* The demo: a sweep small enough that nine runs take minutes on two cores. docs/decisions/0020-demo.md gives the
 * reasons for its size and its connections. */
#include "study/sweep.h"

static mhc__config demo_config(mhc__study_size size) {
    (void)size; /* there is one */
    mhc__config config = mhc__config_default();
    mhc__model_config *model = &config.model;
    model->vocabulary = 0;
    model->sequence = 32;
    model->channels = 32;
    model->heads = 4;
    model->kv_heads = 0;
    model->ffn = 128;
    model->norm = MHC__LAYERNORM;
    model->norm_eps = 1e-5f;
    model->position = MHC__POSITION_LEARNED;
    model->mlp = MHC__MLP_GELU;
    model->bias = true;
    model->tied = false;
    model->dropout_embedding = model->dropout_attention = model->dropout_output = 0;
    model->init_std = 0.1f;
    model->streams = 4;
    model->wrap = MHC__WRAP_SUBLAYER;
    model->contract = MHC__CONTRACT_NATIVE;
    model->sinkhorn_iterations = 0;
    mhc__train_config *train = &config.train;
    train->steps = 150;
    train->batch = 8;
    train->accumulate = 1;
    train->lr = 2e-3f;
    train->beta1 = 0.9f;
    train->beta2 = 0.999f;
    train->eps = 1e-8f;
    train->weight_decay = 0;
    train->clip = 0;
    train->schedule = MHC__SCHEDULE_CONSTANT;
    train->on_nan = MHC__NAN_STOP;
    train->eval_every = 0;
    train->checkpoint_every = 50;
    train->keep_checkpoints = 1;
    train->log_every = 20;
    snprintf(config.data.path, sizeof config.data.path, "increment");
    config.data.eval_path[0] = '\0';
    snprintf(config.data.tokenizer, sizeof config.data.tokenizer, "byte");
    config.data.sampling = MHC__SAMPLING_WINDOWS;
    config.data.eval_share = 0;
    return config;
}

/* mhc-poc wraps whole blocks, with their residuals inside. */
static const mhc__variant VARIANTS[] = {{.name = "mhc-poc", .connection = "mhc-poc", .set = {"model.wrap=block"}},
                                        {.name = "mhc-poc-hc", .connection = "mhc-poc-hc", .set = {"model.wrap=block"}},
                                        {.name = NULL}};

static const char NEXT[] =
    "# on a text of your own, wider, longer\n"
    "mhc study demo --data TEXT --set model.channels=128 --steps 500 --out runs/demo-text\n"
    "# other constraints\n"
    "mhc study demo --set study.connections=residual,paper,megatron,mhc-lite --out runs/demo-more\n"
    "# is it the seed?\n"
    "mhc study demo --seeds 3 --out runs/demo-seeds\n"
    "# the published depth sweep\n"
    "mhc study depth\n"
    "# the published comparison of HC and mHC, 2,000 steps\n"
    "mhc study stability\n";

static const mhc__sweep_kind KIND = {
    .name = "demo",
    .title = "What depth does to signals and gradients",
    .subtitle = "Plain residuals, hyper-connections (HC) and manifold-constrained hyper-connections (mHC), measured "
                "side by side by `mhc study demo`",
    .question =
        "As a network gets deeper, what do plain residuals, hyper-connections and mHC do to the signal on its way up "
        "and to the gradient on its way down, and what do the connection's own matrices multiply to?",
    .config = demo_config,
    .variants = VARIANTS,
    .connections = "residual,hc,paper",
    .depths = "12,24,48",
    .next = NEXT,
};

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    return mhc__sweep_run(&KIND, options, error);
}

extern const mhc__study mhc__study_demo;
const mhc__study mhc__study_demo = {
    "demo",
    "what plain residuals, unconstrained hyper-connections and mHC do to signals and gradients as depth grows",
    "4 minutes, whatever the size asked for",
    "own; after github.com/softwarewrighter/mHC-poc",
    "Trains small transformers of 12, 24 and 48 blocks on a built-in task (count upwards modulo 256), each with\n"
    "plain residuals, with hyper-connections and with mHC, and measures at every site how large the streams\n"
    "are, how large the gradients that come back are, and what the connection's own matrices multiply to.\n"
    "This is the demo; it takes a few minutes on two cores.\n"
    "\n"
    "  --steps N              150\n"
    "  --seeds N              1; the table then has mean ± standard deviation over seeds\n"
    "  --seed N               42, the first one\n"
    "  --data TEXT            text to train on instead of the built-in task\n"
    "  --out DIR              runs/demo\n"
    "  --set study.depths=A,B,…         12,24,48\n"
    "  --set study.connections=A,B,…    residual,hc,paper\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, e.g. model.channels=128 or train.lr=1e-3\n"
    "\n"
    "A stopped or killed study goes on where it was when the same command is run again.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md, DIR/<blocks>-<connection>-seed<N>/metrics.jsonl.\n",
    run};
