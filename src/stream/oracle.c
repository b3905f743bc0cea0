/* The fp64 oracle of a whole site: for each token, mapping, collapse and merge as the formulas of mhc/spec.h say. */
#include "stream/oracle.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

double mhc__oracle_eps(float eps) {
    double value = (double)eps;
    if (value == 0.0 || !isfinite(value))
        return value;
    double scale = pow(10.0, 5.0 - floor(log10(fabs(value))));
    return rint(value * scale) / scale;
}

/* Coefficients of one token (or of the site, when static) and everything needed to go back through them. */
typedef struct scratch {
    double *memory;
    double *mix, *logits, *d_logits, *d_mix, *history;
} scratch;

static mhc_status open_scratch(const mhc_spec *spec, const mhc__shape *s, scratch *work, mhc_error *error) {
    int64_t count = 4 * (int64_t)s->logits + mhc__oracle_history(spec);
    MHC__TRY(MHC__ALLOCATE(work->memory, count, "oracle scratch", error));
    work->mix = work->memory;
    work->logits = work->mix + s->logits;
    work->d_logits = work->logits + s->logits;
    work->d_mix = work->d_logits + s->logits;
    work->history = work->d_mix + s->logits;
    return MHC_OK;
}

static int part_of(const mhc__shape *s, int logit) {
    return logit < s->pre ? 0 : logit < s->pre + s->post ? 1 : 2;
}

static double activation(const mhc_spec *spec, double mix) {
    return spec->activation == MHC_ACTIVATION_TANH ? tanh(mix) : mix;
}

/* Fills work->mix and work->logits, then one row of coefficients. */
static void map_token(const mhc_spec *spec, const mhc__shape *s, const mhc_oracle_params *params, const double *x,
                      scratch *work, double *row) {
    int n = s->n;
    if (s->plain) {
        row[0] = row[1] = row[2] = 1.0;
        return;
    }
    int64_t count = s->per_stream ? s->channels : n * s->channels;
    for (int group = 0; group < s->groups; group++)
        mhc__oracle_project(spec, count, x + group * count, s->width, params->fn, work->mix + group * s->width);
    for (int k = 0; k < s->logits; k++) {
        double mixed = s->dynamic ? params->scale[part_of(s, k)] *
                                        activation(spec, work->mix[mhc__mix_place(s, spec->transposed, k)])
                                  : 0.0;
        work->logits[k] = mixed + params->base[k];
    }
    mhc__oracle_gate(&spec->pre, n, work->logits, row);
    mhc__oracle_gate(&spec->post, n, work->logits + s->pre, row + n);
    mhc__oracle_constraint(spec, work->logits + s->pre + s->post, row + 2 * n, work->history);
}

/* d_row: gradient of one row of coefficients. Adds to gradients and d_x (each may be NULL). */
static void map_token_back(const mhc_spec *spec, const mhc__shape *s, const mhc_oracle_params *params, const double *x,
                           const double *d_row, scratch *work, const mhc_oracle_params *gradients, double *d_x) {
    int n = s->n;
    int64_t count = s->per_stream ? s->channels : n * s->channels;
    mhc__oracle_gate_back(&spec->pre, n, work->logits, d_row, work->d_logits);
    mhc__oracle_gate_back(&spec->post, n, work->logits + s->pre, d_row + n, work->d_logits + s->pre);
    mhc__oracle_constraint_back(spec, work->logits + s->pre + s->post, d_row + 2 * n, work->d_logits + s->pre + s->post,
                                work->history);
    for (int k = 0; k < s->logits; k++) {
        double d = work->d_logits[k];
        if (gradients && gradients->base)
            gradients->base[k] += d;
        if (!s->dynamic)
            continue;
        int place = mhc__mix_place(s, spec->transposed, k), part = part_of(s, k);
        double a = activation(spec, work->mix[place]);
        if (gradients && gradients->scale)
            gradients->scale[part] += d * a;
        work->d_mix[place] = d * params->scale[part] * (spec->activation == MHC_ACTIVATION_TANH ? 1.0 - a * a : 1.0);
    }
    for (int group = 0; group < s->groups; group++)
        mhc__oracle_project_back(spec, count, x + group * count, s->width, params->fn, work->d_mix + group * s->width,
                                 d_x ? d_x + group * count : NULL, gradients ? gradients->fn : NULL);
}

/* Weight j of the collapse of token t. */
static double collapse_weight(const mhc__shape *s, const double *row, const double *carried, int64_t t, int j) {
    if (!s->shifted)
        return row[j];
    if (!carried)
        return j == 0;
    return carried[(s->dynamic ? t : 0) * s->coefficients + j];
}

static mhc_status enter(const mhc_spec *spec, int64_t tokens, const mhc_oracle_params *params, const double *x,
                        mhc__shape *s, mhc_error *error) {
    mhc_context context = {MHC_DEVICE_CPU, NULL, 1};
    MHC__TRY(mhc__site_enter(&context, spec, tokens, s, error));
    if (s->logits > 0 && (!params || !params->base || (s->dynamic && (!params->fn || !params->scale))))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "mhc_oracle: params: expected arrays, found NULL");
    return tokens > 0 ? mhc__need(x, "mhc_oracle", "x", error) : MHC_OK;
}

static void forward_token(const mhc__shape *s, const double *row, const double *carried, int64_t t, const double *x,
                          const double *z, double *u, double *merged) {
    int n = s->n;
    int64_t channels = s->channels;
    for (int64_t c = 0; c < channels && u; c++) {
        u[c] = 0.0;
        for (int j = 0; j < n; j++)
            u[c] += collapse_weight(s, row, carried, t, j) * x[j * channels + c];
    }
    for (int i = 0; i < n && merged && z; i++)
        for (int64_t c = 0; c < channels; c++) {
            double sum = row[n + i] * z[c];
            for (int j = 0; j < n; j++)
                sum += row[2 * n + i * n + j] * x[j * channels + c];
            merged[i * channels + c] = sum;
        }
}

mhc_status mhc_oracle_site_forward(const mhc_spec *spec, const mhc_oracle_params *params, int64_t tokens,
                                   const double *x, const double *z, const double *carried, double *coefficients,
                                   double *u, double *merged, mhc_error *error) {
    mhc__shape s = {0};
    scratch work;
    MHC__TRY(enter(spec, tokens, params, x, &s, error));
    if (merged && tokens > 0)
        MHC__TRY(mhc__need(z, "mhc_oracle_site_forward", "z", error));
    MHC__TRY(open_scratch(spec, &s, &work, error));
    double row[MHC_MAX_STREAMS * (MHC_MAX_STREAMS + 2)];
    int64_t n = s.n, channels = s.channels;
    if (!s.dynamic)
        map_token(spec, &s, params, NULL, &work, row);
    if (!s.dynamic && coefficients)
        memcpy(coefficients, row, (size_t)s.coefficients * sizeof *row);
    for (int64_t t = 0; t < tokens; t++) {
        if (s.dynamic) {
            map_token(spec, &s, params, x + t * n * channels, &work, row);
            if (coefficients)
                memcpy(coefficients + t * s.coefficients, row, (size_t)s.coefficients * sizeof *row);
        }
        forward_token(&s, row, carried, t, x + t * n * channels, z ? z + t * channels : NULL,
                      u ? u + t * channels : NULL, merged ? merged + t * n * channels : NULL);
    }
    mhc__release(work.memory);
    return MHC_OK;
}

/* Collapse and merge backward of one token: adds to d_x, d_row, d_carried; writes d_z. */
static void backward_token(const mhc__shape *s, const double *row, const double *carried, int64_t t, const double *x,
                           const double *z, const double *d_u, const double *d_merged, double *d_x, double *d_z,
                           double *d_row, double *d_carried) {
    int n = s->n;
    int64_t channels = s->channels;
    double *d_weights = s->shifted ? d_carried : d_row;
    for (int64_t c = 0; c < channels; c++) {
        for (int j = 0; j < n; j++) {
            if (d_weights)
                d_weights[j] += d_u[c] * x[j * channels + c];
            if (d_x)
                d_x[j * channels + c] += collapse_weight(s, row, carried, t, j) * d_u[c];
        }
        double sum = 0.0;
        for (int i = 0; i < n; i++) {
            double d = d_merged[i * channels + c];
            sum += row[n + i] * d;
            d_row[n + i] += d * z[c];
            for (int j = 0; j < n; j++) {
                d_row[2 * n + i * n + j] += d * x[j * channels + c];
                if (d_x)
                    d_x[j * channels + c] += row[2 * n + i * n + j] * d;
            }
        }
        if (d_z)
            d_z[c] = sum;
    }
}

static void clear(double *array, int64_t count) {
    if (array && count > 0)
        memset(array, 0, (size_t)count * sizeof *array);
}

static void clear_gradients(const mhc__shape *s, const mhc_oracle_params *gradients) {
    if (!gradients)
        return;
    clear(gradients->fn, s->dynamic ? (int64_t)s->width * (s->per_stream ? 1 : s->n) * s->channels : 0);
    clear(gradients->base, s->logits);
    clear(gradients->scale, s->dynamic ? 3 : 0);
}

static void add_upstream(const mhc__shape *s, const double *d_pre, int64_t t, double *d_row) {
    for (int j = 0; j < s->n && s->shifted && d_pre; j++)
        d_row[j] += d_pre[(s->dynamic ? t : 0) * s->n + j];
}

mhc_status mhc_oracle_site_backward(const mhc_spec *spec, const mhc_oracle_params *params, int64_t tokens,
                                    const double *x, const double *z, const double *carried, const double *d_u,
                                    const double *d_merged, const double *d_pre, double *d_x, double *d_z,
                                    double *d_carried, const mhc_oracle_params *gradients, mhc_error *error) {
    const char *call = "mhc_oracle_site_backward";
    mhc__shape s = {0};
    scratch work;
    MHC__TRY(enter(spec, tokens, params, x, &s, error));
    if (tokens > 0) {
        MHC__TRY(mhc__need(z, call, "z", error));
        MHC__TRY(mhc__need(d_u, call, "d_u", error));
        MHC__TRY(mhc__need(d_merged, call, "d_merged", error));
    }
    MHC__TRY(open_scratch(spec, &s, &work, error));
    double row[MHC_MAX_STREAMS * (MHC_MAX_STREAMS + 2)], d_row[MHC_MAX_STREAMS * (MHC_MAX_STREAMS + 2)];
    int64_t n = s.n, channels = s.channels;
    clear_gradients(&s, gradients);
    clear(d_x, tokens * n * channels);
    clear(d_row, s.coefficients);
    for (int64_t t = 0; d_carried && t < (s.dynamic ? tokens : 1); t++)
        clear(d_carried + t * s.coefficients, n);
    if (!s.dynamic)
        map_token(spec, &s, params, NULL, &work, row);
    for (int64_t t = 0; t < tokens; t++) {
        const double *at = x + t * n * channels;
        double *d_at = d_x ? d_x + t * n * channels : NULL;
        if (s.dynamic) {
            map_token(spec, &s, params, at, &work, row);
            clear(d_row, s.coefficients);
            add_upstream(&s, d_pre, t, d_row);
        }
        backward_token(&s, row, carried, t, at, z + t * channels, d_u + t * channels, d_merged + t * n * channels, d_at,
                       d_z ? d_z + t * channels : NULL, d_row,
                       d_carried ? d_carried + (s.dynamic ? t : 0) * s.coefficients : NULL);
        if (s.dynamic)
            map_token_back(spec, &s, params, at, d_row, &work, gradients, d_at);
    }
    if (!s.dynamic && s.logits > 0) {
        add_upstream(&s, d_pre, 0, d_row);
        map_token_back(spec, &s, params, NULL, d_row, &work, gradients, NULL);
    }
    mhc__release(work.memory);
    return MHC_OK;
}

mhc_status mhc_oracle_constraint_forward(const mhc_spec *spec, const double *logits, double *res, mhc_error *error) {
    mhc__shape s = {0};
    scratch work;
    mhc_context context = {MHC_DEVICE_CPU, NULL, 1};
    MHC__TRY(mhc__site_enter(&context, spec, 0, &s, error));
    MHC__TRY(mhc__need(res, "mhc_oracle_constraint_forward", "res", error));
    if (s.res > 0)
        MHC__TRY(mhc__need(logits, "mhc_oracle_constraint_forward", "logits", error));
    MHC__TRY(open_scratch(spec, &s, &work, error));
    mhc__oracle_constraint(spec, logits, res, work.history);
    mhc__release(work.memory);
    return MHC_OK;
}

mhc_status mhc_oracle_constraint_backward(const mhc_spec *spec, const double *logits, const double *d_res,
                                          double *d_logits, mhc_error *error) {
    const char *call = "mhc_oracle_constraint_backward";
    mhc__shape s = {0};
    scratch work;
    mhc_context context = {MHC_DEVICE_CPU, NULL, 1};
    MHC__TRY(mhc__site_enter(&context, spec, 0, &s, error));
    if (s.res == 0)
        return MHC_OK;
    MHC__TRY(mhc__need(logits, call, "logits", error));
    MHC__TRY(mhc__need(d_res, call, "d_res", error));
    MHC__TRY(mhc__need(d_logits, call, "d_logits", error));
    MHC__TRY(open_scratch(spec, &s, &work, error));
    mhc__oracle_constraint_back(spec, logits, d_res, d_logits, work.history);
    mhc__release(work.memory);
    return MHC_OK;
}
