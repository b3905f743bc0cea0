/* Wraps a layer that knows nothing of streams: forward, backward, a check of the gradient, and one step of SGD.
 *
 *     cc wrap_layer.c $(pkg-config --cflags --libs mhc) -lm
 *
 * "Someone else's layer" is F(u) = tanh(u W). All it has to offer is a forward and a backward of its own. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mhc/mhc.h>

enum { TOKENS = 6, STREAMS = 4, CHANNELS = 8 };

/* ---- the layer ---- */

static void layer_forward(const float *w, const float *u, float *z) {
    for (int t = 0; t < TOKENS; t++)
        for (int o = 0; o < CHANNELS; o++) {
            float sum = 0.0f;
            for (int i = 0; i < CHANNELS; i++)
                sum += u[t * CHANNELS + i] * w[i * CHANNELS + o];
            z[t * CHANNELS + o] = tanhf(sum);
        }
}

static void layer_backward(const float *w, const float *u, const float *z, const float *dz, float *du, float *dw) {
    memset(du, 0, TOKENS * CHANNELS * sizeof *du);
    for (int t = 0; t < TOKENS; t++)
        for (int o = 0; o < CHANNELS; o++) {
            float d = dz[t * CHANNELS + o] * (1.0f - z[t * CHANNELS + o] * z[t * CHANNELS + o]);
            for (int i = 0; i < CHANNELS; i++) {
                du[t * CHANNELS + i] += d * w[i * CHANNELS + o];
                dw[i * CHANNELS + o] += d * u[t * CHANNELS + i];
            }
        }
}

/* ---- the site around it ---- */

typedef struct site {
    mhc_context context;
    mhc_spec spec;
    mhc_site_sizes sizes;
    mhc_site_params params, gradients;
    float w[CHANNELS * CHANNELS], dw[CHANNELS * CHANNELS];
    float x[TOKENS * STREAMS * CHANNELS], out[TOKENS * STREAMS * CHANNELS]; /* streams before and after */
    float d[TOKENS * STREAMS * CHANNELS];                                   /* gradient of out, then of x */
    float u[TOKENS * CHANNELS], z[TOKENS * CHANNELS], du[TOKENS * CHANNELS], dz[TOKENS * CHANNELS];
    float *coefficients, *d_coefficients, *saved;
    void *workspace;
} site;

static void check(mhc_status status, const mhc_error *error) {
    if (status == MHC_OK)
        return;
    fprintf(stderr, "wrap_layer: %s: %s\n", mhc_status_name(status), error->message);
    exit(1);
}

static void *memory(int64_t count, size_t size) {
    void *block = calloc((size_t)count + 1, size);
    if (!block) {
        fprintf(stderr, "wrap_layer: out of memory\n");
        exit(1);
    }
    return block;
}

static mhc_streams streams(float *data) {
    return mhc_streams_of(data, STREAMS, CHANNELS);
}

static mhc_rows rows(float *data) {
    return mhc_rows_of(data, CHANNELS);
}

static void open_site(site *s) {
    mhc_error error;
    s->context = mhc_context_cpu(0);
    check(mhc_spec_preset(&s->spec, "paper", STREAMS, CHANNELS, &error), &error);
    check(mhc_site_sizes_query(&s->spec, TOKENS, &s->sizes, &error), &error);
    mhc_site_params *sets[2] = {&s->params, &s->gradients};
    for (int k = 0; k < 2; k++) {
        sets[k]->fn = memory(s->sizes.fn_rows * s->sizes.fn_columns, sizeof(float));
        sets[k]->base = memory(s->sizes.base, sizeof(float));
        sets[k]->scale = memory(s->sizes.scale, sizeof(float));
    }
    s->coefficients = memory(s->sizes.coefficients, sizeof(float));
    s->d_coefficients = memory(s->sizes.coefficients, sizeof(float));
    s->saved = memory(s->sizes.saved, sizeof(float));
    s->workspace = memory((int64_t)s->sizes.workspace, 1);
    check(mhc_site_init(&s->spec, 0, 42, &s->params, &error), &error);
    for (int i = 0; i < CHANNELS * CHANNELS; i++)
        s->w[i] = 0.4f * sinf(1.7f * (float)i);
    for (int i = 0; i < TOKENS * STREAMS * CHANNELS; i++)
        s->x[i] = cosf(0.9f * (float)i) + 0.1f * (float)(i % 5);
}

static void close_site(site *s) {
    float *all[] = {s->params.fn,       s->params.base,  s->params.scale,   s->gradients.fn, s->gradients.base,
                    s->gradients.scale, s->coefficients, s->d_coefficients, s->saved};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
        free(all[k]);
    free(s->workspace);
}

/* loss = 1/2 sum of out^2: its gradient is out itself. */
static double forward(site *s) {
    mhc_error error;
    check(mhc_pre_forward(&s->context, &s->spec, &s->params, TOKENS, streams(s->x), NULL, s->coefficients, s->saved,
                          rows(s->u), s->workspace, s->sizes.workspace, &error),
          &error);
    layer_forward(s->w, s->u, s->z);
    check(mhc_merge_forward(&s->context, &s->spec, TOKENS, streams(s->x), rows(s->z), s->coefficients, streams(s->out),
                            &error),
          &error);
    double loss = 0.0;
    for (int i = 0; i < TOKENS * STREAMS * CHANNELS; i++)
        loss += 0.5 * (double)s->out[i] * (double)s->out[i];
    return loss;
}

static void backward(site *s) {
    mhc_error error;
    memcpy(s->d, s->out, sizeof s->d);
    check(mhc_merge_backward(&s->context, &s->spec, TOKENS, streams(s->x), rows(s->z), s->coefficients, streams(s->d),
                             (mhc_streams){0}, rows(s->dz), s->d_coefficients, s->workspace, s->sizes.workspace,
                             &error),
          &error);
    layer_backward(s->w, s->u, s->z, s->dz, s->du, s->dw);
    check(mhc_pre_backward(&s->context, &s->spec, &s->params, TOKENS, streams(s->x), NULL, s->coefficients, s->saved,
                           rows(s->du), s->d_coefficients, NULL, streams(s->d), streams(s->d), &s->gradients,
                           s->workspace, s->sizes.workspace, &error),
          &error);
}

/* |gradient - central difference| of one number. */
static double off(site *s, float *at, float gradient) {
    const float h = 1e-2f, here = *at;
    *at = here + h;
    double up = forward(s);
    *at = here - h;
    double down = forward(s);
    *at = here;
    return fabs((up - down) / (2.0 * (double)h) - (double)gradient);
}

static void step(float *values, const float *gradient, int64_t count, float rate) {
    for (int64_t i = 0; i < count; i++)
        values[i] -= rate * gradient[i];
}

int main(void) {
    static site s;
    open_site(&s);
    double before = forward(&s);
    backward(&s);

    double worst = 0.0;
    for (int i = 0; i < TOKENS * STREAMS * CHANNELS; i += 11)
        worst = fmax(worst, off(&s, &s.x[i], s.d[i]));
    for (int64_t i = 0; i < s.sizes.base; i++)
        worst = fmax(worst, off(&s, &s.params.base[i], s.gradients.base[i]));
    for (int64_t i = 0; i < s.sizes.fn_rows * s.sizes.fn_columns; i += 37)
        worst = fmax(worst, off(&s, &s.params.fn[i], s.gradients.fn[i]));
    for (int i = 0; i < CHANNELS * CHANNELS; i += 7)
        worst = fmax(worst, off(&s, &s.w[i], s.dw[i]));

    const float rate = 1e-3f;
    step(s.w, s.dw, CHANNELS * CHANNELS, rate);
    step(s.params.fn, s.gradients.fn, s.sizes.fn_rows * s.sizes.fn_columns, rate);
    step(s.params.base, s.gradients.base, s.sizes.base, rate);
    step(s.params.scale, s.gradients.scale, s.sizes.scale, rate);
    double after = forward(&s);

    printf("libmhc %s, connection paper, %d streams of %d channels, %d tokens\n", mhc_version(), STREAMS, CHANNELS,
           TOKENS);
    printf("loss before the step        %.6f\n", before);
    printf("gradient, largest error     %.1e  (against central differences in fp32: 1e-3 is within their noise)\n",
           worst);
    printf("loss after one step of SGD  %.6f\n", after);
    close_site(&s);
    bool right = worst < 2e-3 && after < before;
    printf("%s\n", right ? "as expected" : "NOT as expected");
    return right ? 0 : 1;
}
