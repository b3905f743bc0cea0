/* Steps in turns: what is counted, and that ratios are those of one round. */
#include "train/step_time.h"
#include "train/support.h"

static mhc__step_timer timer_of(const char *connection) {
    mhc__step_timer timer = {.model = small_model(), .train = short_run(0)};
    timer.train.warmup = 0;
    snprintf(timer.model.connection, sizeof timer.model.connection, "%s", connection);
    return timer;
}

static void counts_rounds_after_warm_up(void **state) {
    (void)state;
    enum { WARMUP = 2, STEPS = 3 };
    mhc__step_timer timers[2] = {timer_of("paper"), timer_of("residual")};
    mhc_error error = {0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(mhc__step_timer_open(&timers[i], WARMUP, STEPS, &error), MHC_OK);
    assert_true(timers[0].memory.total > timers[1].memory.total && timers[1].memory.total > 0);
    assert_int_equal(mhc__step_timers_run(timers, 2, WARMUP, STEPS, NULL, &error), MHC_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mhc__trainer_steps_done(timers[i].trainer), WARMUP + STEPS);
        assert_true(isfinite(timers[i].loss));
        for (int k = 0; k < STEPS; k++)
            timers[i].seconds[k] = i ? (double)(k + 1) : (double)(k + 1) * (double)(k + 2); /* ratios 2, 3, 4 */
    }
    mhc__spread ratio, seconds;
    assert_int_equal(mhc__step_ratio(&timers[0], &timers[1], STEPS, &ratio, &error), MHC_OK);
    assert_true(ratio.least == 2 && ratio.median == 3 && ratio.most == 4);
    assert_int_equal(mhc__step_seconds(&timers[1], STEPS, &seconds, &error), MHC_OK);
    assert_true(seconds.least == 1 && seconds.median == 2 && seconds.most == 3);
    for (int i = 0; i < 2; i++)
        mhc__step_timer_close(&timers[i]);
}

static void stops_and_refuses(void **state) {
    (void)state;
    volatile int stop = 1;
    mhc__step_timer timer = timer_of("paper"), bad = timer_of("nothing");
    mhc_error error = {0};
    assert_int_equal(mhc__step_timer_open(&timer, 0, 2, &error), MHC_OK);
    assert_int_equal(mhc__step_timers_run(&timer, 1, 0, 2, &stop, &error), MHC_INTERRUPTED);
    mhc__step_timer_close(&timer);
    assert_int_equal(mhc__step_timer_open(&bad, 0, 2, &error), MHC_INVALID_ARGUMENT);
    mhc__step_timer_close(&bad);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_rounds_after_warm_up),
                                       cmocka_unit_test(stops_and_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
