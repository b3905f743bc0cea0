/* Carves one piece of memory into arrays: counts first (base NULL), then hands out. */
#ifndef MHC_MODEL_ARENA_H
#define MHC_MODEL_ARENA_H

#include "model/internal.h"

typedef struct carver {
    char *base;
    int64_t used;
    bool overflow;
    int part; /* of the arena that the next pieces belong to */
    mhc__arena_parts parts;
} carver;

static inline void *carve(carver *c, int64_t count, int64_t size) {
    int64_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > INT64_MAX / 2 - c->used) {
        c->overflow = true;
        return NULL;
    }
    void *piece = c->base ? c->base + c->used : NULL;
    c->used += (bytes + 63) / 64 * 64;
    c->parts.bytes[c->part] += (bytes + 63) / 64 * 64;
    return piece;
}

static inline float *floats(carver *c, int64_t rows, int64_t per_row) {
    int64_t count;
    if (__builtin_mul_overflow(rows, per_row, &count)) {
        c->overflow = true;
        return NULL;
    }
    return (float *)carve(c, count, sizeof(float));
}

static inline void at_least(size_t *most, int64_t count, size_t size) {
    if (count > 0 && (size_t)count * size > *most)
        *most = (size_t)count * size;
}

/* bag.c */
mhc_status mhc__bag_lay_out(const mhc__model *model, mhc__activations *at, carver *c, mhc_error *error);

#endif
