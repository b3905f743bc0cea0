/* What the files of this folder share: where each parameter lies, and where each activation. */
#ifndef MHC_MODEL_INTERNAL_H
#define MHC_MODEL_INTERNAL_H

#include "mhc/recompute.h"
#include "model/model.h"
#include "nn/attention.h"
#include "nn/dropout.h"

/* Offsets of tensors in the flat arrays; ABSENT where the model has no such tensor. */
#define MHC__ABSENT (-1)

typedef struct mhc__weight_at {
    int64_t weight, bias;
} mhc__weight_at;

typedef struct mhc__connection_at {
    int64_t fn, base, scale;
} mhc__connection_at;

typedef struct mhc__block_at {
    mhc__weight_at attention_norm, qkv, proj;
    mhc__weight_at ffn_norm, up, gate, down;
    mhc__weight_at layer_norm, layer;  /* of a bag: its one linear layer */
    mhc__connection_at connections[2]; /* attention, feed-forward; one site per block uses the first alone */
} mhc__block_at;

/* Activations of one layer of a bag. */
typedef struct mhc__bag_layer_state {
    float *mean, *rstd, *normed; /* [T], [T], [T, C]; without a norm normed is u */
} mhc__bag_layer_state;

/* Widths that follow from the configuration. */
typedef struct mhc__widths {
    int64_t channels, ffn, qkv; /* qkv = (heads + 2 kv_heads) head */
    int64_t embedding;          /* of a bag: width of the token embedding */
    int heads, kv_heads, head;  /* head: channels of one head */
    float norm_eps;
} mhc__widths;

/* Activations of one sub-layer z = F(u). In evaluation all blocks share one set. u and normed belong to the streams'
 * part: with recomputation, spans share them (recompute.c). */
typedef struct mhc__attention_state {
    float *u, *mean, *rstd, *normed; /* [T, C], [T], [T], [T, C] */
    float *qkv, *lse, *heads;        /* [T, qkv], [T heads], [T, C] */
    float *z;                        /* [T, C] */
} mhc__attention_state;

typedef struct mhc__feed_forward_state {
    float *u, *mean, *rstd, *normed; /* as above */
    float *gate, *up, *active;       /* [T, ffn]; gate with swiglu alone. For backward, up of gelu is its slope */
    float *z;                        /* [T, C] */
} mhc__feed_forward_state;

typedef struct mhc__site_state {
    float *u, *z;                /* [T, C]: input and output of what the site wraps */
    float *coefficients, *saved; /* as mhc/site.h; NULL for residual */
} mhc__site_state;

/* What a pass is laid out for. */
typedef struct mhc__layout {
    int batch, sequence, threads; /* batch 0: for none */
    int span;                     /* sites of a span whose streams are recomputed; 0: all are kept */
    bool train;
} mhc__layout;

typedef struct mhc__activations {
    void *arena;
    int64_t arena_bytes;
    mhc__layout layout;
    int64_t tokens;
    int32_t *ids, *targets;                /* [T] */
    float **streams;                       /* [sites + 1] states of [T, n, C]; two of them taking turns in evaluation */
    mhc_recompute_step *steps;             /* [sites]: of the span being replayed */
    int present;                           /* the span whose streams, u and normed are there now; -1: none */
    mhc__site_state *sites;                /* [sites] */
    mhc__attention_state *attention;       /* [blocks] */
    mhc__feed_forward_state *feed_forward; /* [blocks] */
    mhc__bag_layer_state *layers;          /* [blocks] of a bag */
    float *entered;                        /* [T, C] of a bag: what is expanded; the streams themselves for residual */
    float *logits;                         /* [T, classes] of a bag */
    float *branch;                         /* [T, C], wrap = branches: a on the way up, its gradient on the way down */
    float *embedded;                       /* [T, C] before expand */
    float *head_saved;                     /* of the contraction */
    float *contracted, *mean, *rstd, *normed; /* the final norm: [T, C], [T], [T], [T, C] */
    /* Backward alone. */
    float *d_streams; /* [T, n, C], in place from the last site to the first */
    float *d_z, *d_u; /* [T, C] */
    float *d_masked;  /* [T, C]: gradient of a branch before dropout and scale, where d_z must survive; else d_z */
    float *d_wide[2]; /* [T, max(ffn, qkv)], [T, ffn] (swiglu) */
    float *d_coefficients[2]; /* of this site and the one before, by turns */
    float *d_logits;          /* [T, classes] of a bag */
    float *d_embedded;        /* [T, embedding] of a bag */
    void *scratch;            /* whatever the operation in progress needs */
    size_t scratch_bytes;
} mhc__activations;

struct mhc__model {
    mhc__model_config config;
    mhc__widths widths;
    mhc_spec spec, plain; /* plain: the residual addition inside blocks and of residual models */
    uint64_t seed;
    int sites;
    mhc__parameter *parameters;
    int parameter_count, parameter_capacity;
    int64_t size, total;
    float *weights, *gradients;
    mhc__weight_at embedding, position, norm, head;
    mhc__weight_at input; /* of a bag: embedding -> channels */
    mhc__connection_at contraction;
    mhc__block_at *blocks;
    mhc__activations train, eval;
    const mhc__activations *last; /* of the last pass; NULL before the first and after a failed one */
    bool backward_ready;
    mhc__gradient_watch *watch;
    void *watch_self;
    mhc__coefficient_override *override;
    void *override_self;
    double seconds[MHC__MODEL_PARTS], lap; /* lap: when the last part ended */
};

/* Which dropout of the model: mhc__dropout.place. */
enum { MHC__PLACE_EMBEDDING = 0, MHC__PLACE_PROBABILITIES, MHC__PLACE_ATTENTION, MHC__PLACE_FEED_FORWARD };

/* One pass on its way through the model. */
typedef struct mhc__run {
    mhc__model *model;
    const mhc_context *context;
    const mhc__pass *pass;
    mhc__activations *at;
    mhc_error *error;
} mhc__run;

static inline mhc__gemm_how mhc__products_of(const mhc__run *run) {
    return (mhc__gemm_how){run->context->threads, run->pass->precision};
}

static inline bool mhc__is_plain(const mhc__model *model) {
    return model->spec.mapping == MHC_MAPPING_NONE;
}

static inline bool mhc__is_shifted(const mhc__model *model) {
    return model->spec.schedule == MHC_SCHEDULE_SHIFTED;
}

static inline bool mhc__is_bag(const mhc__model *model) {
    return model->config.family == MHC__FAMILY_BAG;
}

/* Sites wrap whole blocks, with or without their residuals. The plain residual has its two additions inside the block
 * already: nothing more to wrap. */
static inline bool mhc__wraps_blocks(const mhc__model *model) {
    return model->config.wrap != MHC__WRAP_SUBLAYER && !mhc__is_plain(model);
}

static inline float *mhc__weight(const mhc__model *model, int64_t offset) {
    return offset == MHC__ABSENT ? NULL : model->weights + offset;
}

static inline float *mhc__gradient(const mhc__model *model, int64_t offset) {
    return offset == MHC__ABSENT ? NULL : model->gradients + offset;
}

/* bag.c: as mhc__model_forward and mhc__model_backward. */
mhc_status mhc__bag_forward(mhc__run *run, double *loss);
mhc_status mhc__bag_backward(mhc__run *run);

/* parameters.c */
mhc_status mhc__parameters_plan(mhc__model *model, mhc_error *error);  /* the table, sizes and offsets */
mhc_status mhc__parameters_start(mhc__model *model, mhc_error *error); /* values */

/* activations.c: lays out at for the pass; keeps the arena where it is large enough. */
mhc_status mhc__activations_prepare(const mhc__model *model, mhc__activations *at, const mhc__layout *layout,
                                    mhc_error *error);
void mhc__activations_free(mhc__activations *at);
/* What mhc__activations_prepare would take, by part. */
enum { MHC__PART_STREAMS, MHC__PART_ACTIVATIONS, MHC__PART_BACKWARD, MHC__PART_WORKSPACE, MHC__ARENA_PARTS };
typedef struct mhc__arena_parts {
    int64_t bytes[MHC__ARENA_PARTS];
} mhc__arena_parts;
mhc_status mhc__activations_plan(const mhc__model *model, const mhc__layout *layout, mhc__arena_parts *parts,
                                 mhc_error *error);
/* The sites of a span for what a pass asks for: mhc__pass.recompute. */
int mhc__span_of(const mhc__model *model, int recompute);

/* recompute.c: brings back the streams, u and normed of the span of a site, unless they are there. */
mhc_status mhc__recall(const mhc__run *run, int site);
/* Whether the streams before a site are there. */
bool mhc__is_present(const mhc__activations *at, int sites, int site);

/* attention.c, feed_forward.c: state.u -> state.z, and d_z -> at.d_u. Backward leaves d_z alone unless at.d_masked is
 * d_z. */
void mhc__attention_norm(const mhc__run *run, int block); /* state.u -> state.normed: the first step of forward */
mhc_status mhc__attention_layer_forward(const mhc__run *run, int block);
mhc_status mhc__attention_layer_backward(const mhc__run *run, int block, const float *d_z);
void mhc__feed_forward_norm(const mhc__run *run, int block);
mhc_status mhc__feed_forward_layer_forward(const mhc__run *run, int block);
mhc_status mhc__feed_forward_layer_backward(const mhc__run *run, int block, const float *d_z);

/* backward.c: tells the watch of gradients. */
void mhc__watch_state(const mhc__run *run, int site);

/* layers.c: what the two share. */
mhc__dropout mhc__run_dropout(const mhc__run *run, float rate, int block, int kind);
mhc_status mhc__add_rows(const mhc__run *run, float *x, const float *z); /* x += z, [T, C] */
void mhc__copy_rows(const mhc__run *run, float *to, const float *from);  /* [T, C] */
/* z of a layer, [T, C], through its output's dropout and model.branch_scale. */
void mhc__branch_forward(const mhc__run *run, int block, int kind, float *z);
/* Gradient of z before those: d_z itself where they change nothing, else at.d_masked. */
const float *mhc__branch_backward(const mhc__run *run, int block, int kind, const float *d_z);

#endif
