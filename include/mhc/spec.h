/* mhc_spec: everything about one connection, as plain data.
 *
 * A site is one connection around one layer function F. For the streams X [n, C] of one token it computes (arXiv
 * 2512.24880, eq. 3)
 *
 *     u    = sum_j pre_j X_j                      the input of F
 *     z    = F(u)
 *     X'_i = sum_j res_ij X_j + post_i z          row i of res = destination stream, column j = source stream
 *
 * and the coefficients pre [n], post [n], res [n, n] come from parameters alone (static) or from X as well (dynamic):
 *
 *     mix     = fn x^                             x^ = the normalised streams; see mhc_norm
 *     logits  = scale * act(mix) + base           one scale for pre, one for post, one for res
 *     pre     = gate(logits_pre);  post = gate(logits_post);  res = constraint(logits_res)
 *
 * Conventions of published implementations differ in order, eps and start. Those are semantics, not rounding: after 20
 * iterations two of them can differ by 0.7 in an entry of res. Each is a preset with a name; fill a spec with
 * mhc_spec_preset and change what you mean to change. */
#ifndef MHC_SPEC_H
#define MHC_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mhc/status.h"
#include "mhc/type.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MHC_MAX_STREAMS 32

typedef enum mhc_mapping {
    MHC_MAPPING_NONE = 0, /* the plain residual: n = 1, pre = post = res = 1, no parameters */
    MHC_MAPPING_STATIC,   /* coefficients from base alone: one set per site */
    MHC_MAPPING_DYNAMIC   /* coefficients from X: one set per token */
} mhc_mapping;

typedef enum mhc_norm {
    MHC_NORM_NONE = 0, /* static mappings have none */
    MHC_NORM_FLAT, /* one RMS over all nC values; fn is [rows, nC]                        (arXiv 2512.24880 eq. 7) */
    MHC_NORM_PER_STREAM /* each stream by its own RMS; fn is [n + 2, C]: pre | post | n of res (arXiv 2512.24880 eq. 5)
                         */
} mhc_norm;

typedef enum mhc_eps_place {
    MHC_EPS_INSIDE = 0, /* 1 / sqrt(mean(x^2) + eps) */
    MHC_EPS_OUTSIDE     /* 1 / (sqrt(mean(x^2)) + eps) */
} mhc_eps_place;

typedef enum mhc_activation { MHC_ACTIVATION_NONE = 0, MHC_ACTIVATION_TANH } mhc_activation;

/* How logits become pre or post: multiplier * f(logits) + eps. */
typedef enum mhc_gate_kind {
    MHC_GATE_FREE = 0,    /* f = identity */
    MHC_GATE_SIGMOID,     /* f = 1 / (1 + exp(-x)), each by itself */
    MHC_GATE_SOFTMAX,     /* f = softmax over the n streams */
    MHC_GATE_MATRIX_MEAN, /* n x n logits, softmax of each row, mean of each column (mhc-poc's pre) */
    MHC_GATE_MATRIX_SUM,  /* n x n logits, softmax of each row, sum of each column  (mhc-poc's post) */
    MHC_GATE_FIXED        /* f = 1, no logits: the ablations of arXiv 2512.24880 table 1 */
} mhc_gate_kind;

typedef struct mhc_gate {
    mhc_gate_kind kind;
    float multiplier;
    float eps;
} mhc_gate;

/* Logits of a gate of n streams: n, n n or 0. */
MHC_API int mhc_gate_logits(const mhc_gate *gate, int streams);

/* How logits become res; mhc/constraint.h says what each promises, src/stream/constraint/README.md how it is computed.
 * Names: mhc_constraint_name(kind). */
typedef enum mhc_constraint_kind {
    MHC_CONSTRAINT_NONE = 0,       /* res = logits: plain hyper-connections */
    MHC_CONSTRAINT_IDENTITY,       /* res = I; no logits */
    MHC_CONSTRAINT_EXP,            /* res = exp(logits), entry by entry */
    MHC_CONSTRAINT_SINKHORN,       /* iterations of row and column normalisation: see mhc_sinkhorn */
    MHC_CONSTRAINT_PERMUTATIONS,   /* mean of all n! permutations, weighed by softmax of n! logits; n <= 5 */
    MHC_CONSTRAINT_CIRCULANT,      /* the same of the n cyclic shifts: n logits */
    MHC_CONSTRAINT_ROW_STOCHASTIC, /* softmax of each row, over the sources */
    MHC_CONSTRAINT_BIRKHOFF,       /* the limit of Sinkhorn's iterations, by Newton's method */
    MHC_CONSTRAINT_KRONECKER,      /* product of 2 x 2 doubly stochastic matrices: 2 log2 n logits; n a power of two */
    MHC_CONSTRAINT_SPECTRAL,       /* both sums exact, differences scaled by tanh in turned frames: (n - 1)^2 logits */
    MHC_CONSTRAINT_ROTATION,       /* both sums exact, differences turned: (n - 1)(n - 2) / 2 logits, 4 at n = 4 */
    MHC_CONSTRAINT_ORTHOGONAL      /* a rotation of the streams: n (n - 1) / 2 logits, 8 at n = 4 */
} mhc_constraint_kind;

/* What makes the sums of a constraint's matrix exact. */
typedef enum mhc_finish {
    MHC_FINISH_NONE = 0,
    MHC_FINISH_ROUNDING, /* to the nearby doubly stochastic matrix; for constraints without negative entries */
    MHC_FINISH_AFFINE    /* K -> J + (I - J) K (I - J), J = 1 1' / n: smooth, entries may turn slightly negative */
} mhc_finish;

typedef enum mhc_sinkhorn_start {
    MHC_START_EXP = 0,     /* exp(x), no shift: overflows above 88, as its authors' code does */
    MHC_START_EXP_SHIFTED, /* exp(x - max along the axis that is normalised first): the same result, no overflow */
    MHC_START_SOFTMAX_EPS  /* softmax along the first axis, + eps: counts as the first half of the first iteration */
} mhc_sinkhorn_start;

/* The axis whose sums are made one: SRC divides each row i by sum_j (over sources), DST each column j by sum_i (over
 * destinations). The other axis follows; the last one is exact. Named for the matrix res[dst, src] as it is applied. */
typedef enum mhc_axis { MHC_AXIS_SRC = 0, MHC_AXIS_DST } mhc_axis;

typedef enum mhc_eps_mode {
    MHC_EPS_NONE = 0, /* x / sum */
    MHC_EPS_ADD,      /* x / (sum + eps) */
    MHC_EPS_CLAMP     /* x / max(sum, eps); the gradient through the sum is zero where it is clamped */
} mhc_eps_mode;

typedef struct mhc_sinkhorn {
    int iterations; /* pairs of half steps, 1..1000 */
    mhc_sinkhorn_start start;
    mhc_axis first; /* the axis normalised first */
    mhc_eps_mode eps_mode;
    float eps;
} mhc_sinkhorn;

/* Which pre collapses the streams at a site. */
typedef enum mhc_schedule {
    MHC_SCHEDULE_SAME_SITE = 0, /* its own */
    MHC_SCHEDULE_SHIFTED /* the one carried from the site before; the first is one-hot on stream 0 (DeepSeek-V4.1) */
} mhc_schedule;

typedef enum mhc_contraction {
    MHC_CONTRACT_MEAN = 0,
    MHC_CONTRACT_SUM,
    MHC_CONTRACT_HEAD, /* learned, dynamic: w = sigmoid(scale * (fn x^) + base) + eps, y = sum_i w_i X_i (DeepSeek-V4's
                          hc_head) */
    MHC_CONTRACT_CARRIED /* the pre of the last site (DeepSeek-V4.1) */
} mhc_contraction;

/* How base starts (mhc_site_init). home = site % n. Off means the value everywhere else. "near I" is res = I under
 * none, identity, rotation and orthogonal, 6 I - 3 of the logits of sinkhorn, birkhoff and row-stochastic, and the same
 * mass off the diagonal as those have under the other constraints. */
typedef enum mhc_start {
    MHC_INIT_ZEROS = 0, /* all logits zero */
    MHC_INIT_HOME,      /* pre -3, +3 on home; post 0; res near I */
    MHC_INIT_HC,        /* pre one-hot on home; post 1; res near I             (arXiv 2409.19606 eq. 14) */
    MHC_INIT_HC_MEAN,   /* pre 1/n; post 1; res near I */
    MHC_INIT_LITE,      /* pre and post -1, +1 on home; res near I; permutations: the identity's 0, the others -8 */
    MHC_INIT_2I_J,      /* every n x n logit matrix 2 I - J; other logits of res near I */
    MHC_INIT_XAVIER /* uniform +-sqrt(6 / (fan in + fan out)), from the seed: res sqrt(6 / 2n), pre and post sqrt(6 / (n
                       + 1)) */
} mhc_start;

/* How exact the products of the mapping are at least, forward and backward. The CPU's are MHC_PRECISION_FP32 always,
 * and so are those on CUDA of shapes that have no kernel on tensor cores. There numbers are split into parts of bf16.
 * The rms error of mix, relative to its rms, at n C = 4096, of fp32, bf16 and fp16 streams, as
 * tests/stream/test_device_precision.c prints it on an emulator of the device that cuts sums as an A100's tensor cores
 * do: */
typedef enum mhc_precision {
    MHC_PRECISION_FP32 = 0, /* three parts: 3.7e-7, 1.2e-7, 2.0e-7 */
    MHC_PRECISION_BF16X2,   /* two: 4.1e-6, 2.4e-6, 3.4e-6 */
    MHC_PRECISION_BF16      /* one: 2.3e-3, 1.6e-3, 2.3e-3 */
} mhc_precision;
/* TF32, 2.9e-4, 2.0e-4 and 2.0e-4 by the same test, is none of them: of a tensor core it takes twice the time of bf16,
 * which is that of BF16X2 on bf16 streams, and 2 for 3 on the others. */

typedef struct mhc_spec {
    int streams;      /* n, 1..MHC_MAX_STREAMS */
    int64_t channels; /* C >= 1 */
    mhc_mapping mapping;
    mhc_norm norm;
    mhc_eps_place norm_eps_place;
    float norm_eps;
    mhc_activation activation; /* of mix, before scale and base */
    mhc_gate pre, post;
    mhc_constraint_kind constraint;
    mhc_sinkhorn sinkhorn;
    bool transposed; /* the logits of res are laid out [src, dst] (DeepSeek's comb) and res is the transpose of their
                        matrix; logits that are no matrix: of the constraint's matrix */
    mhc_finish finish;
    float leak; /* 0: none; else res = (1 - leak) I + leak K, in (0, 1], K being what constraint and finish give. With
                   leak = beta / (2 sites) no difference between streams shrinks below (1 - beta / sites)^sites */
    mhc_schedule schedule;
    mhc_contraction contraction;
    float head_eps;     /* added to the learned head's weights */
    mhc_start start;    /* of base */
    float off_diagonal; /* > 0: res starts with this mass off the diagonal instead: mhc_constraint_start */
    float scale_start;  /* of scale */
    float fn_start;     /* standard deviation of fn at the start; 0 starts at zero */
    mhc_precision precision;
    mhc_type type; /* of the elements of streams and rows; presets leave it MHC_FP32 */
} mhc_spec;

/* clang-format off */
/* Fills spec with the named convention for n streams of C channels. Names: mhc_spec_preset_name(0..).
 *
 *   residual         one stream (streams must be 1)
 *   hc               dynamic hyper-connections: per-stream norm, tanh, no constraint; arXiv 2512.24880 eq. 5, 2409.19606
 *   hc-static        free pre, post, res; pre starts at 1/n, post at 1, res at I: the baseline of `reproducing-mhc`
 *   paper            exp; 20 x (columns, rows); no eps; arXiv 2512.24880 eq. 7-9
 *   deepseek-v4      softmax + eps start, transposed comb, eps 1e-6 added everywhere; arXiv 2606.19348
 *   deepseek-v4.1    the same with the shifted schedule and the carried contraction; arXiv 2609.19969
 *   megatron         exp(x - row max); 20 x (rows, columns); sums clamped at 1e-6; norm eps outside the root
 *   liger            softmax over sources + eps; destination sums exact
 *   mhc-lite         convex combination of all permutations: exactly doubly stochastic; arXiv 2601.05732
 *   reproducing-mhc  static; softmax pre and post; 20 x (rows, columns), sums + 1e-8; github.com/yaoshengzhe/reproducing-mhc
 *   mhc-poc          static, wraps whole blocks; 20 x (rows, columns), sums >= 1e-12; github.com/softwarewrighter/mHC-poc
 *   mhc-poc-hc       mhc-poc's own "HC": res = exp(logits), no constraint
 *   boolq-100        static; sigmoid, 2 sigmoid; 40 x (rows, columns), sums + 1e-8; github.com/ApurvPujari/mHC-implementation
 *   boolq-100-hc     boolq-100's own "baseline": free, Xavier start
 *
 * Contraction: sum for hc and mhc-lite, head for deepseek-v4, carried for deepseek-v4.1, mean for the others. What the
 * presets choose where their sources are silent: docs/decisions/0012-choices-of-the-presets.md.
 * Errors: MHC_INVALID_ARGUMENT for an unknown name (the message lists the names), n or C out of range. */
/* clang-format on */
MHC_API mhc_status mhc_spec_preset(mhc_spec *spec, const char *name, int streams, int64_t channels, mhc_error *error);

/* The name of preset number index, or NULL past the last. */
MHC_API const char *mhc_spec_preset_name(int index);

/* Checks that the fields make sense together. Every operation does this itself; call it to fail early. */
MHC_API mhc_status mhc_spec_check(const mhc_spec *spec, mhc_error *error);

#ifdef __cplusplus
}
#endif

#endif
