/* What parts streams that start as copies: rounding, which AdamW divides by its own size. mhc-poc's mHC, small; from
 * logits of 0, where every coefficient is 1/4 or 1 and nothing is rounded, and from its own. MHC_TABLE=1 prints the
 * spread of the streams by step (docs/studies.md quotes it). */
#include "train/support.h"

#include "probe/gains.h"

enum { STEPS = 40 };

static mhc_status count_upwards(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    (void)self, (void)error;
    for (int row = 0; row < batch; row++)
        for (int i = 0; i <= sequence; i++)
            tokens[row * (sequence + 1) + i] = (int32_t)((index * 37 + row * 101 + i) % 64);
    return MHC_OK;
}

/* spread[s]: of the pass of step s. nudge: added to one logit of the first H_res. */
static void train_small(bool zeros, float nudge, float eps, const char *name, double *spread) {
    mhc__model_config shape = mhc__model_config_default();
    shape.vocabulary = 64, shape.sequence = 16, shape.channels = 32, shape.blocks = 6, shape.heads = 2, shape.ffn = 64;
    shape.bias = true, shape.tied = false;
    shape.init = MHC__INIT_PYTORCH, shape.init_std = 1;
    shape.wrap = MHC__WRAP_BLOCK;
    shape.start = zeros ? MHC__START_ZEROS : MHC__START_NATIVE;
    snprintf(shape.connection, sizeof shape.connection, "mhc-poc");
    mhc__train_config config = mhc__train_config_default();
    config.steps = STEPS, config.batch = 8, config.lr = 2e-3f, config.beta2 = 0.999f, config.eps = eps;
    config.weight_decay = 0, config.clip = 0, config.warmup = 0, config.schedule = MHC__SCHEDULE_CONSTANT;
    config.eval_every = config.checkpoint_every = 0, config.threads = 2;
    mhc__model *model = make_model(&shape);
    const mhc__parameter *base = mhc__model_parameter_find(model, "blocks.0.hc.base");
    assert_non_null(base);
    mhc__model_weights(model)[base->offset + base->count - 1] += nudge;
    mhc__trainer_options options = {.model = model, .config = &config, .train = {NULL, count_upwards}};
    mhc__trainer *trainer;
    assert_int_equal(mhc__trainer_create(&options, &trainer, NULL), MHC_OK);
    for (int step = 0; step < STEPS; step++) {
        mhc__train_record record;
        mhc__gains gains;
        assert_int_equal(mhc__trainer_step(trainer, &record, NULL), MHC_OK);
        assert_int_equal(mhc__gains_measure(model, 2, 0, &gains, NULL), MHC_OK);
        spread[step] = gains.spread;
    }
    if (getenv("MHC_TABLE")) {
        printf("%-34s", name);
        for (int step = 1; step <= STEPS; step *= 3)
            printf("  %2d: %.1e", step - 1, spread[step - 1]);
        printf("  %d: %.1e\n", STEPS - 1, spread[STEPS - 1]);
    }
    mhc__trainer_destroy(trainer);
    mhc__model_destroy(model);
}

static void rounding_parts_copies(void **state) {
    (void)state;
    double exact[STEPS], nudged[STEPS], native[STEPS], large[STEPS], nudged_large[STEPS];
    train_small(true, 0, 1e-8f, "logits 0", exact);
    train_small(true, 0x1p-23f, 1e-8f, "logits 0, one of them 2^-23", nudged);
    train_small(false, 0, 1e-8f, "logits 2 I - J", native);
    train_small(true, 0x1p-23f, 1e-4f, "2^-23, AdamW's eps 1e-4", nudged_large);
    train_small(false, 0, 1e-4f, "2 I - J, AdamW's eps 1e-4", large);
    for (int step = 0; step < STEPS; step++) {
        assert_true(exact[step] == 0); /* to the last bit, for ever */
        assert_true(large[step] < 1e-5 && nudged_large[step] < 1e-5);
    }
    assert_true(native[0] > 0 && native[0] < 1e-5 && nudged[0] < 1e-6);
    assert_true(native[STEPS - 1] > 1e-3 && nudged[STEPS - 1] > 1e-3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rounding_parts_copies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
