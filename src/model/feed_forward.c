/* z = dropout(down(gelu(up(norm(u))))), or down(silu(gate(norm(u))) up(norm(u))). */
#include "model/internal.h"
#include "nn/activation.h"
#include "nn/linear.h"
#include "nn/norm.h"

/* gate and up to active. In training gelu leaves its slopes in up. */
static void activate(const mhc__run *run, const mhc__feed_forward_state *s) {
    int threads = run->context->threads;
    int64_t count = run->at->tokens * run->model->widths.ffn;
    if (s->gate)
        mhc__swiglu_forward(threads, count, s->gate, s->up, s->active);
    else if (run->pass->train)
        mhc__gelu_slopes(threads, count, s->up, s->active, s->up);
    else
        mhc__gelu_forward(threads, count, s->up, s->active);
}

void mhc__feed_forward_norm(const mhc__run *run, int block) {
    const mhc__model *model = run->model;
    const mhc__block_at *p = &model->blocks[block];
    mhc__feed_forward_state *s = &run->at->feed_forward[block];
    mhc__norm_forward(run->context->threads, model->config.norm, model->widths.norm_eps, run->at->tokens,
                      model->widths.channels, s->u, mhc__weight(model, p->ffn_norm.weight),
                      mhc__weight(model, p->ffn_norm.bias), s->normed, s->mean, s->rstd);
}

mhc_status mhc__feed_forward_layer_forward(const mhc__run *run, int block) {
    const mhc__model *model = run->model;
    const mhc__widths *w = &model->widths;
    const mhc__block_at *p = &model->blocks[block];
    mhc__feed_forward_state *s = &run->at->feed_forward[block];
    int64_t tokens = run->at->tokens;
    mhc__feed_forward_norm(run, block);
    MHC__TRY(mhc__linear_forward(mhc__products_of(run), tokens, w->channels, w->ffn, s->normed,
                                 mhc__weight(model, p->up.weight), mhc__weight(model, p->up.bias), s->up, run->error));
    if (s->gate) {
        MHC__TRY(mhc__linear_forward(mhc__products_of(run), tokens, w->channels, w->ffn, s->normed,
                                     mhc__weight(model, p->gate.weight), mhc__weight(model, p->gate.bias), s->gate,
                                     run->error));
    }
    activate(run, s);
    MHC__TRY(mhc__linear_forward(mhc__products_of(run), tokens, w->ffn, w->channels, s->active,
                                 mhc__weight(model, p->down.weight), mhc__weight(model, p->down.bias), s->z,
                                 run->error));
    mhc__branch_forward(run, block, MHC__PLACE_FEED_FORWARD, s->z);
    return MHC_OK;
}

/* d_normed (in at->d_u) from the gradient of the activation, in at->d_wide[0]. */
static mhc_status hidden_backward(const mhc__run *run, int block) {
    const mhc__model *model = run->model;
    const mhc__widths *w = &model->widths;
    const mhc__block_at *p = &model->blocks[block];
    const mhc__feed_forward_state *s = &run->at->feed_forward[block];
    mhc__activations *at = run->at;
    int threads = run->context->threads;
    float *d_up = at->d_wide[0], *d_gate = at->d_wide[1];
    if (s->gate) {
        mhc__swiglu_backward(threads, at->tokens * w->ffn, s->gate, s->up, d_up, d_gate, d_up);
        MHC__TRY(mhc__linear_backward(mhc__products_of(run), at->tokens, w->channels, w->ffn, s->normed,
                                      mhc__weight(model, p->gate.weight), d_gate, at->d_u, false,
                                      mhc__gradient(model, p->gate.weight), mhc__gradient(model, p->gate.bias),
                                      at->scratch, run->error));
    } else {
        mhc__gelu_backward(threads, at->tokens * w->ffn, s->up, d_up, d_up);
    }
    return mhc__linear_backward(mhc__products_of(run), at->tokens, w->channels, w->ffn, s->normed,
                                mhc__weight(model, p->up.weight), d_up, at->d_u, s->gate != NULL,
                                mhc__gradient(model, p->up.weight), mhc__gradient(model, p->up.bias), at->scratch,
                                run->error);
}

mhc_status mhc__feed_forward_layer_backward(const mhc__run *run, int block, const float *d_z) {
    const mhc__model *model = run->model;
    const mhc__widths *w = &model->widths;
    const mhc__block_at *p = &model->blocks[block];
    const mhc__feed_forward_state *s = &run->at->feed_forward[block];
    mhc__activations *at = run->at;
    int threads = run->context->threads;
    const float *d_down = mhc__branch_backward(run, block, MHC__PLACE_FEED_FORWARD, d_z);
    MHC__TRY(mhc__linear_backward(mhc__products_of(run), at->tokens, w->ffn, w->channels, s->active,
                                  mhc__weight(model, p->down.weight), d_down, at->d_wide[0], false,
                                  mhc__gradient(model, p->down.weight), mhc__gradient(model, p->down.bias), at->scratch,
                                  run->error));
    MHC__TRY(hidden_backward(run, block));
    mhc__norm_backward(threads, model->config.norm, at->tokens, w->channels, s->u,
                       mhc__weight(model, p->ffn_norm.weight), s->mean, s->rstd, at->d_u, at->d_u,
                       mhc__gradient(model, p->ffn_norm.weight), mhc__gradient(model, p->ffn_norm.bias), at->scratch);
    return MHC_OK;
}
