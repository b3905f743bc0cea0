#include "check.h"

#include "nn/dropout.h"
#include "nn/mask.h"

static double rounded(double rate) {
    return rint(rate * 65536) / 65536;
}

/* The mask by its definition in dropout.h, from the scalar generator. */
static float kept(const mhc__dropout *d, uint64_t element) {
    mhc__philox words = mhc__philox_at(d->seed, element / 128 * 16 + element % 16,
                                       mhc__philox_place(d->place | 0x80000000u, (uint32_t)d->step));
    uint32_t bits = words.v[element / 16 % 4] >> (element / 64 % 2 * 16) & 0xFFFF;
    return bits / 65536.0 >= rounded(d->rate) ? (float)(1 / (1 - rounded(d->rate))) : 0;
}

static void masks_match_the_definition(void **state) {
    (void)state;
    const mhc__dropout d = {.rate = 0.25f, .seed = 0x123456789abcdef0, .step = 3, .place = 9};
    static const int64_t firsts[] = {0, 1, 63, 64, 100, (INT64_C(1) << 34) - 70, INT64_C(1) << 40};
    for (size_t f = 0; f < sizeof firsts / sizeof *firsts; f++)
        for (int64_t count = 0; count < 300; count = count * 2 + 1) {
            float keep[300];
            mhc__dropout_mask(&d, firsts[f], count, keep);
            for (int64_t i = 0; i < count; i++)
                assert_true(keep[i] == kept(&d, (uint64_t)(firsts[f] + i)));
        }
}

/* The two ways to draw a group, where the processor has both. */
static void portable_and_fast_masks_agree(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 2000; i++) {
        mhc__philox draw = mhc__philox_at(5, i, 0), more = mhc__philox_at(5, i, 1);
        mhc__mask mask = {.key = (uint64_t)draw.v[0] << 32 | draw.v[1],
                          .high = (uint64_t)draw.v[2] << 32 | draw.v[3],
                          .least = i < 2 ? (int32_t)i * 0xFFFF : (int32_t)(more.v[0] & 0xFFFF),
                          .scale = 1.5f};
        uint64_t group = ((uint64_t)more.v[1] << 32 | more.v[2]) >> (more.v[3] % 60 + 4);
        float fast[MHC__MASK_GROUP], portable[MHC__MASK_GROUP];
        mhc__mask_group(&mask, group, fast);
        mhc__mask_group_portable(&mask, group, portable);
        assert_same_bits("group", MHC__MASK_GROUP, portable, fast);
    }
}

static void pieces_and_threads_agree(void **state) {
    (void)state;
    enum { COUNT = 20011 };
    const mhc__dropout d = {.rate = 0.1f, .seed = 1, .step = 2, .place = 3};
    float *whole = floats(COUNT, 1, 1);
    mhc__dropout_apply(1, &d, 77, COUNT, whole);
    for (int threads = 1; threads <= 3; threads++) {
        float *x = floats(COUNT, 1, 1);
        int64_t at = 0;
        for (int64_t piece = 1; at < COUNT; at += piece, piece = piece * 3 + 1) {
            int64_t here = piece < COUNT - at ? piece : COUNT - at;
            mhc__dropout_apply(threads, &d, 77 + at, here, x + at);
        }
        assert_same_bits("pieces", COUNT, whole, x);
        free(x);
    }
    free(whole);
}

/* Within five deviations of the rate; steps, places and seeds agree no more often than chance. */
static void rates_and_independence(void **state) {
    (void)state;
    enum { COUNT = 200000 };
    const float rates[] = {0.001f, 0.1f, 0.5f, 0.9f};
    float *a = filled(COUNT, 0), *b = filled(COUNT, 0);
    for (int r = 0; r < 4; r++) {
        mhc__dropout d = {.rate = rates[r], .seed = 1, .step = 2, .place = 3}, other[3] = {d, d, d};
        double p = rates[r], dropped = 0;
        other[0].seed++;
        other[1].step++;
        other[2].place++;
        mhc__dropout_mask(&d, 0, COUNT, a);
        for (int i = 0; i < COUNT; i++) {
            assert_true(a[i] == 0 || fabs(a[i] - 1 / (1 - rounded(p))) < 1e-6 * a[i]);
            dropped += a[i] == 0;
        }
        assert_true(fabs(dropped - p * COUNT) < 5 * sqrt(p * (1 - p) * COUNT));
        for (int o = 0; o < 3; o++) {
            double both = 0;
            mhc__dropout_mask(&other[o], 0, COUNT, b);
            for (int i = 0; i < COUNT; i++)
                both += a[i] == 0 && b[i] == 0;
            assert_true(fabs(both - p * p * COUNT) < 5 * sqrt(p * p * (1 - p * p) * COUNT) + 1);
        }
    }
    RELEASE(a, b);
}

static void rate_zero_leaves_everything(void **state) {
    (void)state;
    float x[3] = {1, NAN, INFINITY};
    mhc__dropout_apply(2, &(mhc__dropout){.rate = 0, .seed = 1}, 0, 3, x);
    assert_true(x[0] == 1 && isnan(x[1]) && isinf(x[2]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_match_the_definition),  cmocka_unit_test(portable_and_fast_masks_agree),
        cmocka_unit_test(pieces_and_threads_agree),    cmocka_unit_test(rates_and_independence),
        cmocka_unit_test(rate_zero_leaves_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
