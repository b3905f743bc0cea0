/* Philox against the published known answers (Random123, kat_vectors: philox4x32, 10 rounds), and its distributions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/philox.h"

static void known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const uint32_t *c = known[i].counter, *k = known[i].key;
        mhc__philox r =
            mhc__philox_at((uint64_t)k[1] << 32 | k[0], (uint64_t)c[1] << 32 | c[0], (uint64_t)c[3] << 32 | c[2]);
        assert_memory_equal(r.v, known[i].out, sizeof r.v);
    }
}

static void uniform_stays_below_one(void **state) {
    (void)state;
    assert_true(mhc__uniform(0) == 0.0f);
    assert_true(mhc__uniform(UINT32_MAX) < 1.0f);
}

static void an_element_depends_on_its_place_alone(void **state) {
    (void)state;
    float all[37], part[37];
    for (int uniform = 0; uniform < 2; uniform++) {
        void (*fill)(uint64_t, uint64_t, float, float *, int64_t) = uniform ? mhc__uniform_fill : mhc__normal_fill;
        fill(5, 9, 2.0f, all, 37);
        for (int64_t count = 0; count < 37; count++) {
            part[count] = 123.0f;
            fill(5, 9, 2.0f, part, count);
            assert_memory_equal(part, all, (size_t)count * sizeof *all);
            assert_true(part[count] == 123.0f);
        }
        fill(6, 9, 2.0f, part, 37);
        assert_memory_not_equal(part, all, sizeof all);
        fill(5, 10, 2.0f, part, 37);
        assert_memory_not_equal(part, all, sizeof all);
    }
}

/* Five standard errors of 40000 draws; the generator is deterministic, so this can't flicker. */
static void moments(void **state) {
    (void)state;
    enum { COUNT = 40000 };
    static float x[COUNT];
    for (int uniform = 0; uniform < 2; uniform++) {
        double sum = 0.0, square = 0.0, variance = uniform ? 9.0 / 3.0 : 9.0;
        uniform ? mhc__uniform_fill(1, 2, 3.0f, x, COUNT) : mhc__normal_fill(1, 2, 3.0f, x, COUNT);
        for (int i = 0; i < COUNT; i++) {
            assert_true(isfinite(x[i]) && (!uniform || (x[i] >= -3.0f && x[i] < 3.0f)));
            sum += (double)x[i];
            square += (double)x[i] * (double)x[i];
        }
        assert_true(fabs(sum / COUNT) < 5.0 * sqrt(variance / COUNT));
        assert_true(fabs(square / COUNT - variance) < 5.0 * variance * sqrt(2.0 / COUNT));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(uniform_stays_below_one),
        cmocka_unit_test(an_element_depends_on_its_place_alone),
        cmocka_unit_test(moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
