#include "check.h"

#include "nn/rope.h"

static void check(int64_t tokens, int64_t sequence, int heads, int width, int64_t stride) {
    float *x = floats(tokens * stride, 1, 1), *turned = floats(tokens * stride, 1, 1);
    double *want = widened(tokens * stride, x), *back = widened(tokens * stride, x);
    for (int64_t t = 0; t < tokens; t++)
        for (int head = 0; head < heads; head++)
            for (int i = 0; i < width / 2; i++) {
                double angle = (double)(t % sequence) * pow(10000, -2.0 * i / width);
                double *a = want + t * stride + head * width + i, *b = a + width / 2, u = *a, v = *b;
                *a = u * cos(angle) - v * sin(angle);
                *b = v * cos(angle) + u * sin(angle);
            }
    mhc__rope(2, tokens, sequence, heads, width, 10000, false, turned, stride);
    assert_close("turned", tokens * stride, turned, want, 3e-7);
    float *single = floats(tokens * stride, 1, 1);
    mhc__rope(1, tokens, sequence, heads, width, 10000, false, single, stride);
    assert_same_bits("on one thread", tokens * stride, turned, single);
    /* The inverse is the transpose of a rotation, so it is the backward as well. */
    mhc__rope(3, tokens, sequence, heads, width, 10000, true, turned, stride);
    assert_close("back", tokens * stride, turned, back, 3e-7);
    RELEASE(x, turned, single, want, back);
}

static void rotations_match_double(void **state) {
    (void)state;
    check(0, 4, 2, 4, 8);
    check(1, 1, 1, 2, 2);
    check(6, 3, 2, 6, 20);
    check(7, 5, 1, 140, 140);
    check(64, 32, 3, 32, 128);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rotations_match_double)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
