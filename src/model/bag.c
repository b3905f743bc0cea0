/* The bag of words: tokens -> mean of embeddings -> linear -> ReLU -> expand -> (pre -> F -> merge) x sites -> contract
 * -> linear -> loss, and the same way back; F = one linear layer. A row is one token of the streams. The ReLU of a
 * layer acts on the streams after the merge (boolq-100's), or on F alone, so that what the streams carry past it stays
 * whole. With a norm, one stands before each F and one before the classifier. */
#include <string.h>

#include "base/threads.h"
#include "model/arena.h"
#include "model/steps.h"
#include "nn/cross_entropy.h"
#include "nn/embedding_bag.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/relu.h"

static bool has_norm(const mhc__model *model) {
    return model->config.norm != MHC__NORM_NONE;
}

static bool relu_on_streams(const mhc__model *model) {
    return model->config.relu == MHC__RELU_STREAMS;
}

/* ---- memory: evaluation lets all layers share one set of activations, and two states take turns ---- */

static void lay_out_layer(const mhc__model *model, mhc__activations *at, carver *c, int s,
                          const mhc_site_sizes *sizes) {
    const int64_t channels = model->widths.channels;
    mhc__site_state *site = &at->sites[s];
    mhc__bag_layer_state *layer = &at->layers[s];
    const bool fresh = at->layout.train || s == 0;
    site->u = mhc__is_plain(model) ? at->streams[s] : fresh ? floats(c, at->tokens, channels) : at->sites[0].u;
    site->z = fresh ? floats(c, at->tokens, channels) : at->sites[0].z;
    site->coefficients = mhc__is_plain(model) ? NULL : floats(c, 1, sizes->coefficients);
    site->saved = at->layout.train && !mhc__is_plain(model) ? floats(c, 1, sizes->saved) : NULL;
    if (!fresh) {
        *layer = at->layers[0];
    } else if (has_norm(model)) {
        layer->mean = floats(c, at->tokens, 1);
        layer->rstd = floats(c, at->tokens, 1);
        layer->normed = floats(c, at->tokens, channels);
    }
    if (!has_norm(model))
        layer->normed = site->u;
}

static void lay_out_bag_backward(const mhc__model *model, mhc__activations *at, carver *c,
                                 const mhc_site_sizes *sizes) {
    const int64_t channels = model->widths.channels;
    at->d_streams = floats(c, at->tokens, model->spec.streams * channels);
    at->d_z = floats(c, at->tokens, channels);
    at->d_u = floats(c, at->tokens, channels);
    at->d_embedded = floats(c, at->tokens, model->widths.embedding);
    at->d_logits = floats(c, at->tokens, model->config.classes);
    at->d_coefficients[0] = at->d_coefficients[1] = floats(c, 1, sizes->coefficients);
}

static size_t bag_scratch(const mhc__model *model, const mhc__activations *at, size_t workspace) {
    const int64_t channels = model->widths.channels;
    size_t most = workspace;
    at_least(&most, mhc__linear_backward_scratch(at->tokens, mhc__max(channels, model->config.classes)), sizeof(float));
    at_least(&most, mhc__norm_backward_scratch(at->tokens, channels), sizeof(float));
    return most;
}

mhc_status mhc__bag_lay_out(const mhc__model *model, mhc__activations *at, carver *c, mhc_error *error) {
    mhc_site_sizes sizes;
    mhc_contract_sizes ends;
    MHC__TRY(mhc_site_sizes_query(&model->spec, at->tokens, &sizes, error));
    MHC__TRY(mhc_contract_sizes_query(&model->spec, at->tokens, &ends, error));
    const int64_t channels = model->widths.channels, state = model->spec.streams * channels;
    const bool train = at->layout.train, plain = mhc__is_plain(model);
    c->part = MHC__PART_STREAMS;
    for (int s = 0; s <= model->sites; s++)
        at->streams[s] = train || s < 2 ? floats(c, at->tokens, state) : at->streams[s - 2];
    c->part = MHC__PART_ACTIVATIONS;
    at->ids = carve(c, at->tokens * at->layout.sequence, sizeof(int32_t));
    at->targets = carve(c, at->tokens, sizeof(int32_t));
    at->embedded = floats(c, at->tokens, model->widths.embedding);
    at->entered = plain ? at->streams[0] : floats(c, at->tokens, channels);
    for (int s = 0; s < model->sites; s++)
        lay_out_layer(model, at, c, s, &sizes);
    at->head_saved = train && !plain ? floats(c, 1, ends.saved) : NULL;
    at->contracted = plain ? at->streams[model->sites] : floats(c, at->tokens, channels);
    at->mean = floats(c, at->tokens, 1);
    at->rstd = floats(c, at->tokens, 1);
    at->normed = has_norm(model) ? floats(c, at->tokens, channels) : at->contracted;
    at->logits = floats(c, at->tokens, model->config.classes);
    c->part = MHC__PART_BACKWARD;
    if (train)
        lay_out_bag_backward(model, at, c, &sizes);
    c->part = MHC__PART_WORKSPACE;
    at->scratch_bytes = bag_scratch(model, at, sizes.workspace > ends.workspace ? sizes.workspace : ends.workspace);
    at->scratch = carve(c, (int64_t)at->scratch_bytes, 1);
    return MHC_OK;
}

/* ---- forward ---- */

/* Rows of sequence ids and one class; a class of -1 is a row that doesn't count. */
static mhc_status take_rows(const mhc__run *run) {
    mhc__activations *at = run->at;
    const mhc__model_config *config = &run->model->config;
    const int sequence = at->layout.sequence;
    for (int row = 0; row < at->layout.batch; row++) {
        const int32_t *ids = run->pass->tokens + (int64_t)row * (sequence + 1);
        for (int i = 0; i < sequence; i++) {
            if (ids[i] < 0 || ids[i] >= config->vocabulary)
                return mhc__fail(run->error, MHC_INVALID_ARGUMENT, "tokens[%d][%d]: %d is not in 0..%d (vocabulary)",
                                 row, i, (int)ids[i], config->vocabulary - 1);
            at->ids[(int64_t)row * sequence + i] = ids[i];
        }
        if (ids[sequence] < -1 || ids[sequence] >= config->classes)
            return mhc__fail(run->error, MHC_INVALID_ARGUMENT, "tokens[%d][%d]: %d is not in -1..%d (classes)", row,
                             sequence, (int)ids[sequence], config->classes - 1);
        at->targets[row] = ids[sequence];
    }
    return MHC_OK;
}

static mhc_status enter(const mhc__run *run) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    const mhc__widths *w = &model->widths;
    int threads = run->context->threads;
    mhc__embedding_bag_forward(threads, at->tokens, at->layout.sequence, w->embedding, at->ids,
                               mhc__weight(model, model->embedding.weight), at->embedded);
    MHC__TRY(mhc__linear_forward(mhc__products_of(run), at->tokens, w->embedding, w->channels, at->embedded,
                                 mhc__weight(model, model->input.weight), mhc__weight(model, model->input.bias),
                                 at->entered, run->error));
    mhc__relu_forward(threads, at->tokens * w->channels, at->entered, at->entered);
    if (mhc__is_plain(model))
        return MHC_OK;
    return mhc_expand_forward(run->context, &model->spec, at->tokens, mhc_rows_of(at->entered, w->channels),
                              mhc__state(run, 0), run->error);
}

static void norm_forward(const mhc__run *run, const mhc__weight_at *weights, const float *x, float *y, float *mean,
                         float *rstd) {
    const mhc__model *model = run->model;
    if (has_norm(model))
        mhc__norm_forward(run->context->threads, model->config.norm, model->widths.norm_eps, run->at->tokens,
                          model->widths.channels, x, mhc__weight(model, weights->weight),
                          mhc__weight(model, weights->bias), y, mean, rstd);
}

/* site.u -> site.z */
static mhc_status layer_forward(const mhc__run *run, int s) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    const mhc__block_at *p = &model->blocks[s];
    const int64_t channels = model->widths.channels;
    mhc__bag_layer_state *layer = &at->layers[s];
    norm_forward(run, &p->layer_norm, at->sites[s].u, layer->normed, layer->mean, layer->rstd);
    MHC__TRY(mhc__linear_forward(mhc__products_of(run), at->tokens, channels, channels, layer->normed,
                                 mhc__weight(model, p->layer.weight), mhc__weight(model, p->layer.bias), at->sites[s].z,
                                 run->error));
    if (!relu_on_streams(model))
        mhc__relu_forward(run->context->threads, at->tokens * channels, at->sites[s].z, at->sites[s].z);
    return MHC_OK;
}

static mhc_status site_forward(const mhc__run *run, int s) {
    static const float ones[3] = {1.0f, 1.0f, 1.0f}; /* pre | post | res of the plain residual */
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    const mhc__site_state *site = &at->sites[s];
    const int64_t channels = model->widths.channels;
    const bool plain = mhc__is_plain(model);
    if (!plain) {
        mhc_site_params params = mhc__site_weights(model, s);
        MHC__TRY(mhc_pre_forward(run->context, &model->spec, &params, at->tokens, mhc__state(run, s), NULL,
                                 site->coefficients, site->saved, mhc_rows_of(site->u, channels), at->scratch,
                                 at->scratch_bytes, run->error));
    }
    MHC__TRY(layer_forward(run, s));
    MHC__TRY(mhc_merge_forward(run->context, &model->spec, at->tokens, mhc__state(run, s),
                               mhc_rows_of(site->z, channels), plain ? ones : site->coefficients,
                               mhc__state(run, s + 1), run->error));
    if (relu_on_streams(model))
        mhc__relu_forward(run->context->threads, at->tokens * model->spec.streams * channels, at->streams[s + 1],
                          at->streams[s + 1]);
    return MHC_OK;
}

static mhc_status leave(const mhc__run *run) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    const int64_t channels = model->widths.channels;
    if (!mhc__is_plain(model)) {
        mhc_head_params params = mhc__head_weights(model);
        MHC__TRY(mhc_contract_forward(run->context, &model->spec, &params, at->tokens, mhc__state(run, model->sites),
                                      NULL, at->head_saved, mhc_rows_of(at->contracted, channels), at->scratch,
                                      at->scratch_bytes, run->error));
    }
    norm_forward(run, &model->norm, at->contracted, at->normed, at->mean, at->rstd);
    return mhc__linear_forward(mhc__products_of(run), at->tokens, channels, model->config.classes, at->normed,
                               mhc__weight(model, model->head.weight), mhc__weight(model, model->head.bias), at->logits,
                               run->error);
}

mhc_status mhc__bag_forward(mhc__run *run, double *loss) {
    mhc__model *model = run->model;
    mhc__activations *at = run->at;
    MHC__TRY(take_rows(run));
    MHC__TRY(enter(run));
    for (int s = 0; s < model->sites; s++)
        MHC__TRY(site_forward(run, s));
    MHC__TRY(leave(run));
    *loss = mhc__cross_entropy(at->tokens, model->config.classes, at->logits, at->targets, 1.0f, NULL);
    return MHC_OK;
}

/* ---- backward ---- */

static mhc_streams d_state(const mhc__run *run) {
    return mhc_streams_of(run->at->d_streams, run->model->spec.streams, run->model->spec.channels);
}

static void norm_backward(const mhc__run *run, const mhc__weight_at *weights, const float *x, const float *mean,
                          const float *rstd, float *d) {
    const mhc__model *model = run->model;
    if (has_norm(model))
        mhc__norm_backward(run->context->threads, model->config.norm, run->at->tokens, model->widths.channels, x,
                           mhc__weight(model, weights->weight), mean, rstd, d, d, mhc__gradient(model, weights->weight),
                           mhc__gradient(model, weights->bias), run->at->scratch);
}

/* The gradient of the loss -> that of the last streams. */
static mhc_status leave_backward(const mhc__run *run) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    const int64_t channels = model->widths.channels, classes = model->config.classes;
    const bool plain = mhc__is_plain(model);
    float *d_contracted = plain ? at->d_streams : at->d_u, *d_logits = at->d_logits;
    mhc__cross_entropy(at->tokens, classes, at->logits, at->targets, run->pass->scale, d_logits);
    MHC__TRY(mhc__linear_backward(mhc__products_of(run), at->tokens, channels, classes, at->normed,
                                  mhc__weight(model, model->head.weight), d_logits, d_contracted, false,
                                  mhc__gradient(model, model->head.weight), mhc__gradient(model, model->head.bias),
                                  at->scratch, run->error));
    norm_backward(run, &model->norm, at->contracted, at->mean, at->rstd, d_contracted);
    if (plain)
        return MHC_OK;
    mhc_head_params params = mhc__head_weights(model), gradients = mhc__head_gradients(model);
    return mhc_contract_backward(run->context, &model->spec, &params, at->tokens, mhc__state(run, model->sites), NULL,
                                 at->head_saved, mhc_rows_of(d_contracted, channels), NULL, d_state(run), &gradients,
                                 at->scratch, at->scratch_bytes, run->error);
}

/* at.d_z -> at.d_u */
static mhc_status layer_backward(const mhc__run *run, int s) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    const mhc__block_at *p = &model->blocks[s];
    const int64_t channels = model->widths.channels;
    const mhc__bag_layer_state *layer = &at->layers[s];
    if (!relu_on_streams(model))
        mhc__relu_backward(run->context->threads, at->tokens * channels, at->sites[s].z, at->d_z, at->d_z);
    MHC__TRY(mhc__linear_backward(mhc__products_of(run), at->tokens, channels, channels, layer->normed,
                                  mhc__weight(model, p->layer.weight), at->d_z, at->d_u, false,
                                  mhc__gradient(model, p->layer.weight), mhc__gradient(model, p->layer.bias),
                                  at->scratch, run->error));
    norm_backward(run, &p->layer_norm, at->sites[s].u, layer->mean, layer->rstd, at->d_u);
    return MHC_OK;
}

/* at.d_streams: of the streams after the site -> of those before it. */
static mhc_status site_backward(const mhc__run *run, int s) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    const mhc__site_state *site = &at->sites[s];
    const int64_t channels = model->widths.channels, state = at->tokens * model->spec.streams * channels;
    if (relu_on_streams(model))
        mhc__relu_backward(run->context->threads, state, at->streams[s + 1], at->d_streams, at->d_streams);
    if (mhc__is_plain(model)) {
        mhc__copy_rows(run, at->d_z, at->d_streams);
        MHC__TRY(layer_backward(run, s));
        return mhc__add_rows(run, at->d_streams, at->d_u);
    }
    mhc_site_params params = mhc__site_weights(model, s), gradients = mhc__site_gradients(model, s);
    MHC__TRY(mhc_merge_backward(run->context, &model->spec, at->tokens, mhc__state(run, s),
                                mhc_rows_of(site->z, channels), site->coefficients, d_state(run), (mhc_streams){0},
                                mhc_rows_of(at->d_z, channels), at->d_coefficients[0], at->scratch, at->scratch_bytes,
                                run->error));
    MHC__TRY(layer_backward(run, s));
    return mhc_pre_backward(run->context, &model->spec, &params, at->tokens, mhc__state(run, s), NULL,
                            site->coefficients, site->saved, mhc_rows_of(at->d_u, channels), at->d_coefficients[0],
                            NULL, d_state(run), d_state(run), &gradients, at->scratch, at->scratch_bytes, run->error);
}

static mhc_status enter_backward(const mhc__run *run) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    const mhc__widths *w = &model->widths;
    int threads = run->context->threads;
    float *d_entered = at->d_streams;
    if (!mhc__is_plain(model)) {
        d_entered = at->d_u;
        MHC__TRY(mhc_expand_backward(run->context, &model->spec, at->tokens, d_state(run),
                                     mhc_rows_of(d_entered, w->channels), run->error));
    }
    mhc__relu_backward(threads, at->tokens * w->channels, at->entered, d_entered, d_entered);
    MHC__TRY(mhc__linear_backward(mhc__products_of(run), at->tokens, w->embedding, w->channels, at->embedded,
                                  mhc__weight(model, model->input.weight), d_entered, at->d_embedded, false,
                                  mhc__gradient(model, model->input.weight), mhc__gradient(model, model->input.bias),
                                  at->scratch, run->error));
    mhc__embedding_bag_backward(threads, at->tokens, at->layout.sequence, w->embedding, at->ids, at->d_embedded,
                                mhc__gradient(model, model->embedding.weight));
    return MHC_OK;
}

mhc_status mhc__bag_backward(mhc__run *run) {
    const mhc__model *model = run->model;
    MHC__TRY(leave_backward(run));
    mhc__watch_state(run, model->sites);
    for (int s = model->sites - 1; s >= 0; s--) {
        MHC__TRY(site_backward(run, s));
        mhc__watch_state(run, s);
    }
    return enter_backward(run);
}
