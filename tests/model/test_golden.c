/* Losses and gradients of the first step against those that PyTorch gave for the same weights and tokens: the reference
 * files lm-*.safetensors (docs/tensors.md says what is in them). */
#include "model/support.h"

#include "file/safetensors.h"

static const char *const files[] = {"lm-residual", "lm-hc-static", "lm-hc",          "lm-reproducing-mhc",  "lm-paper",
                                    "lm-megatron", "lm-liger",     "lm-deepseek-v4", "lm-deepseek-v4-llama"};

static const char *meta(const mhc__safetensors *file, const char *key) {
    const char *value = mhc__safetensors_metadata(file, key);
    if (!value)
        fail_msg("metadata: %s is absent", key);
    return value;
}

static mhc__model_config config_of(const mhc__safetensors *file) {
    mhc__model_config config = mhc__model_config_default();
    config.vocabulary = atoi(meta(file, "vocab"));
    config.channels = atoi(meta(file, "dim"));
    config.blocks = atoi(meta(file, "layers"));
    config.heads = atoi(meta(file, "heads"));
    config.ffn = atoi(meta(file, "ffn"));
    config.sequence = atoi(meta(file, "seq"));
    config.streams = atoi(meta(file, "streams"));
    config.norm = strcmp(meta(file, "norm"), "rmsnorm") == 0 ? MHC__RMSNORM : MHC__LAYERNORM;
    config.position = strcmp(meta(file, "pos"), "rope") == 0 ? MHC__POSITION_ROPE : MHC__POSITION_LEARNED;
    config.mlp = strcmp(meta(file, "mlp"), "swiglu") == 0 ? MHC__MLP_SWIGLU : MHC__MLP_GELU;
    config.tied = strcmp(meta(file, "tied"), "True") == 0;
    config.contract = MHC__CONTRACT_MEAN;
    snprintf(config.connection, sizeof config.connection, "%s", meta(file, "kind"));
    return config;
}

static void load(mhc__model *model, const mhc__safetensors *file) {
    for (int i = 0; i < mhc__model_parameter_count(model); i++) {
        const mhc__parameter *p = mhc__model_parameter(model, i);
        const mhc__tensor *tensor = mhc__safetensors_find(file, p->name);
        if (!tensor || tensor->count != p->count || tensor->dtype != MHC__F32)
            fail_msg("%s: absent, or of another shape", p->name);
        memcpy(mhc__model_weights(model) + p->offset, tensor->data, (size_t)p->count * sizeof(float));
    }
}

static double value_of(const mhc__safetensors *file, const char *name, int index) {
    const mhc__tensor *tensor = mhc__safetensors_find(file, name);
    assert_non_null(tensor);
    double value;
    memcpy(&value, (const char *)tensor->data + (size_t)index * sizeof value, sizeof value);
    return value;
}

static void compare_gradients(mhc__model *model, const mhc__safetensors *file, double global, const char *name) {
    double worst = 0;
    for (int i = 0; i < mhc__model_parameter_count(model); i++) {
        const mhc__parameter *p = mhc__model_parameter(model, i);
        char key[80];
        snprintf(key, sizeof key, "grad.%s", p->name);
        const mhc__tensor *tensor = mhc__safetensors_find(file, key);
        assert_non_null(tensor);
        double apart = 0, size = 0;
        for (int64_t k = 0; k < p->count; k++) {
            float expected;
            memcpy(&expected, (const char *)tensor->data + (size_t)k * sizeof expected, sizeof expected);
            double d = (double)mhc__model_gradients(model)[p->offset + k] - expected;
            apart += d * d;
            size += (double)expected * expected;
        }
        apart = sqrt(apart);
        size = sqrt(size);
        bool vanishes = size <= 1e-4 * global; /* by symmetry: rounding on both sides */
        if (!(apart <= 1e-4 * size || (vanishes && apart <= 1e-6 * global)))
            fail_msg("%s: %s: off by %.3g of a norm of %.3g (global norm %.3g)", name, p->name, apart, size, global);
        if (!vanishes && apart / size > worst)
            worst = apart / size;
    }
    print_message("%s: largest relative error of a gradient: %.2g\n", name, worst);
}

static void check(const char *folder, const char *name) {
    char path[1200];
    snprintf(path, sizeof path, "%s/golden/%s.safetensors", folder, name);
    mhc__safetensors *file = NULL;
    mhc_error error = {0};
    if (mhc__safetensors_open(path, &file, &error) != MHC_OK)
        fail_msg("%s", error.message);
    mhc__model_config config = config_of(file);
    mhc__model *model = make(&config, 1);
    load(model, file);
    const mhc__tensor *tokens = mhc__safetensors_find(file, "batch.0.tokens");
    assert_non_null(tokens);
    int32_t *ids = malloc((size_t)tokens->count * sizeof *ids);
    assert_non_null(ids);
    memcpy(ids, tokens->data, (size_t)tokens->count * sizeof *ids);
    mhc__pass pass = {.batch = (int)tokens->shape[0],
                      .sequence = (int)tokens->shape[1] - 1,
                      .tokens = ids,
                      .train = true,
                      .scale = 1.0f};
    double loss = gradients_of(model, &pass, 2);
    assert_float_equal(loss, value_of(file, "losses", 0), 1e-5);
    compare_gradients(model, file, value_of(file, "grad_norms", 0), name);
    free(ids);
    mhc__model_destroy(model);
    mhc__safetensors_close(file);
}

static void agrees_with_pytorch(void **state) {
    (void)state;
    const char *folder = getenv("MHC_SHARED_DIR");
    if (!folder)
        folder = "../shared";
    char path[1200];
    snprintf(path, sizeof path, "%s/golden/README.md", folder);
    FILE *probe = fopen(path, "r");
    if (!probe) {
        print_message("skipped: no reference data in %s/golden (set MHC_SHARED_DIR)\n", folder);
        skip();
    }
    fclose(probe);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        check(folder, files[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_pytorch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
