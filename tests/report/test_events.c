/* TensorBoard's files: checksums and frames against known vectors, events against a reader of its own. What TensorBoard
 * makes of them: tests/cli/tensorboard.sh. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report/events.h"
#include "report/run_log.h"
#include "scratch.h"

/* RFC 3720, B.4; and "123456789", the check value of the catalogue of checksums. */
static void test_crc(void **state) {
    (void)state;
    unsigned char bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(mhc__crc32c(bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(mhc__crc32c(bytes, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(mhc__crc32c(bytes, 32), 0x46dd794eu);
    assert_int_equal(mhc__crc32c("123456789", 9), 0xe3069283u);
    assert_int_equal(mhc__crc32c("", 0), 0);
}

/* The frame of the first event that every TensorFlow writes but for its time: length 24, whose checksum is well known.
 */
static void test_frame(void **state) {
    (void)state;
    unsigned char event[24] = {0x09};
    mhc__text out = {0};
    mhc__tfrecord_append(&out, event, sizeof event);
    static const unsigned char head[12] = {24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22};
    assert_int_equal(out.length, 8 + 4 + 24 + 4);
    assert_memory_equal(out.data, head, sizeof head);
    assert_memory_equal(out.data + 12, event, sizeof event);
    mhc__text_free(&out);
}

typedef struct seen {
    int64_t steps[32];
    double loss[32];
    int scalars, versions, starts, start_step;
} seen;

static uint64_t take_varint(const unsigned char **c) {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        value |= (uint64_t)(**c & 0x7f) << shift;
        if (!(*(*c)++ & 0x80))
            return value;
    }
}

static void take_value(const unsigned char *c, const unsigned char *end, int64_t step, seen *found) {
    char tag[64] = "";
    float value = 0;
    while (c < end) {
        uint64_t key = take_varint(&c);
        if (key == (1 << 3 | 2)) {
            uint64_t length = take_varint(&c);
            assert_true(length < sizeof tag);
            memcpy(tag, c, length);
            tag[length] = '\0';
            c += length;
        } else {
            assert_int_equal(key, 2 << 3 | 5);
            memcpy(&value, c, 4);
            c += 4;
        }
    }
    if (strcmp(tag, "loss") != 0)
        return;
    found->steps[found->scalars] = step;
    found->loss[found->scalars++] = value;
}

static void take_event(const unsigned char *c, const unsigned char *end, seen *found) {
    int64_t step = 0;
    while (c < end) {
        uint64_t key = take_varint(&c);
        if (key == (1 << 3 | 1)) {
            double wall;
            memcpy(&wall, c, 8);
            assert_true(wall > 1.7e9);
            c += 8;
            continue;
        }
        if (key == (2 << 3 | 0)) {
            step = (int64_t)take_varint(&c);
            continue;
        }
        uint64_t length = take_varint(&c);
        const unsigned char *inside = c, *after = c + length;
        c = after;
        if (key == (3 << 3 | 2)) {
            assert_int_equal(length, 13);
            assert_memory_equal(inside, "brain.Event:2", 13);
            found->versions++;
        } else if (key == (7 << 3 | 2)) {
            assert_memory_equal(inside, "\x08\x01", 2);
            found->starts++;
            found->start_step = (int)step;
        } else {
            assert_int_equal(key, 5 << 3 | 2);
            while (inside < after) {
                assert_int_equal(take_varint(&inside), 1 << 3 | 2);
                uint64_t size = take_varint(&inside);
                take_value(inside, inside + size, step, found);
                inside += size;
            }
        }
    }
}

static uint32_t word_at(const unsigned char *c) {
    return c[0] | (uint32_t)c[1] << 8 | (uint32_t)c[2] << 16 | (uint32_t)c[3] << 24;
}

static uint32_t masked(uint32_t crc) {
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void read_events(const char *path, seen *found) {
    char *bytes;
    size_t size;
    assert_int_equal(mhc__read_file(path, &bytes, &size, NULL), MHC_OK);
    const unsigned char *c = (const unsigned char *)bytes, *end = c + size;
    while (end - c >= 12) {
        uint64_t length = word_at(c);
        assert_int_equal(word_at(c + 8), masked(mhc__crc32c(c, 8)));
        if ((uint64_t)(end - c) < 16 + length)
            break; /* cut by a kill */
        assert_int_equal(word_at(c + 12 + length), masked(mhc__crc32c(c + 12, length)));
        take_event(c + 12, c + 12 + length, found);
        c += 16 + length;
    }
    free(bytes);
}

/* The event files of a folder, by name; how many. */
static int event_files(const char *folder, char paths[][512]) {
    int count = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries));)
        if (!strncmp(entry->d_name, "events.out.tfevents.", 20) && count < 4)
            snprintf(paths[count++], 512, "%s/%.200s", folder, entry->d_name);
    closedir(entries);
    for (int i = 0; i + 1 < count; i++)
        if (strcmp(paths[i], paths[i + 1]) > 0) {
            char other[512];
            memcpy(other, paths[i], 512);
            memcpy(paths[i], paths[i + 1], 512);
            memcpy(paths[i + 1], other, 512);
        }
    return count;
}

static void log_steps(const char *folder, int64_t from, int64_t to) {
    mhc__run_log *log;
    mhc_error error = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    assert_int_equal(mhc__run_log_open(path, folder, from, NULL, "", 0, &log, &error), MHC_OK);
    mhc__train_observer observer = mhc__run_log_observer(log);
    for (int64_t step = from; step < to; step++) {
        mhc__train_record record = {.step = step, .steps = to, .loss = 2.5 - 0.25 * (double)step, .tokens = 1 << 20};
        if (step == 1)
            record.loss = NAN;
        assert_int_equal(observer.after_step(observer.self, NULL, &record, &error), MHC_OK);
    }
    mhc__run_log_close(log);
}

/* A start, a kill in the middle of a frame, and going on at an earlier step: two files, the second after the first. */
static void test_run_and_resume(void **state) {
    (void)state;
    char paths[4][512];
    const char *folder = scratch_path("run");
    assert_int_equal(mhc__make_folders(folder, NULL), MHC_OK);
    log_steps(folder, 0, 3);
    assert_int_equal(event_files(folder, paths), 1);
    FILE *file = fopen(paths[0], "ab");
    fwrite("\x30\0\0\0\0\0\0\0\x20\xd2\x1c", 1, 11, file);
    fclose(file);
    log_steps(folder, 2, 4);
    assert_int_equal(event_files(folder, paths), 2);
    seen first = {0}, second = {0};
    read_events(paths[0], &first);
    read_events(paths[1], &second);
    assert_int_equal(first.versions, 1);
    assert_int_equal(first.starts, 1);
    assert_int_equal(first.start_step, 0);
    assert_int_equal(first.scalars, 3);
    assert_true(first.loss[0] == 2.5 && isnan(first.loss[1]) && first.loss[2] == 2);
    assert_int_equal(second.starts, 1);
    assert_int_equal(second.start_step, 2);
    assert_int_equal(second.scalars, 2);
    assert_int_equal(second.steps[0], 2);
    assert_true(second.loss[1] == 1.75);
}

/* Steps that are made again void those of before. */
static void test_rollback(void **state) {
    (void)state;
    char paths[4][512];
    const char *folder = scratch_path("rollback"), *lines[] = {"{\"step\":4,\"loss\":1}", "{\"step\":5,\"loss\":null}",
                                                               "{\"step\":4,\"loss\":2,\"name\":\"x\"}"};
    assert_int_equal(mhc__make_folders(folder, NULL), MHC_OK);
    mhc__events *events;
    assert_int_equal(mhc__events_open(folder, 4, &events, NULL), MHC_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(mhc__events_line(events, lines[i], strlen(lines[i]), NULL), MHC_OK);
    mhc__events_close(events);
    seen found = {0};
    assert_int_equal(event_files(folder, paths), 1);
    read_events(paths[0], &found);
    assert_int_equal(found.starts, 2);
    assert_int_equal(found.start_step, 4);
    assert_int_equal(found.scalars, 3);
    assert_true(found.loss[2] == 2);
}

static void test_errors(void **state) {
    (void)state;
    mhc__events *events;
    mhc_error error = {0};
    assert_int_equal(mhc__events_open(scratch_path("none"), 0, &events, &error), MHC_IO);
    assert_null(events);
    assert_non_null(strstr(error.message, "none/events.out.tfevents."));
    assert_int_equal(mhc__events_open(scratch_folder, 0, &events, &error), MHC_OK);
    const char *wrong[] = {"", "{", "[]", "{\"loss\":1}", "{\"step\":-1}", "{\"step\":1.5}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(mhc__events_line(events, wrong[i], strlen(wrong[i]), &error), MHC_CORRUPT);
    mhc__events_close(events);
    mhc__events_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc),      cmocka_unit_test(test_frame),  cmocka_unit_test(test_run_and_resume),
        cmocka_unit_test(test_rollback), cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
