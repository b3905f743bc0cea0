/* Seconds of a whole training step: forward, backward, clipping, AdamW. The defaults are the model of the stability
 * study without its dropout, and the options are those of the PyTorch script that bench/compare_torch runs beside it.
 * Prints one line of JSON. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/philox.h"
#include "base/threads.h"
#include "measure.h"
#include "train/plan.h"
#include "train/train.h"

typedef struct settings {
    char kind[32];
    int vocab, dim, layers, heads, ffn, seq, batch, streams, threads, steps, warmup, recompute, bf16;
} settings;

typedef struct option_row {
    const char *name;
    int offset; /* of an int in settings; -1: kind */
    int value, least;
} option_row;

/* recompute: sites at a time, 0 for none, -1 for as many as take least. bf16: 1 for products of bf16. */
#define ROW(field, value, least)                                                                                       \
    { #field, (int)offsetof(settings, field), value, least }
static const option_row ROWS[] = {
    {"kind", -1, 0, 0}, ROW(vocab, 1522, 1), ROW(dim, 256, 1),      ROW(layers, 8, 1),  ROW(heads, 8, 1),
    ROW(ffn, 1024, 1),  ROW(seq, 128, 1),    ROW(batch, 32, 1),     ROW(streams, 4, 1), ROW(threads, 2, 1),
    ROW(steps, 10, 1),  ROW(warmup, 3, 0),   ROW(recompute, 0, -1), ROW(bf16, 0, 0),
};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

static int *field_of(settings *chosen, const option_row *row) {
    return (int *)(void *)((char *)chosen + row->offset);
}

static int usage(const char *complaint) {
    fprintf(stderr, "bench_step: %s\noptions, with their defaults: --kind residual", complaint);
    for (int i = 1; i < ROW_COUNT; i++)
        fprintf(stderr, " --%s %d", ROWS[i].name, ROWS[i].value);
    fprintf(stderr, "\n");
    return 2;
}

static int read_settings(int count, char **arguments, settings *chosen) {
    struct option options[ROW_COUNT + 1];
    memset(options, 0, sizeof options);
    snprintf(chosen->kind, sizeof chosen->kind, "residual");
    for (int i = 0; i < ROW_COUNT; i++) {
        options[i] = (struct option){ROWS[i].name, required_argument, NULL, i};
        if (ROWS[i].offset >= 0)
            *field_of(chosen, &ROWS[i]) = ROWS[i].value;
    }
    opterr = 0;
    int index;
    while ((index = getopt_long(count, arguments, "", options, NULL)) != -1) {
        if (index < 0 || index >= ROW_COUNT)
            return usage("unknown option, or one without its value");
        if (ROWS[index].offset < 0) {
            snprintf(chosen->kind, sizeof chosen->kind, "%s", optarg);
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

/* A noisy walk: the next token follows from the last one, nine times of ten. */
static mhc_status fill(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    (void)error;
    const settings *chosen = self;
    uint32_t vocabulary = (uint32_t)chosen->vocab, current = 0;
    for (int64_t i = 0; i < (int64_t)batch * (sequence + 1); i++) {
        mhc__philox draw = mhc__philox_at(7, (uint64_t)i, (uint64_t)index);
        current = draw.v[0] % 10 ? (current * 5 + 3) % vocabulary : draw.v[1] % vocabulary;
        tokens[i] = (int32_t)current;
    }
    return MHC_OK;
}

static void print_result(const settings *chosen, const mhc__train_memory *plan, double *seconds, double loss) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    mhc__spread spread = mhc__spread_of(seconds, chosen->steps);
    printf(
        "{\"kind\": \"%s\", \"threads\": %d, \"median_s\": %.6f, \"min_s\": %.6f, \"max_s\": %.6f, "
        "\"tokens_per_s\": %.1f, \"loss\": %.9g, \"peak_rss_mib\": %.1f, \"planned_mib\": %.1f, \"streams_mib\": %.1f, "
        "\"span\": %d}\n",
        chosen->kind, chosen->threads, spread.median, spread.least, spread.most,
        (double)chosen->batch * chosen->seq / spread.median, loss, (double)usage.ru_maxrss / 1024,
        (double)plan->total / 1048576, (double)plan->model.streams / 1048576, plan->model.span);
}

static mhc_status measure(settings *chosen, mhc_error *error) {
    mhc__model_config shape = mhc__model_config_default();
    shape.vocabulary = chosen->vocab, shape.sequence = chosen->seq, shape.channels = chosen->dim;
    shape.blocks = chosen->layers, shape.heads = chosen->heads, shape.ffn = chosen->ffn;
    shape.streams = strcmp(chosen->kind, "residual") ? chosen->streams : 1;
    shape.contract = MHC__CONTRACT_MEAN;
    snprintf(shape.connection, sizeof shape.connection, "%s", chosen->kind);
    mhc__train_config how = mhc__train_config_default();
    how.steps = chosen->warmup + chosen->steps;
    how.batch = chosen->batch, how.threads = chosen->threads;
    how.schedule = MHC__SCHEDULE_CONSTANT, how.warmup = 0;
    how.eval_every = how.checkpoint_every = 0;
    how.precision = chosen->bf16 ? MHC__PRECISION_BF16 : MHC__PRECISION_FP32;
    how.recompute = chosen->recompute != 0, how.recompute_sites = (int)mhc__max(chosen->recompute, 0);

    mhc__model *model = NULL;
    mhc__trainer *trainer = NULL;
    double *seconds = NULL, loss = 0;
    mhc__train_memory plan;
    mhc_status status = mhc__train_plan(&shape, &how, false, &plan, error);
    if (status == MHC_OK)
        status = mhc__model_create(&shape, 1, &model, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(seconds, chosen->steps, "times", error);
    mhc__trainer_options options = {.model = model, .config = &how, .train = {chosen, fill}};
    if (status == MHC_OK)
        status = mhc__trainer_create(&options, &trainer, error);
    for (int step = 0; status == MHC_OK && step < chosen->warmup + chosen->steps; step++) {
        mhc__train_record record;
        double start = mhc__clock_seconds();
        status = mhc__trainer_step(trainer, &record, error);
        if (step >= chosen->warmup)
            seconds[step - chosen->warmup] = mhc__clock_seconds() - start;
        loss = record.loss;
    }
    if (status == MHC_OK)
        print_result(chosen, &plan, seconds, loss);
    mhc__trainer_destroy(trainer);
    mhc__release(seconds);
    mhc__model_destroy(model);
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
