/* tokens -> embed -> expand -> pre -> F (-> seam -> F) x (sites - 1) -> merge -> contract -> norm -> loss or logits. */
#include "model/internal.h"
#include "model/steps.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/loss.h"
#include "nn/norm.h"

/* Rows of `stride` ids, the inputs first; targets are the inputs one place on. One check of every id. */
static mhc_status take_tokens(const mhc__run *run, int stride) {
    mhc__activations *at = run->at;
    int vocabulary = run->model->config.vocabulary;
    for (int row = 0; row < at->layout.batch; row++) {
        const int32_t *ids = run->pass->tokens + (int64_t)row * stride;
        for (int i = 0; i < stride; i++)
            if (ids[i] < 0 || ids[i] >= vocabulary)
                return mhc__fail(run->error, MHC_INVALID_ARGUMENT, "tokens[%d][%d]: %d is not in 0..%d (vocabulary)",
                                 row, i, (int)ids[i], vocabulary - 1);
        int64_t first = (int64_t)row * at->layout.sequence;
        for (int i = 0; i < at->layout.sequence; i++) {
            at->ids[first + i] = ids[i];
            at->targets[first + i] = i + 1 < stride ? ids[i + 1] : -1;
        }
    }
    return MHC_OK;
}

static mhc_status embed(const mhc__run *run) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    int64_t channels = model->widths.channels;
    mhc__embedding_forward(run->context->threads, at->tokens, at->layout.sequence, channels, at->ids,
                           mhc__weight(model, model->embedding.weight), mhc__weight(model, model->position.weight),
                           at->embedded);
    mhc__dropout dropout = mhc__run_dropout(run, model->config.dropout_embedding, 0, MHC__PLACE_EMBEDDING);
    mhc__dropout_apply(run->context->threads, &dropout, 0, at->tokens * channels, at->embedded);
    if (mhc__is_plain(model))
        return MHC_OK;
    return mhc_expand_forward(run->context, &model->spec, at->tokens, mhc_rows_of(at->embedded, channels),
                              mhc__state(run, 0), run->error);
}

/* site.u -> site.z */
static mhc_status wrapped_forward(const mhc__run *run, int site) {
    if (!mhc__wraps_blocks(run->model))
        return site % 2 ? mhc__feed_forward_layer_forward(run, site / 2) : mhc__attention_layer_forward(run, site / 2);
    const mhc__attention_state *attention = &run->at->attention[site];
    const mhc__feed_forward_state *ffn = &run->at->feed_forward[site];
    float *branch = run->at->branch;
    MHC__TRY(mhc__attention_layer_forward(run, site));
    if (branch)
        mhc__copy_rows(run, branch, attention->z);
    MHC__TRY(mhc__add_rows(run, attention->z, attention->u));
    MHC__TRY(mhc__feed_forward_layer_forward(run, site));
    return mhc__add_rows(run, ffn->z, branch ? branch : ffn->u);
}

/* site.u of a site whose coefficients somebody may change. */
static mhc_status overridden_u(const mhc__run *run, int index) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    mhc__site_state *site = &at->sites[index];
    mhc_site_params params = mhc__site_weights(model, index);
    MHC__TRY(mhc_pre_forward(run->context, &model->spec, &params, at->tokens, mhc__state(run, index), NULL,
                             site->coefficients, site->saved, (mhc_rows){0}, at->scratch, at->scratch_bytes,
                             run->error));
    model->override(model->override_self, index, model->spec.mapping == MHC_MAPPING_DYNAMIC ? at->tokens : 1,
                    site->coefficients);
    const float *carried = mhc__is_shifted(model) && index > 0 ? site[-1].coefficients : NULL;
    mhc_recompute_step collapse = {.coefficients = site->coefficients,
                                   .u = mhc_rows_of(site->u, model->widths.channels)};
    return mhc_recompute(run->context, &model->spec, at->tokens, mhc__state(run, index), carried, &collapse, 1,
                         run->error);
}

/* site.u of the first site. */
static mhc_status enter_sites(const mhc__run *run) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    mhc__site_state *site = &at->sites[0];
    if (mhc__is_plain(model))
        return MHC_OK;
    if (model->override)
        return overridden_u(run, 0);
    mhc_site_params params = mhc__site_weights(model, 0);
    return mhc_pre_forward(run->context, &model->spec, &params, at->tokens, mhc__state(run, 0), NULL,
                           site->coefficients, site->saved, mhc_rows_of(site->u, model->widths.channels), at->scratch,
                           at->scratch_bytes, run->error);
}

/* site.z -> the streams after the site, and site.u of the one that follows. */
static mhc_status leave_site(const mhc__run *run, int index) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    mhc__site_state *site = &at->sites[index], *next = site + 1;
    mhc_rows z = mhc_rows_of(site->z, model->widths.channels);
    if (mhc__is_plain(model))
        return mhc__add_rows(run, at->streams[index + 1], at->streams[index]);
    if (index + 1 == model->sites || model->override) {
        MHC__TRY(mhc_merge_forward(run->context, &model->spec, at->tokens, mhc__state(run, index), z,
                                   site->coefficients, mhc__state(run, index + 1), run->error));
        return index + 1 == model->sites ? MHC_OK : overridden_u(run, index + 1);
    }
    mhc_site_params params = mhc__site_weights(model, index + 1);
    return mhc_seam_forward(run->context, &model->spec, at->tokens, mhc__state(run, index), z, site->coefficients,
                            mhc__state(run, index + 1), &params, next->coefficients, next->saved,
                            mhc_rows_of(next->u, model->widths.channels), at->scratch, at->scratch_bytes, run->error);
}

static mhc_status contract(const mhc__run *run) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    if (mhc__is_plain(model))
        return MHC_OK;
    mhc_head_params params = mhc__head_weights(model);
    return mhc_contract_forward(run->context, &model->spec, &params, at->tokens, mhc__state(run, model->sites),
                                mhc__contract_carried(run), at->head_saved,
                                mhc_rows_of(at->contracted, model->widths.channels), at->scratch, at->scratch_bytes,
                                run->error);
}

/* Checks the pass and lays out its memory. */
static mhc_status prepare(mhc__run *run) {
    mhc__model *model = run->model;
    const mhc__pass *pass = run->pass;
    model->last = NULL;
    model->backward_ready = false;
    if (pass->batch < 1 || pass->sequence < 1)
        return mhc__fail(run->error, MHC_INVALID_ARGUMENT,
                         "pass: expected at least one row of one token, found %d x %d", pass->batch, pass->sequence);
    if (model->config.position == MHC__POSITION_LEARNED && !mhc__is_bag(model) &&
        pass->sequence > model->config.sequence)
        return mhc__fail(run->error, MHC_INVALID_ARGUMENT,
                         "pass: %d tokens in a row, but the model has %d learned positions", pass->sequence,
                         model->config.sequence);
    if (model->override && (pass->train || mhc__is_plain(model) || mhc__is_bag(model)))
        return mhc__fail(run->error, MHC_INVALID_ARGUMENT,
                         "pass: coefficients are overridden, which expects an evaluation of a transformer with more "
                         "than the plain residual, found %s",
                         pass->train            ? "a training pass"
                         : mhc__is_plain(model) ? "the residual"
                                                : "a bag");
    run->at = pass->train ? &model->train : &model->eval;
    mhc__layout layout = {.batch = pass->batch,
                          .sequence = pass->sequence,
                          .threads = run->context->threads,
                          .span = pass->train ? mhc__span_of(model, pass->recompute) : 0,
                          .train = pass->train};
    return mhc__activations_prepare(model, run->at, &layout, run->error);
}

/* Up to the input of the final norm. stride: ids in one row of tokens. */
static mhc_status body(mhc__run *run, int stride) {
    const mhc__model *model = run->model;
    MHC__TRY(prepare(run));
    MHC__TRY(take_tokens(run, stride));
    MHC__TRY(embed(run));
    mhc__start_lap(run);
    MHC__TRY(enter_sites(run));
    mhc__end_lap(run, MHC__FORWARD_CONNECTIONS);
    for (int site = 0; site < model->sites; site++) {
        MHC__TRY(wrapped_forward(run, site));
        mhc__end_lap(run, MHC__FORWARD_LAYERS);
        MHC__TRY(leave_site(run, site));
        mhc__end_lap(run, MHC__FORWARD_CONNECTIONS);
    }
    if (run->at->layout.span > 0)
        run->at->present = (model->sites - 1) / run->at->layout.span;
    MHC__TRY(contract(run));
    mhc__end_lap(run, MHC__FORWARD_CONNECTIONS);
    return MHC_OK;
}

static mhc_status classify(mhc__run *run, double *loss) {
    MHC__TRY(prepare(run));
    MHC__TRY(mhc__bag_forward(run, loss));
    run->model->last = run->at;
    run->model->backward_ready = run->pass->train;
    return MHC_OK;
}

static void final_norm(const mhc__run *run, int64_t first, int64_t tokens) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    int64_t skip = first * model->widths.channels;
    mhc__norm_forward(run->context->threads, model->config.norm, model->widths.norm_eps, tokens, model->widths.channels,
                      at->contracted + skip, mhc__weight(model, model->norm.weight),
                      mhc__weight(model, model->norm.bias), at->normed + skip, at->mean + first, at->rstd + first);
}

mhc_status mhc__model_forward(mhc__model *model, const mhc_context *context, const mhc__pass *pass, double *loss,
                              mhc_error *error) {
    mhc__run run = {model, context, pass, NULL, error};
    if (mhc__is_bag(model))
        return classify(&run, loss);
    MHC__TRY(body(&run, pass->sequence + 1));
    mhc__activations *at = run.at;
    final_norm(&run, 0, at->tokens);
    MHC__TRY(mhc__head_loss(mhc__products_of(&run), at->tokens, model->widths.channels, model->config.vocabulary,
                            at->normed, mhc__weight(model, model->head.weight), at->targets,
                            pass->train ? pass->scale : 1.0f, loss, pass->train ? at->d_u : NULL,
                            pass->train ? mhc__gradient(model, model->head.weight) : NULL, at->scratch, error));
    model->last = at;
    model->backward_ready = pass->train;
    return MHC_OK;
}

/* Logits of the positions from `first` on. */
static mhc_status logits_from(mhc__model *model, const mhc_context *context, mhc__precision precision,
                              const int32_t *tokens, int length, int first, float *logits, mhc_error *error) {
    if (mhc__is_bag(model))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "model.family: a bag classifies rows, it has no next token");
    mhc__pass pass = {.batch = 1, .sequence = length, .tokens = tokens, .precision = precision};
    mhc__run run = {model, context, &pass, NULL, error};
    MHC__TRY(body(&run, length));
    final_norm(&run, first, length - first);
    MHC__TRY(mhc__linear_forward(mhc__products_of(&run), length - first, model->widths.channels,
                                 model->config.vocabulary, run.at->normed + first * model->widths.channels,
                                 mhc__weight(model, model->head.weight), NULL, logits, error));
    model->last = run.at;
    return MHC_OK;
}

mhc_status mhc__model_logits(mhc__model *model, const mhc_context *context, mhc__precision precision,
                             const int32_t *tokens, int length, float *logits, mhc_error *error) {
    return logits_from(model, context, precision, tokens, length, length - 1, logits, error);
}

mhc_status mhc__model_logits_of_row(mhc__model *model, const mhc_context *context, mhc__precision precision,
                                    const int32_t *tokens, int length, float *logits, mhc_error *error) {
    return logits_from(model, context, precision, tokens, length, 0, logits, error);
}
