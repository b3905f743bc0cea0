/* Checkpoints: damaged, foreign, pruned, and killed in the middle of being written. Called as `kill FOLDER`, the
 * program is the victim: a run that saves after every step. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "train/support.h"

static const char *program;

static mhc_status run_in(const char *folder, const mhc__train_config *config, const char *resume, mhc_error *error) {
    mhc__model_config shape = small_model();
    mhc__model *model = NULL;
    mhc__trainer *trainer = NULL;
    mhc__trainer_options options = {.config = config, .train = {NULL, fill_numbered}, .folder = folder};
    mhc_status status = mhc__model_create(&shape, 1, &model, error);
    options.model = model;
    if (status == MHC_OK)
        status = mhc__trainer_create(&options, &trainer, error);
    if (status == MHC_OK && resume)
        status = mhc__trainer_resume(trainer, resume, error);
    if (status == MHC_OK)
        status = mhc__trainer_run(trainer, error);
    mhc__trainer_destroy(trainer);
    mhc__model_destroy(model);
    return status;
}

/* Loads folder into a fresh model; whether it works or not, a failure must leave every bit of the model alone. */
static mhc_status load(const char *folder, const mhc__model_config *shape, mhc_error *error) {
    mhc__model *model = make_model(shape);
    size_t size = (size_t)mhc__model_size(model);
    float *first = calloc(size, sizeof *first), *second = calloc(size, sizeof *second),
          *zeros = calloc(size, sizeof *zeros), *before = malloc(size * sizeof *before);
    memcpy(before, mhc__model_weights(model), size * sizeof *before);
    mhc__checkpoint_state state = {.step = -7};
    mhc_status status = mhc__checkpoint_load(folder, model, first, second, &state, error);
    if (status != MHC_OK) {
        assert_memory_equal(before, mhc__model_weights(model), size * sizeof *before);
        assert_memory_equal(first, zeros, size * sizeof *first);
        assert_memory_equal(second, zeros, size * sizeof *second);
        assert_int_equal(state.step, -7);
        assert_true(strlen(error->message) > 10 && !strchr(error->message, '\n'));
    }
    free(before);
    free(zeros);
    free(second);
    free(first);
    mhc__model_destroy(model);
    return status;
}

static void bad_checkpoints(void **state) {
    (void)state;
    static const char *const files[] = {"model.safetensors", "optimizer.safetensors", "config.json", "state.json"};
    mhc__train_config config = short_run(1);
    mhc_error error = {0};
    mhc__model_config shape = small_model();
    assert_int_equal(run_in(scratch_path("run"), &config, NULL, &error), MHC_OK);
    char *folder = mhc__checkpoint_path(scratch_path("run"), 1);
    assert_int_equal(load(folder, &shape, &error), MHC_OK);
    for (int f = 0; f < 4; f++) {
        char *path = mhc__format("%s/%s", folder, files[f]);
        size_t size;
        char *bytes = get(path, &size);
        for (size_t part = 0; part < 16; part++) { /* flips spread over the file */
            size_t at = (2 * part + 1) * size / 32;
            bytes[at] ^= 4;
            put(path, bytes, size);
            bytes[at] ^= 4;
            mhc_status status = load(folder, &shape, &error);
            if (status != MHC_CORRUPT && status != MHC_UNSUPPORTED)
                fail_msg("%s: a flip at byte %zu gives status %d", files[f], at, status);
            if (!strstr(error.message, files[f]))
                fail_msg("%s is not named: %s", files[f], error.message);
        }
        for (size_t part = 0; part < 4; part++) {
            put(path, bytes, part * size / 4);
            assert_int_equal(load(folder, &shape, &error), MHC_CORRUPT);
            assert_non_null(strstr(error.message, files[f]));
        }
        assert_int_equal(unlink(path), 0);
        assert_int_equal(load(folder, &shape, &error), MHC_IO);
        assert_non_null(strstr(error.message, files[f]));
        put(path, bytes, size);
        assert_int_equal(load(folder, &shape, &error), MHC_OK);
        free(bytes);
        free(path);
    }
    free(folder);
}

static void another_model(void **state) {
    (void)state;
    mhc__train_config config = short_run(1);
    mhc_error error = {0};
    assert_int_equal(run_in(scratch_path("run"), &config, NULL, &error), MHC_OK);
    char *folder = mhc__checkpoint_path(scratch_path("run"), 1), *file = mhc__format("%s/model.safetensors", folder);
    mhc__model_config deeper = small_model(), wider = small_model(), same = small_model();
    deeper.blocks = 2;
    wider.ffn = 24;
    assert_int_equal(load(folder, &deeper, &error), MHC_MISMATCH);
    assert_non_null(strstr(error.message, "blocks.1."));
    assert_int_equal(load(folder, &wider, &error), MHC_MISMATCH);
    assert_non_null(strstr(error.message, "expected shape 24 x 12, found 20 x 12"));
    mhc__model *model = make_model(&same), *other = make_model(&wider);
    assert_int_equal(mhc__model_load(model, file, &error), MHC_OK);
    assert_int_equal(mhc__model_load(other, file, &error), MHC_MISMATCH);
    assert_int_equal(mhc__model_load(model, scratch_path("absent"), &error), MHC_IO);
    mhc__model_destroy(model);
    mhc__model_destroy(other);
    free(file);
    free(folder);
}

/* A file that has all tensors of the model, and more, is another model's. */
static void fewer_blocks(void **state) {
    (void)state;
    mhc__model_config shape = small_model(), deeper = small_model();
    deeper.blocks = 2;
    mhc__model *model = make_model(&shape), *other = make_model(&deeper);
    float *zeros = calloc((size_t)mhc__model_size(other), sizeof *zeros);
    mhc__checkpoint_state at = {.step = 1};
    mhc_error error = {0};
    assert_int_equal(mhc__checkpoint_save(scratch_path("deep"), other, zeros, zeros, &at, NULL, &error), MHC_OK);
    assert_int_equal(load(scratch_path("deep"), &shape, &error), MHC_MISMATCH);
    assert_non_null(strstr(error.message, "a checkpoint of another model"));
    assert_int_equal(mhc__model_load(model, scratch_path("deep/model.safetensors"), &error), MHC_MISMATCH);
    assert_int_equal(load(scratch_path("deep"), &deeper, &error), MHC_OK);
    free(zeros);
    mhc__model_destroy(other);
    mhc__model_destroy(model);
}

static void find_and_prune(void **state) {
    (void)state;
    mhc__train_config config = short_run(7);
    config.checkpoint_every = 1;
    config.keep_checkpoints = 2;
    mhc_error error = {0};
    char *found = NULL;
    const char *run = scratch_path("run");
    assert_int_equal(mhc__checkpoint_find(run, &found, &error), MHC_IO);
    assert_int_equal(mhc__make_folders(scratch_path("run/checkpoints/step-00000003.tmp"), NULL), MHC_OK);
    assert_int_equal(mhc__checkpoint_find(run, &found, &error), MHC_IO);
    assert_non_null(strstr(error.message, "no checkpoint"));
    assert_int_equal(mhc__make_folders(scratch_path("half/checkpoints/step-00000003"), NULL), MHC_OK);
    assert_int_equal(mhc__checkpoint_newest(scratch_path("half"), &found, &error), MHC_CORRUPT);
    assert_non_null(strstr(error.message, "step-00000003: no state.json"));
    /* No checkpoint is one thing, a place where nobody can look is another. */
    assert_int_equal(mhc__checkpoint_newest(run, &found, &error), MHC_OK);
    assert_null(found);
    put(scratch_path("file"), "x", 1);
    assert_int_equal(mhc__checkpoint_newest(scratch_path("file"), &found, &error), MHC_IO);
    assert_int_equal(mhc__make_folders(scratch_path("odd"), NULL), MHC_OK);
    assert_int_equal(symlink("checkpoints", scratch_path("odd/checkpoints")), 0);
    assert_int_equal(mhc__checkpoint_newest(scratch_path("odd"), &found, &error), MHC_IO);
    assert_non_null(strstr(error.message, "odd/checkpoints: can't open the folder"));
    assert_int_equal(run_in(run, &config, NULL, &error), MHC_OK);
    assert_int_equal(entries_of(scratch_path("run/checkpoints")), 2);
    const char *ways[] = {run, scratch_path("run/checkpoints"), scratch_path("run/checkpoints/step-00000007")};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mhc__checkpoint_find(ways[i], &found, &error), MHC_OK);
        assert_string_equal(found + strlen(found) - 13, "step-00000007");
        free(found);
    }
    /* A folder without its state is no checkpoint, whatever its name says. */
    assert_int_equal(mhc__make_folders(scratch_path("run/checkpoints/step-00000099"), NULL), MHC_OK);
    assert_int_equal(mhc__checkpoint_find(run, &found, &error), MHC_OK);
    assert_string_equal(found + strlen(found) - 13, "step-00000007");
    free(found);
    /* Nor is one whose name isn't the one that a checkpoint of its step has. */
    assert_int_equal(rename(scratch_path("run/checkpoints/step-00000006"), scratch_path("run/checkpoints/step-8")), 0);
    assert_int_equal(mhc__checkpoint_find(run, &found, &error), MHC_OK);
    assert_string_equal(found + strlen(found) - 13, "step-00000007");
    free(found);
    /* One that a kill left set aside comes back. */
    assert_int_equal(
        rename(scratch_path("run/checkpoints/step-00000007"), scratch_path("run/checkpoints/step-00000007.old")), 0);
    assert_int_equal(mhc__checkpoint_find(run, &found, &error), MHC_OK);
    assert_string_equal(found + strlen(found) - 13, "step-00000007");
    free(found);
}

/* Going on from an old checkpoint must not remove what it just wrote in favour of higher steps of the abandoned run. */
static void prune_spares_the_newest(void **state) {
    (void)state;
    mhc__train_config config = short_run(6);
    config.checkpoint_every = 2;
    mhc_error error = {0};
    const char *run = scratch_path("run");
    assert_int_equal(run_in(run, &config, NULL, &error), MHC_OK);
    config.steps = 3;
    config.keep_checkpoints = 1;
    assert_int_equal(run_in(run, &config, scratch_path("run/checkpoints/step-00000002"), &error), MHC_OK);
    assert_true(is_there(scratch_path("run/checkpoints/step-00000003/state.json")));
    assert_int_equal(entries_of(scratch_path("run/checkpoints")), 1);
}

static mhc_status count_stays(void *self, const char *text, mhc_error *error) {
    (void)error;
    *(int *)self += strstr(text, "old checkpoints stay: ") != NULL;
    return MHC_OK;
}

/* What was just saved is whole: that an old one can't be removed, here because of a path that is too long for the
 * system, is told and is no reason to end the run. */
static void old_checkpoints_that_stay(void **state) {
    (void)state;
    enum { DEPTH = 20 };
    mhc__train_config config = short_run(3);
    config.checkpoint_every = 1;
    mhc__model_config shape = small_model();
    mhc__model *model = make_model(&shape);
    int stays = 0, deep[DEPTH];
    char name[256];
    memset(name, 'x', 255);
    name[255] = '\0';
    mhc_error error = {0};
    assert_int_equal(mhc__make_folders(scratch_path("run/checkpoints/step-00000009.tmp"), &error), MHC_OK);
    for (int i = 0, above = open(scratch_path("run/checkpoints/step-00000009.tmp"), O_RDONLY); i < DEPTH; i++) {
        assert_int_equal(mkdirat(above, name, 0700), 0);
        deep[i] = above;
        above = openat(above, name, O_RDONLY);
        if (i + 1 == DEPTH)
            close(above);
    }
    mhc__train_observer observer = {.self = &stays, .note = count_stays};
    mhc__trainer *trainer = make_trainer((mhc__trainer_options){.model = model,
                                                                .config = &config,
                                                                .train = {NULL, fill_numbered},
                                                                .folder = scratch_path("run"),
                                                                .observers = &observer,
                                                                .observer_count = 1});
    mhc_status status = mhc__trainer_run(trainer, &error);
    for (int i = DEPTH - 1; i >= 0; i--) {
        assert_int_equal(unlinkat(deep[i], name, AT_REMOVEDIR), 0);
        close(deep[i]);
    }
    assert_int_equal(status, MHC_OK);
    assert_int_equal(stays, 3);
    assert_true(is_there(scratch_path("run/checkpoints/step-00000003/state.json")));
    mhc__trainer_destroy(trainer);
    mhc__model_destroy(model);
}

static void unwritable_place(void **state) {
    (void)state;
    put(scratch_path("run"), "a file", 6);
    mhc__train_config config = short_run(1);
    mhc_error error = {0};
    assert_int_equal(run_in(scratch_path("run"), &config, NULL, &error), MHC_IO);
    assert_content(scratch_path("run"), "a file");
}

enum { VICTIM_STEPS = 400, KILLS = 20 };

static mhc__train_config victim_config(void) {
    mhc__train_config config = short_run(VICTIM_STEPS);
    config.checkpoint_every = 1;
    config.keep_checkpoints = 2;
    return config;
}

static int victim(const char *folder) {
    mhc__train_config config = victim_config();
    char *checkpoint = NULL;
    mhc_status status = MHC_OK;
    mhc_error error = {0};
    mhc__checkpoint_find(folder, &checkpoint, NULL); /* none the first time */
    status = run_in(folder, &config, checkpoint, &error);
    free(checkpoint);
    if (status != MHC_OK)
        fprintf(stderr, "%s\n", error.message);
    return status == MHC_OK ? 0 : 3;
}

/* 20 kills at any moment: each leaves a whole checkpoint, no step is lost before it, and the end is the one of a run
 * that was never disturbed. */
static void kill_at_any_moment(void **state) {
    (void)state;
    mhc_error error = {0};
    mhc__model_config shape = small_model();
    const char *run = scratch_path("killed");
    int64_t last = 0;
    long base = 20000000; /* nanoseconds */
    for (int kills = 0; kills < KILLS; kills++) {
        pid_t child = fork();
        if (child == 0) {
            execl(program, program, "kill", run, (char *)NULL);
            _exit(9);
        }
        long wait = base + (long)(mhc__philox_at(1, (uint64_t)kills, 0).v[0] % 40000000);
        struct timespec pause = {wait / 1000000000, wait % 1000000000};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) || status == 0);
        char *checkpoint = NULL;
        if (mhc__checkpoint_find(run, &checkpoint, &error) != MHC_OK) {
            assert_int_equal(last, 0); /* killed before the first: a slow machine, which gets more time */
            assert_true(base < 60000000000L);
            base *= 2;
            kills--;
            continue;
        }
        if (load(checkpoint, &shape, &error) != MHC_OK)
            fail_msg("kill %d: %s", kills, error.message);
        int64_t step = strtoll(strrchr(checkpoint, '-') + 1, NULL, 10);
        assert_true(step >= last);
        last = step;
        free(checkpoint);
    }
    assert_true(last > 0);
    mhc__train_config config = victim_config();
    char *checkpoint = NULL;
    config.checkpoint_every = 0;
    assert_int_equal(mhc__checkpoint_find(run, &checkpoint, &error), MHC_OK);
    assert_int_equal(run_in(run, &config, checkpoint, &error), MHC_OK);
    free(checkpoint);
    assert_int_equal(run_in(scratch_path("undisturbed"), &config, NULL, &error), MHC_OK);
    assert_same_checkpoint(run, scratch_path("undisturbed"), VICTIM_STEPS);
}

int main(int count, char **arguments) {
    if (count == 3 && !strcmp(arguments[1], "kill"))
        return victim(arguments[2]);
    program = arguments[0];
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(bad_checkpoints),  IN_SCRATCH(another_model),           IN_SCRATCH(fewer_blocks),
        IN_SCRATCH(find_and_prune),   IN_SCRATCH(prune_spares_the_newest), IN_SCRATCH(old_checkpoints_that_stay),
        IN_SCRATCH(unwritable_place), IN_SCRATCH(kill_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
