#include "data/questions.h"

#include "data/support.h"

static mhc__questions *open_questions(const char *path, const char *dev, int sequence) {
    mhc__data_config config = mhc__data_config_default();
    snprintf(config.path, sizeof config.path, "%s", path);
    snprintf(config.eval_path, sizeof config.eval_path, "%s", dev ? dev : "");
    mhc__questions *questions = NULL;
    mhc_error error = {0};
    if (mhc__questions_open(&config, sequence, 7, &questions, &error) != MHC_OK)
        fail_msg("%s", error.message);
    return questions;
}

static const char THREE[] = "{\"question\": \"Is B after a\", \"answer\": true, \"passage\": \"x\"}\n"
                            "\n"
                            "{\"answer\": false, \"question\": \"is\\ta b  before A\"}\n"
                            "{\"question\": \"\", \"answer\": true}";

static void words_and_rows(void **state) {
    (void)state;
    const char *path = scratch_path("three.jsonl"), *dev = scratch_path("one.jsonl");
    write_text(path, THREE, strlen(THREE));
    const char one[] = "{\"question\":\"is c AFTER a\",\"answer\":false}\n";
    write_text(dev, one, strlen(one));
    mhc__questions *q = open_questions(path, dev, 4);
    assert_int_equal(mhc__questions_vocabulary(q), 6); /* a, after, b, before, is, and padding */
    assert_int_equal(mhc__questions_count(q, MHC__QUESTIONS_TRAIN), 3);
    assert_int_equal(mhc__questions_yes(q, MHC__QUESTIONS_TRAIN), 2);
    assert_int_equal(mhc__questions_batches(q, MHC__QUESTIONS_TRAIN, 2), 2);
    mhc__source source = mhc__questions_dev(q);
    int32_t rows[2 * 5];
    const int32_t want[2 * 5] = {5, 0, 2, 1, 0, 0, 0, 0, 0, -1};
    assert_int_equal(source.fill(source.self, 0, 2, 4, rows, NULL), MHC_OK);
    assert_memory_equal(rows, want, sizeof want);
    /* Two epochs of two batches: every question once in each; the last row of the second doesn't count. */
    const int32_t known[3][5] = {{5, 3, 2, 1, 1}, {5, 1, 3, 4, 0}, {0, 0, 0, 0, 1}};
    source = mhc__questions_train(q);
    for (int epoch = 0; epoch < 2; epoch++) {
        int seen[3] = {0}, none = 0;
        for (int b = 0; b < 2; b++) {
            assert_int_equal(source.fill(source.self, 2 * epoch + b, 2, 4, rows, NULL), MHC_OK);
            for (int r = 0; r < 2; r++) {
                none += rows[5 * r + 4] == -1;
                for (int k = 0; k < 3; k++)
                    seen[k] += !memcmp(rows + 5 * r, known[k], sizeof known[k]);
            }
        }
        assert_true(none == 1 && rows[9] == -1 && seen[0] == 1 && seen[1] == 1 && seen[2] == 1);
    }
    mhc_error error = {0};
    assert_int_equal(source.fill(source.self, 0, 2, 3, rows, &error), MHC_INVALID_ARGUMENT);
    mhc__questions_close(q);
}

static void refusals(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *said;
    } wrong[] = {{"{\"question\": \"is it\", \"answer\": true}\n{\"question\": 3, \"answer\": true}\n", ":2: expected"},
                 {"{\"question\": \"is it\", \"answer\": \"yes\"}", ":1: expected"},
                 {"{\"question\": \"is it", ":1: expected"},
                 {"[1]", ":1: expected"},
                 {"\n\n", "no questions"},
                 {"", "no questions"}};
    const char *path = scratch_path("wrong.jsonl");
    mhc__data_config config = mhc__data_config_default();
    mhc__questions *questions = NULL;
    mhc_error error = {0};
    snprintf(config.path, sizeof config.path, "%s", path);
    assert_int_equal(mhc__questions_open(&config, 4, 1, &questions, &error), MHC_IO);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_text(path, wrong[i].bytes, strlen(wrong[i].bytes));
        assert_int_equal(mhc__questions_open(&config, 4, 1, &questions, &error), MHC_INVALID_ARGUMENT);
        assert_null(questions);
        if (!strstr(error.message, wrong[i].said))
            fail_msg("%s", error.message);
    }
}

static void generated(void **state) {
    (void)state;
    mhc__questions *q = open_questions("questions", NULL, 128);
    assert_int_equal(mhc__questions_count(q, MHC__QUESTIONS_TRAIN), 9427);
    assert_int_equal(mhc__questions_count(q, MHC__QUESTIONS_DEV), 3270);
    assert_true(mhc__questions_vocabulary(q) > 8000 && mhc__questions_vocabulary(q) <= 9237);
    double yes = (double)mhc__questions_yes(q, MHC__QUESTIONS_TRAIN) / 9427;
    assert_true(yes > 0.61 && yes < 0.635);
    mhc__questions_close(q);
}

/* What boolq-100 has: 9,237 ids, 295 batches an epoch, 5,874 of 9,427 yes. */
static void boolq(void **state) {
    (void)state;
    mhc__text train = shared_text("boolq/train_qa_nopassage.jsonl"), dev = shared_text("boolq/dev.jsonl");
    const char *folder = scratch_path("boolq");
    assert_int_equal(mhc__make_folders(folder, NULL), MHC_OK);
    write_text(scratch_path("boolq/train.jsonl"), train.data, train.length);
    write_text(scratch_path("boolq/dev.jsonl"), dev.data, dev.length);
    mhc__questions *q = open_questions(folder, NULL, 128);
    assert_int_equal(mhc__questions_vocabulary(q), 9237);
    assert_int_equal(mhc__questions_count(q, MHC__QUESTIONS_TRAIN), 9427);
    assert_int_equal(mhc__questions_yes(q, MHC__QUESTIONS_TRAIN), 5874);
    assert_int_equal(mhc__questions_batches(q, MHC__QUESTIONS_TRAIN, 32), 295);
    assert_int_equal(mhc__questions_count(q, MHC__QUESTIONS_DEV), 3270);
    assert_int_equal(mhc__questions_yes(q, MHC__QUESTIONS_DEV), 2033);
    mhc__questions_close(q);
    mhc__text_free(&train);
    mhc__text_free(&dev);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_rows),
        cmocka_unit_test(refusals),
        cmocka_unit_test(generated),
        cmocka_unit_test(boolq),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
