/* From mix to coefficients and back, for up to MHC__LANES tokens at once.
 *
 *     logits = scale * act(mix) + base;   pre, post = gate(logits);   res = constraint(logits) */
#ifndef MHC_STREAM_KERNEL_COEFFICIENTS_H
#define MHC_STREAM_KERNEL_COEFFICIENTS_H

#include "stream/constraint/constraint.h"
#include "stream/shape.h"

/* The same for coefficients as MHC__LOGIT_FLOATS. */
#if !defined(MHC__COEFFICIENT_FLOATS)
#define MHC__COEFFICIENT_FLOATS 1280
#endif

/* value = multiplier f(logit) + eps. */
MHC__INLINE void mhc__gate_forward(const mhc_gate *gate, int n, int w, const float *x, float *value) {
    float p[MHC__MATRIX_FLOATS];
    const float m = gate->multiplier, eps = gate->eps;
    switch (gate->kind) {
    case MHC_GATE_FREE:
        for (int e = 0; e < n * w; e++)
            value[e] = m * x[e] + eps;
        break;
    case MHC_GATE_SIGMOID:
        for (int e = 0; e < n * w; e++)
            value[e] = m * mhc__sigmoidf(x[e]) + eps;
        break;
    case MHC_GATE_SOFTMAX:
        mhc__lanes_softmax(n, w, x, p);
        for (int e = 0; e < n * w; e++)
            value[e] = m * p[e] + eps;
        break;
    case MHC_GATE_MATRIX_MEAN:
    case MHC_GATE_MATRIX_SUM: {
        mhc__line_softmax(MHC_AXIS_SRC, n, w, true, x, p);
        float share = gate->kind == MHC_GATE_MATRIX_MEAN ? m / (float)n : m;
        for (int j = 0; j < n; j++) {
            float sum[MHC__LANES];
            mhc__line_sums(p, mhc__line_of(MHC_AXIS_DST, n, j), n, w, sum);
            for (int l = 0; l < w; l++)
                value[j * w + l] = share * sum[l] + eps;
        }
        break;
    }
    case MHC_GATE_FIXED:
        for (int e = 0; e < n * w; e++)
            value[e] = m + eps;
        break;
    }
}

MHC__INLINE void mhc__gate_backward(const mhc_gate *gate, int n, int w, const float *x, const float *d_value,
                                    float *d) {
    float p[MHC__MATRIX_FLOATS];
    const float m = gate->multiplier;
    switch (gate->kind) {
    case MHC_GATE_FREE:
        for (int e = 0; e < n * w; e++)
            d[e] = m * d_value[e];
        break;
    case MHC_GATE_SIGMOID: /* s(-x) = 1 - s(x) without cancellation */
        for (int e = 0; e < n * w; e++)
            d[e] = m * d_value[e] * (mhc__sigmoidf(x[e]) * mhc__sigmoidf(-x[e]));
        break;
    case MHC_GATE_SOFTMAX:
        mhc__lanes_softmax(n, w, x, p);
        for (int e = 0; e < n * w; e++)
            d[e] = m * d_value[e];
        mhc__lanes_softmax_back(n, w, p, d);
        break;
    case MHC_GATE_MATRIX_MEAN:
    case MHC_GATE_MATRIX_SUM: {
        mhc__line_softmax(MHC_AXIS_SRC, n, w, true, x, p);
        float share = gate->kind == MHC_GATE_MATRIX_MEAN ? m / (float)n : m;
        for (int i = 0; i < n; i++) {
            for (int e = 0; e < n * w; e++)
                d[i * n * w + e] = share * d_value[e];
            mhc__lanes_softmax_back(n, w, p + i * n * w, d + i * n * w);
        }
        break;
    }
    case MHC_GATE_FIXED: /* no logits */
        break;
    }
}

MHC__INLINE int mhc__part_of(const mhc__shape *s, int logit) {
    return logit < s->pre ? 0 : logit < s->pre + s->post ? 1 : 2;
}

/* x: logits; a: act(mix), for the gradient (may be NULL). */
MHC__INLINE void mhc__logits_lanes(const mhc_spec *spec, const mhc__shape *s, int w, int tokens, const float *mix,
                                   int64_t stride, const float *scale, const float *base, float *x, float *a) {
    for (int k = 0; k < s->logits; k++) {
        float value[MHC__LANES] = {0};
        if (s->dynamic) {
            int place = mhc__mix_place(s, spec->transposed, k);
            float factor = scale[mhc__part_of(s, k)];
            for (int l = 0; l < w; l++)
                value[l] = mix[mhc__min(l, tokens - 1) * stride + place];
            if (spec->activation == MHC_ACTIVATION_TANH)
                for (int l = 0; l < w; l++)
                    value[l] = mhc__tanhf(value[l]);
            if (a)
                for (int l = 0; l < w; l++)
                    a[k * w + l] = value[l];
            for (int l = 0; l < w; l++)
                value[l] *= factor;
        }
        for (int l = 0; l < w; l++)
            x[k * w + l] = value[l] + base[k];
    }
}

MHC__INLINE void mhc__forward_lanes(const mhc_spec *spec, const mhc__shape *s, int n, int w, int tokens,
                                    const float *mix, int64_t stride, const float *scale, const float *base,
                                    float *coefficients) {
    float x[MHC__LOGIT_FLOATS], y[MHC__COEFFICIENT_FLOATS];
    mhc__logits_lanes(spec, s, w, tokens, mix, stride, scale, base, x, NULL);
    mhc__gate_forward(&spec->pre, n, w, x, y);
    mhc__gate_forward(&spec->post, n, w, x + s->pre * w, y + n * w);
    mhc__constraint_lanes(spec, n, w, x + (s->pre + s->post) * w, y + 2 * n * w);
    for (int l = 0; l < tokens; l++)
        for (int e = 0; e < s->coefficients; e++)
            coefficients[l * s->coefficients + e] = y[e * w + l];
}

/* From d (gradient of the logits) to d_mix and the sums for base and scale. Those cancel: they are taken in double, in
 * a fixed order. */
MHC__INLINE void mhc__logits_back(const mhc_spec *spec, const mhc__shape *s, int w, int tokens, const float *scale,
                                  const float *a, const float *d, float *d_mix, int64_t stride, double *sums) {
    double scale_sum[3] = {0.0, 0.0, 0.0};
    for (int k = 0; k < s->logits; k++) {
        double base_sum = 0.0;
        for (int l = 0; l < tokens; l++)
            base_sum += (double)d[k * w + l];
        sums[k] += base_sum;
        if (!s->dynamic)
            continue;
        int place = mhc__mix_place(s, spec->transposed, k), part = mhc__part_of(s, k);
        for (int l = 0; l < tokens; l++) {
            float slope = spec->activation == MHC_ACTIVATION_TANH ? 1.0f - a[k * w + l] * a[k * w + l] : 1.0f;
            scale_sum[part] += (double)d[k * w + l] * (double)a[k * w + l];
            d_mix[l * stride + place] = scale[part] * d[k * w + l] * slope;
        }
    }
    for (int part = 0; part < 3 && s->dynamic; part++)
        sums[s->logits + part] += scale_sum[part];
}

MHC__INLINE void mhc__backward_lanes(const mhc_spec *spec, const mhc__shape *s, int n, int w, int tokens,
                                     const float *mix, int64_t stride, const float *scale, const float *base,
                                     const float *d_coefficients, float *d_mix, int64_t d_stride, double *sums) {
    float x[MHC__LOGIT_FLOATS], a[MHC__LOGIT_FLOATS], d[MHC__LOGIT_FLOATS], dy[MHC__COEFFICIENT_FLOATS];
    mhc__logits_lanes(spec, s, w, tokens, mix, stride, scale, base, x, a);
    for (int l = 0; l < w; l++) {
        const float *row = d_coefficients + mhc__min(l, tokens - 1) * s->coefficients;
        for (int e = 0; e < s->coefficients; e++)
            dy[e * w + l] = row[e];
    }
    int res = s->pre + s->post;
    mhc__gate_backward(&spec->pre, n, w, x, dy, d);
    mhc__gate_backward(&spec->post, n, w, x + s->pre * w, dy + n * w, d + s->pre * w);
    mhc__constraint_lanes_back(spec, n, w, x + res * w, dy + 2 * n * w, d + res * w);
    mhc__logits_back(spec, s, w, tokens, scale, a, d, d_mix, d_stride, sums);
}

#endif
