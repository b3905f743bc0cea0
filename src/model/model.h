/* Two families of networks with a residual-stream connection. A decoder-only transformer:
 *     tokens -> embed -> expand -> (mapping -> pre -> F -> merge) x sites -> contract -> norm -> logits -> loss
 * and the same way back. F = attention or feed-forward with its own pre-norm inside. And a bag of words, a classifier
 * of rows: bag.c.
 *
 * Parameters live in one flat array of floats, gradients in another of the same layout, so that the optimizer, clipping
 * and checkpoints see one array plus a table of named tensors. Names and shapes are documented in docs/tensors.md. */
#ifndef MHC_MODEL_MODEL_H
#define MHC_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "gemm/gemm.h"
#include "mhc/context.h"
#include "mhc/ends.h"
#include "mhc/site.h"
#include "model/config.h"

typedef struct mhc__parameter {
    char name[64];
    int dims;
    int64_t shape[2];
    int64_t offset, count; /* floats, in the flat arrays; tensors don't overlap and start at multiples of 16 */
} mhc__parameter;

typedef struct mhc__model mhc__model;

/* Builds the model with all weights at their start (drawn from seed, name by name: adding a tensor moves no other).
 * Copies config. */
mhc_status mhc__model_create(const mhc__model_config *config, uint64_t seed, mhc__model **out, mhc_error *error);
void mhc__model_destroy(mhc__model *model);

/* Bytes that a model takes, by part, without taking them. The arrays of a pass are laid out by the code that lays them
 * out for the pass itself. Not in it is what a product takes while it runs: what oneDNN packs, a few MiB, and with bf16
 * products the rounded copies of both operands, up to the largest weight and its input. */
typedef struct mhc__model_memory {
    int64_t weights, gradients;
    int64_t streams;     /* of a training pass: X, u and norm(u) of all sites, or what recomputation leaves of them */
    int64_t activations; /* what else forward keeps for backward */
    int64_t backward;    /* gradients of activations, reused from site to site */
    int64_t workspace;   /* of the operation in progress */
    int64_t evaluation;  /* all arrays of an evaluation of the same size */
    int span;            /* sites that are recomputed at a time; 0: none */
} mhc__model_memory;
/* For rows of config.sequence tokens. Errors as mhc__model_create; MHC_OUT_OF_MEMORY where 64 bits do not hold it. */
mhc_status mhc__model_plan(const mhc__model_config *config, int batch, int threads, int recompute,
                           mhc__model_memory *memory, mhc_error *error);

const mhc__model_config *mhc__model_configuration(const mhc__model *model);
const mhc_spec *mhc__model_spec(const mhc__model *model);
int64_t mhc__model_size(const mhc__model *model);             /* floats in the flat arrays, padding included */
int64_t mhc__model_parameters_total(const mhc__model *model); /* trainable numbers */
int mhc__model_parameter_count(const mhc__model *model);
const mhc__parameter *mhc__model_parameter(const mhc__model *model, int index);
const mhc__parameter *mhc__model_parameter_find(const mhc__model *model, const char *name); /* NULL when absent */
float *mhc__model_weights(mhc__model *model);
float *mhc__model_gradients(mhc__model *model);

enum { MHC__RECOMPUTE_BEST = -1 };

/* Memory for activations of rows = batch * sequence tokens is planned at the first pass of that size and kept. */
typedef struct mhc__pass {
    int batch, sequence;   /* sequence <= config.sequence with learned positions */
    const int32_t *tokens; /* [batch, sequence + 1]: inputs are the first `sequence` of each row, targets the last; of
                              a bag the last alone is the target, a class, or -1 for a row that doesn't count */
    bool train;            /* dropout on, activations kept for backward */
    uint64_t seed, step;   /* of dropout */
    int recompute; /* sites whose streams backward computes again at a time instead of keeping them: less memory,
                      the same bits. 0: none; MHC__RECOMPUTE_BEST: what takes least. train only */
    mhc__precision precision; /* of the products of linear layers and of the output head; weights, streams, attention
                                 and all sums stay fp32 */
    float scale; /* the gradient is that of scale * loss; 1 / micro-batches with accumulation. train only */
} mhc__pass;

/* Mean cross-entropy in nats. Token ids outside 0..V-1 are MHC_INVALID_ARGUMENT. A training forward already adds the
 * output head's share to the gradients (all logits never exist at once): zero gradients before it, not after. */
mhc_status mhc__model_forward(mhc__model *model, const mhc_context *context, const mhc__pass *pass, double *loss,
                              mhc_error *error);
/* Adds to the gradients. After a forward with train = true, once, with the same pass and thread count. */
mhc_status mhc__model_backward(mhc__model *model, const mhc_context *context, const mhc__pass *pass, mhc_error *error);
void mhc__model_zero_gradients(mhc__model *model, const mhc_context *context);

/* Logits [V] of the last position of one row of `length` tokens (evaluation mode). For sampling. Errors as forward. */
mhc_status mhc__model_logits(mhc__model *model, const mhc_context *context, mhc__precision precision,
                             const int32_t *tokens, int length, float *logits, mhc_error *error);
/* The same of every position: logits [length, V]. */
mhc_status mhc__model_logits_of_row(mhc__model *model, const mhc_context *context, mhc__precision precision,
                                    const int32_t *tokens, int length, float *logits, mhc_error *error);

/* What a measurement can see. Streams of site s are valid after a training forward until the next pass, or, where they
 * are recomputed, until those of another site are asked for, by one thread at a time; s = sites means the state before
 * contraction. Residual models have one stream. After an evaluation, which keeps two states alone, or before the first
 * pass, data is NULL. */
int mhc__model_sites(const mhc__model *model);
int64_t mhc__model_tokens(const mhc__model *model); /* T of the last pass; of a bag its rows */
/* [T, classes] of the last pass of a bag; NULL for others and before the first. */
const float *mhc__model_class_logits(const mhc__model *model);
mhc_streams mhc__model_streams(mhc__model *model, int site);
/* Coefficients of a site after a forward: rows of n(n+2), T rows when dynamic, else 1. NULL for residual. */
const float *mhc__model_coefficients(const mhc__model *model, int site);
/* Wall seconds that passes of a transformer took, by part: connections (mapping, pre, seam, merge, and forward's
 * contraction), and the layers between them. Passes add to them; whoever measures sets them to 0. What watches
 * gradients is not in them. */
typedef enum mhc__model_part {
    MHC__FORWARD_CONNECTIONS,
    MHC__FORWARD_LAYERS,
    MHC__BACKWARD_CONNECTIONS,
    MHC__BACKWARD_LAYERS,
    MHC__MODEL_PARTS
} mhc__model_part;
double *mhc__model_seconds(mhc__model *model); /* [MHC__MODEL_PARTS] */

/* Called during backward with the gradient of the streams entering each site, from s = sites down to 0. NULL turns it
 * off. */
typedef void mhc__gradient_watch(void *self, int site, int64_t tokens, mhc_streams gradient);
void mhc__model_watch_gradients(mhc__model *model, mhc__gradient_watch *watch, void *self);

/* Called in evaluation passes with the coefficients of each site, in order, as its mapping gave them and before they
 * act: `rows` of pre [n] | post [n] | res [n, n], T of them when dynamic, else 1. What it writes into them acts in
 * their place, and mappings of later sites see the streams that follow. Merge and mapping are two passes over the
 * streams then, slower; where nothing is changed, the bits are the same. NULL turns it off. A training pass with it,
 * and one of the residual or of a bag, is MHC_INVALID_ARGUMENT. */
typedef void mhc__coefficient_override(void *self, int site, int64_t rows, float *coefficients);
void mhc__model_override_coefficients(mhc__model *model, mhc__coefficient_override *override, void *self);

#endif
