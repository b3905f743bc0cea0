/* The plan of a run's memory against what the run takes, and what it says of runs that can't be. */
#include <sys/resource.h>

#include "train/plan.h"
#include "train/support.h"

static int64_t peak_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_maxrss * 1024;
}

static mhc__model_config large_model(void) {
    mhc__model_config config = small_model();
    config.sequence = 96;
    config.channels = 128;
    config.blocks = 5;
    config.heads = 4;
    config.ffn = 512;
    config.streams = 4;
    return config;
}

/* Within a tenth and 4 MiB: the product library packs operands, and its first call makes code. A checkpoint is written
 * from where the weights lie. */
static void one_step_takes(int64_t before, int blocks, bool recompute) {
#ifdef MHC_SANITIZED
    skip(); /* shadow memory counts too */
#endif
    mhc__model_config config = large_model();
    mhc__train_config run = short_run(1);
    mhc__train_memory plan;
    mhc__train_record record;
    config.blocks = blocks;
    run.batch = 12;
    run.recompute = recompute;
    assert_int_equal(mhc__train_plan(&config, &run, false, &plan, NULL), MHC_OK);
    mhc__model *model = make_model(&config);
    mhc__trainer *trainer = make_trainer((mhc__trainer_options){
        .model = model, .config = &run, .train = {NULL, fill_numbered}, .folder = scratch_path("run")});
    assert_int_equal(mhc__trainer_step(trainer, &record, NULL), MHC_OK);
    assert_int_equal(mhc__trainer_save(trainer, NULL), MHC_OK);
    double taken = (double)(peak_bytes() - before), planned = (double)plan.total;
    print_message("planned %.1f MiB, taken %.1f MiB\n", planned / 1048576, taken / 1048576);
    assert_true(planned > 64.0 * 1048576);
    assert_true(fabs(taken - planned) < 0.1 * planned + 4.0 * 1048576);
    mhc__trainer_destroy(trainer);
    mhc__model_destroy(model);
}

/* The smaller one first, and before all else: a peak does not go down again. */
static void steps_take_what_was_planned(void **state) {
    (void)state;
    int64_t before = peak_bytes();
    one_step_takes(before, 8, true);
    one_step_takes(before, 8, false);
}

/* n C ceil(L / span) + (n + 2) C span for each token (arXiv 2512.24880 eq. 20): the state after the last site is one
 * more, the first state of a span is in both terms. */
static void streams_take_what_the_paper_says(void **state) {
    (void)state;
    mhc__model_config config = large_model();
    mhc__train_config run = short_run(1);
    mhc__train_memory kept, again;
    const int64_t sites = 24, n = config.streams, tokens = run.batch * (int64_t)config.sequence, span = 4;
    config.blocks = 12;
    assert_int_equal(mhc__train_plan(&config, &run, false, &kept, NULL), MHC_OK);
    run.recompute = true;
    assert_int_equal(mhc__train_plan(&config, &run, false, &again, NULL), MHC_OK);
    int64_t row = tokens * config.channels * (int64_t)sizeof(float);
    assert_int_equal(again.model.span, span);
    assert_int_equal(again.model.streams, row * (n * (sites / span) + (n + 2) * span));
    assert_int_equal(kept.model.streams, row * (n * (sites + 1) + 2 * sites));
    assert_int_equal(kept.total - again.total, kept.model.streams - again.model.streams);
    run.recompute_sites = 6;
    assert_int_equal(mhc__train_plan(&config, &run, false, &again, NULL), MHC_OK);
    assert_int_equal(again.model.streams, row * (n * (sites / 6) + (n + 2) * 6));
    run.recompute_sites = -1;
    assert_int_equal(mhc__train_plan(&config, &run, false, &again, NULL), MHC_INVALID_ARGUMENT);
}

static void parts_follow_the_run(void **state) {
    (void)state;
    mhc__model_config config = large_model();
    mhc__train_config run = short_run(1);
    mhc__train_memory one, two, evaluating;
    assert_int_equal(mhc__train_plan(&config, &run, false, &one, NULL), MHC_OK);
    run.batch *= 2;
    assert_int_equal(mhc__train_plan(&config, &run, true, &two, NULL), MHC_OK);
    run.eval_every = 1;
    assert_int_equal(mhc__train_plan(&config, &run, true, &evaluating, NULL), MHC_OK);
    assert_true(one.model.weights == two.model.weights && one.optimizer == 2 * one.model.weights);
    assert_true(one.model.gradients == one.model.weights);
    assert_true(two.model.activations > 19 * one.model.activations / 10);
    assert_true(two.model.backward > 19 * one.model.backward / 10 && two.batch == 2 * one.batch);
    assert_true(two.model.evaluation == 0 && evaluating.model.evaluation > 0);
    assert_true(evaluating.model.evaluation < evaluating.model.activations);
    assert_true(evaluating.total == two.total + evaluating.model.evaluation);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    mhc__model_config config = large_model();
    mhc__train_config run = short_run(1);
    mhc__train_memory plan;
    mhc_error error = {0};
    run.batch = 0;
    assert_int_equal(mhc__train_plan(&config, &run, false, &plan, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "train.batch"));
    run.batch = 2;
    config.heads = 3;
    assert_int_equal(mhc__train_plan(&config, &run, false, &plan, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "model."));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(steps_take_what_was_planned),
        cmocka_unit_test(streams_take_what_the_paper_says),
        cmocka_unit_test(parts_follow_the_run),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
