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

#include "base/clock.h"
#include "base/memory.h"
#include "base/philox.h"
#include "base/threads.h"
#include "measure.h"
#include "train/plan.h"
#include "train/train.h"

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

/* One model and the times of its steps. */
typedef struct subject {
    const char *kind;
    mhc__model_config shape;
    mhc__train_config how;
    mhc__train_memory plan;
    mhc__model *model;
    mhc__trainer *trainer;
    double *seconds, loss;
} subject;

/* The model of the depth study, whose sites wrap whole blocks, and how it is trained: nothing is clipped. */
static void as_mhc_poc(subject *s) {
    s->shape.norm = MHC__LAYERNORM_PYTORCH;
    s->shape.bias = true;
    s->shape.tied = false;
    s->shape.init = MHC__INIT_PYTORCH, s->shape.init_std = 1;
    s->shape.wrap = MHC__WRAP_BLOCK;
    s->how.lr = 2e-3f, s->how.beta2 = 0.999f;
    s->how.weight_decay = 0, s->how.clip = 0;
}

static mhc_status open_subject(settings *chosen, const char *kind, subject *s, mhc_error *error) {
    *s = (subject){.kind = kind, .shape = mhc__model_config_default(), .how = mhc__train_config_default()};
    s->shape.vocabulary = chosen->vocab, s->shape.sequence = chosen->seq, s->shape.channels = chosen->dim;
    s->shape.blocks = chosen->layers, s->shape.heads = chosen->heads, s->shape.ffn = chosen->ffn;
    s->shape.streams = strcmp(kind, "residual") ? chosen->streams : 1;
    s->shape.contract = MHC__CONTRACT_MEAN;
    snprintf(s->shape.connection, sizeof s->shape.connection, "%s", kind);
    s->how.steps = chosen->warmup + chosen->steps;
    s->how.batch = chosen->batch, s->how.threads = chosen->threads;
    s->how.schedule = MHC__SCHEDULE_CONSTANT, s->how.warmup = 0;
    s->how.eval_every = s->how.checkpoint_every = 0;
    s->how.precision = chosen->bf16 ? MHC__PRECISION_BF16 : MHC__PRECISION_FP32;
    if (!strncmp(kind, "mhc-poc", strlen("mhc-poc")))
        as_mhc_poc(s);
    s->how.recompute = chosen->recompute != 0, s->how.recompute_sites = (int)mhc__max(chosen->recompute, 0);
    MHC__TRY(mhc__train_plan(&s->shape, &s->how, false, &s->plan, error));
    MHC__TRY(mhc__model_create(&s->shape, 1, &s->model, error));
    MHC__TRY(MHC__ALLOCATE(s->seconds, chosen->steps, "times", error));
    mhc__trainer_options options = {.model = s->model, .config = &s->how, .train = {chosen, fill}};
    return mhc__trainer_create(&options, &s->trainer, error);
}

static void close_subject(subject *s) {
    mhc__trainer_destroy(s->trainer);
    mhc__release(s->seconds);
    mhc__model_destroy(s->model);
}

static mhc_status take_step(subject *s, const settings *chosen, int step, mhc_error *error) {
    mhc__train_record record;
    double start = mhc__clock_seconds();
    MHC__TRY(mhc__trainer_step(s->trainer, &record, error));
    if (step >= chosen->warmup)
        s->seconds[step - chosen->warmup] = mhc__clock_seconds() - start;
    s->loss = record.loss;
    return MHC_OK;
}

static void print_subject(const settings *chosen, const subject *s) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    mhc__spread spread = mhc__spread_of(s->seconds, chosen->steps);
    printf(
        "{\"kind\": \"%s\", \"threads\": %d, \"median_s\": %.6f, \"min_s\": %.6f, \"max_s\": %.6f, "
        "\"tokens_per_s\": %.1f, \"loss\": %.9g, \"peak_rss_mib\": %.1f, \"planned_mib\": %.1f, \"streams_mib\": %.1f, "
        "\"span\": %d}\n",
        s->kind, chosen->threads, spread.median, spread.least, spread.most,
        (double)chosen->batch * chosen->seq / spread.median, s->loss, (double)usage.ru_maxrss / 1024,
        (double)s->plan.total / 1048576, (double)s->plan.model.streams / 1048576, s->plan.model.span);
}

/* ratios: of the pairs of steps. */
static void print_ratio(const settings *chosen, double *ratios) {
    mhc__spread spread = mhc__spread_of(ratios, chosen->steps);
    printf("{\"kind\": \"%s\", \"over\": \"%s\", \"pairs\": %d, \"median_ratio\": %.4f, \"min_ratio\": %.4f, "
           "\"max_ratio\": %.4f}\n",
           chosen->kind, chosen->over, chosen->steps, spread.median, spread.least, spread.most);
}

/* The steps of one model, or of two in turns, each going first in every other pair. */
static mhc_status take_steps(const settings *chosen, subject *one, subject *over, mhc_error *error) {
    for (int step = 0; step < chosen->warmup + chosen->steps; step++) {
        subject *first = over && step % 2 ? over : one, *second = first == one ? over : one;
        MHC__TRY(take_step(first, chosen, step, error));
        if (over)
            MHC__TRY(take_step(second, chosen, step, error));
    }
    return MHC_OK;
}

static mhc_status measure(settings *chosen, mhc_error *error) {
    subject one = {0}, over = {0};
    const bool two = chosen->over[0] != '\0';
    double *ratios = NULL;
    mhc_status status = open_subject(chosen, chosen->kind, &one, error);
    if (status == MHC_OK && two)
        status = open_subject(chosen, chosen->over, &over, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(ratios, chosen->steps, "ratios", error);
    if (status == MHC_OK)
        status = take_steps(chosen, &one, two ? &over : NULL, error);
    if (status == MHC_OK) {
        for (int i = 0; i < chosen->steps && two; i++)
            ratios[i] = one.seconds[i] / over.seconds[i];
        print_subject(chosen, &one);
        if (two) {
            print_subject(chosen, &over);
            print_ratio(chosen, ratios);
        }
    }
    mhc__release(ratios);
    close_subject(&one);
    close_subject(&over);
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
