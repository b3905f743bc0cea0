#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "file/atomic.h"
#include "file/checksum.h"
#include "study/overhead.h"
#include "train/step_time.h"

/* Heads of 32 channels, or of the least more that divides them. */
static int heads_of(int channels) {
    int heads = channels / 32 > 0 ? channels / 32 : 1;
    while (channels % heads)
        heads--;
    return heads;
}

/* The settings of a model; choice past the last: the residual. */
static mhc_status settings(const mhc__overhead *study, int channels, int streams, int choice, mhc__config *config,
                           mhc_error *error) {
    static const mhc__choice residual = {.name = "residual"};
    *config = study->config;
    config->model.channels = study->channels[channels];
    config->model.streams = study->streams[streams];
    if (!study->heads_set)
        config->model.heads = heads_of(config->model.channels);
    if (!study->ffn_set)
        config->model.ffn = 4 * config->model.channels;
    return mhc__choice_apply(choice < study->choice_count ? &study->choices[choice] : &residual, config, error);
}

static mhc_status open_timer(const mhc__overhead *study, int channels, int streams, int choice, mhc__step_timer *timer,
                             mhc__overhead_cell *cell, mhc_error *error) {
    mhc__config config;
    mhc__train_memory least;
    MHC__TRY(settings(study, channels, streams, choice, &config, error));
    MHC__TRY(mhc__config_check(&config, error));
    *timer = (mhc__step_timer){.model = config.model, .train = config.train};
    MHC__TRY(mhc__step_timer_open(timer, study->warmup, study->steps, error));
    cell->bytes = (double)timer->memory.total;
    config.train.recompute = true;
    MHC__TRY(mhc__train_plan(&config.model, &config.train, false, &least, error));
    cell->least_bytes = (double)least.total;
    return MHC_OK;
}

/* The residual and all connections at one width and number of streams, in turns. */
static mhc_status measure_group(const mhc__overhead *study, int channels, int streams, mhc_error *error) {
    mhc__step_timer timers[MHC__STUDY_MAX_CHOICES + 1] = {0};
    const int count = study->choice_count + 1;
    mhc_status status = MHC_OK;
    for (int c = 0; c < count && status == MHC_OK; c++)
        status =
            open_timer(study, channels, streams, c, &timers[c], mhc__overhead_at(study, channels, streams, c), error);
    if (status == MHC_OK)
        status = mhc__step_timers_run(timers, count, study->warmup, study->steps, study->options->stop, error);
    for (int c = 0; c < count && status == MHC_OK; c++) {
        mhc__overhead_cell *cell = mhc__overhead_at(study, channels, streams, c);
        status = mhc__step_seconds(&timers[c], study->steps, &cell->seconds, error);
        if (status == MHC_OK)
            status = mhc__step_ratio(&timers[c], &timers[count - 1], study->steps, &cell->ratio, error);
    }
    for (int c = 0; c < count; c++)
        mhc__step_timer_close(&timers[c]);
    return status == MHC_INTERRUPTED ? mhc__study_stopped(study->options, error) : status;
}

static const char *name_of(const mhc__overhead *study, int choice) {
    return choice < study->choice_count ? study->choices[choice].name : "residual";
}

/* The first line: a number that other settings don't have. */
static mhc_status head_line(const mhc__overhead *study, mhc__text *line, mhc_error *error) {
    mhc__text text = {0};
    MHC__TRY(mhc__config_json(&study->config, &text, error));
    mhc__text_format(&text, "%d %d %d %d", study->steps, study->warmup, study->heads_set, study->ffn_set);
    for (int c = 0; c < study->choice_count; c++)
        mhc__text_format(&text, " %s", study->choices[c].name);
    for (int i = 0; i < study->channel_count; i++)
        mhc__text_format(&text, " c%d", study->channels[i]);
    for (int i = 0; i < study->stream_count; i++)
        mhc__text_format(&text, " n%d", study->streams[i]);
    mhc__text_format(line, "{\"settings\":\"%08x\"}\n", text.failed ? 0u : mhc__checksum(text.data, text.length));
    line->failed |= text.failed;
    mhc__text_free(&text);
    return line->failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "overhead: no memory") : MHC_OK;
}

static const struct {
    const char *name;
    size_t offset;
} NUMBERS[] = {{"seconds", offsetof(mhc__overhead_cell, seconds.median)},
               {"seconds_least", offsetof(mhc__overhead_cell, seconds.least)},
               {"seconds_most", offsetof(mhc__overhead_cell, seconds.most)},
               {"ratio", offsetof(mhc__overhead_cell, ratio.median)},
               {"ratio_least", offsetof(mhc__overhead_cell, ratio.least)},
               {"ratio_most", offsetof(mhc__overhead_cell, ratio.most)},
               {"bytes", offsetof(mhc__overhead_cell, bytes)},
               {"bytes_recomputing", offsetof(mhc__overhead_cell, least_bytes)}};
enum { NUMBER_COUNT = sizeof NUMBERS / sizeof NUMBERS[0] };

static double *number(mhc__overhead_cell *cell, int index) {
    return (double *)(void *)((char *)cell + NUMBERS[index].offset);
}

static void group_lines(const mhc__overhead *study, int channels, int streams, mhc__text *lines) {
    for (int c = 0; c <= study->choice_count; c++) {
        mhc__text_format(lines, "{\"channels\":%d,\"streams\":%d,\"connection\":\"%s\"", study->channels[channels],
                         study->streams[streams], name_of(study, c));
        for (int i = 0; i < NUMBER_COUNT; i++)
            mhc__text_format(lines, ",\"%s\":%.9g", NUMBERS[i].name,
                             *number(mhc__overhead_at(study, channels, streams, c), i));
        mhc__text_format(lines, "}\n");
    }
}

/* Cells lie in the file as they do in memory. */
static bool take_line(const mhc__overhead *study, int index, const char *line, size_t length) {
    const int row = study->choice_count + 1, streams = index / row % study->stream_count,
              channels = index / row / study->stream_count;
    json_t *object = json_loadb(line, length, 0, NULL);
    const char *name = json_string_value(json_object_get(object, "connection"));
    bool right = channels < study->channel_count && name && !strcmp(name, name_of(study, index % row)) &&
                 json_integer_value(json_object_get(object, "channels")) == study->channels[channels] &&
                 json_integer_value(json_object_get(object, "streams")) == study->streams[streams];
    for (int i = 0; i < NUMBER_COUNT && right; i++) {
        json_t *value = json_object_get(object, NUMBERS[i].name);
        right = json_is_number(value);
        *number(&study->cells[index], i) = json_number_value(value);
    }
    json_decref(object);
    return right;
}

/* How many whole groups an earlier run left. */
static mhc_status take_up(const mhc__overhead *study, const char *path, const mhc__text *head, int *groups,
                          mhc_error *error) {
    char *bytes;
    size_t size;
    *groups = 0;
    if (access(path, F_OK) != 0)
        return MHC_OK;
    MHC__TRY(mhc__read_file(path, &bytes, &size, error));
    mhc_status status = MHC_OK;
    int lines = 0;
    if (size < head->length || memcmp(bytes, head->data, head->length) != 0)
        status = mhc__fail(error, MHC_MISMATCH, "%s: the file is of other settings; choose another --out, or remove it",
                           path);
    const char *line = bytes + (status == MHC_OK ? head->length : 0), *end;
    for (; status == MHC_OK && (end = memchr(line, '\n', size - (size_t)(line - bytes))); line = end + 1, lines++)
        if (!take_line(study, lines, line, (size_t)(end - line)))
            status = mhc__fail(error, MHC_CORRUPT, "%s:%d: expected the numbers of another connection; remove the file",
                               path, lines + 2);
    free(bytes);
    *groups = lines / (study->choice_count + 1);
    return status;
}

/* The file holds all groups up to this one. */
static mhc_status save(const mhc__overhead *study, const char *path, const mhc__text *head, int groups,
                       mhc_error *error) {
    mhc__text text = {0};
    mhc__text_append(&text, head->data, head->length);
    for (int g = 0; g < groups; g++)
        group_lines(study, g / study->stream_count, g % study->stream_count, &text);
    mhc_status status = text.failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to write it", path)
                                    : mhc__write_file(path, text.data, text.length, error);
    mhc__text_free(&text);
    return status;
}

static mhc_status measure(mhc__overhead *study, const char *path, const mhc__text *head, mhc_error *error) {
    const int groups = study->channel_count * study->stream_count;
    int done;
    MHC__TRY(take_up(study, path, head, &done, error));
    double start = mhc__clock_seconds();
    for (int g = done; g < groups; g++) {
        int channels = g / study->stream_count, streams = g % study->stream_count;
        MHC__TRY(mhc__study_stopped(study->options, error));
        mhc__study_note(study->options, "%d of %d: %d channels, %d streams", g + 1, groups, study->channels[channels],
                        study->streams[streams]);
        MHC__TRY(measure_group(study, channels, streams, error));
        MHC__TRY(save(study, path, head, g + 1, error));
    }
    study->seconds = mhc__clock_seconds() - start;
    return MHC_OK;
}

mhc_status mhc__overhead_measure(mhc__overhead *study, mhc_error *error) {
    mhc__text head = {0};
    char *path = mhc__format("%s/cells.jsonl", study->folder.out);
    mhc_status status =
        path ? mhc__make_folders(study->folder.out, error) : mhc__fail(error, MHC_OUT_OF_MEMORY, "overhead: no memory");
    if (status == MHC_OK)
        status = head_line(study, &head, error);
    if (status == MHC_OK)
        status = measure(study, path, &head, error);
    mhc__text_free(&head);
    free(path);
    return status;
}
