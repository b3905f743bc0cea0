/* The benchmarks' own sums: medians, costs, limits; and that every operation of every preset runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "measure.h"
#include "operations.h"

static void test_spread(void **state) {
    (void)state;
    double odd[] = {5, 1, 3}, even[] = {4, 1, 2, 9};
    mhc__spread spread = mhc__spread_of(odd, 3);
    assert_true(spread.median == 3 && spread.least == 1 && spread.most == 5);
    spread = mhc__spread_of(even, 4);
    assert_true(spread.median == 3 && spread.least == 1 && spread.most == 9);
}

static void count_call(void *self) {
    ++*(int *)self;
}

static void test_turns(void **state) {
    (void)state;
    int calls[2] = {0, 0};
    mhc__timed entries[2] = {{.run = count_call, .self = &calls[0]}, {.run = count_call, .self = &calls[1]}};
    assert_true(mhc__measure(entries, 2, 3, 0));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(entries[i].calls, 1);
        assert_int_equal(calls[i], 2 + 3); /* to warm up, to see how long it lasts, and the rounds */
        assert_true(entries[i].seconds.least >= 0 && entries[i].seconds.least <= entries[i].seconds.median &&
                    entries[i].seconds.median <= entries[i].seconds.most);
    }
}

static const mhc__operation *operation(const char *name) {
    for (const mhc__operation *o = MHC__OPERATIONS; o->name; o++)
        if (!strcmp(o->name, name))
            return o;
    fail_msg("no operation %s", name);
    return NULL;
}

static void open_subject(mhc__subject *subject, const char *preset, mhc_type type, int n, int64_t channels,
                         int64_t tokens) {
    mhc_error error = {MHC_OK, ""};
    if (mhc__subject_open(subject, &MHC__HOST_MEMORY, preset, NULL, type, n, channels, tokens, &error) != MHC_OK)
        fail_msg("%s, n %d: %s", preset, n, error.message);
}

/* The figures of docs/performance.md for n = 4, in rows of C elements and in C flops for each token. The rest,
 * coefficients and constraints, is below 100 floats and 6000 flops; fn has 24 rows of 4 C. */
static void costs_of(mhc_type type) {
    enum { C = 1 << 17, T = 2 };
    static const struct {
        const char *name;
        double read, written, flops, fn_read, fn_written;
    } EXPECTED[] = {
        {"pre", 4, 1, 208, 1, 0},
        {"merge", 5, 4, 40, 0, 0},
        {"site", 9, 5, 248, 1, 0},
        {"merge-back", 9, 1, 48, 0, 0},
        {"pre-back", 9, 4, 440, 2, 1},
        {"site-back", 18, 5, 488, 2, 1},
        {"seam-norm", 5, 5, 252, 97.0 / 96, 0}, /* its weight is a row of fn's 96 */
        {"seam", 5, 5, 248, 1, 0},
        {"seam-back", 14, 5, 488, 2, 1},
        {"expand", 1, 4, 0, 0, 0},
        {"expand-back", 4, 1, 4, 0, 0},
        {"contract", 4, 1, 8, 0, 0},
        {"contract-back", 1, 4, 4, 0, 0},
    };
    mhc__subject subject;
    open_subject(&subject, "paper", type, 4, C, T);
    double row = (double)mhc_type_size(type) * C * T, fn = 4.0 * 24 * 4 * C;
    for (size_t i = 0; i < sizeof EXPECTED / sizeof EXPECTED[0]; i++) {
        mhc__cost cost = operation(EXPECTED[i].name)->cost(&subject);
        double read = cost.read - EXPECTED[i].fn_read * fn, written = cost.written - EXPECTED[i].fn_written * fn;
        if (fabs(read / row - EXPECTED[i].read) > 0.01 || fabs(written / row - EXPECTED[i].written) > 0.01 ||
            fabs(cost.flops / (C * T) - EXPECTED[i].flops) > 0.1)
            fail_msg("%s: %g and %g rows, %g C", EXPECTED[i].name, read / row, written / row, cost.flops / (C * T));
    }
    mhc__cost cost = operation("constraint")->cost(&subject);
    assert_true(cost.flops == T * 1440.0 && cost.read == T * 64.0 && cost.written == T * 64.0);
    assert_true(operation("constraint-back")->cost(&subject).flops == T * 3360.0);
    mhc__subject_close(&subject);
}

static void test_costs(void **state) {
    (void)state;
    costs_of(MHC_FP32);
    costs_of(MHC_BF16);
    costs_of(MHC_FP16);
}

static mhc__spread steady(double rate) {
    mhc__spread spread = {rate, rate, rate};
    return spread;
}

static void test_limits(void **state) {
    (void)state;
    mhc__machine machine = {.threads = 2, .isa = "test", .flops = steady(1000)};
    for (int level = 0; level < MHC__LEVELS; level++)
        machine.rates[level] = (mhc__rates){steady(10.0 / (level + 1)), steady(20.0 / (level + 1)), steady(5)};
    mhc__limit limit = mhc__limit_of(&machine, (mhc__cost){.read = 50, .written = 10, .split = 60}, 8);
    assert_int_equal(limit.level, MHC__L1);
    assert_true(fabs(limit.seconds - (20 / 20.0 + 40 / 10.0)) < 1e-12 && !limit.by_flops);
    limit = mhc__limit_of(&machine, (mhc__cost){.read = 10, .written = 50, .split = 60}, 8);
    assert_true(fabs(limit.seconds - (20 / 20.0 + 40 / 5.0)) < 1e-12);
    limit = mhc__limit_of(&machine, (mhc__cost){.read = 50, .written = 10, .split = 60, .flops = 1e5}, 8);
    assert_true(limit.by_flops && limit.seconds == 100);
    /* Two threads divide tokens, not parameters, and not the only token. */
    double l1 = (double)mhc__level_size(MHC__L1);
    assert_int_equal(mhc__limit_of(&machine, (mhc__cost){.split = 1.5 * l1}, 8).level, MHC__L1);
    assert_true(mhc__limit_of(&machine, (mhc__cost){.split = 1.5 * l1}, 1).level > MHC__L1);
    assert_true(mhc__limit_of(&machine, (mhc__cost){.shared = 1.5 * l1}, 8).level > MHC__L1);
    assert_int_equal(mhc__limit_of(&machine, (mhc__cost){.split = 1e15}, 8).level, MHC__DRAM);
}

static float element(mhc_type type, const void *array, int64_t i) {
    if (type == MHC_FP32)
        return ((const float *)array)[i];
    uint16_t bits = ((const uint16_t *)array)[i];
    return type == MHC_FP16 ? mhc_fp16_value(bits) : mhc_bf16_value(bits);
}

static void run_all(const char *preset, mhc_type type, int n, int64_t channels, int64_t tokens) {
    mhc__subject subject;
    open_subject(&subject, preset, type, n, channels, tokens);
    for (const mhc__operation *o = MHC__OPERATIONS; o->name; o++) {
        mhc_error error = {MHC_OK, ""};
        mhc_context context = mhc_context_cpu(2);
        if (o->run(&context, &subject, &error) != MHC_OK)
            fail_msg("%s, n %d, %s: %s", preset, n, o->name, error.message);
        mhc__cost cost = o->cost(&subject);
        if (!(cost.read > 0 && cost.written > 0 && cost.split > 0 && cost.flops >= 0 &&
              cost.split + cost.shared <= cost.read + cost.written))
            fail_msg("%s, n %d, %s: cost", preset, n, o->name);
    }
    for (int64_t i = 0; i < tokens * n * channels; i++)
        assert_true(isfinite(element(type, subject.merged, i)) && isfinite(element(type, subject.d_x, i)));
    mhc__subject_close(&subject);
}

static void test_presets(void **state) {
    (void)state;
    for (int i = 1; mhc_spec_preset_name(i); i++) /* 0 is the residual */
        for (int n = 2; n <= 4; n += 2)
            for (int type = MHC_FP32; type <= MHC_FP16; type++)
                run_all(mhc_spec_preset_name(i), (mhc_type)type, n, 48, 19);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spread), cmocka_unit_test(test_turns),   cmocka_unit_test(test_costs),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_presets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
