/* What a model is, as plain data. Enumerations are stored by value; their names in files and on the command line belong
 * to src/config. */
#ifndef MHC_MODEL_CONFIG_H
#define MHC_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "mhc/spec.h"
#include "nn/norm.h"

/* A decoder-only transformer, or a bag of words through a stack of linear layers, as a classifier of rows. */
typedef enum mhc__family { MHC__FAMILY_TRANSFORMER, MHC__FAMILY_BAG } mhc__family;
/* Of a bag: where the ReLU of a layer acts, on the streams after its merge or on what the layer adds to them. */
typedef enum mhc__relu { MHC__RELU_STREAMS, MHC__RELU_BRANCH } mhc__relu;
typedef enum mhc__position { MHC__POSITION_LEARNED, MHC__POSITION_ROPE } mhc__position;
typedef enum mhc__mlp { MHC__MLP_GELU, MHC__MLP_SWIGLU } mhc__mlp;
/* What one site wraps: attention and feed-forward each without their residual; the whole block with its two residuals
 * inside, z = u + a + m; or its two branches without what the residuals carry past them, z = a + m; with a = A(u) and
 * m = M(u + a). The plain residual is a block's own two additions: it ignores the choice. */
typedef enum mhc__wrap { MHC__WRAP_SUBLAYER, MHC__WRAP_BLOCK, MHC__WRAP_BRANCHES } mhc__wrap;
/* Weights at the start. NORMAL: linear and embedding weights N(0, init_std), biases 0. PYTORCH: what PyTorch's modules
 * start with: linear weights and biases U(±1/sqrt(inputs)); the fused q, k, v weight Xavier uniform, with biases of
 * attention 0; the token embedding N(0, init_std) (PyTorch: 1), learned positions N(0, 0.01) (mhc-poc's). */
typedef enum mhc__init { MHC__INIT_NORMAL, MHC__INIT_PYTORCH } mhc__init;
/* NATIVE takes the convention's own contraction. */
typedef enum mhc__contract {
    MHC__CONTRACT_NATIVE,
    MHC__CONTRACT_MEAN,
    MHC__CONTRACT_SUM,
    MHC__CONTRACT_HEAD,
    MHC__CONTRACT_CARRIED
} mhc__contract;

/* NATIVE takes the convention's own; SIGMOID is 2 sigmoid, the paper's. MEAN (1/n) and ONES have no parameters: what
 * the ablation of arXiv 2512.24880, table 1, puts in the place of learned maps, beside the constraint identity. */
typedef enum mhc__pre_kind { MHC__PRE_NATIVE, MHC__PRE_MEAN } mhc__pre_kind;
typedef enum mhc__post { MHC__POST_NATIVE, MHC__POST_SIGMOID, MHC__POST_SOFTMAX, MHC__POST_ONES } mhc__post;

/* ZEROS: all logits 0, fn too, where softmax, permutations and Sinkhorn's iteration give 1/n. With off_diagonal res
 * starts by that. */
typedef enum mhc__start { MHC__START_NATIVE, MHC__START_ZEROS } mhc__start;

/* A bag has vocabulary, sequence, embedding, channels, blocks (its layers, one site each), classes, norm (before each
 * layer and before the classifier), relu, init and the connection; the rest is the transformer's. */
typedef struct mhc__model_config {
    mhc__family family;
    int vocabulary; /* V; 0: taken from the data */
    int sequence;   /* S: positions of one row, also the longest context of sampling with learned positions */
    int channels;   /* C */
    int blocks;
    int embedding;       /* of a bag: width of the token embedding; 0 means channels */
    int classes;         /* of a bag */
    mhc__relu relu;      /* of a bag */
    int heads, kv_heads; /* kv_heads 0 means heads; heads % kv_heads == 0 */
    int ffn;             /* hidden width of the feed-forward; 0 means 4 C */
    mhc__norm_kind norm;
    float norm_eps; /* 0 takes 1e-5 for layernorm, 1e-6 for rmsnorm */
    mhc__position position;
    float rope_theta;
    mhc__mlp mlp;
    bool bias; /* of the linear layers in blocks (layernorm always has its bias, the output head never) */
    bool tied; /* output head = token embedding */
    float dropout_embedding, dropout_attention, dropout_output;
    float branch_scale; /* of a transformer: what attention and feed-forward give is multiplied by it; 1: as it is. A
                           control for connections whose post is not 1; 0 leaves a network without layers */
    mhc__init init;
    float init_std;      /* see mhc__init */
    char connection[32]; /* a preset name of mhc/spec.h */
    int streams;         /* ignored (1) for residual */
    mhc__wrap wrap;
    mhc__contract contract;
    int sinkhorn_iterations; /* 0: the preset's own */
    /* Of what mixes streams; residual ignores it. */
    int constraint;      /* of res: 0 the preset's own, else mhc_constraint_kind + 1 */
    mhc_finish finish;   /* after it */
    float leaky;         /* beta; 0: none. leak = beta / (2 sites) */
    float off_diagonal;  /* mass of res off the diagonal at the start; 0: as the preset starts */
    bool static_mapping; /* coefficients from base alone, whatever the preset */
    mhc__pre_kind pre;   /* how logits become pre */
    mhc__post post;      /* how logits become post */
    mhc__start start;    /* of the logits */
} mhc__model_config;

/* A small byte-level GPT with the `paper` connection. */
mhc__model_config mhc__model_config_default(void);
/* Checks ranges and combinations; messages name the field as "model.FIELD". Resolves nothing. */
mhc_status mhc__model_config_check(const mhc__model_config *config, mhc_error *error);
/* Sites of the model. */
int mhc__model_config_sites(const mhc__model_config *config);
/* The connection's spec for this model, with the overrides applied. */
mhc_status mhc__model_config_spec(const mhc__model_config *config, mhc_spec *spec, mhc_error *error);

#endif
