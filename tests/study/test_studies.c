/* Whole studies, tiny: what they write, that they go on after a stop, what they say to wrong use. */
#include "tiny.h"

static void test_stability(void **state) {
    (void)state;
    const char *out = scratch_path("stability"), *text = scratch_path("text.txt");
    write_text_file(text);
    mhc__study_options options = tiny(out);
    options.data = text;
    run_study("stability", &options);
    const char *files[] = {"report/index.html",
                           "report/report.md",
                           "report/claims.tsv",
                           "report/table.tsv",
                           "report/table.md",
                           "report/training_stability.tsv",
                           "report/stability_detailed.gp",
                           "report/norm_growth.tsv",
                           "report/sinkhorn_flow.tsv",
                           "report/amax_gain.tsv",
                           "residual-seed42/metrics.jsonl",
                           "hc-static-seed42/config.json",
                           "reproducing-mhc-seed42/profile-after.json"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_there(out, files[i]);
    char path[1200];
    mhc__series base, mhc;
    snprintf(path, sizeof path, "%s/residual-seed42/metrics.jsonl", out);
    assert_int_equal(mhc__series_load(path, &base, NULL), MHC_OK);
    snprintf(path, sizeof path, "%s/reproducing-mhc-seed42/metrics.jsonl", out);
    assert_int_equal(mhc__series_load(path, &mhc, NULL), MHC_OK);
    assert_int_equal(base.count, 5);
    assert_int_equal(mhc.count, 5);
    for (int i = 0; i < 5; i++) {
        assert_true(mhc.at[i].gains.spread == 0);
        assert_true(mhc.at[i].gains.composite_forward > 0.999 && mhc.at[i].gains.composite_forward < 1.001);
        assert_true(base.at[i].gains.composite_forward == 1);
    }
    /* The control is mHC, to the last bit, at every step. */
    mhc__series quarter, whole;
    snprintf(path, sizeof path, "%s/residual-quarter-seed42/metrics.jsonl", out);
    assert_int_equal(mhc__series_load(path, &quarter, NULL), MHC_OK);
    snprintf(path, sizeof path, "%s/mhc-whole-seed42/metrics.jsonl", out);
    assert_int_equal(mhc__series_load(path, &whole, NULL), MHC_OK);
    for (int i = 0; i < 5; i++) {
        assert_true(quarter.at[i].loss == mhc.at[i].loss && quarter.at[i].loss != base.at[i].loss);
        assert_true(whole.at[i].loss == base.at[i].loss);
        assert_true(quarter.at[i].gains.activation == mhc.at[i].gains.activation);
    }
    assert_says(out, "is mHC to the last bit: in every logit before training");
    assert_says(out, "mHC, branches × 4 is the baseline.");
    mhc__series_free(&quarter);
    mhc__series_free(&whole);
    mhc__series_free(&base);
    mhc__series_free(&mhc);
}

static void read_series(const char *out, const char *arm, mhc__series *series) {
    char path[1200];
    snprintf(path, sizeof path, "%s/%s/metrics.jsonl", out, arm);
    assert_int_equal(mhc__series_load(path, series, NULL), MHC_OK);
}

static void read_losses(const char *out, const char *arm, double *losses, int64_t *count) {
    mhc__series series;
    read_series(out, arm, &series);
    *count = series.count;
    for (int64_t i = 0; i < series.count && i < 16; i++)
        losses[i] = series.at[i].loss;
    mhc__series_free(&series);
}

/* As after a kill between two checkpoints, in the middle of a line: measurements past the checkpoint, and half a one.
 * Removing the last profile makes the study take the arm up again. */
static void test_goes_on(void **state) {
    (void)state;
    const char *out = scratch_path("goes-on");
    const char *set[TINY_COUNT + 1];
    mhc__study_options options = tiny_depth(out, set, "study.connections=paper", "study.depths=2");
    run_study("demo", &options);
    double once[16], again[16];
    int64_t count;
    read_losses(out, "2-paper-seed42", once, &count);
    assert_int_equal(count, 5);
    char path[1200];
    snprintf(path, sizeof path, "%s/2-paper-seed42/profile-after.json", out);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/2-paper-seed42/metrics.jsonl", out);
    FILE *file = fopen(path, "a");
    fputs("{\"step\":5,\"lo", file);
    fclose(file);
    run_study("demo", &options);
    read_losses(out, "2-paper-seed42", again, &count);
    assert_int_equal(count, 5);
    for (int i = 0; i < 5; i++)
        assert_true(once[i] == again[i]);
}

/* Where text is held out an arm ends with its loss there, also one that was done before the loss was asked for. */
static void test_held_out(void **state) {
    (void)state;
    const char *out = scratch_path("held-out"), *text = scratch_path("held-out.txt");
    write_text_file(text);
    const char *set[TINY_COUNT + 2];
    memcpy(set, TINY, sizeof TINY);
    set[TINY_COUNT] = "study.connections=paper";
    set[TINY_COUNT + 1] = "data.eval_share=0.3";
    mhc__study_options options = tiny(out);
    options.data = text;
    options.set = set;
    options.set_count = TINY_COUNT + 2;
    run_study("stability", &options);
    char path[1200];
    mhc__held_out first, again;
    snprintf(path, sizeof path, "%s/paper-seed42/held-out.json", out);
    assert_int_equal(mhc__held_out_load(path, &first, NULL), MHC_OK);
    assert_true(first.loss > 1 && first.loss < 6 && first.tokens > 16 && first.tokens % 16 == 0);
    assert_int_equal(unlink(path), 0);
    run_study("stability", &options);
    assert_int_equal(mhc__held_out_load(path, &again, NULL), MHC_OK);
    assert_true(first.loss == again.loss && first.tokens == again.tokens);
    assert_int_equal(mhc__write_file(path, "{\"loss\":1}", 10, NULL), MHC_OK);
    mhc_error error = {0};
    assert_int_equal(mhc__study_find("stability")->run(&options, &error), MHC_CORRUPT);
    assert_non_null(strstr(error.message, "held-out.json"));
}

static void test_stop_then_go_on(void **state) {
    (void)state;
    const char *out = scratch_path("stopped"), *whole = scratch_path("whole");
    volatile int stop = 1;
    mhc__study_options options = tiny(out);
    options.stop = &stop;
    mhc_error error = {0};
    assert_int_equal(mhc__study_find("stability")->run(&options, &error), MHC_INTERRUPTED);
    assert_non_null(strstr(error.message, "again"));
    stop = 0;
    run_study("stability", &options);
    options = tiny(whole);
    run_study("stability", &options);
    double a[16], b[16];
    int64_t na, nb;
    read_losses(out, "hc-static-seed42", a, &na);
    read_losses(whole, "hc-static-seed42", b, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, (size_t)na * sizeof *a);
    /* config.json has the settings as they were used; a folder of before it had, without them, is the same run. */
    char path[1200], *json;
    size_t size;
    snprintf(path, sizeof path, "%s/hc-static-seed42/config.json", whole);
    assert_int_equal(mhc__read_file(path, &json, &size, NULL), MHC_OK);
    char *field = strstr(json, "\"checkpoint_every\": 2");
    assert_non_null(field);
    field[strlen("\"checkpoint_every\": ")] = '0';
    assert_int_equal(mhc__write_file(path, json, size, NULL), MHC_OK);
    free(json);
    run_study("stability", &options);
    /* Other settings in the same folder destroy nothing. */
    options.steps = 7;
    assert_int_equal(mhc__study_find("stability")->run(&options, &error), MHC_MISMATCH);
    assert_non_null(strstr(error.message, "other settings"));
    read_losses(whole, "hc-static-seed42", a, &na);
    assert_int_equal(na, 5);
}

/* mhc-poc's HC multiplies the streams by 4.8 in each block, beyond fp32 at 80: a result, not a failure. */
static void test_not_finite_is_recorded(void **state) {
    (void)state;
    const char *out = scratch_path("overflow");
    const char *set[TINY_COUNT + 1];
    mhc__study_options options = tiny_depth(out, set, "study.connections=residual,mhc-poc-hc", "study.depths=80");
    options.seeds = 2;
    run_study("demo", &options);
    double losses[16];
    int64_t count;
    read_losses(out, "80-mhc-poc-hc-seed42", losses, &count);
    assert_int_equal(count, 1);
    assert_true(losses[0] != losses[0]);
    assert_says(out, "NaN or Inf ended runs of HC at 80 blocks (2 of 2 runs, first in step 0)");
    assert_says(out, " ± ");
    assert_says(out, "not a number with HC");
}

/* mhc-poc's gains are there before the first update: log10 of the largest entry of H_res^L. And its HC at 48 blocks
 * fails in the norm alone. */
static void test_depth_known_answers(void **state) {
    (void)state;
    static const struct {
        int blocks;
        double hc, mhc; /* seeds of the experiment, at step 0 */
    } known[] = {{12, 6.385, -0.598}, {24, 13.372, -0.602}, {48, 27.346, -0.602}};
    const char *out = scratch_path("depth"), *set[TINY_COUNT + 1];
    mhc__study_options options =
        tiny_depth(out, set,
                   "study.connections=residual,mhc-poc-hc,mhc-poc,hc-robust-norm,mhc-no-inner,hc-mlx,mhc-uniform,"
                   "mhc-one-stream,no-blocks",
                   "study.depths=48,12,24");
    options.steps = 2;
    run_study("depth", &options);
    for (int i = 0; i < 3; i++) {
        char arm[64];
        mhc__series series;
        snprintf(arm, sizeof arm, "%d-mhc-poc-hc-seed42", known[i].blocks);
        read_series(out, arm, &series);
        assert_true(fabs(series.at[0].gains.proxy - known[i].hc) <= 0.02);
        assert_true(isfinite(series.at[0].loss) == (known[i].blocks < 48));
        mhc__series_free(&series);
        snprintf(arm, sizeof arm, "%d-mhc-poc-seed42", known[i].blocks);
        read_series(out, arm, &series);
        assert_true(fabs(series.at[0].gains.proxy - known[i].mhc) <= 0.002 && series.count == 2);
        mhc__series_free(&series);
        snprintf(arm, sizeof arm, "%d-hc-robust-norm-seed42", known[i].blocks);
        read_series(out, arm, &series);
        assert_true(fabs(series.at[0].gains.proxy - known[i].hc) <= 0.02 && isfinite(series.at[1].loss));
        mhc__series_free(&series);
    }
    /* With MLX's norm, which gives nothing for such rows, the model guesses: the published 5.54. */
    mhc__series mlx;
    read_series(out, "48-hc-mlx-seed42", &mlx);
    assert_true(fabs(mlx.at[0].loss - log(256)) < 1e-4);
    mhc__series_free(&mlx);
    /* Without the inner residual the streams of mHC are the baseline's, up to rounding: rows and columns sum to 1. */
    mhc__series base, mhc;
    read_series(out, "24-residual-seed42", &base);
    read_series(out, "24-mhc-no-inner-seed42", &mhc);
    assert_true(fabs(base.at[0].loss - mhc.at[0].loss) < 1e-5);
    mhc__series_free(&base);
    mhc__series_free(&mhc);
    /* From logits of 0 nothing is rounded: the streams are one, to the last bit. */
    mhc__series uniform, one;
    read_series(out, "24-mhc-uniform-seed42", &uniform);
    read_series(out, "24-mhc-one-stream-seed42", &one);
    for (int i = 0; i < 2; i++)
        assert_true(uniform.at[i].gains.spread == 0 && uniform.at[i].loss == one.at[i].loss);
    mhc__series_free(&uniform);
    mhc__series_free(&one);
    const char *files[] = {"report/loss_comparison.tsv", "report/gain_comparison.tsv", "report/gain_scaling.tsv",
                           "report/deepest_comparison.tsv", "report/grad_norm_comparison.tsv"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_there(out, files[i]);
    char drawn[1200]; /* where there is a gnuplot, it draws them all */
    snprintf(drawn, sizeof drawn, "%s/report/depth_loss.svg", out);
    const char *pictures[] = {"report/loss_comparison.svg", "report/gain_comparison.svg", "report/gain_scaling.svg",
                              "report/deepest_comparison.svg", "report/grad_norm_comparison.svg"};
    for (size_t i = 0; access(drawn, F_OK) == 0 && i < sizeof pictures / sizeof pictures[0]; i++)
        assert_there(out, pictures[i]);
}

/* gradient-flow with generated questions: the records of every layer and step, and taken up again after a kill. */
static void test_gradient_flow(void **state) {
    (void)state;
    static const char *const set[] = {"model.channels=16", "model.embedding=8",        "model.sequence=6",
                                      "model.blocks=5",    "train.checkpoint_every=2", "train.batch=16"};
    const char *out = scratch_path("flow");
    mhc__study_options options = mhc__study_options_default();
    options.out = out;
    options.steps = 5;
    options.set = set;
    options.set_count = 6;
    options.threads = 1;
    run_study("gradient-flow", &options);
    const char *files[] = {"report/index.html",
                           "report/claims.tsv",
                           "report/table.tsv",
                           "report/gradient_flow.tsv",
                           "report/gradient_heat_map.tsv",
                           "report/baseline_matrix_evolution.tsv",
                           "report/mhc_matrix_evolution.tsv",
                           "report/learning.tsv",
                           "boolq-100-seed42/evaluations.jsonl",
                           "residual-norm-seed42/metrics.jsonl"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_there(out, files[i]);
    assert_says(out, "generated questions");
    char layers[1200], after[1200], *before, *again;
    size_t size, size_again;
    snprintf(layers, sizeof layers, "%s/boolq-100-seed42/layers.jsonl", out);
    snprintf(after, sizeof after, "%s/boolq-100-seed42/profile-after.json", out);
    assert_int_equal(mhc__read_file(layers, &before, &size, NULL), MHC_OK);
    int lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += before[i] == '\n';
    assert_int_equal(lines, 5);
    assert_non_null(strstr(before, "\"res_raw\":["));
    assert_int_equal(unlink(after), 0);
    FILE *file = fopen(layers, "a");
    assert_non_null(file);
    fputs("{\"step\":5,\"grad", file);
    fclose(file);
    run_study("gradient-flow", &options);
    assert_int_equal(mhc__read_file(layers, &again, &size_again, NULL), MHC_OK);
    assert_int_equal(size, size_again);
    assert_memory_equal(before, again, size);
    free(before);
    free(again);
    /* Without its records the arm can't go on. */
    assert_int_equal(unlink(layers), 0);
    mhc_error error = {0};
    assert_int_equal(mhc__study_find("gradient-flow")->run(&options, &error), MHC_CORRUPT);
    assert_non_null(strstr(error.message, "remove the folder"));
}

/* One arm of a finished study, as if it had become NaN in step 3. */
static void break_arm(const char *out, const char *arm) {
    char path[1200];
    snprintf(path, sizeof path, "%s/%s/metrics.jsonl", out, arm);
    mhc__series series;
    assert_int_equal(mhc__series_load(path, &series, NULL), MHC_OK);
    series.at[3] = (mhc__measurement){.step = 3, .loss = NAN, .grad_norm = NAN, .gains = mhc__gains_unknown()};
    assert_int_equal(mhc__series_save(path, &series, 4, NULL), MHC_OK);
    mhc__series_free(&series);
}

/* What is said follows from seeds and from what was finite. */
static void test_findings_of_seeds(void **state) {
    (void)state;
    const char *out = scratch_path("seeds");
    const char *set[TINY_COUNT + 1];
    memcpy(set, TINY, sizeof TINY);
    set[TINY_COUNT] = "study.connections=residual,reproducing-mhc,paper";
    mhc__study_options options = tiny(out);
    options.set = set;
    options.set_count = TINY_COUNT + 1;
    run_study("stability", &options);
    assert_says(out, "one seed: no verdict");
    options.seeds = 3;
    run_study("stability", &options);
    assert_false(says(out, "no verdict"));
    assert_says(out, "mean of 3 seeds, standard error");
    assert_says(out, "is the baseline with every branch multiplied by 0.25.");
    assert_says(out, "The streams of paper differ");
    assert_says(out, "Over the records of every step; mean ± sample");
    assert_false(says(out, "was not finite"));
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "");
    assert_non_null(path);
    setenv("PATH", "/nonexistent", 1); /* no gnuplot: the pictures are drawn above */
    break_arm(out, "reproducing-mhc-seed44");
    run_study("stability", &options);
    assert_says(out, "reproducing-mhc: 1 of 3 seeds was not finite</strong>, first at step 3.");
    assert_false(says(out, "is the baseline with every branch"));
    assert_false(says(out, "exact copies"));
    assert_says(out, "On the same batches"); /* of paper */
    break_arm(out, "residual-seed42");
    run_study("stability", &options);
    assert_says(out, "baseline: 1 of 3 seeds was not finite");
    assert_false(says(out, "On the same batches"));
    assert_false(says(out, "The mean gradient norm of"));
    assert_says(out, "The streams of paper differ");
    assert_false(says(out, "nan"));
    setenv("PATH", path, 1);
    free(path);
}

static void test_ablation(void **state) {
    (void)state;
    const char *out = scratch_path("ablation"), *text = scratch_path("ablation.txt");
    write_text_file(text);
    const char *set[TINY_COUNT + 1];
    memcpy(set, TINY, sizeof TINY);
    set[TINY_COUNT] = "study.connections=residual,hc-none,hc-res,hc,hc-pre-post,paper-res";
    mhc__study_options options = tiny(out);
    options.data = text;
    options.set = set;
    options.set_count = TINY_COUNT + 1;
    run_study("ablation", &options);
    const char *files[] = {"report/index.html",
                           "report/claims.tsv",
                           "report/table.md",
                           "report/ablation_training.tsv",
                           "report/ablation_differences.tsv",
                           "paper-res-seed44/held-out.json"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_there(out, files[i]);
    assert_drawn(out);
    assert_says(out, "The streams of &quot;mHC: res&quot; stay copies of each other");
    assert_says(out, "H_post = 1 writes the same into each");
    assert_false(says(out, "The streams of &quot;HC: pre, post&quot; stay copies"));
    assert_says(out, "The row that the table lacks: the held-out loss of HC");
    assert_false(says(out, "the held-out loss of mHC")); /* it was not run */
    mhc__series plain, fixed;
    read_series(out, "residual-seed43", &plain);
    read_series(out, "hc-none-seed43", &fixed);
    for (int i = 0; i < 5; i++) /* HC adds the streams up: the eps of the final norm weighs less */
        assert_true(fabs(plain.at[i].loss - fixed.at[i].loss) < 1e-3);
    mhc__series_free(&plain);
    mhc__series_free(&fixed);
    set[TINY_COUNT] = "data.eval_share=0";
    mhc_error error = {0};
    assert_int_equal(mhc__study_find("ablation")->run(&options, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "data.eval_share: expected more than 0"));
    options.data = "increment";
    options.out = scratch_path("endless");
    options.set_count = TINY_COUNT;
    assert_int_equal(mhc__study_find("ablation")->run(&options, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "no held-out part that ends"));
}

static void test_overhead(void **state) {
    (void)state;
    const char *out = scratch_path("overhead");
    const char *set[] = {"model.blocks=1", "model.sequence=8", "train.batch=2", "study.channels=16,8",
                         "study.streams=2"};
    mhc__study_options options = mhc__study_options_default();
    options.out = out;
    options.steps = 2;
    options.threads = 1;
    options.set = set;
    options.set_count = sizeof set / sizeof set[0];
    run_study("overhead", &options);
    const char *files[] = {"report/index.html", "report/table.md", "report/claims.tsv", "report/overhead_channels.gp"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_there(out, files[i]);
    assert_drawn(out);
    assert_says(out, "was not measured"); /* four streams */
    char path[1200], *first, *second;
    size_t size, size_again;
    snprintf(path, sizeof path, "%s/cells.jsonl", out);
    assert_int_equal(mhc__read_file(path, &first, &size, NULL), MHC_OK);
    assert_int_equal(mhc__write_file(path, first, size - 20, NULL), MHC_OK); /* the last group is not whole */
    run_study("overhead", &options);
    assert_int_equal(mhc__read_file(path, &second, &size_again, NULL), MHC_OK);
    assert_memory_equal(first, second, strstr(first, "\"channels\":8,") - first); /* the others were taken up */
    assert_int_not_equal(strcmp(first, second), 0);
    free(first);
    free(second);
    mhc_error error = {0};
    options.steps = 3;
    assert_int_equal(mhc__study_find("overhead")->run(&options, &error), MHC_MISMATCH);
    static const char *const wrong[][2] = {{"study.channels=0", "study.channels"},
                                           {"study.streams=64", "not in 1..32"},
                                           {"study.connections=residual", "always"},
                                           {"model.channels=32", "study.channels"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        options.set = &wrong[i][0];
        options.set_count = 1;
        assert_int_equal(mhc__study_find("overhead")->run(&options, &error), MHC_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, wrong[i][1]));
    }
    options.set_count = 0;
    options.seeds = 3;
    assert_int_equal(mhc__study_find("overhead")->run(&options, &error), MHC_INVALID_ARGUMENT);
}

static void test_wrong_use(void **state) {
    (void)state;
    static const char *const sets[][2] = {{"study.depth=3", "study.connections"},
                                          {"study.connections=residual,nope", "nope"},
                                          {"study.connections=hc,hc", "twice"},
                                          {"model.connection=hc", "study.connections"},
                                          {"model.chanels=3", "chanels"},
                                          {"study.connections=", "connection"},
                                          {"train.seed=3", "--seed"},
                                          {"train.on_nan=rollback", "not in studies"}};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        mhc__study_options options = tiny(scratch_path("wrong"));
        options.set = &sets[i][0];
        options.set_count = 1;
        mhc_error error = {0};
        assert_int_equal(mhc__study_find("stability")->run(&options, &error), MHC_INVALID_ARGUMENT);
        if (!strstr(error.message, sets[i][1]))
            fail_msg("%s", error.message);
    }
    const char *set = "model.blocks=3";
    mhc__study_options options = tiny(scratch_path("wrong"));
    options.set = &set;
    options.set_count = 1;
    mhc_error error = {0};
    assert_int_equal(mhc__study_find("demo")->run(&options, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "study.depths"));
    assert_int_not_equal(access(scratch_path("wrong"), F_OK), 0);
    assert_null(mhc__study_find("nothing"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stability),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_held_out),
        cmocka_unit_test(test_stop_then_go_on),
        cmocka_unit_test(test_not_finite_is_recorded),
        cmocka_unit_test(test_findings_of_seeds),
        cmocka_unit_test(test_wrong_use),
        cmocka_unit_test(test_depth_known_answers),
        cmocka_unit_test(test_ablation),
        cmocka_unit_test(test_overhead),
        cmocka_unit_test(test_gradient_flow),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
