/* The bag of words against a forward pass in double precision, and its gradients against differences of that. */
#include "mhc/oracle.h"
#include "model/support.h"
#include "stream/oracle.h"

enum { ROWS = 3, LAYERS = 3, CHANNELS = 6, EMBEDDING = 5, CLASSES = 3, STREAMS = 3 };

static mhc__model_config bag(const char *connection, mhc__relu relu, mhc__norm_kind norm) {
    mhc__model_config config = small(connection);
    config.family = MHC__FAMILY_BAG;
    config.relu = relu;
    config.norm = norm;
    config.channels = CHANNELS;
    config.embedding = EMBEDDING;
    config.classes = CLASSES;
    config.blocks = LAYERS;
    config.streams = strcmp(connection, "residual") ? STREAMS : 1;
    config.init = MHC__INIT_PYTORCH;
    config.init_std = 1;
    return config;
}

/* A model's weights in double, and a batch. */
typedef struct reference {
    const mhc__model *model;
    const int32_t *tokens;
    double *weights;
} reference;

static const double *weight(const reference *r, const char *format, int layer) {
    char name[64];
    snprintf(name, sizeof name, format, layer);
    const mhc__parameter *p = mhc__model_parameter_find(r->model, name);
    return p ? r->weights + p->offset : NULL;
}

static void linear(int in, int out, const double *w, const double *bias, const double *x, double *y) {
    for (int o = 0; o < out; o++) {
        y[o] = bias[o];
        for (int i = 0; i < in; i++)
            y[o] += w[o * in + i] * x[i];
    }
}

static void relu(int count, double *x) {
    for (int i = 0; i < count; i++)
        x[i] = fmax(x[i], 0);
}

/* Nothing where the model has no such norm. */
static void normalise(const double *w, const double *bias, double *x) {
    double mean = 0, square = 0;
    for (int c = 0; w && c < CHANNELS; c++)
        mean += x[c] / CHANNELS;
    for (int c = 0; w && c < CHANNELS; c++)
        square += (x[c] - mean) * (x[c] - mean) / CHANNELS;
    for (int c = 0; w && c < CHANNELS; c++)
        x[c] = (x[c] - mean) / sqrt(square + 1e-5) * w[c] + bias[c];
}

/* pre | post | res of a static site, or of the residual. */
static void coefficients(const reference *r, int layer, double *pre, double *post, double *res) {
    const mhc_spec *spec = mhc__model_spec(r->model);
    const double *base = weight(r, "blocks.%d.hc.base", layer);
    int n = spec->streams;
    if (!base) {
        pre[0] = post[0] = res[0] = 1;
        return;
    }
    double history[4096];
    mhc__oracle_gate(&spec->pre, n, base, pre);
    mhc__oracle_gate(&spec->post, n, base + n, post);
    mhc__oracle_constraint(spec, base + 2 * n, res, history);
}

static void layer_forward(const reference *r, int layer, double *x) {
    const mhc__model_config *config = mhc__model_configuration(r->model);
    int n = mhc__model_spec(r->model)->streams;
    double pre[STREAMS], post[STREAMS], res[STREAMS * STREAMS], u[CHANNELS] = {0}, z[CHANNELS];
    double out[STREAMS * CHANNELS];
    coefficients(r, layer, pre, post, res);
    for (int j = 0; j < n; j++)
        for (int c = 0; c < CHANNELS; c++)
            u[c] += pre[j] * x[j * CHANNELS + c];
    normalise(weight(r, "blocks.%d.norm.weight", layer), weight(r, "blocks.%d.norm.bias", layer), u);
    linear(CHANNELS, CHANNELS, weight(r, "blocks.%d.linear.weight", layer), weight(r, "blocks.%d.linear.bias", layer),
           u, z);
    if (config->relu == MHC__RELU_BRANCH)
        relu(CHANNELS, z);
    for (int i = 0; i < n; i++)
        for (int c = 0; c < CHANNELS; c++) {
            double sum = post[i] * z[c];
            for (int j = 0; j < n; j++)
                sum += res[i * n + j] * x[j * CHANNELS + c];
            out[i * CHANNELS + c] = sum;
        }
    if (config->relu == MHC__RELU_STREAMS)
        relu(n * CHANNELS, out);
    memcpy(x, out, (size_t)(n * CHANNELS) * sizeof *x);
}

static double row_loss(const reference *r, const int32_t *ids, double *logits) {
    int n = mhc__model_spec(r->model)->streams;
    const double *token = weight(r, "embed.token.weight", 0);
    double mean[EMBEDDING] = {0}, x[STREAMS * CHANNELS], out[CHANNELS] = {0}, sum = 0;
    for (int s = 0; s < SEQUENCE; s++)
        for (int e = 0; e < EMBEDDING; e++)
            mean[e] += token[ids[s] * EMBEDDING + e] / SEQUENCE;
    linear(EMBEDDING, CHANNELS, weight(r, "input.weight", 0), weight(r, "input.bias", 0), mean, x);
    relu(CHANNELS, x);
    for (int i = 1; i < n; i++)
        memcpy(x + i * CHANNELS, x, CHANNELS * sizeof *x);
    for (int layer = 0; layer < LAYERS; layer++)
        layer_forward(r, layer, x);
    for (int i = 0; i < n; i++)
        for (int c = 0; c < CHANNELS; c++)
            out[c] += x[i * CHANNELS + c] / n;
    normalise(weight(r, "norm.weight", 0), weight(r, "norm.bias", 0), out);
    linear(CHANNELS, CLASSES, weight(r, "head.weight", 0), weight(r, "head.bias", 0), out, logits);
    for (int k = 0; k < CLASSES; k++)
        sum += exp(logits[k]);
    return ids[SEQUENCE] < 0 ? 0 : log(sum) - logits[ids[SEQUENCE]];
}

static double forward(const reference *r, double *logits) {
    double loss = 0, scratch[CLASSES];
    int counted = 0;
    for (int b = 0; b < ROWS; b++) {
        const int32_t *ids = r->tokens + b * (SEQUENCE + 1);
        counted += ids[SEQUENCE] >= 0;
        loss += row_loss(r, ids, logits ? logits + b * CLASSES : scratch);
    }
    return loss / counted;
}

static void check(const mhc__model_config *config, bool partial) {
    int32_t tokens[ROWS * (SEQUENCE + 1)];
    fill_tokens(tokens, ROWS * (SEQUENCE + 1));
    for (int b = 0; b < ROWS; b++)
        tokens[b * (SEQUENCE + 1) + SEQUENCE] = b == 1 && partial ? -1 : b;
    mhc__model *model = make(config, 4);
    mhc__pass pass = training(tokens);
    pass.batch = ROWS;
    int64_t size = mhc__model_size(model);
    reference r = {model, tokens, malloc((size_t)size * sizeof(double))};
    assert_non_null(r.weights);
    for (int64_t k = 0; k < size; k++)
        r.weights[k] = mhc__model_weights(model)[k];
    double logits[ROWS * CLASSES], loss = gradients_of(model, &pass, 2), want = forward(&r, logits);
    if (fabs(loss - want) > 1e-5 * (1 + want))
        fail_msg("%s: loss %.9g, in double %.9g", config->connection, loss, want);
    for (int k = 0; k < ROWS * CLASSES; k++)
        assert_true(fabs((double)mhc__model_class_logits(model)[k] - logits[k]) < 1e-4 * (1 + fabs(logits[k])));
    double most = 0, worst = 0;
    int alive = 0;
    for (int i = 0; i < mhc__model_parameter_count(model); i++) {
        const mhc__parameter *p = mhc__model_parameter(model, i);
        double own = 0;
        for (int64_t k = p->offset; k < p->offset + p->count; k++) {
            const double h = 1e-6, start = r.weights[k];
            r.weights[k] = start + h;
            double up = forward(&r, NULL);
            r.weights[k] = start - h;
            double slope = (up - forward(&r, NULL)) / (2 * h), found = mhc__model_gradients(model)[k];
            r.weights[k] = start;
            own = fmax(own, fabs(slope));
            worst = fmax(worst, fabs(slope - found));
        }
        alive += own > 1e-7;
        most = fmax(most, own);
    }
    if (!(worst < 2e-5 * most + 1e-7))
        fail_msg("%s: gradients up to %g are off by %g", config->connection, most, worst);
    assert_true(alive * 4 >= mhc__model_parameter_count(model) * 3);
    free(r.weights);
    mhc__model_destroy(model);
}

static void against_double(void **state) {
    (void)state;
    const char *connections[] = {"residual", "boolq-100", "boolq-100-hc", "hc-static", "reproducing-mhc"};
    for (int i = 0; i < 5; i++)
        for (int places = 0; places < 4; places++) {
            mhc__model_config config =
                bag(connections[i], (mhc__relu)(places % 2), places / 2 ? MHC__LAYERNORM : MHC__NORM_NONE);
            check(&config, places % 2);
        }
}

/* As the published network counts them: 28,765,282, the H among them. */
static void parameters_of_the_published_network(void **state) {
    (void)state;
    const char *connections[] = {"boolq-100", "boolq-100-hc"};
    for (int i = 0; i < 2; i++) {
        mhc__model_config config = bag(connections[i], MHC__RELU_STREAMS, MHC__NORM_NONE);
        config.vocabulary = 9237;
        config.embedding = 256;
        config.channels = 512;
        config.blocks = 100;
        config.classes = 2;
        config.streams = 4;
        mhc__model *model = make(&config, 1);
        assert_int_equal(mhc__model_parameters_total(model), 28765282);
        assert_int_equal(mhc__model_sites(model), 100);
        mhc__model_destroy(model);
    }
}

static void threads_and_evaluation(void **state) {
    (void)state;
    const char *connections[] = {"residual", "boolq-100", "paper"};
    int32_t tokens[ROWS * (SEQUENCE + 1)];
    fill_tokens(tokens, ROWS * (SEQUENCE + 1));
    for (int b = 0; b < ROWS; b++)
        tokens[b * (SEQUENCE + 1) + SEQUENCE] = b;
    for (int i = 0; i < 3; i++) {
        mhc__model_config config = bag(connections[i], MHC__RELU_STREAMS, MHC__LAYERNORM);
        config.channels = 70;
        config.embedding = 40;
        mhc__model *model = make(&config, 2);
        mhc__pass pass = training(tokens), evaluation = pass;
        pass.batch = evaluation.batch = ROWS;
        evaluation.train = false;
        double one = gradients_of(model, &pass, 1);
        float *gradients = copy_of(mhc__model_gradients(model), mhc__model_size(model));
        double three = gradients_of(model, &pass, 3), evaluated = loss_of(model, &evaluation, 2);
        assert_true(one == three && one == evaluated);
        assert_memory_equal(mhc__model_gradients(model), gradients, (size_t)mhc__model_size(model) * sizeof *gradients);
        free(gradients);
        mhc__model_destroy(model);
    }
}

static void refusals(void **state) {
    (void)state;
    mhc__model *model = NULL;
    mhc_error error = {0};
    mhc__model_config config = bag("deepseek-v4.1", MHC__RELU_STREAMS, MHC__NORM_NONE);
    assert_int_equal(mhc__model_create(&config, 1, &model, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "shifted"));
    config = bag("paper", MHC__RELU_STREAMS, MHC__NORM_NONE);
    config.dropout_output = 0.1f;
    assert_int_equal(mhc__model_create(&config, 1, &model, &error), MHC_INVALID_ARGUMENT);
    config.dropout_output = 0;
    config.branch_scale = 0.5f;
    assert_int_equal(mhc__model_create(&config, 1, &model, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "model.branch_scale"));
    config.branch_scale = 1;
    config.family = MHC__FAMILY_TRANSFORMER;
    config.heads = 2;
    assert_int_equal(mhc__model_create(&config, 1, &model, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "none"));
    config.family = MHC__FAMILY_BAG;
    model = make(&config, 1);
    int32_t tokens[SEQUENCE + 1] = {0, 1, 2, 3, 4, 5, CLASSES};
    mhc_context context = mhc_context_cpu(1);
    mhc__pass pass = {.batch = 1, .sequence = SEQUENCE, .tokens = tokens};
    double loss;
    assert_int_equal(mhc__model_forward(model, &context, &pass, &loss, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "classes"));
    assert_null(mhc__model_class_logits(model));
    float logits[VOCABULARY];
    assert_int_equal(mhc__model_logits(model, &context, MHC__PRECISION_FP32, tokens, 2, logits, &error),
                     MHC_INVALID_ARGUMENT);
    mhc__model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_double),
        cmocka_unit_test(parameters_of_the_published_network),
        cmocka_unit_test(threads_and_evaluation),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
