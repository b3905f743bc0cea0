/* The loss on held-out rows: a mean over rows whatever the batch, and the losses of batches that make it up. */
#include "train/evaluate.h"
#include "train/support.h"

static mhc_status fill_row(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    assert_int_equal(batch, 1);
    return fill_numbered(self, index, batch, sequence, tokens, error);
}

static double evaluate(mhc__model *model, int64_t rows, int batch, double *losses) {
    mhc_context context = mhc_context_cpu(1);
    mhc__evaluation what = {.source = {NULL, fill_row}, .rows = rows, .batch = batch, .sequence = 6};
    double loss = NAN;
    mhc_error error = {0};
    assert_int_equal(mhc__evaluation_batches(&what), (rows + batch - 1) / batch);
    if (mhc__evaluate(model, &context, &what, losses, &loss, &error) != MHC_OK)
        fail_msg("%s", error.message);
    return loss;
}

static void rows_have_equal_weight(void **state) {
    (void)state;
    mhc__model_config config = small_model();
    mhc__model *model = make_model(&config);
    double each[5], pairs[3], sum = 0;
    double loss = evaluate(model, 5, 1, each);
    for (int i = 0; i < 5; i++)
        sum += each[i];
    assert_true(fabs(loss - sum / 5) < 1e-12);
    assert_true(fabs(evaluate(model, 5, 2, pairs) - loss) < 1e-6);
    assert_true(fabs(pairs[1] - (each[2] + each[3]) / 2) < 1e-6 && fabs(pairs[2] - each[4]) < 1e-6);
    assert_true(fabs(evaluate(model, 5, 64, NULL) - loss) < 1e-6);
    mhc__model_destroy(model);
}

static void stops_when_asked(void **state) {
    (void)state;
    volatile int stop = 1;
    mhc__model_config config = small_model();
    mhc__model *model = make_model(&config);
    mhc_context context = mhc_context_cpu(1);
    mhc__evaluation what = {.source = {NULL, fill_row}, .rows = 4, .batch = 2, .sequence = 6, .stop = &stop};
    double loss;
    mhc_error error;
    assert_int_equal(mhc__evaluate(model, &context, &what, NULL, &loss, &error), MHC_INTERRUPTED);
    assert_string_equal(error.message, "stopped after 0 of 4 rows");
    mhc__model_destroy(model);
}

static void counts_rows(void **state) {
    (void)state;
    assert_int_equal(mhc__evaluation_rows(129, 128), 1);
    assert_int_equal(mhc__evaluation_rows(256, 128), 1);
    assert_int_equal(mhc__evaluation_rows(257, 128), 2);
    assert_int_equal(mhc__evaluation_rows(5, 128), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_have_equal_weight), cmocka_unit_test(stops_when_asked),
                                       cmocka_unit_test(counts_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
