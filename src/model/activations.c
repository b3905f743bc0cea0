/* Memory of a pass: one arena, carved into the arrays of internal.h. Evaluation lets all blocks share one set of
 * activations, and two states of the streams take turns. With recomputation, the spans share one set of what they
 * bring back. */
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "model/arena.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/loss.h"
#include "nn/norm.h"

static void lay_out_attention(const mhc__model *model, carver *c, mhc__attention_state *state, int64_t tokens) {
    const mhc__widths *w = &model->widths;
    state->mean = floats(c, tokens, 1);
    state->rstd = floats(c, tokens, 1);
    state->qkv = floats(c, tokens, w->qkv);
    state->lse = floats(c, tokens, w->heads);
    state->heads = floats(c, tokens, w->channels);
}

static void lay_out_feed_forward(const mhc__model *model, carver *c, mhc__feed_forward_state *state, int64_t tokens) {
    const mhc__widths *w = &model->widths;
    bool gated = model->config.mlp == MHC__MLP_SWIGLU;
    state->mean = floats(c, tokens, 1);
    state->rstd = floats(c, tokens, 1);
    state->gate = gated ? floats(c, tokens, w->ffn) : NULL;
    state->up = floats(c, tokens, w->ffn);
    state->active = floats(c, tokens, w->ffn);
}

/* u and z of the sub-layers: views of what the site holds. A residual site reads the state where it is, and writes z
 * where the next state will be. */
static void connect(const mhc__model *model, const mhc__activations *at, int block, float *middle) {
    mhc__attention_state *attention = &at->attention[block];
    mhc__feed_forward_state *ffn = &at->feed_forward[block];
    if (mhc__wraps_blocks(model)) {
        const mhc__site_state *site = &at->sites[block];
        attention->u = site->u;
        attention->z = middle;
        ffn->u = middle;
        ffn->z = site->z;
        return;
    }
    const mhc__site_state *first = &at->sites[2 * block], *second = &at->sites[2 * block + 1];
    attention->u = first->u;
    attention->z = first->z;
    ffn->u = second->u;
    ffn->z = second->z;
}

static float **normed_of(const mhc__activations *at, int sublayer) {
    return sublayer % 2 ? &at->feed_forward[sublayer / 2].normed : &at->attention[sublayer / 2].normed;
}

/* X, u and norm(u): all that recomputation can bring back. A place is shared by what stands there in every span. */
static void lay_out_streams(const mhc__model *model, mhc__activations *at, carver *c) {
    const int span = at->layout.span, sites = model->sites;
    const int period = span * (mhc__wraps_blocks(model) ? 2 : 1); /* sub-layers of a span */
    const bool train = at->layout.train;
    int64_t channels = model->widths.channels, state = model->spec.streams * channels;
    for (int s = 0; s <= sites; s++) {
        bool kept = span == 0 || s % span == 0 || s == sites;
        int before = !train ? s - 2 : kept ? -1 : s - span;
        at->streams[s] = before < 0 ? floats(c, at->tokens, state) : at->streams[before];
    }
    for (int s = 0; s < sites; s++) {
        int before = !train ? s - 1 : span == 0 ? -1 : s - span;
        if (mhc__is_plain(model))
            at->sites[s].u = at->streams[s];
        else
            at->sites[s].u = before < 0 ? floats(c, at->tokens, channels) : at->sites[before].u;
    }
    for (int k = 0; k < 2 * model->config.blocks; k++) {
        int before = !train ? k - 2 : span == 0 ? -1 : k - period;
        *normed_of(at, k) = before < 0 ? floats(c, at->tokens, channels) : *normed_of(at, before);
    }
}

static void lay_out_sites(const mhc__model *model, mhc__activations *at, carver *c, const mhc_site_sizes *sizes) {
    int64_t channels = model->widths.channels;
    const bool train = at->layout.train;
    for (int s = 0; s < model->sites; s++) {
        mhc__site_state *site = &at->sites[s];
        if (mhc__is_plain(model)) {
            site->z = at->streams[s + 1];
            continue;
        }
        site->z = train || s == 0 ? floats(c, at->tokens, channels) : at->sites[0].z;
        site->coefficients = floats(c, 1, sizes->coefficients);
        site->saved = train ? floats(c, 1, sizes->saved) : NULL;
    }
    float *middle = NULL;
    for (int block = 0; block < model->config.blocks; block++) {
        if (train || block == 0) {
            lay_out_attention(model, c, &at->attention[block], at->tokens);
            lay_out_feed_forward(model, c, &at->feed_forward[block], at->tokens);
            if (mhc__wraps_blocks(model))
                middle = floats(c, at->tokens, channels);
        } else {
            at->attention[block] = at->attention[0];
            at->feed_forward[block] = at->feed_forward[0];
        }
        connect(model, at, block, middle);
    }
}

static void lay_out_backward(const mhc__model *model, mhc__activations *at, carver *c, const mhc_site_sizes *sizes) {
    const mhc__widths *w = &model->widths;
    bool gated = model->config.mlp == MHC__MLP_SWIGLU, plain = mhc__is_plain(model);
    bool changed = model->config.dropout_output > 0.0f || model->config.branch_scale != 1.0f;
    bool keep = changed && (plain || mhc__wraps_blocks(model));
    at->d_streams = floats(c, at->tokens, model->spec.streams * w->channels);
    at->d_z = plain ? at->d_streams : floats(c, at->tokens, w->channels);
    at->d_u = floats(c, at->tokens, w->channels);
    at->d_masked = keep ? floats(c, at->tokens, w->channels) : at->d_z;
    at->d_wide[0] = floats(c, at->tokens, mhc__max(w->ffn, w->qkv));
    at->d_wide[1] = gated ? floats(c, at->tokens, w->ffn) : NULL;
    at->d_coefficients[0] = floats(c, 1, sizes->coefficients);
    at->d_coefficients[1] = mhc__is_shifted(model) ? floats(c, 1, sizes->coefficients) : at->d_coefficients[0];
}

static size_t scratch_size(const mhc__model *model, const mhc__activations *at, size_t workspace) {
    const mhc__widths *w = &model->widths;
    const bool train = at->layout.train;
    mhc__attention attention = {.batch = at->layout.batch,
                                .sequence = at->layout.sequence,
                                .heads = w->heads,
                                .kv_heads = w->kv_heads,
                                .width = (int)w->head,
                                .dropout = {.rate = train ? model->config.dropout_attention : 0.0f}};
    size_t most = workspace;
    at_least(&most, mhc__attention_scratch(at->layout.threads, &attention), sizeof(float));
    at_least(&most, mhc__head_loss_scratch(at->tokens, model->config.vocabulary), sizeof(float));
    if (!train)
        return most;
    at_least(&most, mhc__norm_backward_scratch(at->tokens, w->channels), sizeof(float));
    at_least(&most, mhc__linear_backward_scratch(at->tokens, mhc__max(w->channels, mhc__max(w->qkv, w->ffn))),
             sizeof(float));
    at_least(&most, mhc__embedding_scratch(at->tokens, model->config.vocabulary), sizeof(int64_t));
    return most;
}

static mhc_status lay_out(const mhc__model *model, mhc__activations *at, carver *c, mhc_error *error) {
    if (mhc__is_bag(model))
        return mhc__bag_lay_out(model, at, c, error);
    mhc_site_sizes sizes;
    mhc_contract_sizes ends;
    MHC__TRY(mhc_site_sizes_query(&model->spec, at->tokens, &sizes, error));
    MHC__TRY(mhc_contract_sizes_query(&model->spec, at->tokens, &ends, error));
    int64_t channels = model->widths.channels;
    const bool plain = mhc__is_plain(model), train = at->layout.train;
    c->part = MHC__PART_STREAMS;
    lay_out_streams(model, at, c);
    c->part = MHC__PART_ACTIVATIONS;
    at->ids = carve(c, at->tokens, sizeof(int32_t));
    at->targets = carve(c, at->tokens, sizeof(int32_t));
    lay_out_sites(model, at, c, &sizes);
    at->embedded = plain ? at->streams[0] : floats(c, at->tokens, channels);
    at->head_saved = train && !plain ? floats(c, 1, ends.saved) : NULL;
    at->contracted = plain ? at->streams[model->sites] : floats(c, at->tokens, channels);
    at->mean = floats(c, at->tokens, 1);
    at->rstd = floats(c, at->tokens, 1);
    at->normed = floats(c, at->tokens, channels);
    at->branch = model->config.wrap == MHC__WRAP_BRANCHES && !plain ? floats(c, at->tokens, channels) : NULL;
    c->part = MHC__PART_BACKWARD;
    if (train)
        lay_out_backward(model, at, c, &sizes);
    c->part = MHC__PART_WORKSPACE;
    size_t workspace = sizes.workspace > ends.workspace ? sizes.workspace : ends.workspace;
    at->scratch_bytes = scratch_size(model, at, workspace);
    at->scratch = carve(c, (int64_t)at->scratch_bytes, 1);
    return MHC_OK;
}

static mhc_status allocate_tables(const mhc__model *model, mhc__activations *at, mhc_error *error) {
    if (!at->streams)
        MHC__TRY(MHC__ALLOCATE(at->streams, model->sites + 1, "the states of the model", error));
    if (!at->sites)
        MHC__TRY(MHC__ALLOCATE(at->sites, model->sites, "the sites of the model", error));
    if (!at->steps)
        MHC__TRY(MHC__ALLOCATE(at->steps, model->sites, "the sites of the model", error));
    if (!at->layers && mhc__is_bag(model))
        MHC__TRY(MHC__ALLOCATE(at->layers, model->config.blocks, "the layers of the model", error));
    if (!at->attention)
        MHC__TRY(MHC__ALLOCATE(at->attention, model->config.blocks, "the blocks of the model", error));
    if (!at->feed_forward)
        MHC__TRY(MHC__ALLOCATE(at->feed_forward, model->config.blocks, "the blocks of the model", error));
    return MHC_OK;
}

/* Sizes `at` for the pass, and counts the bytes that it takes. */
static mhc_status count_pass(const mhc__model *model, mhc__activations *at, const mhc__layout *layout, carver *counting,
                             mhc_error *error) {
    MHC__TRY(allocate_tables(model, at, error));
    at->layout = *layout;
    at->tokens = mhc__is_bag(model) ? layout->batch : (int64_t)layout->batch * layout->sequence;
    MHC__TRY(lay_out(model, at, counting, error));
    if (counting->overflow)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "activations: %lld tokens do not fit in memory",
                         (long long)at->tokens);
    return MHC_OK;
}

mhc_status mhc__activations_plan(const mhc__model *model, const mhc__layout *layout, mhc__arena_parts *parts,
                                 mhc_error *error) {
    mhc__activations at = {0};
    carver counting = {0};
    mhc_status status = count_pass(model, &at, layout, &counting, error);
    *parts = counting.parts;
    mhc__activations_free(&at);
    return status;
}

static bool same_layout(const mhc__layout *a, const mhc__layout *b) {
    return a->batch == b->batch && a->sequence == b->sequence && a->threads == b->threads && a->span == b->span &&
           a->train == b->train;
}

mhc_status mhc__activations_prepare(const mhc__model *model, mhc__activations *at, const mhc__layout *layout,
                                    mhc_error *error) {
    at->present = -1;
    if (same_layout(&at->layout, layout))
        return MHC_OK;
    carver counting = {0};
    mhc_status status = count_pass(model, at, layout, &counting, error);
    if (status == MHC_OK && counting.used > at->arena_bytes) {
        mhc__release(at->arena);
        at->arena = NULL;
        at->arena_bytes = 0;
        status = mhc__allocate(&at->arena, counting.used, 1, "the activations of the model", error);
        if (status == MHC_OK)
            at->arena_bytes = counting.used;
    }
    if (status == MHC_OK) {
        carver handing = {.base = at->arena};
        status = lay_out(model, at, &handing, error);
    }
    if (status != MHC_OK)
        at->layout.batch = 0;
    return status;
}

void mhc__activations_free(mhc__activations *at) {
    mhc__release(at->arena);
    mhc__release(at->streams);
    mhc__release(at->sites);
    mhc__release(at->steps);
    mhc__release(at->layers);
    mhc__release(at->attention);
    mhc__release(at->feed_forward);
    memset(at, 0, sizeof *at);
}
