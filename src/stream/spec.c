/* The named conventions, and the check of a spec. */
#include "mhc/spec.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "stream/constraint/properties.h"
#include "stream/shape.h"

/* What most conventions share: dynamic, one norm over nC, 2 sigmoid for post, 20 Sinkhorn iterations. */
static mhc_spec dynamic_spec(void) {
    mhc_spec spec = {
        .mapping = MHC_MAPPING_DYNAMIC,
        .norm = MHC_NORM_FLAT,
        .norm_eps = 1e-6f,
        .pre = {MHC_GATE_SIGMOID, 1.0f, 0.0f},
        .post = {MHC_GATE_SIGMOID, 2.0f, 0.0f},
        .constraint = MHC_CONSTRAINT_SINKHORN,
        .sinkhorn = {20, MHC_START_EXP_SHIFTED, MHC_AXIS_DST, MHC_EPS_NONE, 0.0f},
        .contraction = MHC_CONTRACT_MEAN,
        .head_eps = 1e-6f,
        .start = MHC_INIT_HOME,
        .scale_start = 0.01f,
        .fn_start = 0.02f,
    };
    return spec;
}

static mhc_spec static_spec(mhc_gate_kind pre, mhc_gate_kind post, float post_multiplier) {
    mhc_spec spec = {
        .mapping = MHC_MAPPING_STATIC,
        .norm_eps = 1e-6f, /* of a learned head, if one is chosen */
        .pre = {pre, 1.0f, 0.0f},
        .post = {post, post_multiplier, 0.0f},
        .constraint = MHC_CONSTRAINT_SINKHORN,
        .sinkhorn = {20, MHC_START_EXP, MHC_AXIS_SRC, MHC_EPS_ADD, 1e-8f},
        .contraction = MHC_CONTRACT_MEAN,
        .head_eps = 1e-6f,
        .start = MHC_INIT_ZEROS,
        .scale_start = 0.01f, /* of a learned head */
        .fn_start = 0.02f,
    };
    return spec;
}

static mhc_spec make_residual(void) {
    mhc_spec spec = static_spec(MHC_GATE_FREE, MHC_GATE_FREE, 1.0f);
    spec.mapping = MHC_MAPPING_NONE;
    spec.constraint = MHC_CONSTRAINT_IDENTITY;
    return spec;
}

static mhc_spec make_hc(void) {
    mhc_spec spec = dynamic_spec();
    spec.norm = MHC_NORM_PER_STREAM;
    spec.activation = MHC_ACTIVATION_TANH;
    spec.pre = spec.post = (mhc_gate){MHC_GATE_FREE, 1.0f, 0.0f};
    spec.constraint = MHC_CONSTRAINT_NONE;
    spec.contraction = MHC_CONTRACT_SUM;
    spec.start = MHC_INIT_HC;
    return spec;
}

static mhc_spec make_hc_static(void) {
    mhc_spec spec = static_spec(MHC_GATE_FREE, MHC_GATE_FREE, 1.0f);
    spec.constraint = MHC_CONSTRAINT_NONE;
    spec.start = MHC_INIT_HC_MEAN;
    return spec;
}

static mhc_spec make_paper(void) {
    mhc_spec spec = dynamic_spec();
    spec.norm_eps = 0.0f;
    return spec;
}

static mhc_spec make_deepseek_v4(void) {
    mhc_spec spec = dynamic_spec();
    spec.pre.eps = 1e-6f;
    spec.sinkhorn = (mhc_sinkhorn){20, MHC_START_SOFTMAX_EPS, MHC_AXIS_DST, MHC_EPS_ADD, 1e-6f};
    spec.transposed = true;
    spec.contraction = MHC_CONTRACT_HEAD;
    return spec;
}

static mhc_spec make_deepseek_v41(void) {
    mhc_spec spec = make_deepseek_v4();
    spec.norm_eps = 1e-20f;
    spec.schedule = MHC_SCHEDULE_SHIFTED;
    spec.contraction = MHC_CONTRACT_CARRIED;
    return spec;
}

static mhc_spec make_megatron(void) {
    mhc_spec spec = dynamic_spec();
    spec.norm_eps_place = MHC_EPS_OUTSIDE;
    spec.sinkhorn = (mhc_sinkhorn){20, MHC_START_EXP_SHIFTED, MHC_AXIS_SRC, MHC_EPS_CLAMP, 1e-6f};
    return spec;
}

static mhc_spec make_liger(void) {
    mhc_spec spec = dynamic_spec();
    spec.sinkhorn = (mhc_sinkhorn){20, MHC_START_SOFTMAX_EPS, MHC_AXIS_SRC, MHC_EPS_ADD, 1e-6f};
    return spec;
}

static mhc_spec make_mhc_lite(void) {
    mhc_spec spec = dynamic_spec();
    spec.constraint = MHC_CONSTRAINT_PERMUTATIONS;
    spec.contraction = MHC_CONTRACT_SUM;
    spec.start = MHC_INIT_LITE;
    return spec;
}

static mhc_spec make_reproducing_mhc(void) {
    return static_spec(MHC_GATE_SOFTMAX, MHC_GATE_SOFTMAX, 1.0f);
}

static mhc_spec make_mhc_poc(void) {
    mhc_spec spec = static_spec(MHC_GATE_MATRIX_MEAN, MHC_GATE_MATRIX_SUM, 1.0f);
    spec.sinkhorn.eps_mode = MHC_EPS_CLAMP;
    spec.sinkhorn.eps = 1e-12f;
    spec.start = MHC_INIT_2I_J;
    return spec;
}

static mhc_spec make_mhc_poc_hc(void) {
    mhc_spec spec = make_mhc_poc();
    spec.constraint = MHC_CONSTRAINT_EXP;
    return spec;
}

static mhc_spec make_boolq_100(void) {
    mhc_spec spec = static_spec(MHC_GATE_SIGMOID, MHC_GATE_SIGMOID, 2.0f);
    spec.sinkhorn.iterations = 40;
    spec.start = MHC_INIT_XAVIER;
    return spec;
}

static mhc_spec make_boolq_100_hc(void) {
    mhc_spec spec = static_spec(MHC_GATE_FREE, MHC_GATE_FREE, 1.0f);
    spec.constraint = MHC_CONSTRAINT_NONE;
    spec.start = MHC_INIT_XAVIER;
    return spec;
}

static const struct {
    const char *name;
    mhc_spec (*make)(void);
} presets[] = {
    {"residual", make_residual},       {"hc", make_hc},
    {"hc-static", make_hc_static},     {"paper", make_paper},
    {"deepseek-v4", make_deepseek_v4}, {"deepseek-v4.1", make_deepseek_v41},
    {"megatron", make_megatron},       {"liger", make_liger},
    {"mhc-lite", make_mhc_lite},       {"reproducing-mhc", make_reproducing_mhc},
    {"mhc-poc", make_mhc_poc},         {"mhc-poc-hc", make_mhc_poc_hc},
    {"boolq-100", make_boolq_100},     {"boolq-100-hc", make_boolq_100_hc},
};

enum { PRESETS = sizeof presets / sizeof presets[0] };

const char *mhc_spec_preset_name(int index) {
    return index >= 0 && index < PRESETS ? presets[index].name : NULL;
}

mhc_status mhc_spec_preset(mhc_spec *spec, const char *name, int streams, int64_t channels, mhc_error *error) {
    if (!spec || !name)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "mhc_spec_preset: expected a spec and a name, found NULL");
    for (int i = 0; i < PRESETS; i++)
        if (strcmp(presets[i].name, name) == 0) {
            mhc_spec made = presets[i].make();
            made.streams = streams;
            made.channels = channels;
            MHC__TRY(mhc_spec_check(&made, error));
            *spec = made;
            return MHC_OK;
        }
    char names[512] = "";
    for (int i = 0; i < PRESETS; i++) {
        strcat(names, i == 0 ? "" : ", ");
        strcat(names, presets[i].name);
    }
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "connection: expected one of %s; found \"%.64s\"", names, name);
}

static mhc_status in_range(const char *field, int64_t value, int64_t low, int64_t high, mhc_error *error) {
    if (value >= low && value <= high)
        return MHC_OK;
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "spec.%s: %lld is not in %lld..%lld", field, (long long)value,
                     (long long)low, (long long)high);
}

static mhc_status finite_from(const char *field, float value, float low, mhc_error *error) {
    if (isfinite(value) && value >= low)
        return MHC_OK;
    return mhc__fail(error, MHC_INVALID_ARGUMENT, "spec.%s: expected a finite number%s, found %g", field,
                     low == 0.0f ? " >= 0" : "", (double)value);
}

static mhc_status refuse(bool condition, const char *message, mhc_error *error) {
    return condition ? mhc__fail(error, MHC_INVALID_ARGUMENT, "%s", message) : MHC_OK;
}

static bool is_matrix(const mhc_gate *gate) {
    return gate->kind == MHC_GATE_MATRIX_MEAN || gate->kind == MHC_GATE_MATRIX_SUM;
}

static bool is_vector(const mhc_gate *gate) {
    return !is_matrix(gate) && gate->kind != MHC_GATE_FIXED;
}

static mhc_status check_ranges(const mhc_spec *spec, mhc_error *error) {
    const float any = -3.0e38f;
    MHC__TRY(in_range("streams", spec->streams, 1, MHC_MAX_STREAMS, error));
    MHC__TRY(in_range("channels", spec->channels, 1, INT32_MAX, error));
    MHC__TRY(in_range("mapping", (int)spec->mapping, 0, MHC_MAPPING_DYNAMIC, error));
    MHC__TRY(in_range("norm", (int)spec->norm, 0, MHC_NORM_PER_STREAM, error));
    MHC__TRY(in_range("norm_eps_place", (int)spec->norm_eps_place, 0, MHC_EPS_OUTSIDE, error));
    MHC__TRY(in_range("activation", (int)spec->activation, 0, MHC_ACTIVATION_TANH, error));
    MHC__TRY(in_range("pre.kind", (int)spec->pre.kind, 0, MHC_GATE_FIXED, error));
    MHC__TRY(in_range("post.kind", (int)spec->post.kind, 0, MHC_GATE_FIXED, error));
    MHC__TRY(in_range("constraint", (int)spec->constraint, 0, MHC__CONSTRAINTS - 1, error));
    MHC__TRY(in_range("finish", (int)spec->finish, 0, MHC_FINISH_AFFINE, error));
    MHC__TRY(in_range("sinkhorn.start", (int)spec->sinkhorn.start, 0, MHC_START_SOFTMAX_EPS, error));
    MHC__TRY(in_range("sinkhorn.first", (int)spec->sinkhorn.first, 0, MHC_AXIS_DST, error));
    MHC__TRY(in_range("sinkhorn.eps_mode", (int)spec->sinkhorn.eps_mode, 0, MHC_EPS_CLAMP, error));
    MHC__TRY(in_range("schedule", (int)spec->schedule, 0, MHC_SCHEDULE_SHIFTED, error));
    MHC__TRY(in_range("contraction", (int)spec->contraction, 0, MHC_CONTRACT_CARRIED, error));
    MHC__TRY(in_range("start", (int)spec->start, 0, MHC_INIT_XAVIER, error));
    MHC__TRY(in_range("precision", (int)spec->precision, 0, MHC_PRECISION_BF16, error));
    MHC__TRY(in_range("type", (int)spec->type, 0, MHC_FP16, error));
    MHC__TRY(finite_from("norm_eps", spec->norm_eps, 0.0f, error));
    MHC__TRY(finite_from("head_eps", spec->head_eps, 0.0f, error));
    MHC__TRY(finite_from("pre.multiplier", spec->pre.multiplier, any, error));
    MHC__TRY(finite_from("pre.eps", spec->pre.eps, any, error));
    MHC__TRY(finite_from("post.multiplier", spec->post.multiplier, any, error));
    MHC__TRY(finite_from("post.eps", spec->post.eps, any, error));
    MHC__TRY(finite_from("scale_start", spec->scale_start, any, error));
    MHC__TRY(finite_from("fn_start", spec->fn_start, 0.0f, error));
    MHC__TRY(finite_from("leak", spec->leak, 0.0f, error));
    MHC__TRY(finite_from("off_diagonal", spec->off_diagonal, 0.0f, error));
    MHC__TRY(refuse(spec->leak > 1.0f, "spec.leak: expected a share of at most 1, found more", error));
    if (spec->constraint == MHC_CONSTRAINT_SINKHORN) {
        MHC__TRY(in_range("sinkhorn.iterations", spec->sinkhorn.iterations, 1, 1000, error));
        MHC__TRY(finite_from("sinkhorn.eps", spec->sinkhorn.eps, 0.0f, error));
    }
    return MHC_OK;
}

static mhc_status check_start(const mhc_spec *spec, mhc_error *error) {
    bool matrices = is_matrix(&spec->pre) || is_matrix(&spec->post);
    MHC__TRY(refuse(matrices && (spec->start == MHC_INIT_HOME || spec->start == MHC_INIT_HC ||
                                 spec->start == MHC_INIT_HC_MEAN || spec->start == MHC_INIT_LITE),
                    "spec.start: matrix gates start with MHC_INIT_ZEROS, MHC_INIT_2I_J or MHC_INIT_XAVIER, found "
                    "another",
                    error));
    MHC__TRY(refuse(spec->start == MHC_INIT_2I_J && (is_vector(&spec->pre) || is_vector(&spec->post)),
                    "spec.start: MHC_INIT_2I_J needs matrix gates for pre and post, or fixed ones", error));
    return spec->off_diagonal > 0.0f ? mhc__start_check(spec, (double)spec->off_diagonal, "spec.off_diagonal", error)
                                     : MHC_OK;
}

static mhc_status check_constraint(const mhc_spec *spec, mhc_error *error) {
    int n = spec->streams;
    if (spec->constraint == MHC_CONSTRAINT_PERMUTATIONS && n > 5)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "spec.streams: %d is not in 1..5 (n! permutations)", n);
    if (spec->constraint == MHC_CONSTRAINT_KRONECKER && (n & (n - 1)) != 0)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "spec.streams: kronecker needs a power of two, found %d", n);
    if (spec->finish == MHC_FINISH_ROUNDING && mhc__constraint_is_signed(spec->constraint))
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "spec.finish: rounding needs entries of at least 0, and %s has negative ones; expected "
                         "MHC_FINISH_NONE or MHC_FINISH_AFFINE",
                         mhc_constraint_name((int)spec->constraint));
    bool vectors = !is_matrix(&spec->pre) && !is_matrix(&spec->post);
    bool divides = mhc__constraint_has_matrix(spec->constraint) || spec->constraint == MHC_CONSTRAINT_IDENTITY;
    return refuse(spec->norm == MHC_NORM_PER_STREAM && (!vectors || !divides),
                  "spec.norm: MHC_NORM_PER_STREAM has one pre, one post and n res logits per stream: matrix gates and "
                  "constraints without n x n logits need MHC_NORM_FLAT",
                  error);
}

mhc_status mhc_spec_check(const mhc_spec *spec, mhc_error *error) {
    if (!spec)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "spec: expected a pointer, found NULL");
    MHC__TRY(check_ranges(spec, error));
    if (spec->mapping == MHC_MAPPING_NONE) {
        if (spec->streams != 1)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "spec.streams: the plain residual has 1 stream, found %d",
                             spec->streams);
        MHC__TRY(refuse(spec->schedule == MHC_SCHEDULE_SHIFTED || spec->contraction == MHC_CONTRACT_CARRIED,
                        "spec.schedule, spec.contraction: the plain residual has no pre to carry", error));
        return MHC_OK;
    }
    bool dynamic = spec->mapping == MHC_MAPPING_DYNAMIC;
    MHC__TRY(refuse(dynamic && spec->norm == MHC_NORM_NONE,
                    "spec.norm: a dynamic mapping needs MHC_NORM_FLAT or MHC_NORM_PER_STREAM, found MHC_NORM_NONE",
                    error));
    MHC__TRY(refuse(!dynamic && spec->norm != MHC_NORM_NONE,
                    "spec.norm: a static mapping has no norm: expected MHC_NORM_NONE", error));
    MHC__TRY(refuse(!dynamic && spec->activation != MHC_ACTIVATION_NONE,
                    "spec.activation: a static mapping has no activation: expected MHC_ACTIVATION_NONE", error));
    MHC__TRY(check_constraint(spec, error));
    MHC__TRY(
        refuse(dynamic && mhc__shape_of(spec).logits == 0,
               "spec.mapping: fixed gates and no logits of res leave nothing to compute from the streams: expected "
               "MHC_MAPPING_STATIC",
               error));
    return check_start(spec, error);
}
