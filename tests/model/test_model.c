/* What a model promises beside its numbers: shared starts, clear errors, equal bits on any thread count. */
#include "model/support.h"

static void paired_start(void **state) {
    (void)state;
    mhc__model_config plain = small("residual"), mhc = small("paper");
    mhc__model *a = make(&plain, 42), *b = make(&mhc, 42), *other = make(&plain, 43);
    int shared = 0;
    for (int i = 0; i < mhc__model_parameter_count(a); i++) {
        const mhc__parameter *p = mhc__model_parameter(a, i), *q = mhc__model_parameter_find(b, p->name);
        assert_non_null(q);
        assert_memory_equal(mhc__model_weights(a) + p->offset, mhc__model_weights(b) + q->offset,
                            (size_t)p->count * sizeof(float));
        if (p->dims == 2) {
            shared++;
            assert_memory_not_equal(mhc__model_weights(a) + p->offset, mhc__model_weights(other) + p->offset,
                                    (size_t)p->count * sizeof(float));
        }
    }
    assert_int_equal(shared, 2 + 4 * 2);
    mhc__model_destroy(a);
    mhc__model_destroy(b);
    mhc__model_destroy(other);
}

static void names_and_shapes(void **state) {
    (void)state;
    struct row {
        const char *name;
        int64_t rows, columns;
    } expected[] = {{"embed.token.weight", 11, 12},
                    {"embed.position.weight", 7, 12},
                    {"blocks.0.attn.norm.weight", 12, 0},
                    {"blocks.0.attn.norm.bias", 12, 0},
                    {"blocks.0.attn.qkv.weight", 24, 12},
                    {"blocks.0.attn.qkv.bias", 24, 0},
                    {"blocks.0.attn.proj.weight", 12, 12},
                    {"blocks.0.attn.hc.base", 15, 0},
                    {"blocks.0.attn.hc.fn", 15, 36},
                    {"blocks.1.ffn.hc.scale", 3, 0},
                    {"blocks.1.ffn.up.weight", 20, 12},
                    {"blocks.1.ffn.gate.weight", 20, 12},
                    {"blocks.1.ffn.down.weight", 12, 20},
                    {"blocks.1.ffn.down.bias", 12, 0},
                    {"head.hc.fn", 3, 36},
                    {"head.hc.base", 3, 0},
                    {"head.hc.scale", 1, 0},
                    {"norm.weight", 12, 0},
                    {"head.weight", 11, 12}};
    mhc__model_config config = small("paper");
    config.bias = true;
    config.heads = 2;
    config.kv_heads = 1;
    config.mlp = MHC__MLP_SWIGLU;
    config.contract = MHC__CONTRACT_HEAD;
    config.tied = false;
    mhc__model *model = make(&config, 1);
    int64_t end = 0, total = 0;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const mhc__parameter *p = mhc__model_parameter_find(model, expected[i].name);
        if (!p)
            fail_msg("%s is absent", expected[i].name);
        assert_int_equal(p->shape[0], expected[i].rows);
        assert_int_equal(p->dims, expected[i].columns ? 2 : 1);
        if (expected[i].columns)
            assert_int_equal(p->shape[1], expected[i].columns);
    }
    for (int i = 0; i < mhc__model_parameter_count(model); i++) {
        const mhc__parameter *p = mhc__model_parameter(model, i);
        assert_int_equal(p->offset % 16, 0);
        assert_true(p->offset >= end);
        end = p->offset + p->count;
        total += p->count;
    }
    assert_true(end <= mhc__model_size(model));
    assert_int_equal(total, mhc__model_parameters_total(model));
    mhc__model_destroy(model);
    config.wrap = MHC__WRAP_BLOCK;
    model = make(&config, 1);
    assert_non_null(mhc__model_parameter_find(model, "blocks.1.hc.base"));
    assert_null(mhc__model_parameter_find(model, "blocks.1.attn.hc.base"));
    assert_int_equal(mhc__model_sites(model), 2);
    mhc__model_destroy(model);
}

static double deviation_of(const mhc__model *model, const char *name, double *largest) {
    const mhc__parameter *p = mhc__model_parameter_find(model, name);
    assert_non_null(p);
    const float *values = mhc__model_weights((mhc__model *)model) + p->offset;
    double squares = 0;
    *largest = 0;
    for (int64_t k = 0; k < p->count; k++) {
        squares += (double)values[k] * values[k];
        *largest = fmax(*largest, fabs((double)values[k]));
    }
    return sqrt(squares / (double)p->count);
}

/* A uniform number within ±b has the deviation b / sqrt(3). */
static void starts_as_pytorch_does(void **state) {
    (void)state;
    mhc__model_config config = small("residual");
    config.channels = 64;
    config.heads = 2;
    config.ffn = 100;
    config.vocabulary = 200;
    config.bias = true;
    config.tied = false;
    config.init = MHC__INIT_PYTORCH;
    config.init_std = 1;
    mhc__model *model = make(&config, 1);
    const struct {
        const char *name;
        double bound; /* 0: nothing but zeros */
    } uniform[] = {{"blocks.1.attn.qkv.weight", sqrt(6.0 / (4 * 64))},
                   {"blocks.1.attn.qkv.bias", 0},
                   {"blocks.0.attn.proj.weight", 1 / sqrt(64)},
                   {"blocks.0.attn.proj.bias", 0},
                   {"blocks.0.ffn.up.weight", 1 / sqrt(64)},
                   {"blocks.0.ffn.up.bias", 1 / sqrt(64)},
                   {"blocks.0.ffn.down.weight", 1 / sqrt(100)},
                   {"blocks.0.ffn.down.bias", 1 / sqrt(100)},
                   {"blocks.0.ffn.norm.bias", 0},
                   {"head.weight", 1 / sqrt(64)}};
    double largest;
    for (size_t i = 0; i < sizeof uniform / sizeof uniform[0]; i++) {
        double deviation = deviation_of(model, uniform[i].name, &largest);
        double tolerance = strstr(uniform[i].name, "bias") ? 0.2 : 0.05;
        if (!(largest <= uniform[i].bound) ||
            fabs(deviation - uniform[i].bound / sqrt(3)) > tolerance * uniform[i].bound)
            fail_msg("%s: deviation %g, largest %g", uniform[i].name, deviation, largest);
    }
    assert_true(fabs(deviation_of(model, "embed.token.weight", &largest) - 1) < 0.03);
    assert_true(fabs(deviation_of(model, "embed.position.weight", &largest) - 0.01) < 0.001);
    assert_true(deviation_of(model, "norm.weight", &largest) == 1);
    mhc__model_destroy(model);
}

static void any_thread_count(void **state) {
    (void)state;
    const char *connections[] = {"residual", "paper", "reproducing-mhc", "deepseek-v4.1"};
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    for (int i = 0; i < 4; i++) {
        mhc__model_config config = small(connections[i]);
        config.dropout_attention = config.dropout_output = 0.1f;
        mhc__model *model = make(&config, 1);
        mhc__pass pass = training(tokens);
        double one = gradients_of(model, &pass, 1);
        float *gradients = copy_of(mhc__model_gradients(model), mhc__model_size(model));
        for (int threads = 2; threads <= 3; threads++) {
            double loss = gradients_of(model, &pass, threads);
            assert_memory_equal(&loss, &one, sizeof one);
            assert_memory_equal(mhc__model_gradients(model), gradients,
                                (size_t)mhc__model_size(model) * sizeof *gradients);
        }
        free(gradients);
        mhc__model_destroy(model);
    }
}

/* The loss of a row is the mean of what the logits of each prefix say, and evaluation without dropout equals training:
 * attention looks back only, and the logits are the loss's own. */
static void logits_agree_with_loss(void **state) {
    (void)state;
    const char *connections[] = {"residual", "paper", "deepseek-v4.1", "deepseek-v4"};
    int32_t tokens[SEQUENCE + 1];
    fill_tokens(tokens, SEQUENCE + 1);
    for (int i = 0; i < 4; i++) {
        mhc__model_config config = small(connections[i]);
        mhc__model *model = make(&config, 1);
        shake(model);
        mhc__pass pass = training(tokens);
        pass.batch = 1;
        double trained = loss_of(model, &pass, 2), sum = 0;
        pass.train = false;
        double evaluated = loss_of(model, &pass, 2);
        assert_memory_equal(&trained, &evaluated, sizeof trained);
        mhc_context context = mhc_context_cpu(2);
        for (int length = 1; length <= SEQUENCE; length++) {
            float logits[VOCABULARY];
            assert_int_equal(mhc__model_logits(model, &context, MHC__PRECISION_FP32, tokens, length, logits, NULL),
                             MHC_OK);
            double total = 0;
            for (int v = 0; v < VOCABULARY; v++)
                total += exp((double)logits[v]);
            sum += log(total) - (double)logits[tokens[length]];
        }
        assert_float_equal(sum / SEQUENCE, evaluated, 1e-5);
        float exact[VOCABULARY], rounded[VOCABULARY];
        assert_int_equal(mhc__model_logits(model, &context, MHC__PRECISION_FP32, tokens, SEQUENCE, exact, NULL),
                         MHC_OK);
        assert_int_equal(mhc__model_logits(model, &context, MHC__PRECISION_BF16, tokens, SEQUENCE, rounded, NULL),
                         MHC_OK);
        assert_memory_not_equal(exact, rounded, sizeof exact);
        for (int v = 0; v < VOCABULARY; v++)
            assert_float_equal(exact[v], rounded[v], 0.1);
        mhc__model_destroy(model);
    }
}

/* Two half batches with scale 1/2 add up to the whole one. */
static void micro_batches(void **state) {
    (void)state;
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__model_config config = small("paper");
    mhc__model *model = make(&config, 1);
    shake(model);
    mhc__pass pass = training(tokens);
    gradients_of(model, &pass, 2);
    float *whole = copy_of(mhc__model_gradients(model), mhc__model_size(model));
    mhc_context context = mhc_context_cpu(2);
    mhc__model_zero_gradients(model, &context);
    for (int row = 0; row < BATCH; row++) {
        mhc__pass part = pass;
        part.batch = 1;
        part.tokens = tokens + row * (SEQUENCE + 1);
        part.scale = 1.0f / BATCH;
        loss_of(model, &part, 2);
        assert_int_equal(mhc__model_backward(model, &context, &part, NULL), MHC_OK);
    }
    double apart = 0, size = 0;
    for (int64_t k = 0; k < mhc__model_size(model); k++) {
        double d = (double)mhc__model_gradients(model)[k] - whole[k];
        apart += d * d;
        size += (double)whole[k] * whole[k];
    }
    assert_true(size > 0 && sqrt(apart / size) < 1e-5);
    free(whole);
    mhc__model_destroy(model);
}

/* The logits of every position of one row: [SEQUENCE, VOCABULARY]. Each is that of the prefix that ends there. */
static void logits_of(mhc__model *model, const int32_t *tokens, float *logits) {
    mhc_context context = mhc_context_cpu(2);
    float last[VOCABULARY];
    assert_int_equal(mhc__model_logits_of_row(model, &context, MHC__PRECISION_FP32, tokens, SEQUENCE, logits, NULL),
                     MHC_OK);
    for (int length = 1; length <= SEQUENCE; length++) {
        assert_int_equal(mhc__model_logits(model, &context, MHC__PRECISION_FP32, tokens, length, last, NULL), MHC_OK);
        for (int v = 0; v < VOCABULARY; v++)
            assert_true(fabsf(last[v] - logits[(length - 1) * VOCABULARY + v]) <= 1e-5f);
    }
}

/* reproducing-mhc's mHC mixes copies by 1/n and writes by 1/n: with four streams, where nothing is rounded, it is the
 * residual network with branches times 1/4, to the last bit, forward and backward. */
static void mhc_is_a_scaled_baseline(void **state) {
    (void)state;
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    float logits[3][SEQUENCE * VOCABULARY], scales[3] = {1.0f, 0.25f, 1.0f};
    double losses[3];
    float *gradients[3];
    for (int i = 0; i < 3; i++) {
        mhc__model_config config = small(i < 2 ? "residual" : "reproducing-mhc");
        config.streams = 4;
        config.branch_scale = scales[i];
        config.contract = MHC__CONTRACT_MEAN;
        config.dropout_embedding = config.dropout_attention = config.dropout_output = 0.1f;
        mhc__model *model = make(&config, 1);
        logits_of(model, tokens, logits[i]);
        mhc__pass pass = training(tokens);
        losses[i] = gradients_of(model, &pass, 2);
        const mhc__parameter *p = mhc__model_parameter_find(model, "blocks.0.ffn.up.weight");
        assert_non_null(p);
        gradients[i] = copy_of(mhc__model_gradients(model) + p->offset, p->count);
        pass.recompute = MHC__RECOMPUTE_BEST;
        assert_true(gradients_of(model, &pass, 1) == losses[i]);
        assert_memory_equal(mhc__model_gradients(model) + p->offset, gradients[i], (size_t)p->count * sizeof(float));
        mhc__model_destroy(model);
    }
    assert_memory_equal(logits[1], logits[2], sizeof logits[1]);
    assert_memory_not_equal(logits[0], logits[2], sizeof logits[0]);
    assert_true(losses[1] == losses[2] && losses[0] != losses[2]);
    assert_memory_equal(gradients[1], gradients[2], 20 * 12 * sizeof(float));
    for (int i = 0; i < 3; i++)
        free(gradients[i]);
}

/* With branches times 0, embedding and head are all that is left: no token sees another. */
static void no_branches(void **state) {
    (void)state;
    const char *connections[] = {"residual", "hc-static"};
    for (int i = 0; i < 2; i++) {
        mhc__model_config config = small(connections[i]);
        config.branch_scale = 0.0f;
        mhc__model *model = make(&config, 1);
        int32_t first[SEQUENCE] = {1, 2, 3, 4, 5, 6}, second[SEQUENCE] = {6, 5, 4, 3, 2, 6};
        float a[SEQUENCE * VOCABULARY], b[SEQUENCE * VOCABULARY];
        logits_of(model, first, a);
        logits_of(model, second, b);
        assert_memory_equal(a + 5 * VOCABULARY, b + 5 * VOCABULARY, VOCABULARY * sizeof *a);
        assert_memory_not_equal(a, b, VOCABULARY * sizeof *a);
        mhc__model_destroy(model);
    }
}

static void refuse(mhc__model_config config, const char *field) {
    mhc_error error = {0};
    mhc__model *model = NULL;
    assert_int_not_equal(mhc__model_create(&config, 1, &model, &error), MHC_OK);
    assert_null(model);
    if (!strstr(error.message, field))
        fail_msg("expected a message about %s, found \"%s\"", field, error.message);
}

#define REFUSE(field, value)                                                                                           \
    do {                                                                                                               \
        mhc__model_config config = small("paper");                                                                     \
        config.field = value;                                                                                          \
        refuse(config, "model." #field);                                                                               \
    } while (0)

static void bad_configurations(void **state) {
    (void)state;
    REFUSE(vocabulary, 0);
    REFUSE(vocabulary, -1);
    REFUSE(sequence, 0);
    REFUSE(channels, 0);
    REFUSE(blocks, 0);
    REFUSE(heads, 0);
    REFUSE(heads, 5);
    REFUSE(kv_heads, 4);
    REFUSE(ffn, -1);
    REFUSE(streams, 0);
    REFUSE(streams, 33);
    REFUSE(norm_eps, NAN);
    REFUSE(init_std, -1.0f);
    REFUSE(init, (mhc__init)2);
    REFUSE(rope_theta, 0.0f);
    REFUSE(dropout_embedding, 1.0f);
    REFUSE(dropout_attention, -0.1f);
    REFUSE(dropout_output, NAN);
    REFUSE(branch_scale, NAN);
    REFUSE(branch_scale, -1.0f);
    REFUSE(pre, (mhc__pre_kind)2);
    REFUSE(start, (mhc__start)2);
    REFUSE(post, (mhc__post)4);
    REFUSE(norm, (mhc__norm_kind)7);
    REFUSE(contract, (mhc__contract)9);
    REFUSE(contract, MHC__CONTRACT_CARRIED);
    REFUSE(sinkhorn_iterations, -1);
    refuse(small("no-such"), "model.connection");
    mhc__model_config config = small("hc");
    config.sinkhorn_iterations = 3;
    refuse(config, "model.sinkhorn_iterations");
    config = small("mhc-poc");
    config.post = MHC__POST_SIGMOID;
    refuse(config, "model.post");
    config = small("residual");
    config.contract = MHC__CONTRACT_HEAD;
    refuse(config, "model.contract");
    config = small("paper");
    config.heads = 4;
    config.position = MHC__POSITION_ROPE;
    refuse(config, "rope");
    config = small("mhc-lite");
    config.streams = 8;
    refuse(config, "model.connection");
    config = small("residual");
    config.streams = 0; /* ignored */
    mhc__model_destroy(make(&config, 1));
}

static void bad_passes(void **state) {
    (void)state;
    int32_t tokens[BATCH * (SEQUENCE + 2)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 2));
    mhc__model_config config = small("paper");
    mhc__model *model = make(&config, 1);
    mhc_context context = mhc_context_cpu(1);
    mhc_error error = {0};
    mhc__pass pass = training(tokens);
    double loss;
    assert_int_equal(mhc__model_backward(model, &context, &pass, &error), MHC_INVALID_ARGUMENT);
    tokens[SEQUENCE + 3] = VOCABULARY;
    assert_int_equal(mhc__model_forward(model, &context, &pass, &loss, &error), MHC_INVALID_ARGUMENT);
    assert_string_equal(error.message, "tokens[1][2]: 11 is not in 0..10 (vocabulary)");
    tokens[SEQUENCE + 3] = -1;
    assert_int_equal(mhc__model_forward(model, &context, &pass, &loss, &error), MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc__model_backward(model, &context, &pass, &error), MHC_INVALID_ARGUMENT);
    tokens[SEQUENCE + 3] = 0;
    pass.sequence = SEQUENCE + 2;
    assert_int_equal(mhc__model_forward(model, &context, &pass, &loss, &error), MHC_INVALID_ARGUMENT);
    pass.sequence = 0;
    assert_int_equal(mhc__model_forward(model, &context, &pass, &loss, &error), MHC_INVALID_ARGUMENT);
    pass.sequence = SEQUENCE;
    assert_int_equal(mhc__model_forward(model, &context, &pass, &loss, &error), MHC_OK);
    assert_int_equal(mhc__model_backward(model, &context, &pass, &error), MHC_OK);
    assert_int_equal(mhc__model_backward(model, &context, &pass, &error), MHC_INVALID_ARGUMENT);
    mhc__model_destroy(model);
}

static void not_a_number(void **state) {
    (void)state;
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    for (int i = 0; mhc_spec_preset_name(i); i++) {
        mhc__model_config config = small(mhc_spec_preset_name(i));
        mhc__model *model = make(&config, 1);
        for (int64_t k = 0; k < mhc__model_size(model); k += 5)
            mhc__model_weights(model)[k] = k % 2 ? NAN : INFINITY;
        mhc__pass pass = training(tokens);
        assert_false(isfinite(gradients_of(model, &pass, 2)));
        mhc__model_destroy(model);
    }
}

struct seen {
    int expected, calls;
    double norms;
};

static void see(void *self, int site, int64_t tokens, mhc_streams gradient) {
    struct seen *seen = self;
    assert_int_equal(site, seen->expected--);
    assert_int_equal(tokens, BATCH * SEQUENCE);
    seen->calls++;
    seen->norms += fabs((double)*(const float *)gradient.data);
}

static void watching(void **state) {
    (void)state;
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__model_config config = small("paper");
    mhc__model *model = make(&config, 1);
    struct seen seen = {mhc__model_sites(model), 0, 0};
    assert_null(mhc__model_streams(model, 0).data);
    mhc__model_watch_gradients(model, see, &seen);
    mhc__pass pass = training(tokens);
    gradients_of(model, &pass, 2);
    assert_int_equal(seen.calls, mhc__model_sites(model) + 1);
    assert_true(seen.norms > 0);
    assert_int_equal(mhc__model_tokens(model), BATCH * SEQUENCE);
    mhc_streams first = mhc__model_streams(model, 0);
    assert_memory_equal(first.data, (const float *)first.data + first.stream_stride, 12 * sizeof(float)); /* expanded */
    assert_non_null(mhc__model_coefficients(model, 3));
    assert_null(mhc__model_coefficients(model, 4));
    assert_null(mhc__model_streams(model, 5).data);
    pass.train = false;
    loss_of(model, &pass, 2);
    assert_null(mhc__model_streams(model, 0).data);
    mhc__model_destroy(model);
}

/* The states of all sites and the loss of a training forward, then the gradients. Asks for streams of all spans between
 * forward and backward, in an order that no span keeps. */
typedef struct outcome {
    double loss;
    float *gradients, *states[5];
} outcome;

static outcome outcome_of(mhc__model *model, const mhc__pass *pass, int threads) {
    mhc_context context = mhc_context_cpu(threads);
    const mhc_spec *spec = mhc__model_spec(model);
    int64_t count = BATCH * SEQUENCE * (int64_t)spec->streams * spec->channels;
    outcome found = {0};
    mhc__model_zero_gradients(model, &context);
    found.loss = loss_of(model, pass, threads);
    for (int k = 0; k <= mhc__model_sites(model); k++) {
        int site = (k * 2 + 1) % (mhc__model_sites(model) + 1); /* of 3 or 5 */
        found.states[site] = copy_of(mhc__model_streams(model, site).data, count);
    }
    assert_int_equal(mhc__model_backward(model, &context, pass, NULL), MHC_OK);
    for (int site = 0; site <= mhc__model_sites(model); site++)
        assert_memory_equal(mhc__model_streams(model, site).data, found.states[site], (size_t)count * sizeof(float));
    found.gradients = copy_of(mhc__model_gradients(model), mhc__model_size(model));
    return found;
}

static void outcome_free(outcome *found) {
    free(found->gradients);
    for (int k = 0; k < 5; k++)
        free(found->states[k]);
}

static void assert_same_outcome(const mhc__model *model, const outcome *a, const outcome *b) {
    const mhc_spec *spec = mhc__model_spec(model);
    size_t bytes = BATCH * SEQUENCE * (size_t)spec->streams * (size_t)spec->channels * sizeof(float);
    assert_memory_equal(&a->loss, &b->loss, sizeof a->loss);
    for (int site = 0; site <= mhc__model_sites(model); site++)
        assert_memory_equal(a->states[site], b->states[site], bytes);
    assert_memory_equal(a->gradients, b->gradients, (size_t)mhc__model_size(model) * sizeof *a->gradients);
}

static void recomputation_changes_no_bit(void **state) {
    (void)state;
    const char *connections[] = {"residual", "hc-static", "paper", "reproducing-mhc", "deepseek-v4.1"};
    const int spans[] = {1, 2, 3, 4, 100, MHC__RECOMPUTE_BEST};
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    for (int i = 0; i < 10; i++) {
        mhc__model_config config = small(connections[i / 2]);
        config.dropout_embedding = config.dropout_attention = config.dropout_output = 0.1f;
        config.norm = i % 3 ? MHC__LAYERNORM : MHC__RMSNORM;
        config.mlp = i % 3 ? MHC__MLP_SWIGLU : MHC__MLP_GELU;
        config.wrap = i % 2 ? i % 4 == 1 ? MHC__WRAP_BLOCK : MHC__WRAP_BRANCHES : MHC__WRAP_SUBLAYER;
        mhc__model *model = make(&config, 1);
        shake(model);
        mhc__pass pass = training(tokens);
        outcome kept = outcome_of(model, &pass, 2);
        for (int k = 0; k < 6; k++) {
            pass.recompute = spans[k];
            outcome again = outcome_of(model, &pass, 2);
            assert_same_outcome(model, &kept, &again);
            outcome_free(&again);
        }
        pass.recompute = 0; /* and back to keeping them */
        outcome last = outcome_of(model, &pass, 2);
        assert_same_outcome(model, &kept, &last);
        outcome_free(&last);
        outcome_free(&kept);
        mhc__model_destroy(model);
    }
}

/* Fixed pre, post and res make of equal streams what the residual is, to the last bit where n is a power of two: the
 * weights 1/n and their sum are exact then. */
static void all_fixed_is_the_residual(void **state) {
    (void)state;
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    const char *connections[] = {"hc", "paper", "reproducing-mhc"};
    for (int i = 0; i < 3; i++) {
        mhc__model_config plain = small("residual"), fixed = small(connections[i]);
        fixed.streams = 4;
        fixed.constraint = MHC_CONSTRAINT_IDENTITY + 1;
        fixed.pre = MHC__PRE_MEAN;
        fixed.post = MHC__POST_ONES;
        fixed.static_mapping = true;
        fixed.contract = MHC__CONTRACT_MEAN;
        mhc__model *a = make(&plain, 3), *b = make(&fixed, 3);
        assert_int_equal(mhc__model_parameters_total(a), mhc__model_parameters_total(b));
        mhc__pass pass = training(tokens);
        assert_true(gradients_of(a, &pass, 2) == gradients_of(b, &pass, 2));
        assert_int_equal(mhc__model_size(a), mhc__model_size(b));
        for (int64_t k = 0; k < mhc__model_size(a); k++)
            assert_float_equal(mhc__model_gradients(a)[k], mhc__model_gradients(b)[k], 1e-6);
        mhc__model_destroy(a);
        mhc__model_destroy(b);
    }
}

/* Operands rounded to eight bits: near fp32, not equal to it, in every part of the model, and on any number of threads.
 */
static void bf16_products(void **state) {
    (void)state;
    const char *connections[] = {"residual", "paper"};
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    for (int i = 0; i < 2; i++) {
        mhc__model_config config = small(connections[i]);
        config.mlp = i ? MHC__MLP_SWIGLU : MHC__MLP_GELU;
        mhc__model *model = make(&config, 1);
        shake(model);
        mhc__pass pass = training(tokens);
        double exact = gradients_of(model, &pass, 2);
        float *gradients = copy_of(mhc__model_gradients(model), mhc__model_size(model));
        pass.precision = MHC__PRECISION_BF16;
        double rounded = gradients_of(model, &pass, 2);
        float *again = copy_of(mhc__model_gradients(model), mhc__model_size(model));
        assert_true(rounded != exact && fabs(rounded - exact) < 0.02 * exact);
        for (int k = 0; k < mhc__model_parameter_count(model); k++) {
            const mhc__parameter *p = mhc__model_parameter(model, k);
            double apart = 0, size = 0;
            for (int64_t e = p->offset; e < p->offset + p->count; e++) {
                apart += ((double)again[e] - gradients[e]) * ((double)again[e] - gradients[e]);
                size += (double)gradients[e] * gradients[e];
            }
            if (!(apart > 0 && sqrt(apart) <= 0.1 * sqrt(size)))
                fail_msg("%s: %s is %.3g off", connections[i], p->name, sqrt(apart / size));
        }
        double one = gradients_of(model, &pass, 1);
        assert_memory_equal(&one, &rounded, sizeof one);
        assert_memory_equal(mhc__model_gradients(model), again, (size_t)mhc__model_size(model) * sizeof *again);
        free(gradients);
        free(again);
        mhc__model_destroy(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(paired_start),
                                       cmocka_unit_test(names_and_shapes),
                                       cmocka_unit_test(any_thread_count),
                                       cmocka_unit_test(logits_agree_with_loss),
                                       cmocka_unit_test(micro_batches),
                                       cmocka_unit_test(bad_configurations),
                                       cmocka_unit_test(bad_passes),
                                       cmocka_unit_test(not_a_number),
                                       cmocka_unit_test(watching),
                                       cmocka_unit_test(recomputation_changes_no_bit),
                                       cmocka_unit_test(all_fixed_is_the_residual),
                                       cmocka_unit_test(no_branches),
                                       cmocka_unit_test(mhc_is_a_scaled_baseline),
                                       cmocka_unit_test(bf16_products),
                                       cmocka_unit_test(starts_as_pytorch_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
