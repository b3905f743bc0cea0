/* Contraction in double. */
#include <math.h>
#include <string.h>

#include "stream/oracle.h"

/* Weights of token t, and the head's mix where there is one. */
static void token_weights(const mhc_spec *spec, const mhc__shape *s, const mhc_oracle_params *head, int64_t t,
                          const double *x, const double *carried, double *mix, double *w) {
    int n = s->n;
    if (spec->contraction == MHC_CONTRACT_HEAD)
        mhc__oracle_project(spec, n * s->channels, x, n, head->fn, mix);
    for (int i = 0; i < n; i++)
        switch (spec->contraction) {
        case MHC_CONTRACT_MEAN:
            w[i] = 1.0 / n;
            break;
        case MHC_CONTRACT_SUM:
            w[i] = 1.0;
            break;
        case MHC_CONTRACT_HEAD:
            w[i] = 1.0 / (1.0 + exp(-(head->scale[0] * mix[i] + head->base[i]))) + mhc__oracle_eps(spec->head_eps);
            break;
        case MHC_CONTRACT_CARRIED:
            w[i] = carried[(s->dynamic ? t : 0) * s->coefficients + i];
            break;
        }
}

static mhc_status enter(const mhc_spec *spec, const mhc_oracle_params *head, int64_t tokens, const double *x,
                        const double *carried, mhc__shape *s, mhc_error *error) {
    const char *call = "mhc_oracle_contract";
    mhc_context context = {MHC_DEVICE_CPU, NULL, 1};
    MHC__TRY(mhc__site_enter(&context, spec, tokens, s, error));
    if (spec->contraction == MHC_CONTRACT_HEAD && (!head || !head->fn || !head->base || !head->scale))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: head: expected arrays, found NULL", call);
    if (tokens == 0)
        return MHC_OK;
    MHC__TRY(mhc__need(x, call, "x", error));
    return spec->contraction == MHC_CONTRACT_CARRIED ? mhc__need(carried, call, "carried", error) : MHC_OK;
}

mhc_status mhc_oracle_contract_forward(const mhc_spec *spec, const mhc_oracle_params *head, int64_t tokens,
                                       const double *x, const double *carried, double *y, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(enter(spec, head, tokens, x, carried, &s, error));
    double mix[MHC_MAX_STREAMS], w[MHC_MAX_STREAMS];
    for (int64_t t = 0; t < tokens && y; t++) {
        const double *at = x + t * s.n * s.channels;
        token_weights(spec, &s, head, t, at, carried, mix, w);
        for (int64_t c = 0; c < s.channels; c++) {
            double sum = 0.0;
            for (int i = 0; i < s.n; i++)
                sum += w[i] * at[i * s.channels + c];
            y[t * s.channels + c] = sum;
        }
    }
    return MHC_OK;
}

static void clear(double *array, int64_t count) {
    if (array && count > 0)
        memset(array, 0, (size_t)count * sizeof *array);
}

/* d_w -> head gradients and d_x (each may be NULL). */
static void head_back(const mhc_spec *spec, const mhc__shape *s, const mhc_oracle_params *head, const double *x,
                      const double *mix, double *d_w, const mhc_oracle_params *gradients, double *d_x) {
    for (int i = 0; i < s->n; i++) {
        double logit = head->scale[0] * mix[i] + head->base[i];
        double d = d_w[i] / (1.0 + exp(-logit)) / (1.0 + exp(logit));
        if (gradients && gradients->base)
            gradients->base[i] += d;
        if (gradients && gradients->scale)
            gradients->scale[0] += d * mix[i];
        d_w[i] = d * head->scale[0];
    }
    mhc__oracle_project_back(spec, s->n * s->channels, x, s->n, head->fn, d_w, d_x, gradients ? gradients->fn : NULL);
}

mhc_status mhc_oracle_contract_backward(const mhc_spec *spec, const mhc_oracle_params *head, int64_t tokens,
                                        const double *x, const double *carried, const double *d_y, double *d_x,
                                        double *d_carried, const mhc_oracle_params *gradients, mhc_error *error) {
    mhc__shape s = {0};
    MHC__TRY(enter(spec, head, tokens, x, carried, &s, error));
    if (tokens > 0)
        MHC__TRY(mhc__need(d_y, "mhc_oracle_contract_backward", "d_y", error));
    int64_t n = s.n, channels = s.channels;
    bool is_head = spec->contraction == MHC_CONTRACT_HEAD;
    if (gradients && is_head) {
        clear(gradients->fn, n * n * channels);
        clear(gradients->base, n);
        clear(gradients->scale, 1);
    }
    clear(d_x, tokens * n * channels);
    for (int64_t t = 0; d_carried && t < (s.dynamic ? tokens : 1); t++)
        clear(d_carried + t * s.coefficients, n);
    for (int64_t t = 0; t < tokens; t++) {
        const double *at = x + t * n * channels, *d = d_y + t * channels;
        double mix[MHC_MAX_STREAMS] = {0}, w[MHC_MAX_STREAMS], d_w[MHC_MAX_STREAMS] = {0};
        token_weights(spec, &s, head, t, at, carried, mix, w);
        for (int i = 0; i < n; i++)
            for (int64_t c = 0; c < channels; c++) {
                d_w[i] += d[c] * at[i * channels + c];
                if (d_x)
                    d_x[(t * n + i) * channels + c] += w[i] * d[c];
            }
        for (int i = 0; i < n && d_carried && spec->contraction == MHC_CONTRACT_CARRIED; i++)
            d_carried[(s.dynamic ? t : 0) * s.coefficients + i] += d_w[i];
        if (is_head)
            head_back(spec, &s, head, at, mix, d_w, gradients, d_x ? d_x + t * n * channels : NULL);
    }
    return MHC_OK;
}
