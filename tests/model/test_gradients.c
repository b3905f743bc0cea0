/* The gradient of the whole model against differences of its loss, tensor by tensor along the tensor's own gradient,
 * for every option. fp32 differences are coarse: this catches a wrong or missing path, not a rounding; exactness is the
 * business of the layers' tests and of the comparison with PyTorch. */
#include "mhc/constraint.h"
#include "model/support.h"

static double norm_of(const float *values, int64_t count) {
    double sum = 0;
    for (int64_t k = 0; k < count; k++)
        sum += (double)values[k] * values[k];
    return sqrt(sum);
}

static double loss_at(mhc__model *model, const mhc__parameter *p, const float *start, const float *direction,
                      double step, const mhc__pass *pass) {
    float *w = mhc__model_weights(model) + p->offset;
    for (int64_t k = 0; k < p->count; k++)
        w[k] = (float)(start[k] + step * direction[k]);
    return loss_of(model, pass, 2);
}

/* Fourth order: (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h. */
static double slope(mhc__model *model, const mhc__parameter *p, const float *direction, double norm, double step,
                    const mhc__pass *pass) {
    const double h = step / (1 + 3 * norm); /* where the loss is steep it bends as well */
    float *start = copy_of(mhc__model_weights(model) + p->offset, p->count);
    double near = loss_at(model, p, start, direction, h, pass) - loss_at(model, p, start, direction, -h, pass);
    double far = loss_at(model, p, start, direction, 2 * h, pass) - loss_at(model, p, start, direction, -2 * h, pass);
    memcpy(mhc__model_weights(model) + p->offset, start, (size_t)p->count * sizeof *start);
    free(start);
    return (8 * near - far) / (12 * h);
}

static void check_gradients_at(double step, const mhc__model_config *config, const char *what) {
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__model *model = make(config, 1);
    shake(model);
    mhc__pass pass = training(tokens);
    gradients_of(model, &pass, 2);
    float *gradients = copy_of(mhc__model_gradients(model), mhc__model_size(model));
    gradients_of(model, &pass, 2); /* memory is kept: nothing of the last pass may leak into this one */
    assert_memory_equal(mhc__model_gradients(model), gradients, (size_t)mhc__model_size(model) * sizeof *gradients);
    int alive = 0;
    for (int i = 0; i < mhc__model_parameter_count(model); i++) {
        const mhc__parameter *p = mhc__model_parameter(model, i);
        float *direction = gradients + p->offset;
        double norm = norm_of(direction, p->count);
        if (norm < 1e-12) {
            for (int64_t k = 0; k < p->count; k++)
                direction[k] = (float)(1.0 / sqrt((double)p->count));
        } else {
            alive++;
            for (int64_t k = 0; k < p->count; k++)
                direction[k] = (float)(direction[k] / norm);
        }
        double found = slope(model, p, direction, norm, step, &pass);
        if (!(fabs(found - norm) <= 5e-3 * norm + 2e-6 / step))
            fail_msg("%s: %s: gradient %.6g, differences %.6g", what, p->name, norm, found);
    }
    if (alive * 4 < mhc__model_parameter_count(model) * 3)
        fail_msg("%s: %d of %d gradients are not zero", what, alive, mhc__model_parameter_count(model));
    free(gradients);
    mhc__model_destroy(model);
}

static void check_gradients(const mhc__model_config *config, const char *what) {
    check_gradients_at(0.02, config, what);
}

static void every_preset(void **state) {
    (void)state;
    for (int i = 0; mhc_spec_preset_name(i); i++) {
        mhc__model_config config = small(mhc_spec_preset_name(i));
        check_gradients(&config, config.connection);
    }
}

static void every_constraint(void **state) {
    (void)state;
    const char *connections[] = {"paper", "deepseek-v4", "reproducing-mhc", "mhc-lite"};
    for (int kind = 0; mhc_constraint_name(kind); kind++)
        for (int i = 0; i < 4; i++) {
            mhc__model_config config = small(connections[i]);
            config.constraint = kind + 1;
            config.streams = kind % 2 ? 4 : 2;
            config.off_diagonal = kind == MHC_CONSTRAINT_IDENTITY || config.streams == 2 ? 0.0f : 0.1f;
            config.leaky = i % 2 ? 3.0f : 0.0f;
            config.finish = i == 1 ? MHC_FINISH_AFFINE : MHC_FINISH_NONE;
            config.static_mapping = i == 3;
            check_gradients(&config, mhc_constraint_name(kind));
        }
}

/* Not 6: with post and res fixed the streams stay copies, and what pre is left to do the layer's norm undoes. */
static void fixed_gates(void **state) {
    (void)state;
    const char *connections[] = {"hc", "paper", "deepseek-v4.1"};
    for (int i = 0; i < 3; i++)
        for (int bits = 1; bits < 8; bits += bits == 5 ? 2 : 1) {
            mhc__model_config config = small(connections[i]);
            config.pre = bits & 1 ? MHC__PRE_MEAN : MHC__PRE_NATIVE;
            config.post = bits & 2 ? MHC__POST_ONES : MHC__POST_NATIVE;
            config.constraint = bits & 4 ? MHC_CONSTRAINT_IDENTITY + 1 : 0;
            config.static_mapping = bits == 7;
            char what[64];
            snprintf(what, sizeof what, "%s, fixed %d", connections[i], bits);
            check_gradients(&config, what);
        }
}

static void every_preset_around_blocks(void **state) {
    (void)state;
    for (int i = 0; mhc_spec_preset_name(i); i++) {
        mhc__model_config config = small(mhc_spec_preset_name(i));
        config.wrap = MHC__WRAP_BLOCK;
        check_gradients(&config, config.connection);
        config.wrap = MHC__WRAP_BRANCHES;
        check_gradients(&config, config.connection);
    }
}

static void layer_options(void **state) {
    (void)state;
    const char *connections[] = {"residual", "paper", "reproducing-mhc"};
    for (int i = 0; i < 3; i++) {
        mhc__model_config config = small(connections[i]);
        config.norm = MHC__RMSNORM;
        config.position = MHC__POSITION_ROPE;
        config.mlp = MHC__MLP_SWIGLU;
        config.tied = false;
        check_gradients(&config, "rmsnorm, rope, swiglu, untied");
        config = small(connections[i]);
        config.bias = true;
        config.mlp = MHC__MLP_SWIGLU;
        check_gradients(&config, "swiglu with biases");
        config = small(connections[i]);
        config.bias = true;
        config.heads = 6;
        config.kv_heads = 2;
        config.position = MHC__POSITION_ROPE;
        check_gradients(&config, "grouped heads, gelu with biases");
    }
}

static void contractions(void **state) {
    (void)state;
    const char *connections[] = {"paper", "hc-static", "deepseek-v4.1"};
    for (int i = 0; i < 3; i++) {
        for (int contract = MHC__CONTRACT_MEAN; contract <= MHC__CONTRACT_HEAD; contract++) {
            mhc__model_config config = small(connections[i]);
            config.contract = (mhc__contract)contract;
            check_gradients(&config, connections[i]);
        }
    }
    mhc__model_config config = small("deepseek-v4.1");
    config.contract = MHC__CONTRACT_CARRIED;
    check_gradients(&config, "carried");
}

static void dropout(void **state) {
    (void)state;
    const char *connections[] = {"residual", "paper", "mhc-poc"};
    for (int i = 0; i < 3; i++) {
        for (int wrap = 0; wrap < 3; wrap++) {
            mhc__model_config config = small(connections[i]);
            config.wrap = (mhc__wrap)wrap;
            config.dropout_embedding = 0.2f;
            config.dropout_attention = 0.3f;
            config.dropout_output = 0.25f;
            check_gradients(&config, "dropout");
        }
    }
}

/* In every path that a branch takes: alone, inside of a wrapped block, in place of the streams. */
static void scaled_branches(void **state) {
    (void)state;
    const char *connections[] = {"residual", "paper", "mhc-poc"};
    for (int i = 0; i < 3; i++)
        for (int wrap = 0; wrap < 3; wrap++) {
            mhc__model_config config = small(connections[i]);
            config.wrap = (mhc__wrap)wrap;
            config.branch_scale = 0.25f;
            check_gradients(&config, "branch_scale");
            config.branch_scale = 3.0f;
            config.dropout_output = 0.25f;
            check_gradients(&config, "branch_scale and dropout");
        }
}

static void other_posts(void **state) {
    (void)state;
    const char *connections[] = {"paper", "reproducing-mhc", "hc-static"};
    for (int i = 0; i < 3; i++)
        for (int post = 0; post <= MHC__POST_SOFTMAX; post++) {
            mhc__model_config config = small(connections[i]);
            config.post = (mhc__post)post;
            check_gradients(&config, "post");
        }
}

/* test_bag.c is exact about static connections; this takes the others. Small steps cross few kinks. */
static void bags(void **state) {
    (void)state;
    for (int i = 0; mhc_spec_preset_name(i); i++) {
        mhc__model_config config = small(mhc_spec_preset_name(i));
        if (!strcmp(config.connection, "deepseek-v4.1"))
            continue;
        config.family = MHC__FAMILY_BAG;
        config.classes = VOCABULARY;
        config.embedding = 9;
        config.relu = MHC__RELU_BRANCH;
        check_gradients_at(0.002, &config, config.connection);
    }
}

static void one_token(void **state) {
    (void)state;
    int32_t tokens[2] = {3, 4};
    const char *connections[] = {"residual", "paper", "deepseek-v4.1"};
    for (int i = 0; i < 3; i++) {
        mhc__model_config config = small(connections[i]);
        mhc__model *model = make(&config, 1);
        mhc__pass pass = training(tokens);
        pass.batch = pass.sequence = 1;
        double loss = gradients_of(model, &pass, 2);
        assert_true(isfinite(loss) && loss > 0);
        mhc__model_destroy(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_preset),
                                       cmocka_unit_test(every_constraint),
                                       cmocka_unit_test(fixed_gates),
                                       cmocka_unit_test(every_preset_around_blocks),
                                       cmocka_unit_test(layer_options),
                                       cmocka_unit_test(contractions),
                                       cmocka_unit_test(dropout),
                                       cmocka_unit_test(one_token),
                                       cmocka_unit_test(scaled_branches),
                                       cmocka_unit_test(other_posts),
                                       cmocka_unit_test(bags)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
