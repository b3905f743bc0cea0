#include "probe/traffic.h"

#include "mhc/site.h"

/* What the formulas are made of: floats of a row of C for each token, of a set of coefficients, of fn. */
typedef struct quantities {
    double tokens, channels, row, coefficients, fn, n;
    int sites, blocks;
} quantities;

static quantities quantities_of(const mhc__model *model, int64_t tokens) {
    const mhc_spec *spec = mhc__model_spec(model);
    mhc_site_sizes sizes = {0};
    if (mhc_site_sizes_query(spec, tokens, &sizes, NULL) != MHC_OK)
        sizes = (mhc_site_sizes){0};
    return (quantities){.tokens = (double)tokens,
                        .channels = (double)spec->channels,
                        .row = (double)tokens * (double)spec->channels,
                        .coefficients = (double)sizes.coefficients,
                        .fn = (double)(sizes.fn_rows * sizes.fn_columns),
                        .n = spec->streams,
                        .sites = mhc__model_sites(model),
                        .blocks = mhc__model_configuration(model)->blocks};
}

/* ---- connections: src/stream's READMEs and docs/performance.md ---- */

static double pre_forward(const quantities *q) {
    return (q->n + 1) * q->row + q->coefficients + q->fn;
}
static double merge_forward(const quantities *q) {
    return (2 * q->n + 1) * q->row + q->coefficients;
}
static double pre_backward(const quantities *q) {
    return (3 * q->n + 1) * q->row + 2 * q->coefficients + 3 * q->fn;
}
static double merge_backward(const quantities *q) {
    return (2 * q->n + 2) * q->row + 2 * q->coefficients;
}
/* The plain residual adds in place. */
static double addition(const quantities *q) {
    return 3 * q->row;
}

static double connections(const quantities *q, bool plain, double pre, double merge) {
    if (plain)
        return q->sites * addition(q);
    double ends = 2 * (q->n + 1) * q->row,
           between = q->n * q->row; /* a seam finds the streams between the two at hand */
    return ends + q->sites * (pre + merge) - (q->sites - 1) * between;
}

/* ---- layers ---- */

static double linear_forward(const quantities *q, double in, double out) {
    return q->tokens * (in + out) + in * out;
}
/* d_x and d_weight, which is added to. */
static double linear_backward(const quantities *q, double in, double out) {
    return 2 * q->tokens * (in + out) + 3 * in * out;
}

typedef struct widths {
    double qkv, turned, ffn; /* turned: of q and k */
    bool gated, turns;
} widths;

static widths widths_of(const mhc__model_config *config) {
    int kv = config->kv_heads ? config->kv_heads : config->heads;
    double head = (double)config->channels / config->heads;
    return (widths){.qkv = (config->heads + 2 * kv) * head,
                    .turned = (config->heads + kv) * head,
                    .ffn = config->ffn ? config->ffn : 4 * config->channels,
                    .gated = config->mlp == MHC__MLP_SWIGLU,
                    .turns = config->position == MHC__POSITION_ROPE};
}

/* What stands around the products of a block: turning, dropout or scale of both branches, the residuals inside. */
static double around(const quantities *q, const mhc__model_config *config, const widths *w, bool plain) {
    int changes = (config->dropout_output > 0.0f) + (config->branch_scale != 1.0f);
    bool inside = !plain && config->wrap != MHC__WRAP_SUBLAYER;
    return (w->turns ? 2 * q->tokens * w->turned : 0.0) + 4 * changes * q->row + (inside ? 2 * addition(q) : 0.0) +
           (inside && config->wrap == MHC__WRAP_BRANCHES ? 2 * q->row : 0.0);
}

static double block_forward(const quantities *q, const widths *w) {
    double norms = 2 * 2 * q->row, attention = q->tokens * w->qkv + q->row,
           active = (2 + w->gated) * q->tokens * w->ffn;
    return norms + attention + active + linear_forward(q, q->channels, w->qkv) +
           linear_forward(q, q->channels, q->channels) + (1 + w->gated) * linear_forward(q, q->channels, w->ffn) +
           linear_forward(q, w->ffn, q->channels);
}

static double block_backward(const quantities *q, const widths *w) {
    double norms = 2 * 3 * q->row, attention = 2 * q->tokens * w->qkv + 2 * q->row;
    double active = (w->gated ? 5 : 3) * q->tokens * w->ffn;
    return norms + attention + active + linear_backward(q, q->channels, w->qkv) +
           linear_backward(q, q->channels, q->channels) + (1 + w->gated) * linear_backward(q, q->channels, w->ffn) +
           linear_backward(q, w->ffn, q->channels);
}

/* Rows of the embedding in and out, the final norm, and the loss: logits, their softmax, both ways. */
static double head(const quantities *q, const mhc__model_config *config) {
    double vocabulary = config->vocabulary, embedding = (3 + 2) * q->row, norm = (2 + 3) * q->row;
    return embedding + norm + linear_forward(q, q->channels, vocabulary) + 2 * q->tokens * vocabulary +
           linear_backward(q, q->channels, vocabulary);
}

void mhc__traffic_of(const mhc__model *model, int64_t tokens, double bytes[MHC__TRAFFIC_PARTS]) {
    const mhc__model_config *config = mhc__model_configuration(model);
    const bool plain = mhc__model_spec(model)->mapping == MHC_MAPPING_NONE;
    quantities q = quantities_of(model, tokens);
    widths w = widths_of(config);
    for (int part = 0; part < MHC__TRAFFIC_PARTS; part++)
        bytes[part] = 0.0;
    if (config->family == MHC__FAMILY_BAG)
        return;
    double beside = around(&q, config, &w, plain);
    bytes[MHC__TRAFFIC_FORWARD_CONNECTIONS] = connections(&q, plain, pre_forward(&q), merge_forward(&q));
    bytes[MHC__TRAFFIC_FORWARD_LAYERS] = q.blocks * (block_forward(&q, &w) + beside);
    bytes[MHC__TRAFFIC_BACKWARD_CONNECTIONS] = connections(&q, plain, pre_backward(&q), merge_backward(&q));
    bytes[MHC__TRAFFIC_BACKWARD_LAYERS] = q.blocks * (block_backward(&q, &w) + beside);
    bytes[MHC__TRAFFIC_HEAD] = head(&q, config);
    /* AdamW reads weights, gradients and two moments and writes three of them; the norm reads the gradients, and they
     * are set to zero. */
    bytes[MHC__TRAFFIC_UPDATE] = 9 * (double)mhc__model_parameters_total(model);
    for (int part = 0; part < MHC__TRAFFIC_PARTS; part++)
        bytes[part] *= sizeof(float);
}
