/* Configurations: what goes in comes out again, and what is wrong is named with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/field.h"
#include "config/nearest.h"
#include "mhc/constraint.h"

static char file[] = "test-config-XXXXXX";

static int make_file(void **state) {
    (void)state;
    int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(file);
}

static void write_text(const char *text, size_t size) {
    FILE *out = fopen(file, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

static mhc_status load(const char *text, mhc__config *config, mhc_error *error) {
    write_text(text, strlen(text));
    return mhc__config_load(file, NULL, 0, config, error);
}

/* The message after the file's name, which is random. */
static const char *message_of(const mhc_error *error) {
    size_t length = strlen(file);
    return strncmp(error->message, file, length) == 0 ? error->message + length : error->message;
}

static void assert_refused(const char *text, const char *message) {
    mhc__config config, before;
    memset(&config, 0x5A, sizeof config);
    before = config;
    mhc_error error = {0};
    assert_int_not_equal(load(text, &config, &error), MHC_OK);
    assert_string_equal(message_of(&error), message);
    assert_null(strchr(error.message, '\n'));
    assert_memory_equal(&config, &before, sizeof config);
}

static mhc__config everything_changed(void) {
    mhc__config config = mhc__config_default();
    mhc_error error = {0};
    static const char *const settings[] = {
        "model.family=bag",
        "model.vocabulary=300",
        "model.sequence=77",
        "model.channels=96",
        "model.blocks=3",
        "model.embedding=55",
        "model.classes=5",
        "model.relu=branch",
        "model.heads=6",
        "model.kv_heads=2",
        "model.ffn=100",
        "model.norm=rmsnorm",
        "model.norm_eps=3e-7",
        "model.position=rope",
        "model.rope_theta=5e5",
        "model.mlp=swiglu",
        "model.bias=true",
        "model.tied=false",
        "model.init=pytorch",
        "model.init_std=0.0123456789",
        "model.connection=paper",
        "model.streams=7",
        "model.wrap=block",
        "model.contract=sum",
        "model.sinkhorn_iterations=9",
        "model.constraint=sinkhorn",
        "model.finish=affine",
        "model.leaky=0.125",
        "model.off_diagonal=0.0087",
        "model.static_mapping=true",
        "model.pre=mean",
        "model.post=ones",
        "model.start=zeros",
        "train.seed=9223372036854775807",
        "train.lr=1.17549435e-38",
        "train.decay=all",
        "train.bias_correction=false",
        "train.schedule=step",
        "train.on_nan=rollback",
        "train.steps=123456789012",
        "train.threads=3",
        "data.path=a b: \"c\" # \\ \xC3\xA9\xC2\x85\xE2\x80\xA8\xEF\xBF\xBE\xF0\x9F\x98\x80\t\x01\x7F .txt ",
        "data.eval_path=-x",
        "data.skip_invalid=true",
        "data.sampling=rows",
        "data.eval_share=0.25"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (mhc__config_set(&config, settings[i], &error) != MHC_OK)
            fail_msg("%s", error.message);
    return config;
}

static void assert_same(const mhc__config *a, const mhc__config *b) {
    for (int i = 0; i < mhc__field_count; i++) {
        mhc__text one = {0}, two = {0};
        mhc__field_print(&mhc__fields[i], a, &one);
        mhc__field_print(&mhc__fields[i], b, &two);
        mhc__text_append(&one, "", 0);
        mhc__text_append(&two, "", 0);
        assert_string_equal(one.data, two.data);
        if (mhc__fields[i].kind != MHC__FIELD_STRING)
            assert_memory_equal((const char *)a + mhc__fields[i].offset, (const char *)b + mhc__fields[i].offset,
                                mhc__fields[i].size);
        mhc__text_free(&one);
        mhc__text_free(&two);
    }
}

static void test_yaml_round_trip(void **state) {
    (void)state;
    mhc__config sent[2] = {mhc__config_default(), everything_changed()};
    for (int i = 0; i < 4; i++) {
        mhc__text text = {0};
        mhc__config back;
        mhc_error error = {0};
        assert_int_equal(mhc__config_yaml(&sent[i / 2], i % 2, &text, NULL), MHC_OK);
        if (load(text.data, &back, &error) != MHC_OK)
            fail_msg("%s\n%s", error.message, text.data);
        assert_same(&sent[i / 2], &back);
        mhc__text_free(&text);
    }
}

static void test_json_round_trip(void **state) {
    (void)state;
    mhc__config sent[2] = {mhc__config_default(), everything_changed()};
    for (int i = 0; i < 2; i++) {
        mhc__text text = {0};
        mhc__config back;
        mhc_error error = {0};
        assert_int_equal(mhc__config_json(&sent[i], &text, NULL), MHC_OK);
        if (mhc__config_from_json(text.data, text.length, "config.json", &back, &error) != MHC_OK)
            fail_msg("%s\n%s", error.message, text.data);
        assert_same(&sent[i], &back);
        mhc__text_free(&text);
    }
}

static void test_a_file_is_laid_over_the_defaults(void **state) {
    (void)state;
    mhc__config config, expected = mhc__config_default();
    mhc_error error = {0};
    expected.model.blocks = 3;
    expected.train.lr = 0.5f;
    if (load("# a comment\nmodel:\n  blocks: 3\n\ntrain: {lr: 0.5}\ndata:\n", &config, &error) != MHC_OK)
        fail_msg("%s", error.message);
    assert_same(&config, &expected);
    assert_int_equal(load("# nothing\n", &config, &error), MHC_OK);
    expected = mhc__config_default();
    assert_same(&config, &expected);
    assert_int_equal(load("data:\n  eval_path:\n  tokenizer_dir: \"\"\n", &config, &error), MHC_OK);
    assert_string_equal(config.data.eval_path, "");
}

static void test_overrides_win_in_order(void **state) {
    (void)state;
    write_text("train:\n  steps: 5\n", 18);
    static const char *const sets[] = {"train.steps=6", "train.steps=7", "data.path=x=y"};
    mhc__config config;
    assert_int_equal(mhc__config_load(file, sets, 3, &config, NULL), MHC_OK);
    assert_int_equal(config.train.steps, 7);
    assert_string_equal(config.data.path, "x=y");
    assert_int_equal(mhc__config_load(NULL, sets, 1, &config, NULL), MHC_OK);
    assert_int_equal(config.train.steps, 6);
}

static void test_unknown_keys(void **state) {
    (void)state;
    assert_refused("model:\n  blocks: 2\n  stream: 4\n",
                   ":3: model.stream: unknown field; did you mean model.streams?");
    assert_refused("train:\n\n  streams: 4\n", ":3: train.streams: unknown field; did you mean model.streams?");
    assert_refused("train:\n  xyzzy: 4\n", ":2: train.xyzzy: unknown field; `mhc config` prints them all");
    assert_refused("modle:\n  blocks: 2\n", ":1: modle: unknown section; expected model, train or data");
    assert_refused("blocks: 2\n", ":1: blocks: expected fields below it, found \"2\"");
}

static void test_wrong_types(void **state) {
    (void)state;
    assert_refused("model:\n  blocks: many\n", ":2: model.blocks: expected an integer, found \"many\"");
    assert_refused("model:\n  blocks: 2.5\n", ":2: model.blocks: expected an integer, found \"2.5\"");
    assert_refused("model:\n  blocks:\n", ":2: model.blocks: expected an integer, found nothing");
    assert_refused("model:\n  blocks: 99999999999\n",
                   ":2: model.blocks: expected an integer of at most 31 bits, found \"99999999999\"");
    assert_refused("train:\n  steps: 99999999999999999999\n",
                   ":2: train.steps: expected an integer of at most 63 bits, found \"99999999999999999999\"");
    assert_refused("train:\n  seed: -1\n", ":2: train.seed: expected an integer of 0 or more, found \"-1\"");
    assert_refused("train:\n  lr: nan\n", ":2: train.lr: expected a number, found \"nan\"");
    assert_refused("train:\n  lr: 0x1p3\n", ":2: train.lr: expected a number, found \"0x1p3\"");
    assert_refused("train:\n  lr: 1e99\n", ":2: train.lr: expected a number that fits in a float, found \"1e99\"");
    assert_refused("model:\n  bias: yes\n", ":2: model.bias: expected true or false, found \"yes\"");
    assert_refused(
        "model:\n  norm: batchnorm\n",
        ":2: model.norm: expected layernorm, rmsnorm, layernorm-pytorch, layernorm-mlx or none, found \"batchnorm\"");
    assert_refused("model:\n  blocks: \"1\\n2\"\n", ":2: model.blocks: expected an integer, found \"1 2\"");
    assert_refused("model:\n  blocks: [1, 2]\n", ":2: model.blocks: expected one value, found a list");
    assert_refused("model:\n  blocks: {a: 2}\n", ":2: model.blocks: expected one value, found a mapping");
    assert_refused("model:\n  - blocks\n", ":2: model: expected fields below it, found a list");
}

static void test_ranges_name_their_line(void **state) {
    (void)state;
    assert_refused("# one\n# two\nmodel:\n  blocks: 2\n  streams: 0\n", ":5: model.streams: 0 is not in 1..32");
    /* heads is a default here: the line that was written is the one to look at. */
    mhc__config config;
    mhc_error error = {0};
    assert_int_not_equal(load("model:\n  blocks: 2\n  channels: 30\n  heads: 4\n", &config, &error), MHC_OK);
    assert_non_null(strstr(error.message, ":4: model.heads: 4 does not divide"));
    assert_int_not_equal(load("model:\n  channels: 30\n", &config, &error), MHC_OK);
    assert_non_null(strstr(error.message, ":2: model.heads: 4 does not divide"));
    assert_int_not_equal(load("model:\n  connection: hyper\n", &config, &error), MHC_OK);
    assert_non_null(strstr(error.message, ":2: model.connection"));
    const char *nothing_left = "model:\n  connection: paper\n  constraint: identity\n  pre: mean\n  post: ones\n";
    assert_int_not_equal(load(nothing_left, &config, &error), MHC_OK);
    assert_non_null(strstr(error.message, "model.static_mapping: expected true"));
    assert_int_not_equal(load("train:\n  batch: 0\n", &config, &error), MHC_OK);
    assert_non_null(strstr(error.message, ":2: train.batch"));
    assert_int_not_equal(load("data:\n\n  eval_share: 7\n", &config, &error), MHC_OK);
    assert_non_null(strstr(error.message, ":3: data.eval_share"));
}

/* The names of model.constraint are those of the library, after native. */
static void test_constraints_by_name(void **state) {
    (void)state;
    for (int kind = 0; kind == 0 || mhc_constraint_name(kind - 1); kind++) {
        mhc__config config = mhc__config_default();
        char setting[64];
        mhc_spec spec;
        mhc_error error = {0};
        const char *name = mhc_constraint_name(kind);
        snprintf(setting, sizeof setting, "model.constraint=%s", name ? name : "sinkhorns");
        assert_int_equal(mhc__config_set(&config, setting, &error), name ? MHC_OK : MHC_INVALID_ARGUMENT);
        assert_int_equal(mhc__model_config_spec(&config.model, &spec, &error), MHC_OK);
        assert_int_equal(spec.constraint, name ? (mhc_constraint_kind)kind : MHC_CONSTRAINT_SINKHORN);
    }
    mhc__config config = mhc__config_default(); /* 6 blocks of two sites */
    mhc_spec spec;
    mhc_error error = {0};
    config.model.leaky = 0.6f;
    config.model.static_mapping = true;
    assert_int_equal(mhc__model_config_spec(&config.model, &spec, &error), MHC_OK);
    assert_true(spec.leak == 0.6f / 24.0f && spec.mapping == MHC_MAPPING_STATIC);
    config.model.pre = MHC__PRE_MEAN;
    config.model.post = MHC__POST_ONES;
    config.model.constraint = MHC_CONSTRAINT_IDENTITY + 1;
    assert_int_equal(mhc__model_config_spec(&config.model, &spec, &error), MHC_OK);
    assert_true(spec.pre.kind == MHC_GATE_FIXED && spec.pre.multiplier == 0.25f && spec.pre.eps == 0.0f);
    assert_true(spec.post.kind == MHC_GATE_FIXED && spec.post.multiplier == 1.0f && spec.post.eps == 0.0f);
    snprintf(config.model.connection, sizeof config.model.connection, "residual"); /* mixes nothing: it ignores them */
    config.model.constraint = MHC_CONSTRAINT_BIRKHOFF + 1;
    config.model.off_diagonal = 0.1f;
    assert_int_equal(mhc__model_config_spec(&config.model, &spec, &error), MHC_OK);
    assert_true(spec.mapping == MHC_MAPPING_NONE && spec.leak == 0.0f && spec.off_diagonal == 0.0f);
    assert_true(spec.pre.kind == MHC_GATE_FREE && spec.post.kind == MHC_GATE_FREE);
}

static void test_overrides_are_named(void **state) {
    (void)state;
    static const struct {
        const char *set, *message;
    } cases[] = {
        {"train.stepz=1", "--set train.stepz=1: train.stepz: unknown field; did you mean train.steps?"},
        {"steps=1", "--set steps=1: expected section.field=value, e.g. train.steps=100"},
        {"train.steps", "--set train.steps: expected section.field=value, e.g. train.steps=100"},
        {"", "--set : expected section.field=value, e.g. train.steps=100"},
        {"train.steps=", "--set train.steps=: train.steps: expected an integer, found nothing"},
        {"model.streams=0", "--set model.streams=0: model.streams: 0 is not in 1..32"},
        {"model.leaky=30", "--set model.leaky=30: model.leaky: expected 0..24, twice the sites of the model, found 30"},
        {"model.off_diagonal=0.8", "--set model.off_diagonal=0.8: model.off_diagonal: spec.off_diagonal: expected "
                                   "0..0.75, which sinkhorn reaches with 4 streams, found 0.8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mhc__config config;
        mhc_error error = {0};
        assert_int_equal(mhc__config_load(NULL, &cases[i].set, 1, &config, &error), MHC_INVALID_ARGUMENT);
        assert_string_equal(error.message, cases[i].message);
    }
    mhc__config config = mhc__config_default();
    assert_int_equal(mhc__config_set(&config, "data.path=caf\xE9", NULL), MHC_INVALID_ARGUMENT);
    char huge[3000];
    memset(huge, 'a', sizeof huge);
    memcpy(huge, "data.path=", 10);
    huge[sizeof huge - 1] = '\0';
    assert_int_equal(mhc__config_set(&config, huge, NULL), MHC_INVALID_ARGUMENT);
    memset(huge, 'a', 2000);
    huge[1000] = '.';
    huge[2000] = '=';
    assert_int_equal(mhc__config_set(&config, huge, NULL), MHC_INVALID_ARGUMENT);
}

static void test_what_is_not_a_configuration(void **state) {
    (void)state;
    assert_refused("model:\n  blocks: 2\n  heads: 2\n  blocks: 3\n", ":4: model.blocks: given twice, first in line 2");
    assert_refused("model:\n  blocks: 2\nmodel:\n  heads: 3\n", ":3: model: given twice, first in line 1");
    assert_refused("model:\n  blocks: \"2\n", ":3: not YAML: found unexpected end of stream");
    assert_refused("model:\n\tblocks: 2\n", ":2: not YAML: found character that cannot start any token");
    assert_refused("model: &a\n  blocks: 2\n", ":1: anchors are not supported");
    assert_refused("model:\n  blocks: &a 2\n  heads: *a\n", ":2: anchors are not supported");
    assert_refused("model:\n  heads: *a\n", ":2: aliases are not supported");
    assert_refused("model:\n  blocks: 2\n---\nmodel:\n", ":3: expected one document, found a second");
    assert_refused("model:\n  ? [a, b]\n  : 2\n", ":2: expected a field's name, found a list or mapping");
    assert_refused("? {a: b}\n: 2\n", ":1: expected a field's name, found a list or mapping");
    assert_refused("- a\n", ":1: expected a field's name, found a list or mapping");
    assert_refused("hello\n", ":1: expected \"model:\", \"train:\" or \"data:\" with fields below");
    assert_refused("data:\n  path: \"a\\0b\"\n", ":2: a NUL character is not allowed");
    char *large = malloc((1 << 20) + 2);
    memset(large, '#', (1 << 20) + 1);
    large[(1 << 20) + 1] = '\0';
    assert_refused(large, ": expected at most 1048576 bytes, found more");
    free(large);
    assert_refused("", ": the file is empty; expected a configuration such as `mhc config` prints");
    assert_refused("model:\n  blocks: \xFF\n", ":2: not YAML: invalid leading UTF-8 octet");
}

static void test_missing_file(void **state) {
    (void)state;
    mhc__config config;
    mhc_error error = {0};
    assert_int_equal(mhc__config_load("no/such/file.yaml", NULL, 0, &config, &error), MHC_IO);
    assert_non_null(strstr(error.message, "no/such/file.yaml"));
}

static void assert_json_refused(const char *json, const char *message) {
    mhc__config config;
    mhc_error error = {0};
    assert_int_not_equal(mhc__config_from_json(json, strlen(json), "c.json", &config, &error), MHC_OK);
    assert_non_null(strstr(error.message, message));
}

static void test_bad_json(void **state) {
    (void)state;
    assert_json_refused("{\"model\": {\"blocs\": 2}}",
                        "c.json: model.blocs: unknown field; did you mean model.blocks?");
    assert_json_refused("{\"model\": {\"blocks\": \"2\"}}",
                        "c.json: model.blocks: the JSON value is of the wrong type");
    assert_json_refused("{\"model\": {\"blocks\": 2, \"blocks\": 2}}", "c.json:1: not JSON: duplicate");
    assert_json_refused("{\"model\": {\"streams\": 0}}", "c.json: model.streams: 0 is not in 1..32");
    assert_json_refused("{\"model\": 3}", "c.json: model: expected the objects");
    assert_json_refused("{\"extra\": {}}", "c.json: extra: expected the objects");
    assert_json_refused("[1]", "c.json: expected a JSON object");
    assert_json_refused("", "c.json:1: not JSON");
    assert_json_refused("{\"data\": {\"path\": \"a\\u0000b\"}}", "c.json:1: not JSON");
}

/* Every prefix of a file and every single changed byte: an error or a configuration, never a crash. */
static void test_damaged_files(void **state) {
    (void)state;
    mhc__config config = mhc__config_default(), out;
    mhc__text text = {0};
    mhc__text_format(&text, "model:\n  blocks: 2\n  connection: \"paper\"\ntrain: {lr: 1e-3}\ndata:\n  path: x\n");
    for (size_t i = 0; i < text.length; i++) {
        write_text(text.data, i);
        mhc__config_load(file, NULL, 0, &out, NULL);
        static const char bytes[] = {'\0', '\n', '\t', '"', '{', '[', ':', '&', '*', '!', '|', '%', '-', '#', '\xFF'};
        for (size_t k = 0; k < sizeof bytes; k++) {
            char kept = text.data[i];
            text.data[i] = bytes[k];
            write_text(text.data, text.length);
            mhc_error error = {0};
            mhc_status status = mhc__config_load(file, NULL, 0, &out, &error);
            assert_int_equal(status == MHC_OK, *error.message == '\0');
            assert_null(strchr(error.message, '\n'));
            text.data[i] = kept;
        }
    }
    mhc__text_free(&text);
    (void)config;
}

static void test_nearest(void **state) {
    (void)state;
    static const char *const words[] = {"train", "eval", "sample", NULL};
    assert_string_equal(mhc__nearest("trian", words), "train");
    assert_string_equal(mhc__nearest("evla", words), "eval");
    assert_string_equal(mhc__nearest("sampel", words), "sample");
    assert_null(mhc__nearest("doctor", words));
    assert_null(mhc__nearest("", words));
    assert_int_equal(mhc__edit_distance("kitten", "sitting"), 3);
    assert_int_equal(mhc__edit_distance("", "abc"), 3);
    assert_int_equal(mhc__edit_distance("ab", "ba"), 1);
}

static void test_every_field_is_described(void **state) {
    (void)state;
    for (int i = 0; i < mhc__field_count; i++) {
        const mhc__field *field = &mhc__fields[i];
        size_t size = field->kind == MHC__FIELD_STRING                                      ? field->size
                      : field->kind == MHC__FIELD_BOOL                                      ? sizeof(bool)
                      : field->kind == MHC__FIELD_INT64 || field->kind == MHC__FIELD_UINT64 ? 8
                                                                                            : 4;
        assert_int_equal(field->size, size);
        assert_int_equal(field->kind == MHC__FIELD_ENUM, field->names != NULL);
        assert_ptr_equal(mhc__field_find(field->section, strlen(field->section), field->name, strlen(field->name)),
                         field);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml_round_trip),
        cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_a_file_is_laid_over_the_defaults),
        cmocka_unit_test(test_overrides_win_in_order),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_ranges_name_their_line),
        cmocka_unit_test(test_constraints_by_name),
        cmocka_unit_test(test_overrides_are_named),
        cmocka_unit_test(test_what_is_not_a_configuration),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_every_field_is_described),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
