/* A site on whatever device this program is compiled for, from outputs that begin as NaN, against the fp64 oracle. */
#ifndef MHC_TESTS_STREAM_DEVICE_SITE_H
#define MHC_TESTS_STREAM_DEVICE_SITE_H

#include "stream/fixture.h"

/* A value that was meant to be written and was not is then no number. */
static inline void poison(float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        values[i] = NAN;
}

/* d_carried has only a pre part that anybody writes. What gradients are added to begins as a half. */
static inline void poison_outputs(site *s) {
    const int64_t n = s->spec.streams, width = n * (n + 2);
#define POISON(name) poison(s->name, s->name##_count);
    POISON(coefficients)
    POISON(u)
    POISON(merged)
    POISON(d_x)
    POISON(d_z)
    POISON(d_coefficients)
#undef POISON
    for (int64_t row = 0; row < s->d_carried_count; row += width)
        poison(s->d_carried + row, site_shifted(s) ? n : 0);
#define HALF(name)                                                                                                     \
    for (int64_t i = 0; i < s->name##_count; i++)                                                                      \
        s->name[i] = 0.5f;
    HALF(d_fn)
    HALF(d_base)
    HALF(d_scale)
#undef HALF
    poison(s->saved, s->sizes.saved);
    memset(s->workspace, 0xff, s->sizes.workspace);
}

/* The half that they began with, out of the gradients again. */
static inline void take_half(float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        values[i] -= 0.5f;
}

/* Runs all four calls and the oracle. */
static inline void site_run(site *s, bool late) {
    site_oracle(s);
    poison_outputs(s);
    site_forward(s, 2);
    site_backward_by(s, 2, late);
    memset(s->workspace, 0xff, s->sizes.workspace);
    take_half(s->d_fn, s->d_fn_count);
    take_half(s->d_base, s->d_base_count);
    take_half(s->d_scale, s->d_scale_count);
}

/* bound: in fp32, and of what a narrower type does not round. */
static inline void site_compare(const site *s, const char *where, double bound) {
    const double rounded = rounded_bound(s->spec.type, bound);
#define CHECK(name, bound) assert_close(where, #name, s->name, s->name##_64, s->name##_count, bound);
    CHECK(coefficients, bound)
    CHECK(u, rounded)
    CHECK(merged, rounded)
    CHECK(d_x, rounded)
    CHECK(d_z, rounded)
    CHECK(d_fn, bound)
    CHECK(d_base, bound)
    CHECK(d_scale, bound)
    if (site_shifted(s))
        CHECK(d_carried, bound)
#undef CHECK
}

static inline const char *site_name(const site *s, const char *name) {
    static char where[128];
    snprintf(where, sizeof where, "%s n=%d C=%lld T=%lld %s", name, s->spec.streams, (long long)s->spec.channels,
             (long long)s->tokens, type_name(s->spec.type));
    return where;
}

/* Every bit of all tensors. */
static inline void site_same(const site *a, const site *b, const char *where) {
#define EQUAL(tensor)                                                                                                  \
    if (memcmp(a->tensor, b->tensor, (size_t)a->tensor##_count * sizeof(float)) != 0)                                  \
        fail_msg("%s: " #tensor " has other bits", where);
    SITE_TENSORS(EQUAL)
#undef EQUAL
}

#endif
