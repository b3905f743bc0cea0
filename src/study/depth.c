#include "study/depth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/summary.h"

static const char *const OWN_FIELDS[] = {"connections", "depths", NULL};
/* Fields of the configuration that follow from them. */
static const char *const OWN_OPTIONS[][2] = {{"model.blocks", "--set study.depths=A,B,…"}, {NULL, NULL}};

/* Small enough that nine runs take minutes on two cores. docs/decisions/0020-demo.md gives the reasons. */
static mhc__config demo_config(void) {
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

const char *mhc__depth_label(mhc__depth *study, int connection) {
    return mhc__connection_label(study->connections, study->connection_count, connection);
}

int mhc__depth_style(mhc__depth *study, int connection) {
    return mhc__connection_style(study->connections, connection);
}

static double largest_gradient(const mhc__series *series) {
    mhc__range range = MHC__RANGE_EMPTY;
    for (int64_t i = 0; i < series->count; i++)
        mhc__widen(&range, series->at[i].grad_norm);
    return range.high;
}

static double last_losses(const mhc__series *series) {
    double sum = 0;
    int64_t used = series->count < 5 ? series->count : 5;
    for (int64_t i = series->count - used; i < series->count; i++)
        sum += series->at[i].loss / (double)used;
    return series->count ? sum : NAN;
}

double mhc__depth_of(const mhc__arm *arm, mhc__depth_value which) {
    const mhc__profile *before = &arm->before, *after = &arm->after;
    const mhc__series *series = &arm->series;
    int last = before->points - 1;
    switch (which) {
    case MHC__DEPTH_LOSS_END:
        return last_losses(series);
    case MHC__DEPTH_GRAD_MAX:
        return largest_gradient(series);
    case MHC__DEPTH_SIGNAL:
        return before->norm[last] / before->norm[0];
    case MHC__DEPTH_SIGNAL_END:
        return after->norm[last] / after->norm[0];
    case MHC__DEPTH_GROWTH:
        return pow(before->norm[last] / before->norm[0], 1.0 / arm->config.model.blocks);
    case MHC__DEPTH_GRADIENT:
        return before->gradient[0] / before->gradient[last];
    case MHC__DEPTH_GRADIENT_END:
        return after->gradient[0] / after->gradient[last];
    case MHC__DEPTH_COMPOSITE:
        return before->gains.composite_forward;
    case MHC__DEPTH_COMPOSITE_MAX:
        return mhc__gain_range(arm, 1, offsetof(mhc__gains, composite_forward)).high;
    case MHC__DEPTH_COMPOSITE_BACK_MAX:
        return mhc__gain_range(arm, 1, offsetof(mhc__gains, composite_backward)).high;
    case MHC__DEPTH_PROXY:
        return after->gains.proxy;
    case MHC__DEPTH_SPREAD:
        return mhc__gain_range(arm, 1, offsetof(mhc__gains, spread)).high;
    case MHC__DEPTH_SECONDS:
        return arm->seconds / (double)series->count;
    }
    return NAN;
}

void mhc__depth_over_seeds(const mhc__depth *study, int depth, int connection, mhc__depth_value which, double *mean,
                           double *deviation) {
    double values[MHC__STUDY_MAX_SEEDS];
    for (int s = 0; s < study->seeds; s++)
        values[s] = mhc__depth_of(mhc__depth_arm(study, depth, connection, s), which);
    mhc__mean_spread(values, study->seeds, mean, deviation);
}

double mhc__depth_mean(const mhc__depth *study, int depth, int connection, mhc__depth_value which) {
    double mean, deviation;
    mhc__depth_over_seeds(study, depth, connection, which, &mean, &deviation);
    return mean;
}

static int by_value(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static mhc_status read_options(mhc__depth *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    MHC__TRY(mhc__study_settings_check(options, OWN_FIELDS, error));
    const char *list = mhc__study_setting(options, "connections", "residual,hc,paper");
    MHC__TRY(mhc__study_connections(list, study->connections, &study->connection_count, error));
    list = mhc__study_setting(options, "depths", "12,24,48");
    MHC__TRY(mhc__study_integers(list, "depths", study->depths, &study->depth_count, error));
    qsort(study->depths, (size_t)study->depth_count, sizeof study->depths[0], by_value);
    if (options->seeds < 0 || options->seeds > MHC__STUDY_MAX_SEEDS)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "--seeds: %d is not in 1..%d", options->seeds,
                         MHC__STUDY_MAX_SEEDS);
    study->seeds = options->seeds ? options->seeds : 1;
    const char *out = options->out ? options->out : "runs/depth";
    if (strlen(out) >= sizeof study->out)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "--out: the path is longer than %zu bytes",
                         sizeof study->out - 1);
    memcpy(study->out, out, strlen(out) + 1);
    snprintf(study->report, sizeof study->report, "%s/report", out);
    study->config = demo_config();
    return mhc__study_configure(options, 0, OWN_OPTIONS, &study->config, error);
}

/* mhc-poc wraps whole blocks, with their residuals inside; a plain residual around such a block would count twice. */
static mhc__wrap wrap_of(const mhc__depth *study, const char *connection) {
    if (!strcmp(connection, "residual"))
        return MHC__WRAP_SUBLAYER;
    return !strncmp(connection, "mhc-poc", 7) ? MHC__WRAP_BLOCK : study->config.model.wrap;
}

static void describe_arm(mhc__depth *study, int depth, int connection, int seed, mhc__arm *arm) {
    const char *name = study->connections[connection];
    arm->config = study->config;
    arm->config.train.seed = study->options->seed + (uint64_t)seed;
    arm->config.model.blocks = study->depths[depth];
    memcpy(arm->config.model.connection, name, sizeof arm->config.model.connection);
    arm->config.model.wrap = wrap_of(study, name);
    if (!strcmp(name, "residual"))
        arm->config.model.streams = 1;
    unsigned long long number = arm->config.train.seed;
    snprintf(arm->folder, sizeof arm->folder, "%s/%d-%s-seed%llu", study->out, study->depths[depth], name, number);
    if (study->seeds > 1)
        snprintf(arm->label, sizeof arm->label, "%2d blocks  %-8s  seed %llu", study->depths[depth],
                 mhc__depth_label(study, connection), number);
    else
        snprintf(arm->label, sizeof arm->label, "%2d blocks  %-8s", study->depths[depth],
                 mhc__depth_label(study, connection));
}

static mhc_status run_arms(mhc__depth *study, mhc_error *error) {
    mhc__arm *arm = study->arms;
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->connection_count; c++)
            for (int s = 0; s < study->seeds; s++, arm++) {
                MHC__TRY(mhc__study_stopped(study->options, error));
                describe_arm(study, d, c, s, arm);
                MHC__TRY(mhc__arm_run(arm, study->options, error));
                if (arm->not_finite_at >= 0)
                    mhc__study_note(study->options, "%s  NaN or Inf in step %lld: not trained further", arm->label,
                                    (long long)arm->not_finite_at);
            }
    return MHC_OK;
}

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    mhc__depth *study = calloc(1, sizeof *study);
    if (!study)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "depth: no memory");
    study->options = options;
    mhc_status status = read_options(study, error);
    int count = study->depth_count * study->connection_count * study->seeds;
    if (status == MHC_OK) {
        study->arms = calloc((size_t)count, sizeof *study->arms);
        if (!study->arms)
            status = mhc__fail(error, MHC_OUT_OF_MEMORY, "depth: no memory for %d arms", count);
    }
    if (status == MHC_OK)
        status = run_arms(study, error);
    if (status == MHC_OK)
        status = mhc__depth_report(study, error);
    for (int i = 0; study->arms && i < count; i++)
        mhc__arm_free(&study->arms[i]);
    free(study->arms);
    free(study);
    return status;
}

extern const mhc__study mhc__study_depth;
const mhc__study mhc__study_depth = {
    "depth", "what plain residuals, unconstrained hyper-connections and mHC do to signals and gradients as depth grows",
    "Trains small transformers of 12, 24 and 48 blocks on a built-in task (count upwards modulo 256), each with\n"
    "plain residuals, with hyper-connections and with mHC, and measures at every site how large the streams\n"
    "are, how large the gradients that come back are, and what the connection's own matrices multiply to.\n"
    "This is the demo; it takes a few minutes on two cores.\n"
    "\n"
    "  --steps N              150\n"
    "  --seeds N              1; the table then has mean ± standard deviation over seeds\n"
    "  --seed N               42, the first one\n"
    "  --data TEXT            text to train on instead of the built-in task\n"
    "  --out DIR              runs/depth\n"
    "  --set study.depths=A,B,…         12,24,48\n"
    "  --set study.connections=A,B,…    residual,hc,paper\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, e.g. model.channels=128 or train.lr=1e-3\n"
    "\n"
    "A stopped or killed study goes on where it was when the same command is run again.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md, DIR/<blocks>-<connection>-seed<N>/metrics.jsonl.\n",
    run};
