/* Tensors twice, with the same bytes: one for the library on the CPU, the other for the device of the test. Each lies
 * in a buffer with gaps, so that comparing the buffers whole also finds what was written beside the tensor. */
#ifndef MHC_TESTS_STREAM_TWINS_H
#define MHC_TESTS_STREAM_TWINS_H

#include "stream/fixture.h"

/* How a tensor lies in memory: rows one after the other; with gaps between them, beginning at multiples of 16 bytes;
 * with gaps, beginning nowhere in particular; all tokens of a stream together. */
enum { LAYOUTS = 4 };
enum { LAYOUT_DENSE, LAYOUT_GAPS, LAYOUT_ODD, LAYOUT_BY_STREAM };

typedef struct twin {
    mhc_type type;
    int64_t count; /* elements of the buffer */
    void *cpu, *device;
    int64_t offset, token_stride, stream_stride;
} twin;

/* Elements drawn from the key. Streams of T tokens; rows are one stream. */
static inline twin twin_open(mhc_type type, int layout, int64_t tokens, int streams, int64_t channels, uint64_t key) {
    twin t = {.type = type, .stream_stride = channels};
    if (layout == LAYOUT_GAPS)
        t.stream_stride = (channels + 15) / 16 * 16 + 16;
    if (layout == LAYOUT_ODD)
        t.stream_stride = channels + 3;
    t.token_stride = streams * t.stream_stride;
    if (layout == LAYOUT_BY_STREAM) {
        t.token_stride = channels;
        t.stream_stride = tokens * channels;
    }
    t.offset = layout == LAYOUT_ODD ? 5 : 16;
    t.count = t.offset + (tokens + 1) * streams * (channels + 32);
    t.cpu = malloc((size_t)t.count * 4);
    t.device = some(t.count, 4);
    float *draw = malloc((size_t)t.count * 4);
    assert_true(t.cpu && draw);
    mhc__normal_fill(key, 77, 1.0f, draw, t.count);
    for (int64_t i = 0; i < t.count; i++)
        set_element(type, t.cpu, i, draw[i]);
    memcpy(t.device, t.cpu, (size_t)t.count * (size_t)mhc_type_size(type));
    free(draw);
    return t;
}

static inline void twin_close(twin *t) {
    free(t->cpu);
    device_free(t->device);
}

/* An array of floats. */
static inline twin twin_floats(int64_t count, uint64_t key) {
    return twin_open(MHC_FP32, LAYOUT_DENSE, 1, 1, count, key);
}

static inline void *twin_data(const twin *t, bool device) {
    return (char *)(device ? t->device : t->cpu) + t->offset * mhc_type_size(t->type);
}

static inline mhc_streams twin_streams(const twin *t, bool device) {
    return (mhc_streams){twin_data(t, device), t->token_stride, t->stream_stride};
}

static inline mhc_rows twin_rows(const twin *t, bool device) {
    return (mhc_rows){twin_data(t, device), t->token_stride};
}

/* In both. */
static inline void twin_set(twin *t, int64_t i, float value) {
    set_element(t->type, t->cpu, t->offset + i, value);
    set_element(t->type, t->device, t->offset + i, value);
}

/* Every bit of the buffers, but which NaN a NaN is. */
static inline void twin_same(const twin *t, const char *where, const char *name) {
    const size_t size = (size_t)mhc_type_size(t->type);
    for (int64_t i = 0; i < t->count; i++) {
        float cpu = element(t->type, t->cpu, i), device = element(t->type, t->device, i);
        bool same = memcmp((char *)t->cpu + (size_t)i * size, (char *)t->device + (size_t)i * size, size) == 0;
        if (!same && !(isnan(cpu) && isnan(device)))
            fail_msg("%s: %s: element %lld of the buffer is %.9g, %.9g on the CPU", where, name,
                     (long long)(i - t->offset), (double)device, (double)cpu);
    }
}

#endif
