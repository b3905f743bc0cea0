#include "report/events.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char PREFIX[] = "events.out.tfevents.";

struct mhc__events {
    int file;
    char *path;
    int64_t next_step;
};

uint32_t mhc__crc32c(const void *bytes, size_t size) {
    static const uint32_t nibbles[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                         0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                         0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75}; /* half a byte each */
    uint32_t crc = 0xffffffffu;
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < size; i++) {
        crc ^= byte[i];
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return ~crc;
}

static void little_endian(mhc__text *out, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) {
        char byte = (char)(value >> 8 * i & 0xff);
        mhc__text_append(out, &byte, 1);
    }
}

/* Checksums of bytes that hold checksums are masked. */
static uint32_t masked(uint32_t crc) {
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

void mhc__tfrecord_append(mhc__text *out, const void *bytes, size_t size) {
    size_t start = out->length;
    little_endian(out, size, 8);
    if (!out->failed)
        little_endian(out, masked(mhc__crc32c(out->data + start, 8)), 4);
    mhc__text_append(out, bytes, size);
    little_endian(out, masked(mhc__crc32c(bytes, size)), 4);
}

/* Protocol buffers: a key is the field's number and the kind of what follows. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void varint(mhc__text *out, uint64_t value) {
    do {
        char byte = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        mhc__text_append(out, &byte, 1);
        value >>= 7;
    } while (value);
}

static void key(mhc__text *out, int field, int kind) {
    varint(out, (uint64_t)(field << 3 | kind));
}

static void bytes_field(mhc__text *out, int field, const char *bytes, size_t size) {
    key(out, field, BYTES);
    varint(out, size);
    mhc__text_append(out, bytes, size);
}

/* Fields of tensorflow.Event, Summary, Summary.Value and SessionLog. */
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    EVENT_SESSION_LOG = 7,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE = 2,
    SESSION_STATUS = 1,
    SESSION_START = 1
};

static void start_event(mhc__text *event, int64_t step) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double wall = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    uint64_t bits;
    memcpy(&bits, &wall, sizeof bits);
    key(event, EVENT_WALL_TIME, FIXED64);
    little_endian(event, bits, 8);
    key(event, EVENT_STEP, VARINT);
    varint(event, (uint64_t)step);
}

/* Frames the event and writes it at once; frees it. */
static mhc_status write_event(mhc__events *events, mhc__text *event, mhc_error *error) {
    mhc__text frame = {0};
    mhc__tfrecord_append(&frame, event->data, event->length);
    mhc_status status = MHC_OK;
    if (event->failed || frame.failed) {
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for an event", events->path);
    } else {
        errno = 0;
        ssize_t written = write(events->file, frame.data, frame.length);
        if (written != (ssize_t)frame.length)
            status = mhc__fail(error, MHC_IO, "%s: can't write: %s", events->path,
                               written < 0 ? strerror(errno) : "the disk is full");
    }
    mhc__text_free(&frame);
    mhc__text_free(event);
    return status;
}

static void add_scalar(mhc__text *summary, const char *tag, double value) {
    mhc__text one = {0};
    float number = (float)value;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    bytes_field(&one, VALUE_TAG, tag, strlen(tag));
    key(&one, VALUE_SIMPLE, FIXED32);
    little_endian(&one, bits, 4);
    summary->failed |= one.failed;
    if (!one.failed)
        bytes_field(summary, SUMMARY_VALUE, one.data, one.length);
    mhc__text_free(&one);
}

/* Says that steps from this one on are void, whatever came before. */
static mhc_status session_event(mhc__events *events, int64_t step, mhc_error *error) {
    mhc__text event = {0}, session = {0};
    start_event(&event, step);
    key(&session, SESSION_STATUS, VARINT);
    varint(&session, SESSION_START);
    event.failed |= session.failed;
    bytes_field(&event, EVENT_SESSION_LOG, session.data, session.length);
    mhc__text_free(&session);
    return write_event(events, &event, error);
}

static mhc_status scalars_event(mhc__events *events, json_t *object, int64_t step, mhc_error *error) {
    mhc__text event = {0}, summary = {0};
    const char *name;
    json_t *value;
    start_event(&event, step);
    json_object_foreach(object, name, value) {
        if (strcmp(name, "step") != 0 && (json_is_number(value) || json_is_null(value)))
            add_scalar(&summary, name, json_is_null(value) ? NAN : json_number_value(value));
    }
    event.failed |= summary.failed;
    bytes_field(&event, EVENT_SUMMARY, summary.data, summary.length);
    mhc__text_free(&summary);
    return write_event(events, &event, error);
}

mhc_status mhc__events_line(mhc__events *events, const char *line, size_t length, mhc_error *error) {
    json_error_t why;
    json_t *object = json_loadb(line, length, 0, &why), *number = json_object_get(object, "step");
    int64_t step = json_is_integer(number) ? json_integer_value(number) : -1;
    mhc_status status = MHC_OK;
    if (step < 0)
        status = mhc__fail(error, MHC_CORRUPT, "%s: expected a line with a step, found %.60s", events->path, line);
    else if (step < events->next_step) /* after a rollback */
        status = session_event(events, step, error);
    if (status == MHC_OK)
        status = scalars_event(events, object, step, error);
    events->next_step = status == MHC_OK ? step + 1 : events->next_step;
    json_decref(object);
    return status;
}

static mhc_status version_event(mhc__events *events, mhc_error *error) {
    static const char version[] = "brain.Event:2";
    mhc__text event = {0};
    start_event(&event, 0);
    bytes_field(&event, EVENT_FILE_VERSION, version, strlen(version));
    return write_event(events, &event, error);
}

/* Seconds for the name of a new file: readers take files in the order of their names. */
static long long next_time(const char *folder) {
    long long latest = (long long)time(NULL) - 1;
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        long long seconds;
        if (sscanf(entry->d_name, "events.out.tfevents.%lld.", &seconds) == 1 && seconds > latest &&
            seconds < 9999999999)
            latest = seconds;
    }
    if (entries)
        closedir(entries);
    return latest + 1;
}

mhc_status mhc__events_open(const char *folder, int64_t from_step, mhc__events **out, mhc_error *error) {
    *out = NULL;
    mhc__events *events = calloc(1, sizeof *events);
    if (!events)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for events", folder);
    char host[128] = "localhost";
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++)
        *c = *c == '/' ? '_' : *c;
    events->path = mhc__format("%s/%s%010lld.%s.%ld", folder, PREFIX, next_time(folder), host, (long)getpid());
    events->file = events->path ? open(events->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666) : -1;
    mhc_status status;
    if (!events->path)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for events", folder);
    else if (events->file < 0)
        status = mhc__fail(error, MHC_IO, "%s: can't open for writing: %s", events->path, strerror(errno));
    else
        status = version_event(events, error);
    if (status == MHC_OK)
        status = session_event(events, from_step, error);
    events->next_step = from_step;
    if (status != MHC_OK) {
        mhc__events_close(events);
        return status;
    }
    *out = events;
    return MHC_OK;
}

void mhc__events_close(mhc__events *events) {
    if (!events)
        return;
    if (events->file >= 0)
        close(events->file);
    free(events->path);
    free(events);
}
