#include "stream/mapping/coefficients.h"

#include "stream/constraint/constraint.h"

/* Logits of MHC__LANES tokens at n <= 8, of one token at n <= 32 with matrix gates: 3 x 1024 either way. */
#define LOGIT_FLOATS       3072
#define COEFFICIENT_FLOATS 1280

/* value = multiplier f(logit) + eps. */
MHC__INLINE void gate_forward(const mhc_gate *gate, int n, int w, const float *x, float *value) {
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
    }
}

MHC__INLINE void gate_backward(const mhc_gate *gate, int n, int w, const float *x, const float *d_value, float *d) {
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
    }
}

MHC__INLINE int part_of(const mhc__shape *s, int logit) {
    return logit < s->pre ? 0 : logit < s->pre + s->post ? 1 : 2;
}

/* x: logits; a: act(mix), for the gradient (may be NULL). */
MHC__INLINE void logits_lanes(const mhc_spec *spec, const mhc__shape *s, int w, int64_t first, int64_t end,
                              const float *mix, int64_t stride, const float *scale, const float *base, float *x,
                              float *a) {
    for (int k = 0; k < s->logits; k++) {
        float value[MHC__LANES] = {0};
        if (s->dynamic) {
            int place = mhc__mix_place(s, spec->transposed, k);
            float factor = scale[part_of(s, k)];
            for (int l = 0; l < w; l++)
                value[l] = mix[mhc__min(first + l, end - 1) * stride + place];
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

MHC__INLINE void forward_lanes(const mhc_spec *spec, const mhc__shape *s, int n, int w, int64_t first, int64_t end,
                               const float *mix, int64_t stride, const float *scale, const float *base,
                               float *coefficients) {
    float x[LOGIT_FLOATS], y[COEFFICIENT_FLOATS];
    logits_lanes(spec, s, w, first, end, mix, stride, scale, base, x, NULL);
    gate_forward(&spec->pre, n, w, x, y);
    gate_forward(&spec->post, n, w, x + s->pre * w, y + n * w);
    mhc__constraint_lanes(spec, n, w, x + (s->pre + s->post) * w, y + 2 * n * w);
    for (int l = 0; l < w && first + l < end; l++)
        for (int e = 0; e < s->coefficients; e++)
            coefficients[(first + l) * s->coefficients + e] = y[e * w + l];
}

/* From d (gradient of the logits) to d_mix, d_base, d_scale. The sums cancel:
 * they are taken in double, in a fixed order. */
MHC__INLINE void logits_back(const mhc_spec *spec, const mhc__shape *s, int w, int64_t first, int64_t end,
                             const float *scale, const float *a, const float *d, float *d_mix, int64_t stride,
                             float *d_base, float *d_scale) {
    int tokens = (int)(end - first);
    double scale_sum[3] = {0.0, 0.0, 0.0};
    for (int k = 0; k < s->logits; k++) {
        double base_sum = 0.0;
        for (int l = 0; l < tokens; l++)
            base_sum += (double)d[k * w + l];
        d_base[k] += (float)base_sum;
        if (!s->dynamic)
            continue;
        int place = mhc__mix_place(s, spec->transposed, k), part = part_of(s, k);
        for (int l = 0; l < tokens; l++) {
            float slope = spec->activation == MHC_ACTIVATION_TANH ? 1.0f - a[k * w + l] * a[k * w + l] : 1.0f;
            scale_sum[part] += (double)d[k * w + l] * (double)a[k * w + l];
            d_mix[(first + l) * stride + place] = scale[part] * d[k * w + l] * slope;
        }
    }
    for (int part = 0; part < 3 && s->dynamic; part++)
        d_scale[part] += (float)scale_sum[part];
}

MHC__INLINE void backward_lanes(const mhc_spec *spec, const mhc__shape *s, int n, int w, int64_t first, int64_t end,
                                const float *mix, int64_t stride, const float *scale, const float *base,
                                const float *d_coefficients, float *d_mix, int64_t d_stride, float *d_base,
                                float *d_scale) {
    float x[LOGIT_FLOATS], a[LOGIT_FLOATS], d[LOGIT_FLOATS], dy[COEFFICIENT_FLOATS], states[MHC__SINKHORN_STATES];
    logits_lanes(spec, s, w, first, end, mix, stride, scale, base, x, a);
    for (int l = 0; l < w; l++) {
        const float *row = d_coefficients + mhc__min(first + l, end - 1) * s->coefficients;
        for (int e = 0; e < s->coefficients; e++)
            dy[e * w + l] = row[e];
    }
    int res = s->pre + s->post;
    gate_backward(&spec->pre, n, w, x, dy, d);
    gate_backward(&spec->post, n, w, x + s->pre * w, dy + n * w, d + s->pre * w);
    mhc__constraint_lanes_back(spec, n, w, x + res * w, dy + 2 * n * w, d + res * w, states);
    logits_back(spec, s, w, first, end, scale, a, d, d_mix, d_stride, d_base, d_scale);
}

MHC__CLONES void mhc__coefficients_forward(const mhc_spec *spec, const mhc__shape *shape, int64_t first, int64_t end,
                                           const float *mix, int64_t mix_stride, const float *scale, const float *base,
                                           float *coefficients) {
    int n = shape->n;
    if (n == 4)
        forward_lanes(spec, shape, 4, MHC__LANES, first, end, mix, mix_stride, scale, base, coefficients);
    else if (n <= 8)
        forward_lanes(spec, shape, n, MHC__LANES, first, end, mix, mix_stride, scale, base, coefficients);
    else
        forward_lanes(spec, shape, n, 1, first, end, mix, mix_stride, scale, base, coefficients);
}

MHC__CLONES void mhc__coefficients_backward(const mhc_spec *spec, const mhc__shape *shape, int64_t first, int64_t end,
                                            const float *mix, int64_t mix_stride, const float *scale, const float *base,
                                            const float *d_coefficients, float *d_mix, int64_t d_mix_stride,
                                            float *d_base, float *d_scale) {
    int n = shape->n;
    if (n == 4)
        backward_lanes(spec, shape, 4, MHC__LANES, first, end, mix, mix_stride, scale, base, d_coefficients, d_mix,
                       d_mix_stride, d_base, d_scale);
    else if (n <= 8)
        backward_lanes(spec, shape, n, MHC__LANES, first, end, mix, mix_stride, scale, base, d_coefficients, d_mix,
                       d_mix_stride, d_base, d_scale);
    else
        backward_lanes(spec, shape, n, 1, first, end, mix, mix_stride, scale, base, d_coefficients, d_mix, d_mix_stride,
                       d_base, d_scale);
}
