#include "config/field.h"

static const char *const families[] = {"transformer", "bag", NULL};
static const char *const relus[] = {"streams", "branch", NULL};
static const char *const norms[] = {"layernorm", "rmsnorm", "layernorm-pytorch", "layernorm-mlx", "none", NULL};
static const char *const positions[] = {"learned", "rope", NULL};
static const char *const mlps[] = {"gelu", "swiglu", NULL};
static const char *const wraps[] = {"sublayer", "block", "branches", NULL};
static const char *const inits[] = {"normal", "pytorch", NULL};
static const char *const contracts[] = {"native", "mean", "sum", "head", "carried", NULL};
static const char *const constraints[] = {"native",       "none",      "identity",       "exp",      "sinkhorn",
                                          "permutations", "circulant", "row-stochastic", "birkhoff", "kronecker",
                                          "spectral",     "rotation",  "orthogonal",     NULL};
static const char *const pres[] = {"native", "mean", NULL};
static const char *const starts[] = {"native", "zeros", NULL};
static const char *const posts[] = {"native", "sigmoid", "softmax", "ones", NULL};
static const char *const finishes[] = {"none", "rounding", "affine", NULL};
static const char *const decays[] = {"matrices", "all", NULL};
static const char *const schedules[] = {"constant", "cosine", "step", NULL};
static const char *const on_nans[] = {"stop", "rollback", NULL};
static const char *const precisions[] = {"fp32", "bf16", NULL};
static const char *const probes[] = {"off", "light", "full", NULL};
static const char *const samplings[] = {"windows", "shuffled", "rows", NULL};

const mhc__section mhc__sections[MHC__MAX_SECTIONS] = {
    {"model", "The network and its connection."},
    {"train", "How it is trained."},
    {"data", "What it is trained on."},
};

#define FIELD(section, member, kind, names, comment)                                                                   \
    {                                                                                                                  \
#section, #member, MHC__FIELD_##kind, offsetof(mhc__config, section.member),                                   \
            sizeof(((mhc__config *)0)->section.member), names, comment                                                 \
    }

const mhc__field mhc__fields[] = {
    FIELD(model, family, ENUM, families, "bag: mean of embeddings through linear layers, a classifier (boolq-100)"),
    FIELD(model, vocabulary, INT, NULL, "number of token ids; 0: what the data needs"),
    FIELD(model, sequence, INT, NULL, "tokens of one training row, and the longest context"),
    FIELD(model, channels, INT, NULL, "width of one stream"),
    FIELD(model, blocks, INT, NULL, "transformer blocks: attention and feed-forward each; of a bag its layers"),
    FIELD(model, embedding, INT, NULL, "bag: width of the token embedding; 0: channels"),
    FIELD(model, classes, INT, NULL, "bag: what it chooses among"),
    FIELD(model, relu, ENUM, relus, "bag: on the streams after each merge, or on what a layer adds to them"),
    FIELD(model, heads, INT, NULL, "attention heads; must divide channels"),
    FIELD(model, kv_heads, INT, NULL, "key/value heads; must divide heads; 0: as many as heads"),
    FIELD(model, ffn, INT, NULL, "hidden width of the feed-forward; 0: 4 channels"),
    FIELD(model, norm, ENUM, norms,
          "-pytorch and -mlx: NaN, or zero, for rows whose squares overflow fp32; none: of a bag"),
    FIELD(model, norm_eps, FLOAT, NULL, "0: 1e-5 for layernorm, 1e-6 for rmsnorm"),
    FIELD(model, position, ENUM, positions, NULL),
    FIELD(model, rope_theta, FLOAT, NULL, "base of rope's frequencies"),
    FIELD(model, mlp, ENUM, mlps, NULL),
    FIELD(model, bias, BOOL, NULL, "biases in the linear layers of the blocks"),
    FIELD(model, tied, BOOL, NULL, "the output head is the token embedding"),
    FIELD(model, dropout_embedding, FLOAT, NULL, "dropout rates, 0 to below 1"),
    FIELD(model, dropout_attention, FLOAT, NULL, "of attention probabilities"),
    FIELD(model, dropout_output, FLOAT, NULL, "of what attention and feed-forward add to the streams"),
    FIELD(model, branch_scale, FLOAT, NULL, "what attention and feed-forward add to the streams is multiplied by it"),
    FIELD(model, init, ENUM, inits, "weights at the start: all N(0, init_std), or as PyTorch's modules start"),
    FIELD(model, init_std, FLOAT, NULL, "standard deviation of weights at the start; pytorch: of the embedding alone"),
    FIELD(model, connection, STRING, NULL,
          "residual, hc, hc-static, paper, deepseek-v4, deepseek-v4.1, megatron, liger, mhc-lite, reproducing-mhc, "
          "mhc-poc, …"),
    FIELD(model, streams, INT, NULL, "residual streams, 1 to 32; residual always has one"),
    FIELD(model, wrap, ENUM, wraps, "what a site wraps; block keeps the block's residuals inside, branches does not"),
    FIELD(model, contract, ENUM, contracts, NULL),
    FIELD(model, sinkhorn_iterations, INT, NULL, "0: the connection's own number"),
    FIELD(model, constraint, ENUM, constraints,
          "of the mixing matrix, which residual does not have; native: the connection's own"),
    FIELD(model, finish, ENUM, finishes, "makes both sums of the mixing matrix exact"),
    FIELD(model, leaky, FLOAT, NULL, "beta: mix by a share of beta / (2 sites) at each site; 0: off"),
    FIELD(model, off_diagonal, FLOAT, NULL, "of the mixing matrix at the start; 0: as the connection starts"),
    FIELD(model, static_mapping, BOOL, NULL, "coefficients are parameters alone, not computed from the streams"),
    FIELD(model, pre, ENUM, pres, "how streams are read: native: the connection's own; mean: 1/n each, not learned"),
    FIELD(model, start, ENUM, starts,
          "of the connection's logits: native: its own; zeros: all 0, so that softmax and Sinkhorn mix by 1/n (res: by "
          "off_diagonal where that is set)"),
    FIELD(model, post, ENUM, posts,
          "how a layer's output is spread: native; sigmoid: 2 sigmoid; softmax; ones: 1 each, not learned"),

    FIELD(train, steps, INT64, NULL, "updates of the whole run"),
    FIELD(train, batch, INT, NULL, "rows of one micro-batch"),
    FIELD(train, accumulate, INT, NULL, "micro-batches of one update"),
    FIELD(train, seed, UINT64, NULL, "of weights, order of the data and dropout"),
    FIELD(train, lr, FLOAT, NULL, "the highest learning rate"),
    FIELD(train, beta1, FLOAT, NULL, "AdamW"),
    FIELD(train, beta2, FLOAT, NULL, NULL),
    FIELD(train, eps, FLOAT, NULL, NULL),
    FIELD(train, bias_correction, BOOL, NULL, "of the moments; false as in MLX"),
    FIELD(train, weight_decay, FLOAT, NULL, NULL),
    FIELD(train, decay, ENUM, decays, "which tensors decay"),
    FIELD(train, clip, FLOAT, NULL, "global L2 norm of the gradient; 0: off"),
    FIELD(train, schedule, ENUM, schedules, "of the learning rate, after warm-up"),
    FIELD(train, warmup, INT64, NULL, "steps of linear warm-up"),
    FIELD(train, floor, FLOAT, NULL, "where the cosine ends, as a factor of lr"),
    FIELD(train, step_at_1, FLOAT, NULL, "step schedule: from this share of the steps on …"),
    FIELD(train, step_factor_1, FLOAT, NULL, "… lr is multiplied by this"),
    FIELD(train, step_at_2, FLOAT, NULL, NULL),
    FIELD(train, step_factor_2, FLOAT, NULL, NULL),
    FIELD(train, on_nan, ENUM, on_nans, "when loss or gradient is NaN or Inf"),
    FIELD(train, max_rollbacks, INT, NULL, NULL),
    FIELD(train, eval_every, INT64, NULL, "steps between evaluations; 0: none"),
    FIELD(train, checkpoint_every, INT64, NULL, "steps between checkpoints; 0: one at the end"),
    FIELD(train, log_every, INT64, NULL, "steps between progress lines where there is no terminal"),
    FIELD(train, tensorboard, BOOL, NULL, "write events.out.tfevents.… for TensorBoard beside metrics.jsonl"),
    FIELD(train, eval_batches, INT, NULL, "batches of one evaluation"),
    FIELD(train, keep_checkpoints, INT, NULL, "older ones are removed; 0: keep all"),
    FIELD(train, precision, ENUM, precisions,
          "of the operands of matrix products; weights, streams, attention and sums stay fp32"),
    FIELD(train, recompute, BOOL, NULL, "compute streams again in backward: less memory, the same results"),
    FIELD(train, recompute_sites, INT, NULL, "at a time; 0: what takes least (arXiv 2512.24880 eq. 20)"),
    FIELD(train, probe, ENUM, probes,
          "measurements: none; numbers of gains, streams and gradients; or by site as well"),
    FIELD(train, probe_every, INT64, NULL, "steps between measurements; 0: none"),
    FIELD(train, probe_tokens, INT64, NULL, "tokens that they look at, spread over the batch; 0: all"),
    FIELD(train, threads, INT, NULL, "0: all; results don't depend on it"),

    FIELD(data, path, STRING, NULL, "a text file, a folder of them, a packed token file, builtin, or increment"),
    FIELD(data, eval_path, STRING, NULL, "held-out text; empty: the last eval_share of path"),
    FIELD(data, tokenizer, STRING, NULL, "byte, char or gpt2"),
    FIELD(data, tokenizer_dir, STRING, NULL, "gpt2: the folder of encoder.json and vocab.bpe"),
    FIELD(data, skip_invalid, BOOL, NULL, "char: skip bytes that aren't UTF-8 instead of failing"),
    FIELD(data, sampling, ENUM, samplings,
          "random windows, every offset once per epoch in shuffled order, or consecutive rows"),
    FIELD(data, eval_share, FLOAT, NULL, "share of path held out for evaluation, 0 to 0.5"),
};

const int mhc__field_count = sizeof mhc__fields / sizeof *mhc__fields;
