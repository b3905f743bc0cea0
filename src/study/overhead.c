/* Step time and memory of connections over the residual. */
#include "study/overhead.h"

#include <stdlib.h>

#include "study/text_model.h"

static const char *const OWN_FIELDS[] = {"connections", "channels", "streams", NULL};
static const char *const OWN[][2] = {{"model.channels", "--set study.channels=A,B,…"},
                                     {"model.streams", "--set study.streams=A,B,…"},
                                     {"model.vocabulary", "nothing: tokens are made up"},
                                     {NULL, NULL}};

static mhc_status read_grid(mhc__overhead *study, mhc_error *error) {
    const bool quick = study->options->size == MHC__SIZE_QUICK;
    const char *channels = mhc__study_setting(study->options, "channels", quick ? "64,128,256" : "64,128,256,512");
    const char *streams = mhc__study_setting(study->options, "streams", quick ? "2,4" : "1,2,4,8");
    MHC__TRY(mhc__study_integers(channels, "channels", study->channels, &study->channel_count, error));
    MHC__TRY(mhc__study_integers(streams, "streams", study->streams, &study->stream_count, error));
    for (int i = 0; i < study->stream_count; i++)
        if (study->streams[i] > MHC_MAX_STREAMS)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.streams: %d is not in 1..%d", study->streams[i],
                             MHC_MAX_STREAMS);
    return MHC_OK;
}

static mhc_status read_options(mhc__overhead *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    MHC__TRY(mhc__study_settings_check(options, OWN_FIELDS, error));
    if (options->data || options->seeds)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: overhead measures steps on tokens that are made up",
                         options->data ? "--data" : "--seeds");
    MHC__TRY(mhc__study_choose(options, NULL, "hc,paper", study->choices, &study->choice_count, error));
    for (int c = 0; c < study->choice_count; c++)
        if (mhc__choice_is_residual(&study->choices[c]))
            return mhc__fail(error, MHC_INVALID_ARGUMENT,
                             "study.connections: residual is what the others are compared with, always");
    MHC__TRY(mhc__study_folders(options, "overhead", &study->folder, error));
    MHC__TRY(read_grid(study, error));
    study->config = mhc__study_text_model();
    study->config.model.vocabulary = 256;
    study->config.train.steps = options->size == MHC__SIZE_QUICK ? 7 : 15;
    study->config.train.schedule = MHC__SCHEDULE_CONSTANT;
    MHC__TRY(mhc__study_configure(options, 0, OWN, &study->config, error));
    if (study->config.train.steps > 10000)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "--steps: %lld is not in 1..10000",
                         (long long)study->config.train.steps);
    study->steps = (int)study->config.train.steps;
    study->warmup = 2;
    study->heads_set = mhc__study_is_set(options, "model.heads");
    study->ffn_set = mhc__study_is_set(options, "model.ffn");
    return MHC_OK;
}

int mhc__overhead_largest(const int *values, int count) {
    int place = 0;
    for (int i = 1; i < count; i++)
        place = values[i] > values[place] ? i : place;
    return place;
}

int mhc__overhead_smallest(const int *values, int count) {
    int place = 0;
    for (int i = 1; i < count; i++)
        place = values[i] < values[place] ? i : place;
    return place;
}

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    mhc__overhead *study = calloc(1, sizeof *study);
    if (!study)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "overhead: no memory");
    study->options = options;
    mhc_status status = read_options(study, error);
    size_t count = (size_t)study->channel_count * (size_t)study->stream_count * (size_t)(study->choice_count + 1);
    if (status == MHC_OK) {
        study->cells = calloc(count, sizeof *study->cells);
        status = study->cells ? mhc__overhead_measure(study, error)
                              : mhc__fail(error, MHC_OUT_OF_MEMORY, "overhead: no memory for %zu cells", count);
    }
    if (status == MHC_OK)
        status = mhc__overhead_report(study, error);
    free(study->cells);
    free(study);
    return status;
}

extern const mhc__study mhc__study_overhead;
const mhc__study mhc__study_overhead = {
    "overhead",
    "step time and memory of each connection over the residual, by width and number of streams",
    "--quick a minute, else 10 minutes",
    "own; arXiv 2512.24880, section 4.3",
    "Training steps of small transformers (4 blocks, 16 rows of 128 tokens) that take them in turns, the residual\n"
    "and each connection: median and range of the ratios of steps of one round, at each width and number of\n"
    "streams; and the memory of a run, as `mhc train --dry-run` plans it. Leave the machine alone meanwhile.\n"
    "\n"
    "  --quick                fewer widths, streams and steps\n"
    "  --steps N              15: rounds that count; two come before them\n"
    "  --out DIR              runs/overhead\n"
    "  --set study.connections=A,B,…    hc,paper\n"
    "  --set study.channels=A,B,…       64,128,256,512\n"
    "  --set study.streams=A,B,…        1,2,4,8\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, e.g. model.blocks=8, train.recompute=true or\n"
    "                         train.precision=bf16; heads have 32 channels and the feed-forward 4 C unless set\n"
    "\n"
    "A stopped or killed study goes on at the width and number of streams where it was.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md, DIR/cells.jsonl.\n",
    run};
