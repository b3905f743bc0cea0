/* z = dropout(proj(attention(qkv(norm(u))))). */
#include "model/internal.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/rope.h"

/* Queries and keys lie side by side, so one call turns both. */
static void turn(const mhc__run *run, float *qkv, bool back) {
    const mhc__model *model = run->model;
    const mhc__widths *w = &model->widths;
    if (model->config.position == MHC__POSITION_ROPE)
        mhc__rope(run->context->threads, run->at->tokens, run->at->layout.sequence, w->heads + w->kv_heads,
                  (int)w->head, model->config.rope_theta, back, qkv, w->qkv);
}

static mhc__attention heads_of(const mhc__run *run, int block) {
    const mhc__widths *w = &run->model->widths;
    mhc__attention attention = {
        .batch = run->at->layout.batch,
        .sequence = run->at->layout.sequence,
        .heads = w->heads,
        .kv_heads = w->kv_heads,
        .width = (int)w->head,
        .dropout = mhc__run_dropout(run, run->model->config.dropout_attention, block, MHC__PLACE_PROBABILITIES)};
    return attention;
}

void mhc__attention_norm(const mhc__run *run, int block) {
    const mhc__model *model = run->model;
    const mhc__block_at *p = &model->blocks[block];
    mhc__attention_state *s = &run->at->attention[block];
    mhc__norm_forward(run->context->threads, model->config.norm, model->widths.norm_eps, run->at->tokens,
                      model->widths.channels, s->u, mhc__weight(model, p->attention_norm.weight),
                      mhc__weight(model, p->attention_norm.bias), s->normed, s->mean, s->rstd);
}

mhc_status mhc__attention_layer_forward(const mhc__run *run, int block) {
    const mhc__model *model = run->model;
    const mhc__widths *w = &model->widths;
    const mhc__block_at *p = &model->blocks[block];
    mhc__attention_state *s = &run->at->attention[block];
    int threads = run->context->threads;
    int64_t tokens = run->at->tokens;
    mhc__attention_norm(run, block);
    MHC__TRY(mhc__linear_forward(mhc__products_of(run), tokens, w->channels, w->qkv, s->normed,
                                 mhc__weight(model, p->qkv.weight), mhc__weight(model, p->qkv.bias), s->qkv,
                                 run->error));
    turn(run, s->qkv, false);
    mhc__attention heads = heads_of(run, block);
    MHC__TRY(mhc__attention_forward(threads, &heads, s->qkv, s->heads, s->lse, run->at->scratch, run->error));
    MHC__TRY(mhc__linear_forward(mhc__products_of(run), tokens, w->channels, w->channels, s->heads,
                                 mhc__weight(model, p->proj.weight), mhc__weight(model, p->proj.bias), s->z,
                                 run->error));
    mhc__branch_forward(run, block, MHC__PLACE_ATTENTION, s->z);
    return MHC_OK;
}

mhc_status mhc__attention_layer_backward(const mhc__run *run, int block, const float *d_z) {
    const mhc__model *model = run->model;
    const mhc__widths *w = &model->widths;
    const mhc__block_at *p = &model->blocks[block];
    const mhc__attention_state *s = &run->at->attention[block];
    mhc__activations *at = run->at;
    int threads = run->context->threads;
    const float *d_proj = mhc__branch_backward(run, block, MHC__PLACE_ATTENTION, d_z);
    MHC__TRY(mhc__linear_backward(mhc__products_of(run), at->tokens, w->channels, w->channels, s->heads,
                                  mhc__weight(model, p->proj.weight), d_proj, at->d_u, false,
                                  mhc__gradient(model, p->proj.weight), mhc__gradient(model, p->proj.bias), at->scratch,
                                  run->error));
    mhc__attention heads = heads_of(run, block);
    MHC__TRY(mhc__attention_backward(threads, &heads, s->qkv, s->heads, s->lse, at->d_u, at->d_wide[0], at->scratch,
                                     run->error));
    turn(run, at->d_wide[0], true);
    MHC__TRY(mhc__linear_backward(mhc__products_of(run), at->tokens, w->channels, w->qkv, s->normed,
                                  mhc__weight(model, p->qkv.weight), at->d_wide[0], at->d_u, false,
                                  mhc__gradient(model, p->qkv.weight), mhc__gradient(model, p->qkv.bias), at->scratch,
                                  run->error));
    mhc__norm_backward(threads, model->config.norm, at->tokens, w->channels, s->u,
                       mhc__weight(model, p->attention_norm.weight), s->mean, s->rstd, at->d_u, at->d_u,
                       mhc__gradient(model, p->attention_norm.weight), mhc__gradient(model, p->attention_norm.bias),
                       at->scratch);
    return MHC_OK;
}
