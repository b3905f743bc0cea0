/* The numbers of a step and the arrays behind them, as a training run writes them. */
#include "train/support.h"

#include <jansson.h>

#include "probe/probe.h"
#include "probe/probe_log.h"
#include "random_matrices.h"

/* What one run left behind. */
typedef struct heard {
    int64_t steps, measured[64];                                             /* steps, and the numbers of each */
    double log_volume[64], seconds[64], forward[64], probes[64], inside[64]; /* inside: of forward's parts */
    char notes[4][256];
    int note_count;
} heard;

static mhc_status after_step(void *self, mhc__model *model, const mhc__train_record *record, mhc_error *error) {
    (void)model, (void)error;
    heard *h = self;
    int64_t step = record->step;
    h->measured[step] = record->number_count;
    h->seconds[step] = record->seconds;
    h->steps = step + 1;
    for (int i = 0; i < record->number_count; i++) {
        const mhc__train_number *number = &record->numbers[i];
        if (!strcmp(number->name, "log_volume"))
            h->log_volume[step] = number->value;
        if (!strcmp(number->name, "seconds_forward"))
            h->forward[step] = number->value;
        if (!strncmp(number->name, "seconds_forward_", 16))
            h->inside[step] += number->value;
        if (!strcmp(number->name, "seconds_probes"))
            h->probes[step] = number->value;
    }
    return MHC_OK;
}

static mhc_status tell(void *self, const char *text, mhc_error *error) {
    (void)error;
    heard *h = self;
    assert_true(h->note_count < 4);
    snprintf(h->notes[h->note_count++], sizeof h->notes[0], "%s", text);
    return MHC_OK;
}

/* Trains and measures; from > 0 goes on from a checkpoint of the folder. */
static void run(const char *connection, const mhc__train_config *config, const char *folder, int64_t from, heard *h) {
    mhc__model_config small = small_model();
    snprintf(small.connection, sizeof small.connection, "%s", connection);
    small.blocks = 2;
    mhc__model *model = make_model(&small);
    char path[1200];
    assert_int_equal(mhc__make_folders(folder, NULL), MHC_OK);
    snprintf(path, sizeof path, "%s/probes.jsonl", folder);
    mhc__probe_log_options options = {config, path, from, tell, h};
    mhc__probe_log *probes;
    mhc_error error = {0};
    if (mhc__probe_log_open(model, &options, &probes, &error) != MHC_OK)
        fail_msg("%s", error.message);
    mhc__train_observer observers[] = {mhc__probe_log_observer(probes), {h, NULL, after_step, NULL}};
    mhc__trainer *trainer = make_trainer((mhc__trainer_options){.model = model,
                                                                .config = config,
                                                                .train = {NULL, fill_numbered},
                                                                .folder = folder,
                                                                .observers = observers,
                                                                .observer_count = 2});
    if (from > 0) {
        char *checkpoint = mhc__checkpoint_path(folder, from);
        assert_int_equal(mhc__trainer_resume(trainer, checkpoint, &error), MHC_OK);
        free(checkpoint);
    }
    if (mhc__trainer_run(trainer, &error) != MHC_OK)
        fail_msg("%s", error.message);
    mhc__trainer_destroy(trainer);
    mhc__probe_log_close(probes);
    mhc__model_destroy(model);
}

static mhc__train_config measured_run(int64_t steps, mhc__probe_level level, int64_t every) {
    mhc__train_config config = short_run(steps);
    config.probe = level;
    config.probe_every = every;
    config.probe_tokens = 0;
    return config;
}

static void numbers_when_due(void **state) {
    (void)state;
    heard h = {0};
    mhc__train_config config = measured_run(7, MHC__PROBE_LIGHT, 3);
    const char *folder = scratch_path("due");
    run("paper", &config, folder, 0, &h);
    for (int64_t step = 0; step < 7; step++) {
        assert_int_equal(h.measured[step], step % 3 ? 0 : MHC__PROBE_NUMBERS + MHC__TRAIN_PARTS);
        if (step % 3 == 0) {
            assert_true(h.log_volume[step] > 0 && h.log_volume[step] < 1);
            assert_true(h.forward[step] > 0 && h.forward[step] < h.seconds[step] && h.probes[step] > 0);
            assert_true(h.inside[step] > 0 && h.inside[step] < h.forward[step]);
        }
    }
    assert_int_equal(h.note_count, 0);
    char path[1200];
    bool there;
    snprintf(path, sizeof path, "%s/probes.jsonl", folder);
    assert_int_equal(mhc__path_exists(path, &there, NULL), MHC_OK);
    assert_false(there);
    memset(&h, 0, sizeof h);
    config = measured_run(3, MHC__PROBE_OFF, 1);
    run("paper", &config, scratch_path("off"), 0, &h);
    assert_true(h.steps == 3 && h.measured[0] == 0 && h.measured[2] == 0);
}

/* Measuring changes nothing: the same weights with and without. */
static void training_is_the_same(void **state) {
    (void)state;
    heard h = {0};
    mhc__train_config off = measured_run(4, MHC__PROBE_OFF, 1), full = measured_run(4, MHC__PROBE_FULL, 1);
    const char *a = scratch_path("plain"), *b = scratch_path("measured");
    run("hc", &off, a, 0, &h);
    run("hc", &full, b, 0, &h);
    char paths[2][1200];
    snprintf(paths[0], sizeof paths[0], "%s/checkpoints/step-00000004/model.safetensors", a);
    snprintf(paths[1], sizeof paths[1], "%s/checkpoints/step-00000004/model.safetensors", b);
    assert_true(same_file(paths[0], paths[1]));
}

/* One line of JSON for each metric of each step that was due; arrays as long as there are sites or depths. */
static int check_lines(const char *path, int64_t first, int64_t last) {
    size_t size;
    char *text = get(path, &size), *rest = text;
    int count = 0;
    for (char *end; (end = strchr(rest, '\n')); rest = end + 1, count++) {
        json_error_t why;
        json_t *line = json_loadb(rest, (size_t)(end - rest), 0, &why);
        if (!line)
            fail_msg("%s: line %d: %s", path, count + 1, why.text);
        int64_t step = json_integer_value(json_object_get(line, "step"));
        const char *metric = json_string_value(json_object_get(line, "metric"));
        assert_true(step >= first && step <= last && metric);
        json_t *values = json_object_get(line, "mean");
        values = values ? values : json_object_get(line, "value");
        size_t length = json_array_size(values);
        bool by_block = !strcmp(metric, "gradient.block"),
             by_depth = !strncmp(metric, "state.", 6) || !strncmp(metric, "gradient.state", 14);
        assert_int_equal(length, by_block ? 2 : by_depth ? 5 : 4);
        json_decref(line);
    }
    assert_true(*rest == '\0');
    free(text);
    return count;
}

static void arrays_of_a_run(void **state) {
    (void)state;
    heard h = {0};
    mhc__train_config config = measured_run(4, MHC__PROBE_FULL, 2);
    config.checkpoint_every = 2;
    const char *folder = scratch_path("full");
    run("paper", &config, folder, 0, &h);
    char path[1200];
    snprintf(path, sizeof path, "%s/probes.jsonl", folder);
    int count = check_lines(path, 0, 2);
    assert_true(count > 100 && count % 2 == 0);
    size_t size_before, size_after;
    char *before = get(path, &size_before);
    /* A run that is gone on with writes the same again. */
    run("paper", &config, folder, 2, &h);
    char *after = get(path, &size_after);
    assert_true(size_before == size_after && !memcmp(before, after, size_before));
    free(before);
    free(after);
}

static void notes(void **state) {
    (void)state;
    heard h = {0};
    mhc__train_config config = measured_run(12, MHC__PROBE_LIGHT, 1);
    run("reproducing-mhc", &config, scratch_path("copies"), 0, &h);
    assert_int_equal(h.note_count, 1);
    assert_non_null(strstr(h.notes[0], "step 0: the 3 streams are copies of one another (spread 0)"));
    assert_non_null(strstr(h.notes[0], "so that training can't"));
}

/* The numbers against the measurements they come from, and by hand where a residual model has known ones. */
static void numbers_of_a_residual_model(void **state) {
    (void)state;
    mhc__model_config small = small_model();
    snprintf(small.connection, sizeof small.connection, "residual");
    small.dropout_embedding = small.dropout_output = 0;
    mhc__model *model = make_model(&small);
    int32_t tokens[2 * 7];
    fill_numbered(NULL, 0, 2, 6, tokens, NULL);
    mhc_context context = mhc_context_cpu(1);
    mhc__pass pass = {.batch = 2, .sequence = 6, .tokens = tokens, .train = true, .scale = 1.0f};
    double loss, values[MHC__PROBE_NUMBERS];
    assert_int_equal(mhc__model_forward(model, &context, &pass, &loss, NULL), MHC_OK);
    assert_int_equal(mhc__model_backward(model, &context, &pass, NULL), MHC_OK);
    mhc__mixing_options options = {1, 0, true};
    mhc__probe probe;
    assert_int_equal(mhc__probe_measure(model, NULL, &options, &probe, NULL), MHC_OK);
    mhc__probe_numbers(&probe, values);
    for (int i = 0; i < MHC__PROBE_NUMBERS; i++) {
        const char *name = mhc__probe_name(i);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, mhc__probe_name(k));
        if (strstr(name, "_gain_forward") || strstr(name, "_gain_backward") || strstr(name, "_amin_") ||
            strstr(name, "_abs_"))
            assert_true(values[i] == 1);
        if (!strncmp(name, "distance_", 9) || !strncmp(name, "residual_", 9) || !strcmp(name, "log_volume") ||
            !strcmp(name, "gain_proxy") || !strcmp(name, "stream_spread") || !strcmp(name, "dead_mixers") ||
            !strcmp(name, "connection_gradient_share"))
            assert_true(values[i] == 0);
        if (strstr(name, "log_sigma") || !strncmp(name, "state_gradient", 14) || !strcmp(name, "stream_cosine") ||
            !strcmp(name, "sinkhorn_cycles"))
            assert_true(isnan(values[i]));
        if (!strcmp(name, "norm_growth"))
            assert_near(
                values[i],
                mhc__state_at(&probe.states, 2, MHC__STATE_NORM) / mhc__state_at(&probe.states, 0, MHC__STATE_NORM), 0);
    }
    mhc__probe_free(&probe);
    mhc__model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_when_due),
        cmocka_unit_test(training_is_the_same),
        cmocka_unit_test(arrays_of_a_run),
        cmocka_unit_test(notes),
        cmocka_unit_test(numbers_of_a_residual_model),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
