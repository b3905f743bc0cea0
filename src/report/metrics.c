#include "report/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

enum { CHUNK = 1 << 16 };

mhc_status mhc__metrics_start(mhc__metrics *metrics, const char *path, mhc_error *error) {
    *metrics = (mhc__metrics){.path = mhc__format("%s", path)};
    return metrics->path ? MHC_OK : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to read it", path);
}

/* Everything but the path. */
static void forget(mhc__metrics *metrics) {
    char *path = metrics->path;
    free(metrics->step);
    for (int i = 0; i < metrics->columns; i++)
        free(metrics->column[i].values);
    *metrics = (mhc__metrics){.path = path};
}

void mhc__metrics_free(mhc__metrics *metrics) {
    forget(metrics);
    free(metrics->path);
    metrics->path = NULL;
}

static int find(const mhc__metrics *metrics, const char *name) {
    for (int i = 0; i < metrics->columns; i++)
        if (!strcmp(metrics->column[i].name, name))
            return i;
    return -1;
}

const double *mhc__metrics_column(const mhc__metrics *metrics, const char *name) {
    int index = find(metrics, name);
    return index < 0 ? NULL : metrics->column[index].values;
}

static mhc_status no_memory(const mhc__metrics *metrics, mhc_error *error) {
    return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for %lld steps", metrics->path, (long long)metrics->rows);
}

/* Room for one more row. */
static mhc_status grow(mhc__metrics *metrics, mhc_error *error) {
    if (metrics->rows < metrics->capacity)
        return MHC_OK;
    int64_t capacity = metrics->capacity ? 2 * metrics->capacity : 256;
    int64_t *step = realloc(metrics->step, (size_t)capacity * sizeof *step);
    if (!step)
        return no_memory(metrics, error);
    metrics->step = step;
    for (int i = 0; i < metrics->columns; i++) {
        double *values = realloc(metrics->column[i].values, (size_t)capacity * sizeof *values);
        if (!values)
            return no_memory(metrics, error);
        metrics->column[i].values = values;
    }
    metrics->capacity = capacity;
    return MHC_OK;
}

/* A column of the name, new ones with NaN in the rows before; -1 when there are too many. */
static mhc_status column(mhc__metrics *metrics, const char *name, int *index, mhc_error *error) {
    *index = find(metrics, name);
    if (*index >= 0 || metrics->columns == MHC__METRICS_COLUMNS || strlen(name) >= sizeof metrics->column[0].name)
        return MHC_OK;
    double *values = malloc((size_t)metrics->capacity * sizeof *values);
    if (!values)
        return no_memory(metrics, error);
    for (int64_t row = 0; row <= metrics->rows; row++)
        values[row] = NAN;
    *index = metrics->columns++;
    memcpy(metrics->column[*index].name, name, strlen(name) + 1);
    metrics->column[*index].values = values;
    return MHC_OK;
}

static mhc_status add_row(mhc__metrics *metrics, json_t *object, int64_t step, mhc_error *error) {
    while (metrics->rows > 0 && metrics->step[metrics->rows - 1] >= step)
        metrics->rows--;
    MHC__TRY(grow(metrics, error));
    for (int i = 0; i < metrics->columns; i++)
        metrics->column[i].values[metrics->rows] = NAN;
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) {
        int index = -1;
        if (strcmp(name, "step") != 0 && (json_is_number(value) || json_is_null(value)))
            MHC__TRY(column(metrics, name, &index, error));
        if (index >= 0 && json_is_number(value))
            metrics->column[index].values[metrics->rows] = json_number_value(value);
    }
    metrics->step[metrics->rows++] = step;
    return MHC_OK;
}

static mhc_status add_line(mhc__metrics *metrics, const char *line, size_t length, mhc_error *error) {
    json_error_t why;
    json_t *object = json_loadb(line, length, 0, &why), *step = json_object_get(object, "step");
    mhc_status status = MHC_OK;
    if (json_is_integer(step) && json_integer_value(step) >= 0)
        status = add_row(metrics, object, json_integer_value(step), error);
    else
        metrics->skipped++;
    json_decref(object);
    return status;
}

static void remember_tail(mhc__metrics *metrics, const char *bytes, size_t size) {
    size_t kept = size < sizeof metrics->tail ? size : sizeof metrics->tail;
    memcpy(metrics->tail, bytes + size - kept, kept);
    metrics->tail_length = (int)kept;
}

/* Whether what was read so far is still there. */
static bool same_content(const mhc__metrics *metrics, int file, const struct stat *state) {
    char tail[sizeof metrics->tail];
    if (metrics->device != (uint64_t)state->st_dev || metrics->inode != (uint64_t)state->st_ino ||
        state->st_size < metrics->offset)
        return false;
    return pread(file, tail, (size_t)metrics->tail_length, metrics->offset - metrics->tail_length) ==
               metrics->tail_length &&
           memcmp(tail, metrics->tail, (size_t)metrics->tail_length) == 0;
}

/* Whole lines from the offset on; what follows the last line feed stays for the next time. */
static mhc_status read_lines(mhc__metrics *metrics, int file, bool *changed, mhc_error *error) {
    mhc__text rest = {0};
    mhc_status status = MHC_OK;
    for (;;) {
        char chunk[CHUNK];
        ssize_t got = pread(file, chunk, sizeof chunk, metrics->offset + (off_t)rest.length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = mhc__fail(error, MHC_IO, "%s: can't read: %s", metrics->path, strerror(errno));
        if (got <= 0)
            break;
        mhc__text_append(&rest, chunk, (size_t)got);
        if (rest.failed)
            status = no_memory(metrics, error);
        size_t used = 0;
        for (const char *end; status == MHC_OK && (end = memchr(rest.data + used, '\n', rest.length - used));) {
            size_t length = (size_t)(end - rest.data) - used;
            status = add_line(metrics, rest.data + used, length, error);
            used += length + 1;
        }
        if (status != MHC_OK)
            break;
        if (!used)
            continue;
        *changed = true;
        remember_tail(metrics, rest.data, used);
        metrics->offset += (int64_t)used;
        memmove(rest.data, rest.data + used, rest.length - used);
        rest.length -= used;
    }
    mhc__text_free(&rest);
    return status;
}

mhc_status mhc__metrics_follow(mhc__metrics *metrics, bool *changed, mhc_error *error) {
    bool ignored;
    changed = changed ? changed : &ignored;
    *changed = false;
    int file = open(metrics->path, O_RDONLY | O_CLOEXEC);
    struct stat state;
    if (file < 0 && errno == ENOENT) {
        *changed = metrics->rows > 0;
        forget(metrics);
        return MHC_OK;
    }
    mhc_status status = MHC_OK;
    if (file < 0 || fstat(file, &state) != 0) {
        status = mhc__fail(error, MHC_IO, "%s: can't read: %s", metrics->path, strerror(errno));
    } else {
        if (!same_content(metrics, file, &state)) {
            *changed = metrics->rows > 0;
            forget(metrics);
            metrics->device = (uint64_t)state.st_dev;
            metrics->inode = (uint64_t)state.st_ino;
        }
        status = read_lines(metrics, file, changed, error);
    }
    if (file >= 0)
        close(file);
    return status;
}
