#include "study/measurement.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "file/atomic.h"

/* The names in the file, in its order. docs/studies.md defines them. */
static const struct {
    const char *name;
    size_t offset;
} FIELDS[] = {
    {"loss", offsetof(mhc__measurement, loss)},
    {"grad_norm", offsetof(mhc__measurement, grad_norm)},
    {"lr", offsetof(mhc__measurement, lr)},
    {"seconds", offsetof(mhc__measurement, seconds)},
    {"activation_gain", offsetof(mhc__measurement, gains.activation)},
    {"amax_gain_forward", offsetof(mhc__measurement, gains.single_forward)},
    {"amax_gain_backward", offsetof(mhc__measurement, gains.single_backward)},
    {"composite_gain_forward", offsetof(mhc__measurement, gains.composite_forward)},
    {"composite_gain_backward", offsetof(mhc__measurement, gains.composite_backward)},
    {"composite_column_min", offsetof(mhc__measurement, gains.composite_column_min)},
    {"gain_proxy", offsetof(mhc__measurement, gains.proxy)},
    {"stream_spread", offsetof(mhc__measurement, gains.spread)},
};
enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

static double *field(mhc__measurement *measurement, int index) {
    return (double *)(void *)((char *)measurement + FIELDS[index].offset);
}

const char *mhc__study_number_name(int number) {
    return number < MHC__PROBE_NUMBERS ? mhc__probe_name(number)
                                       : mhc__train_part_name((mhc__train_part)(number - MHC__PROBE_NUMBERS));
}

/* Some numbers of the probes are gains of every step: they have one place in a line. */
static bool is_field(const char *name) {
    for (int i = 0; i < FIELD_COUNT; i++)
        if (strcmp(FIELDS[i].name, name) == 0)
            return true;
    return false;
}

void mhc__measurement_take(mhc__measurement *measurement, const mhc__train_record *record) {
    measurement->probed = record->number_count > 0;
    for (int i = 0; i < MHC__STUDY_NUMBERS; i++) {
        measurement->numbers[i] = NAN;
        for (int k = 0; k < record->number_count; k++)
            if (strcmp(record->numbers[k].name, mhc__study_number_name(i)) == 0)
                measurement->numbers[i] = record->numbers[k].value;
    }
}

mhc__gains mhc__gains_unknown(void) {
    mhc__gains gains = {.activation = NAN,
                        .single_forward = NAN,
                        .single_backward = NAN,
                        .composite_forward = NAN,
                        .composite_backward = NAN,
                        .composite_column_min = NAN,
                        .proxy = NAN,
                        .spread = NAN};
    return gains;
}

/* JSON has neither NaN nor Inf: both become null, read back as NaN. 17 digits give the same double back. */
static void add_number(mhc__text *text, const char *name, double value) {
    if (isfinite(value))
        mhc__text_format(text, ",\"%s\":%.17g", name, value);
    else
        mhc__text_format(text, ",\"%s\":null", name);
}

static void line_of(mhc__text *text, const mhc__measurement *measurement) {
    mhc__measurement copy = *measurement;
    mhc__text_format(text, "{\"step\":%lld", (long long)copy.step);
    for (int i = 0; i < FIELD_COUNT; i++)
        add_number(text, FIELDS[i].name, *field(&copy, i));
    for (int i = 0; i < MHC__STUDY_NUMBERS && copy.probed; i++)
        if (!is_field(mhc__study_number_name(i)))
            add_number(text, mhc__study_number_name(i), copy.numbers[i]);
    mhc__text_format(text, "}\n");
}

mhc_status mhc__measurement_append(FILE *file, const char *path, mhc__events *events,
                                   const mhc__measurement *measurement, mhc_error *error) {
    mhc__text line = {0};
    line_of(&line, measurement);
    mhc_status status = MHC_OK;
    if (line.failed)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a line", path);
    else if (fwrite(line.data, 1, line.length, file) != line.length || fflush(file) != 0)
        status = mhc__fail(error, MHC_IO, "%s: can't write: %s", path, strerror(errno));
    else if (events)
        status = mhc__events_line(events, line.data, line.length, error);
    mhc__text_free(&line);
    return status;
}

static mhc_status parse_line(const char *path, int64_t number, const char *line, size_t length,
                             mhc__measurement *measurement, mhc_error *error) {
    json_error_t why;
    json_t *object = json_loadb(line, length, 0, &why);
    json_t *step = json_object_get(object, "step");
    bool right = json_is_integer(step) && json_integer_value(step) == number;
    if (right) {
        measurement->step = number;
        for (int i = 0; i < FIELD_COUNT; i++) {
            json_t *value = json_object_get(object, FIELDS[i].name);
            *field(measurement, i) = json_is_number(value) ? json_number_value(value) : NAN;
        }
        for (int i = 0; i < MHC__STUDY_NUMBERS; i++) {
            json_t *value = json_object_get(object, mhc__study_number_name(i));
            measurement->probed |= value && !is_field(mhc__study_number_name(i));
            measurement->numbers[i] = json_is_number(value) ? json_number_value(value) : NAN;
        }
    }
    json_decref(object);
    if (!right)
        return mhc__fail(error, MHC_CORRUPT, "%s:%lld: expected the measurements of step %lld, found something else",
                         path, (long long)number + 1, (long long)number);
    return MHC_OK;
}

static mhc_status parse(const char *path, const char *bytes, size_t size, mhc__series *series, mhc_error *error) {
    int64_t lines = 0;
    for (const char *c = bytes; (c = memchr(c, '\n', size - (size_t)(c - bytes))); c++)
        lines++;
    series->at = calloc((size_t)(lines ? lines : 1), sizeof *series->at);
    if (!series->at)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for %lld lines", path, (long long)lines);
    const char *line = bytes;
    for (int64_t i = 0; i < lines; i++) {
        const char *end = memchr(line, '\n', size - (size_t)(line - bytes));
        MHC__TRY(parse_line(path, i, line, (size_t)(end - line), &series->at[i], error));
        series->count = i + 1;
        line = end + 1;
    }
    return MHC_OK;
}

mhc_status mhc__series_load(const char *path, mhc__series *series, mhc_error *error) {
    *series = (mhc__series){0};
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return MHC_OK;
    char *bytes;
    size_t size;
    MHC__TRY(mhc__read_file(path, &bytes, &size, error));
    mhc_status status = parse(path, bytes, size, series, error);
    free(bytes);
    if (status != MHC_OK)
        mhc__series_free(series);
    return status;
}

mhc_status mhc__series_save(const char *path, const mhc__series *series, int64_t count, mhc_error *error) {
    mhc__text text = {0};
    mhc__text_append(&text, "", 0);
    for (int64_t i = 0; i < count; i++)
        line_of(&text, &series->at[i]);
    mhc_status status = text.failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to write it", path)
                                    : mhc__write_file(path, text.data, text.length, error);
    mhc__text_free(&text);
    return status;
}

void mhc__series_free(mhc__series *series) {
    free(series->at);
    *series = (mhc__series){0};
}
