/* The way back: loss -> norm -> contract -> merge -> F (-> seam -> F) x (sites - 1) -> pre -> expand -> embed. The
 * gradient of the streams stays in one array from end to end. */
#include <string.h>

#include "model/internal.h"
#include "model/steps.h"
#include "nn/embedding.h"
#include "nn/norm.h"

static mhc_streams d_state(const mhc__run *run) {
    return mhc_streams_of(run->at->d_streams, run->model->spec.streams, run->model->spec.channels);
}

/* The pre of the last site collapses nothing under the shifted schedule unless the contraction takes it. */
static mhc_status clear_last_pre(const mhc__run *run, float *d_coefficients) {
    mhc_site_sizes sizes;
    MHC__TRY(mhc_site_sizes_query(&run->model->spec, run->at->tokens, &sizes, run->error));
    memset(d_coefficients, 0, (size_t)sizes.coefficients * sizeof *d_coefficients);
    return MHC_OK;
}

/* at.d_u holds the gradient of the final norm's output, as the loss left it. */
static mhc_status ends_backward(const mhc__run *run) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    int64_t channels = model->widths.channels;
    bool plain = mhc__is_plain(model), carried = model->spec.contraction == MHC_CONTRACT_CARRIED;
    float *d_contracted = plain ? at->d_streams : at->d_u;
    mhc__norm_backward(run->context->threads, model->config.norm, at->tokens, channels, at->contracted,
                       mhc__weight(model, model->norm.weight), at->mean, at->rstd, at->d_u, d_contracted,
                       mhc__gradient(model, model->norm.weight), mhc__gradient(model, model->norm.bias), at->scratch);
    if (plain)
        return MHC_OK;
    float *d_last = at->d_coefficients[(model->sites - 1) % 2];
    if (mhc__is_shifted(model) && !carried)
        MHC__TRY(clear_last_pre(run, d_last));
    mhc_head_params params = mhc__head_weights(model), gradients = mhc__head_gradients(model);
    return mhc_contract_backward(run->context, &model->spec, &params, at->tokens, mhc__state(run, model->sites),
                                 mhc__contract_carried(run), at->head_saved, mhc_rows_of(d_contracted, channels),
                                 carried ? d_last : NULL, d_state(run), &gradients, at->scratch, at->scratch_bytes,
                                 run->error);
}

/* at.d_z -> *d_u, the gradient of site.u: at.d_u, or at.d_z again. */
static mhc_status wrapped_backward(const mhc__run *run, int site, float **d_u) {
    mhc__activations *at = run->at;
    *d_u = at->d_u;
    if (!mhc__wraps_blocks(run->model))
        return site % 2 ? mhc__feed_forward_layer_backward(run, site / 2, at->d_z)
                        : mhc__attention_layer_backward(run, site / 2, at->d_z);
    MHC__TRY(mhc__feed_forward_layer_backward(run, site, at->d_z));
    if (at->branch)
        mhc__copy_rows(run, at->branch, at->d_u);
    MHC__TRY(mhc__add_rows(run, at->d_z, at->d_u));
    MHC__TRY(mhc__attention_layer_backward(run, site, at->d_z));
    if (at->branch)
        return mhc__add_rows(run, at->d_u, at->branch);
    *d_u = at->d_z;
    return mhc__add_rows(run, at->d_z, at->d_u);
}

/* The gradient of the last streams -> that of the last site.z: at.d_z. The plain residual's d_z is d_streams. */
static mhc_status enter_sites_backward(const mhc__run *run) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    int last = model->sites - 1;
    int64_t channels = model->widths.channels;
    MHC__TRY(mhc__recall(run, last));
    if (mhc__is_plain(model))
        return MHC_OK;
    return mhc_merge_backward(run->context, &model->spec, at->tokens, mhc__state(run, last),
                              mhc_rows_of(at->sites[last].z, channels), at->sites[last].coefficients, d_state(run),
                              (mhc_streams){0}, mhc_rows_of(at->d_z, channels), at->d_coefficients[last % 2],
                              at->scratch, at->scratch_bytes, run->error);
}

/* d_u, the gradient of site.u -> d_streams, that of the streams before the site, and at.d_z of the site before it. */
static mhc_status leave_site_backward(const mhc__run *run, int index, float *d_u) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    const mhc__site_state *site = &at->sites[index], *before = site - 1;
    int64_t channels = model->widths.channels;
    if (index > 0)
        MHC__TRY(mhc__recall(run, index - 1));
    if (mhc__is_plain(model))
        return mhc__add_rows(run, at->d_streams, d_u);
    mhc_site_params params = mhc__site_weights(model, index), gradients = mhc__site_gradients(model, index);
    float *d_coefficients = at->d_coefficients[index % 2];
    if (index == 0)
        return mhc_pre_backward(run->context, &model->spec, &params, at->tokens, mhc__state(run, 0), NULL,
                                site->coefficients, site->saved, mhc_rows_of(d_u, channels), d_coefficients, NULL,
                                d_state(run), d_state(run), &gradients, at->scratch, at->scratch_bytes, run->error);
    mhc_seam_next next = {
        &params,        mhc__state(run, index), site->coefficients, site->saved, mhc_rows_of(d_u, channels),
        d_coefficients, d_state(run),           &gradients};
    return mhc_seam_backward(run->context, &model->spec, at->tokens, &next, d_state(run), mhc__state(run, index - 1),
                             mhc_rows_of(before->z, channels), before->coefficients, mhc_rows_of(at->d_z, channels),
                             at->d_coefficients[(index + 1) % 2], at->scratch, at->scratch_bytes, run->error);
}

static mhc_status embed_backward(const mhc__run *run) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    int64_t channels = model->widths.channels;
    float *d_embedded = at->d_streams;
    if (!mhc__is_plain(model)) {
        d_embedded = at->d_u;
        MHC__TRY(mhc_expand_backward(run->context, &model->spec, at->tokens, d_state(run),
                                     mhc_rows_of(d_embedded, channels), run->error));
    }
    mhc__dropout dropout = mhc__run_dropout(run, model->config.dropout_embedding, 0, MHC__PLACE_EMBEDDING);
    mhc__dropout_apply(run->context->threads, &dropout, 0, at->tokens * channels, d_embedded);
    mhc__embedding_backward(run->context->threads, at->tokens, at->layout.sequence, channels, model->config.vocabulary,
                            at->ids, d_embedded, mhc__gradient(model, model->embedding.weight),
                            mhc__gradient(model, model->position.weight), at->scratch);
    return MHC_OK;
}

void mhc__watch_state(const mhc__run *run, int site) {
    const mhc__model *model = run->model;
    if (model->watch)
        model->watch(model->watch_self, site, run->at->tokens, d_state(run));
}

mhc_status mhc__model_backward(mhc__model *model, const mhc_context *context, const mhc__pass *pass, mhc_error *error) {
    mhc__run run = {model, context, pass, &model->train, error};
    if (!model->backward_ready || !pass->train || pass->batch != model->train.layout.batch ||
        pass->sequence != model->train.layout.sequence)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "backward: expected a training forward of the same pass right before it");
    if (context->threads != model->train.layout.threads)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "backward: expected the %d threads of the forward, found %d",
                         model->train.layout.threads, context->threads);
    model->backward_ready = false;
    if (mhc__is_bag(model))
        return mhc__bag_backward(&run);
    MHC__TRY(ends_backward(&run));
    mhc__watch_state(&run, model->sites);
    mhc__start_lap(&run);
    MHC__TRY(enter_sites_backward(&run));
    mhc__end_lap(&run, MHC__BACKWARD_CONNECTIONS);
    for (int site = model->sites - 1; site >= 0; site--) {
        float *d_u;
        MHC__TRY(wrapped_backward(&run, site, &d_u));
        mhc__end_lap(&run, MHC__BACKWARD_LAYERS);
        MHC__TRY(leave_site_backward(&run, site, d_u));
        mhc__end_lap(&run, MHC__BACKWARD_CONNECTIONS);
        mhc__watch_state(&run, site);
        mhc__start_lap(&run);
    }
    return embed_backward(&run);
}
