#include "model/config.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "mhc/constraint.h"

enum {
    MAX_VOCABULARY = 16 * 1024 * 1024,
    MAX_SEQUENCE = 16 * 1024 * 1024,
    MAX_CHANNELS = 1 << 20,
    MAX_BLOCKS = 1 << 14,
    MAX_CLASSES = 1 << 16,
    MAX_FFN = 1 << 22
};

mhc__model_config mhc__model_config_default(void) {
    mhc__model_config config = {.vocabulary = 0,
                                .sequence = 128,
                                .channels = 256,
                                .blocks = 6,
                                .classes = 2,
                                .heads = 4,
                                .norm = MHC__LAYERNORM,
                                .position = MHC__POSITION_LEARNED,
                                .rope_theta = 10000.0f,
                                .mlp = MHC__MLP_GELU,
                                .tied = true,
                                .branch_scale = 1.0f,
                                .init_std = 0.02f,
                                .connection = "paper",
                                .streams = 4,
                                .wrap = MHC__WRAP_SUBLAYER,
                                .contract = MHC__CONTRACT_NATIVE};
    return config;
}

static mhc_status in_range(const char *field, int value, int least, int most, mhc_error *error) {
    if (value < least || value > most)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.%s: %d is not in %d..%d", field, value, least, most);
    return MHC_OK;
}

static mhc_status is_rate(const char *field, float value, mhc_error *error) {
    if (!(value >= 0.0f && value < 1.0f))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.%s: %g is not in [0, 1)", field, (double)value);
    return MHC_OK;
}

static mhc_status is_size(const char *field, float value, mhc_error *error) {
    if (!(value >= 0.0f) || !isfinite(value))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.%s: expected a finite number >= 0, found %g", field,
                         (double)value);
    return MHC_OK;
}

static mhc_status check_heads(const mhc__model_config *config, mhc_error *error) {
    MHC__TRY(in_range("heads", config->heads, 1, config->channels, error));
    if (config->channels % config->heads)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.heads: %d does not divide model.channels, %d",
                         config->heads, config->channels);
    MHC__TRY(in_range("kv_heads", config->kv_heads, 0, config->heads, error));
    if (config->kv_heads && config->heads % config->kv_heads)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.kv_heads: %d does not divide model.heads, %d",
                         config->kv_heads, config->heads);
    if (config->position == MHC__POSITION_ROPE && config->channels / config->heads % 2)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "model.position: rope needs an even head width, found channels / heads = %d",
                         config->channels / config->heads);
    return MHC_OK;
}

static mhc_status check_bag(const mhc__model_config *config, const mhc_spec *spec, mhc_error *error) {
    MHC__TRY(in_range("embedding", config->embedding, 0, MAX_CHANNELS, error));
    MHC__TRY(in_range("classes", config->classes, 1, MAX_CLASSES, error));
    MHC__TRY(in_range("relu", (int)config->relu, 0, MHC__RELU_BRANCH, error));
    if (config->dropout_embedding > 0 || config->dropout_attention > 0 || config->dropout_output > 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.family: bag has no dropout, expected rates of 0");
    if (config->branch_scale != 1.0f)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "model.branch_scale: is of model.family transformer; expected 1 of a bag, found %g",
                         (double)config->branch_scale);
    if (spec->schedule == MHC_SCHEDULE_SHIFTED)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "model.family: bag has no shifted schedule, which model.connection %s needs",
                         config->connection);
    return MHC_OK;
}

static mhc_status check_choices(const mhc__model_config *config, mhc_error *error) {
    MHC__TRY(in_range("family", (int)config->family, 0, MHC__FAMILY_BAG, error));
    MHC__TRY(in_range("norm", (int)config->norm, 0, MHC__NORM_NONE, error));
    MHC__TRY(in_range("init", (int)config->init, 0, MHC__INIT_PYTORCH, error));
    MHC__TRY(in_range("position", (int)config->position, 0, MHC__POSITION_ROPE, error));
    MHC__TRY(in_range("mlp", (int)config->mlp, 0, MHC__MLP_SWIGLU, error));
    MHC__TRY(in_range("wrap", (int)config->wrap, 0, MHC__WRAP_BRANCHES, error));
    MHC__TRY(in_range("contract", (int)config->contract, 0, MHC__CONTRACT_CARRIED, error));
    MHC__TRY(in_range("constraint", config->constraint, 0, MHC_CONSTRAINT_ORTHOGONAL + 1, error));
    MHC__TRY(in_range("finish", (int)config->finish, 0, MHC_FINISH_AFFINE, error));
    MHC__TRY(is_size("leaky", config->leaky, error));
    MHC__TRY(is_size("off_diagonal", config->off_diagonal, error));
    MHC__TRY(in_range("pre", (int)config->pre, 0, MHC__PRE_MEAN, error));
    MHC__TRY(in_range("post", (int)config->post, 0, MHC__POST_ONES, error));
    MHC__TRY(in_range("start", (int)config->start, 0, MHC__START_ZEROS, error));
    MHC__TRY(is_size("branch_scale", config->branch_scale, error));
    return in_range("sinkhorn_iterations", config->sinkhorn_iterations, 0, 1000, error);
}

mhc_status mhc__model_config_check(const mhc__model_config *config, mhc_error *error) {
    MHC__TRY(in_range("vocabulary", config->vocabulary, 0, MAX_VOCABULARY, error));
    MHC__TRY(in_range("sequence", config->sequence, 1, MAX_SEQUENCE, error));
    MHC__TRY(in_range("channels", config->channels, 1, MAX_CHANNELS, error));
    MHC__TRY(in_range("blocks", config->blocks, 1, MAX_BLOCKS, error));
    MHC__TRY(in_range("ffn", config->ffn, 0, MAX_FFN, error));
    MHC__TRY(check_choices(config, error));
    if (config->family == MHC__FAMILY_TRANSFORMER)
        MHC__TRY(check_heads(config, error));
    MHC__TRY(is_size("norm_eps", config->norm_eps, error));
    MHC__TRY(is_size("init_std", config->init_std, error));
    if (!(config->rope_theta > 0.0f) || !isfinite(config->rope_theta))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.rope_theta: expected a finite number > 0, found %g",
                         (double)config->rope_theta);
    MHC__TRY(is_rate("dropout_embedding", config->dropout_embedding, error));
    MHC__TRY(is_rate("dropout_attention", config->dropout_attention, error));
    MHC__TRY(is_rate("dropout_output", config->dropout_output, error));
    mhc_spec spec;
    MHC__TRY(mhc__model_config_spec(config, &spec, error));
    if (config->family == MHC__FAMILY_BAG)
        return check_bag(config, &spec, error);
    if (config->norm == MHC__NORM_NONE)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.norm: none is for model.family bag");
    return MHC_OK;
}

static mhc_status override_contraction(const mhc__model_config *config, mhc_spec *spec, mhc_error *error) {
    bool plain = spec->mapping == MHC_MAPPING_NONE;
    switch (config->contract) {
    case MHC__CONTRACT_NATIVE:
        return MHC_OK;
    case MHC__CONTRACT_MEAN:
        spec->contraction = MHC_CONTRACT_MEAN;
        return MHC_OK;
    case MHC__CONTRACT_SUM:
        spec->contraction = MHC_CONTRACT_SUM;
        return MHC_OK;
    case MHC__CONTRACT_HEAD:
        if (plain)
            return mhc__fail(error, MHC_INVALID_ARGUMENT,
                             "model.contract: head chooses among streams, and model.connection residual has one");
        spec->contraction = MHC_CONTRACT_HEAD;
        return MHC_OK;
    case MHC__CONTRACT_CARRIED:
        if (spec->schedule != MHC_SCHEDULE_SHIFTED)
            return mhc__fail(error, MHC_INVALID_ARGUMENT,
                             "model.contract: carried needs a connection with the shifted schedule "
                             "(deepseek-v4.1), found %s",
                             config->connection);
        spec->contraction = MHC_CONTRACT_CARRIED;
        return MHC_OK;
    }
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.contract: %d is not in 0..%d", (int)config->contract,
                     MHC__CONTRACT_CARRIED);
}

int mhc__model_config_sites(const mhc__model_config *config) {
    bool two = config->family == MHC__FAMILY_TRANSFORMER &&
               (config->wrap == MHC__WRAP_SUBLAYER || strcmp(config->connection, "residual") == 0);
    return two ? 2 * config->blocks : config->blocks;
}

static void override_gates(const mhc__model_config *config, mhc_spec *spec) {
    static const mhc_gate posts[] = {[MHC__POST_SIGMOID] = {MHC_GATE_SIGMOID, 2.0f, 0.0f},
                                     [MHC__POST_SOFTMAX] = {MHC_GATE_SOFTMAX, 1.0f, 0.0f},
                                     [MHC__POST_ONES] = {MHC_GATE_FIXED, 1.0f, 0.0f}};
    if (config->pre == MHC__PRE_MEAN)
        spec->pre = (mhc_gate){MHC_GATE_FIXED, 1.0f / (float)spec->streams, 0.0f};
    if (config->post != MHC__POST_NATIVE)
        spec->post = posts[config->post];
}

static mhc_status override_constraint(const mhc__model_config *config, mhc_spec *spec, mhc_error *error) {
    bool plain = spec->mapping == MHC_MAPPING_NONE, named = config->constraint && !plain;
    if (named)
        spec->constraint = (mhc_constraint_kind)(config->constraint - 1);
    if (config->sinkhorn_iterations) {
        if (spec->constraint != MHC_CONSTRAINT_SINKHORN)
            return mhc__fail(error, MHC_INVALID_ARGUMENT,
                             "model.sinkhorn_iterations: %d, but model.%s %s has no Sinkhorn iterations",
                             config->sinkhorn_iterations, named ? "constraint" : "connection",
                             named ? mhc_constraint_name(config->constraint - 1) : config->connection);
        spec->sinkhorn.iterations = config->sinkhorn_iterations;
    }
    if (plain) /* as it has no streams to mix, so that it stands beside any other in a study */
        return MHC_OK;
    if (config->static_mapping) {
        spec->mapping = MHC_MAPPING_STATIC;
        spec->norm = MHC_NORM_NONE;
        spec->activation = MHC_ACTIVATION_NONE;
    }
    override_gates(config, spec);
    if (spec->mapping == MHC_MAPPING_DYNAMIC && config->pre == MHC__PRE_MEAN && config->post == MHC__POST_ONES &&
        spec->constraint == MHC_CONSTRAINT_IDENTITY)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "model.static_mapping: expected true: with model.pre mean, model.post ones and "
                         "model.constraint identity nothing is left to compute from the streams");
    if (config->start == MHC__START_ZEROS) {
        spec->start = MHC_INIT_ZEROS;
        spec->fn_start = 0.0f;
    }
    int sites = mhc__model_config_sites(config);
    if (!(config->leaky >= 0.0f && config->leaky <= 2.0f * (float)sites))
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "model.leaky: expected 0..%d, twice the sites of the model, found %g", 2 * sites,
                         (double)config->leaky);
    spec->finish = config->finish;
    spec->leak = config->leaky / (2.0f * (float)sites);
    spec->off_diagonal = config->off_diagonal;
    return MHC_OK;
}

/* The field that a message of mhc_spec_check is about: what was changed of the connection, if anything was. */
static const char *to_blame(const mhc__model_config *config) {
    return config->off_diagonal != 0.0f ? "model.off_diagonal"
           : config->finish             ? "model.finish"
           : config->constraint         ? "model.constraint"
           : config->pre                ? "model.pre"
           : config->post               ? "model.post"
           : config->start              ? "model.start"
                                        : "model.connection";
}

mhc_status mhc__model_config_spec(const mhc__model_config *config, mhc_spec *spec, mhc_error *error) {
    if (!memchr(config->connection, '\0', sizeof config->connection))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.connection: longer than %zu characters",
                         sizeof config->connection - 1);
    bool plain = strcmp(config->connection, "residual") == 0;
    if (!plain)
        MHC__TRY(in_range("streams", config->streams, 1, MHC_MAX_STREAMS, error));
    mhc_status status = mhc_spec_preset(spec, config->connection, plain ? 1 : config->streams, config->channels, error);
    if (status != MHC_OK)
        return mhc__fail_in(error, status, "model.connection");
    MHC__TRY(override_contraction(config, spec, error));
    MHC__TRY(override_constraint(config, spec, error));
    status = mhc_spec_check(spec, error);
    return status == MHC_OK ? MHC_OK : mhc__fail_in(error, status, "%s", to_blame(config));
}
