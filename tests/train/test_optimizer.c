/* AdamW and the norm against double arithmetic, schedules against closed forms, and the messages of the check. */
#include "train/adamw.h"
#include "train/support.h"

enum { COUNT = 40007 }; /* more than two blocks, and no multiple of anything */

typedef struct arrays {
    float weight[COUNT], first[COUNT], second[COUNT], gradient[COUNT];
} arrays;

static void start(arrays *a) {
    memset(a, 0, sizeof *a);
    mhc__normal_fill(1, 0, 1.0f, a->weight, COUNT);
}

static void against_double(void **state) {
    (void)state;
    static arrays a;
    static double weight[COUNT], first[COUNT], second[COUNT];
    mhc__adamw adamw = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .decay = 0.1, .scale = 0.5};
    start(&a);
    memset(first, 0, sizeof first);
    memset(second, 0, sizeof second);
    for (int i = 0; i < COUNT; i++)
        weight[i] = (double)a.weight[i];
    for (adamw.step = 1; adamw.step <= 50; adamw.step++) {
        mhc__normal_fill(2, (uint64_t)adamw.step, 1.0f, a.gradient, COUNT);
        mhc__adamw_update(2, &adamw, 1, &(mhc__adamw_piece){0, COUNT, true}, a.gradient, a.weight, a.first, a.second);
        double t = (double)adamw.step;
        for (int i = 0; i < COUNT; i++) {
            double g = 0.5 * (double)a.gradient[i];
            first[i] = 0.9 * first[i] + 0.1 * g;
            second[i] = 0.95 * second[i] + 0.05 * g * g;
            double m = first[i] / (1.0 - pow(0.9, t)), v = second[i] / (1.0 - pow(0.95, t));
            weight[i] = weight[i] * (1.0 - 1e-2 * 0.1) - 1e-2 * m / (sqrt(v) + 1e-8);
        }
    }
    for (int i = 0; i < COUNT; i++)
        if (!(fabs((double)a.weight[i] - weight[i]) < 1e-5 && fabs((double)a.second[i] - second[i]) < 1e-6))
            fail_msg("element %d: expected %.9g, found %.9g", i, weight[i], (double)a.weight[i]);
}

/* Where eps decides: PyTorch adds it to sqrt(v) / sqrt(1 - beta2^t), so the first step is lr g / (|g| + eps). */
static void eps_is_outside_the_root(void **state) {
    (void)state;
    float gradient = 1e-3f, weight = 0.0f, first = 0.0f, second = 0.0f;
    mhc__adamw adamw = {.lr = 1.0, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-3, .scale = 1.0, .step = 1};
    mhc__adamw_update(1, &adamw, 1, &(mhc__adamw_piece){0, 1, true}, &gradient, &weight, &first, &second);
    assert_true(fabsf(weight + 0.5f) < 1e-5f);
}

/* The moments as they are: m = 0.1 g and sqrt(v) = sqrt(0.001) g after one step. */
static void without_bias_correction(void **state) {
    (void)state;
    float gradient = 0.5f, weight = 0.0f, first = 0.0f, second = 0.0f;
    mhc__adamw adamw = {.lr = 1.0, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .scale = 1.0, .step = INT64_MAX};
    mhc__adamw_update(1, &adamw, 1, &(mhc__adamw_piece){0, 1, true}, &gradient, &weight, &first, &second);
    assert_true(fabs((double)weight + 0.1 / sqrt(0.001)) < 1e-4);
}

/* Two tensors in pieces, with a gap between them that stays as it is; the second does not decay. */
static void threads_change_nothing(void **state) {
    (void)state;
    enum { GAP = 17000, AFTER = 17007 };
    static arrays one, many, plain;
    mhc__adamw_piece pieces[8], whole[2] = {{0, GAP, true}, {AFTER, COUNT - AFTER, false}};
    mhc__adamw adamw = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .decay = 0.1, .scale = 0.5, .step = 3};
    int64_t count = mhc__adamw_cut(0, GAP, true, pieces);
    count += mhc__adamw_cut(AFTER, COUNT - AFTER, false, pieces + count);
    assert_true(count == mhc__adamw_cut(0, GAP, true, NULL) + mhc__adamw_cut(AFTER, COUNT - AFTER, false, NULL));
    assert_true(count == 4);
    assert_true(mhc__adamw_cut(5, 0, true, pieces + count) == 0);
    start(&one);
    mhc__normal_fill(2, 0, 1.0f, one.gradient, COUNT);
    memcpy(&plain, &one, sizeof one);
    memcpy(&many, &one, sizeof one);
    mhc__adamw_update(1, &adamw, 2, whole, one.gradient, one.weight, one.first, one.second);
    for (int i = GAP; i < AFTER; i++)
        assert_true(one.weight[i] == plain.weight[i] && one.first[i] == 0.0f && one.second[i] == 0.0f);
    adamw.decay = 0.0;
    mhc__adamw_update(2, &adamw, 1, &(mhc__adamw_piece){AFTER, COUNT - AFTER, true}, plain.gradient, plain.weight,
                      plain.first, plain.second);
    assert_memory_equal(one.weight + AFTER, plain.weight + AFTER, (COUNT - AFTER) * sizeof *one.weight);
    adamw.decay = 0.1;
    for (int threads = 1; threads < 5; threads++) {
        mhc__normal_fill(1, 0, 1.0f, many.weight, COUNT);
        memset(many.first, 0, sizeof many.first);
        memset(many.second, 0, sizeof many.second);
        mhc__adamw_update(threads, &adamw, count, pieces, many.gradient, many.weight, many.first, many.second);
        assert_memory_equal(&one, &many, sizeof one);
        double a = mhc__norm_of(1, COUNT, one.gradient), b = mhc__norm_of(threads, COUNT, one.gradient);
        assert_memory_equal(&a, &b, sizeof a);
    }
}

static void norm(void **state) {
    (void)state;
    static float x[COUNT];
    double sum = 0.0;
    mhc__normal_fill(3, 0, 2.0f, x, COUNT);
    for (int i = 0; i < COUNT; i++)
        sum += (double)x[i] * (double)x[i];
    assert_true(fabs(mhc__norm_of(2, COUNT, x) / sqrt(sum) - 1.0) < 1e-13);
    assert_true(mhc__norm_of(2, 0, NULL) == 0.0);
    x[COUNT - 1] = 3e38f; /* its square has no place in a float */
    assert_true(isfinite(mhc__norm_of(2, COUNT, x)));
    x[17] = NAN;
    assert_true(isnan(mhc__norm_of(2, COUNT, x)));
}

static void schedules(void **state) {
    (void)state;
    mhc__train_config c = mhc__train_config_default();
    c.steps = 2000;
    c.lr = 0.5f;
    c.warmup = 100;
    c.floor = 0.125f;
    const double pi = acos(-1.0);
    for (int64_t s = 0; s < 2000; s++) {
        double warm = 0.5 * (double)(s + 1) / 100.0;
        c.schedule = MHC__SCHEDULE_COSINE;
        double cosine = 0.5 * (0.125 + 0.875 * 0.5 * (1.0 + cos(pi * (double)(s - 100) / 1900.0)));
        assert_true(fabs(mhc__train_lr(&c, s) - (s < 100 ? warm : cosine)) < 1e-14);
        c.schedule = MHC__SCHEDULE_CONSTANT;
        assert_true(fabs(mhc__train_lr(&c, s) - (s < 100 ? warm : 0.5)) < 1e-14);
        c.schedule = MHC__SCHEDULE_STEP;
        c.step_at_1 = 0.75f;
        c.step_at_2 = 0.875f;
        c.step_factor_1 = 0.5f;
        c.step_factor_2 = 0.25f;
        double step = s < 1500 ? 0.5 : s < 1750 ? 0.25 : 0.125;
        assert_true(fabs(mhc__train_lr(&c, s) - (s < 100 ? warm : step)) < 1e-14);
    }
    c.schedule = MHC__SCHEDULE_COSINE;
    assert_true(fabs(mhc__train_lr(&c, 2000) - 0.0625) < 1e-14);
    assert_true(fabs(mhc__train_lr(&c, 3000) - 0.0625) < 1e-14);
    c.warmup = 0;
    assert_true(fabs(mhc__train_lr(&c, 0) - 0.5) < 1e-14);
    c.steps = c.warmup = 10;
    assert_true(isfinite(mhc__train_lr(&c, 10)));
}

static void check_names_the_field(void **state) {
    (void)state;
    mhc_error error = {0};
    mhc__train_config c = mhc__train_config_default();
    assert_int_equal(mhc__train_config_check(&c, &error), MHC_OK);
#define REFUSED(field, value)                                                                                          \
    do {                                                                                                               \
        c = mhc__train_config_default();                                                                               \
        c.field = (value);                                                                                             \
        assert_int_equal(mhc__train_config_check(&c, &error), MHC_INVALID_ARGUMENT);                                   \
        if (strncmp(error.message, "train." #field ":", strlen("train." #field ":")) != 0)                             \
            fail_msg(#field ": %s", error.message);                                                                    \
    } while (0)
    REFUSED(steps, -1);
    REFUSED(batch, 0);
    REFUSED(accumulate, 0);
    REFUSED(lr, NAN);
    REFUSED(lr, INFINITY);
    REFUSED(lr, -1e-9f);
    REFUSED(beta1, 1.0f);
    REFUSED(beta2, -0.1f);
    REFUSED(eps, -1.0f);
    REFUSED(eps, 0.0f);
    REFUSED(eps, 1e-40f);
    REFUSED(weight_decay, NAN);
    REFUSED(clip, -1.0f);
    REFUSED(warmup, -1);
    REFUSED(floor, 1.5f);
    REFUSED(step_at_1, 2.0f);
    REFUSED(step_at_2, 0.5f);
    REFUSED(max_rollbacks, -1);
    REFUSED(eval_every, -1);
    REFUSED(eval_batches, 0);
    REFUSED(keep_checkpoints, -1);
    REFUSED(threads, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_double),
        cmocka_unit_test(eps_is_outside_the_root),
        cmocka_unit_test(without_bias_correction),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(norm),
        cmocka_unit_test(schedules),
        cmocka_unit_test(check_names_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
