/* Coefficients that somebody changes on their way: nothing happens where they are left alone, and what they are set to
 * is what acts. */
#include "mhc/constraint.h"
#include "model/support.h"

enum { ROW = 4 * (4 + 2) };

static mhc__pass evaluation(const int32_t *tokens) {
    mhc__pass pass = {.batch = BATCH, .sequence = SEQUENCE, .tokens = tokens, .scale = 1.0f};
    return pass;
}

static void leave_alone(void *self, int site, int64_t rows, float *coefficients) {
    assert_true(rows == 1 || rows == BATCH * SEQUENCE);
    assert_non_null(coefficients);
    assert_int_equal(site, *(int *)self);
    ++*(int *)self;
}

static void unchanged_is_the_same_to_the_last_bit(void **state) {
    (void)state;
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__pass pass = evaluation(tokens);
    for (int i = 1; mhc_spec_preset_name(i); i++)
        for (int wrap = 0; wrap < 3; wrap++) {
            mhc__model_config config = small(mhc_spec_preset_name(i));
            config.wrap = (mhc__wrap)wrap;
            mhc__model *model = make(&config, 1);
            shake(model);
            double loss = loss_of(model, &pass, 2);
            int calls = 0;
            mhc__model_override_coefficients(model, leave_alone, &calls);
            assert_true(loss == loss_of(model, &pass, 2));
            assert_int_equal(calls, mhc__model_sites(model));
            mhc__model_override_coefficients(model, NULL, NULL);
            assert_true(loss == loss_of(model, &pass, 1));
            mhc__model_destroy(model);
        }
}

/* pre 1/n, post 1, res I. */
static void make_residual(void *self, int site, int64_t rows, float *coefficients) {
    (void)self, (void)site;
    for (int64_t t = 0; t < rows; t++)
        for (int e = 0; e < ROW; e++)
            coefficients[t * ROW + e] = e < 4 ? 0.25f : e < 8 || (e - 8) % 5 == 0 ? 1.0f : 0.0f;
}

static void all_replaced_is_the_residual(void **state) {
    (void)state;
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__pass pass = evaluation(tokens);
    mhc__model_config plain = small("residual");
    mhc__model *residual = make(&plain, 3);
    const char *connections[] = {"hc", "paper", "reproducing-mhc"};
    for (int i = 0; i < 3; i++) {
        mhc__model_config config = small(connections[i]);
        config.streams = 4;
        config.contract = MHC__CONTRACT_MEAN;
        mhc__model *model = make(&config, 3);
        assert_true(loss_of(model, &pass, 2) != loss_of(residual, &pass, 2) || i == 0);
        mhc__model_override_coefficients(model, make_residual, NULL);
        assert_true(loss_of(model, &pass, 2) == loss_of(residual, &pass, 2));
        mhc__model_destroy(model);
    }
    mhc__model_destroy(residual);
}

/* A fixed matrix for one site's res. */
static float matrix_at(int e) {
    return 0.1f * (float)(e * 7 % 16) - 0.4f;
}

static void replace_res(void *self, int site, int64_t rows, float *coefficients) {
    assert_int_equal(rows, 1);
    for (int e = 0; e < 16 && site == *(const int *)self; e++)
        coefficients[8 + e] = matrix_at(e);
}

/* The same matrix as a parameter of that site. */
static void one_replaced_is_the_parameter(void **state) {
    (void)state;
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__pass pass = evaluation(tokens);
    mhc__model_config config = small("hc-static");
    config.streams = 4;
    const char *bases[] = {"blocks.0.attn.hc.base", "blocks.0.ffn.hc.base", "blocks.1.attn.hc.base",
                           "blocks.1.ffn.hc.base"};
    for (int site = 0; site < 4; site++) {
        mhc__model *overridden = make(&config, 3), *set = make(&config, 3);
        shake(overridden);
        shake(set);
        float *base = mhc__model_weights(set) + mhc__model_parameter_find(set, bases[site])->offset;
        double before = loss_of(set, &pass, 2);
        for (int e = 0; e < 16; e++)
            base[8 + e] = matrix_at(e);
        mhc__model_override_coefficients(overridden, replace_res, &site);
        double loss = loss_of(overridden, &pass, 2);
        assert_true(loss == loss_of(set, &pass, 2));
        assert_true(loss != before || site == 0); /* of equal streams only the row sums count */
        mhc__model_destroy(overridden);
        mhc__model_destroy(set);
    }
}

static void refused(void **state) {
    (void)state;
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__pass pass = training(tokens);
    mhc_context context = mhc_context_cpu(1);
    const char *connections[] = {"paper", "residual"}, *reasons[] = {"a training pass", "the residual"};
    for (int i = 0; i < 2; i++) {
        mhc__model_config config = small(connections[i]);
        mhc__model *model = make(&config, 1);
        mhc_error error = {0};
        double loss;
        int calls = 0;
        mhc__model_override_coefficients(model, leave_alone, &calls);
        pass.train = i == 0;
        assert_int_equal(mhc__model_forward(model, &context, &pass, &loss, &error), MHC_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, reasons[i]));
        assert_int_equal(calls, 0);
        mhc__model_destroy(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(unchanged_is_the_same_to_the_last_bit),
                                       cmocka_unit_test(all_replaced_is_the_residual),
                                       cmocka_unit_test(one_replaced_is_the_parameter), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
