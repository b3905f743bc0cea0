/* Seconds of a whole training step: forward, backward, clipping, AdamW. The defaults are the model of the stability
 * study without its dropout; mhc-poc and mhc-poc-hc are that of the depth study. The options are those of the PyTorch
 * script that bench/compare_torch runs beside it.
 * Prints one line of JSON; with --over, two models take steps in turns, and a last line says what the one costs over
 * the other: the ratios of the pairs of steps. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/threads.h"
#include "train/step_time.h"

typedef struct settings {
    char kind[32], over[32]; /* over: empty for none */
    int vocab, dim, layers, heads, ffn, seq, batch, streams, threads, steps, warmup, recompute, bf16;
} settings;

typedef struct option_row {
    const char *name;
    int offset; /* of an int in settings; of a name, where `name_size` is not 0 */
    int value, least, name_size;
} option_row;

/* recompute: sites at a time, 0 for none, -1 for as many as take least. bf16: 1 for products of bf16. */
#define ROW(field, value, least)                                                                                       \
    { #field, (int)offsetof(settings, field), value, least, 0 }
#define NAME(field)                                                                                                    \
    { #field, (int)offsetof(settings, field), 0, 0, (int)sizeof((settings *)0)->field }
static const option_row ROWS[] = {
    NAME(kind),         NAME(over),        ROW(vocab, 1522, 1), ROW(dim, 256, 1),      ROW(layers, 8, 1),
    ROW(heads, 8, 1),   ROW(ffn, 1024, 1), ROW(seq, 128, 1),    ROW(batch, 32, 1),     ROW(streams, 4, 1),
    ROW(threads, 2, 1), ROW(steps, 10, 1), ROW(warmup, 3, 0),   ROW(recompute, 0, -1), ROW(bf16, 0, 0),
};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

static int *field_of(settings *chosen, const option_row *row) {
    return (int *)(void *)((char *)chosen + row->offset);
}

static int usage(const char *complaint) {
    fprintf(stderr, "bench_step: %s\noptions, with their defaults: --kind residual [--over KIND]", complaint);
    for (int i = 0; i < ROW_COUNT; i++)
        if (ROWS[i].name_size == 0)
            fprintf(stderr, " --%s %d", ROWS[i].name, ROWS[i].value);
    fprintf(stderr, "\n");
    return 2;
}

static int read_settings(int count, char **arguments, settings *chosen) {
    struct option options[ROW_COUNT + 1];
    memset(options, 0, sizeof options);
    memset(chosen, 0, sizeof *chosen);
    snprintf(chosen->kind, sizeof chosen->kind, "residual");
    for (int i = 0; i < ROW_COUNT; i++) {
        options[i] = (struct option){ROWS[i].name, required_argument, NULL, i};
        if (ROWS[i].name_size == 0)
            *field_of(chosen, &ROWS[i]) = ROWS[i].value;
    }
    opterr = 0;
    int index;
    while ((index = getopt_long(count, arguments, "", options, NULL)) != -1) {
        if (index < 0 || index >= ROW_COUNT)
            return usage("unknown option, or one without its value");
        if (ROWS[index].name_size > 0) {
            snprintf((char *)field_of(chosen, &ROWS[index]), (size_t)ROWS[index].name_size, "%s", optarg);
            continue;
        }
        char *end;
        long value = strtol(optarg, &end, 10);
        if (*end || end == optarg || value < ROWS[index].least || value > 1 << 24)
            return usage("expected a whole number in range");
        *field_of(chosen, &ROWS[index]) = (int)value;
    }
    return optind == count ? 0 : usage("expected options alone");
}

/* The model of the depth study, whose sites wrap whole blocks, and how it is trained: nothing is clipped. */
static void as_mhc_poc(mhc__step_timer *s) {
    s->model.norm = MHC__LAYERNORM_PYTORCH;
    s->model.bias = true;
    s->model.tied = false;
    s->model.init = MHC__INIT_PYTORCH, s->model.init_std = 1;
    s->model.wrap = MHC__WRAP_BLOCK;
    s->train.lr = 2e-3f, s->train.beta2 = 0.999f;
    s->train.weight_decay = 0, s->train.clip = 0;
}

static mhc_status open_timer(const settings *chosen, const char *kind, mhc__step_timer *s, mhc_error *error) {
    *s = (mhc__step_timer){.model = mhc__model_config_default(), .train = mhc__train_config_default()};
    s->model.vocabulary = chosen->vocab, s->model.sequence = chosen->seq, s->model.channels = chosen->dim;
    s->model.blocks = chosen->layers, s->model.heads = chosen->heads, s->model.ffn = chosen->ffn;
    s->model.streams = strcmp(kind, "residual") ? chosen->streams : 1;
    s->model.contract = MHC__CONTRACT_MEAN;
    snprintf(s->model.connection, sizeof s->model.connection, "%s", kind);
    s->train.batch = chosen->batch, s->train.threads = chosen->threads;
    s->train.schedule = MHC__SCHEDULE_CONSTANT, s->train.warmup = 0;
    s->train.precision = chosen->bf16 ? MHC__PRECISION_BF16 : MHC__PRECISION_FP32;
    if (!strncmp(kind, "mhc-poc", strlen("mhc-poc")))
        as_mhc_poc(s);
    s->train.recompute = chosen->recompute != 0, s->train.recompute_sites = (int)mhc__max(chosen->recompute, 0);
    return mhc__step_timer_open(s, chosen->warmup, chosen->steps, error);
}

static mhc_status print_timer(const settings *chosen, const char *kind, const mhc__step_timer *s, mhc_error *error) {
    struct rusage usage;
    mhc__spread spread;
    getrusage(RUSAGE_SELF, &usage);
    MHC__TRY(mhc__step_seconds(s, chosen->steps, &spread, error));
    printf(
        "{\"kind\": \"%s\", \"threads\": %d, \"median_s\": %.6f, \"min_s\": %.6f, \"max_s\": %.6f, "
        "\"tokens_per_s\": %.1f, \"loss\": %.9g, \"peak_rss_mib\": %.1f, \"planned_mib\": %.1f, \"streams_mib\": %.1f, "
        "\"span\": %d}\n",
        kind, chosen->threads, spread.median, spread.least, spread.most,
        (double)chosen->batch * chosen->seq / spread.median, s->loss, (double)usage.ru_maxrss / 1024,
        (double)s->memory.total / 1048576, (double)s->memory.model.streams / 1048576, s->memory.model.span);
    return MHC_OK;
}

static mhc_status print_ratio(const settings *chosen, const mhc__step_timer *one, const mhc__step_timer *over,
                              mhc_error *error) {
    mhc__spread spread;
    MHC__TRY(mhc__step_ratio(one, over, chosen->steps, &spread, error));
    printf("{\"kind\": \"%s\", \"over\": \"%s\", \"pairs\": %d, \"median_ratio\": %.4f, \"min_ratio\": %.4f, "
           "\"max_ratio\": %.4f}\n",
           chosen->kind, chosen->over, chosen->steps, spread.median, spread.least, spread.most);
    return MHC_OK;
}

static mhc_status measure(const settings *chosen, mhc_error *error) {
    mhc__step_timer timers[2] = {0};
    const bool two = chosen->over[0] != '\0';
    mhc_status status = open_timer(chosen, chosen->kind, &timers[0], error);
    if (status == MHC_OK && two)
        status = open_timer(chosen, chosen->over, &timers[1], error);
    if (status == MHC_OK)
        status = mhc__step_timers_run(timers, two ? 2 : 1, chosen->warmup, chosen->steps, NULL, error);
    if (status == MHC_OK)
        status = print_timer(chosen, chosen->kind, &timers[0], error);
    if (status == MHC_OK && two)
        status = print_timer(chosen, chosen->over, &timers[1], error);
    if (status == MHC_OK && two)
        status = print_ratio(chosen, &timers[0], &timers[1], error);
    mhc__step_timer_close(&timers[0]);
    mhc__step_timer_close(&timers[1]);
    return status;
}

int main(int count, char **arguments) {
    settings chosen;
    int wrong = read_settings(count, arguments, &chosen);
    if (wrong)
        return wrong;
    mhc_error error;
    if (measure(&chosen, &error) != MHC_OK) {
        fprintf(stderr, "bench_step: %s\n", error.message);
        return 1;
    }
    return 0;
}
