/* The claims of mhc-poc and what decides them. */
#ifndef MHC_STUDY_DEPTH_CLAIMS_H
#define MHC_STUDY_DEPTH_CLAIMS_H

#include "report/claim.h"
#include "study/depth.h"

/* One model at one depth. Losses and gradients: means over seeds unless stated otherwise. */
typedef struct mhc__depth_model {
    bool there;
    int64_t steps;                 /* of the first seed */
    int64_t not_finite;            /* the earliest step of all seeds; -1: none */
    double proxy_start, proxy_end; /* of the first seed, as all that follow up to the spread */
    double composite_off;          /* the largest distance of a row or column sum of the product of all H_res from 1 */
    double signal;                 /* out / in before training */
    double growth;                 /* per block before training */
    double growth_end;             /* after it */
    double spread_start, spread_max;
    double loss;       /* of the last five steps */
    double loss_worst; /* of all seeds; NaN where one is not finite */
    int spikes,
        rises;    /* of the first seed: steps whose gradient norm is 10 times the median of the 20 before; that rise */
    double slope; /* of log10 of the gradient norm over the last half of the steps, per 100 steps */
    double gradient_start, gradient_end;
} mhc__depth_model;

typedef enum mhc__depth_which {
    MHC__DEPTH_RESIDUAL,
    MHC__DEPTH_HC,
    MHC__DEPTH_MHC,
    MHC__DEPTH_HC_ROBUST,
    MHC__DEPTH_HC_NO_INNER,
    MHC__DEPTH_MHC_NO_INNER,
    MHC__DEPTH_RESIDUAL_MLX,
    MHC__DEPTH_IDENTITY,
    MHC__DEPTH_ROWS,
    MHC__DEPTH_ONE_STREAM, /* grows as mHC */
    MHC__DEPTH_NO_BLOCKS,
    MHC__DEPTH_UNIFORM,   /* mHC from 1/n */
    MHC__DEPTH_LARGE_EPS, /* of AdamW */
    MHC__DEPTH_MODELS
} mhc__depth_which;

typedef struct mhc__depth_evidence {
    int depth_count, depths[MHC__STUDY_MAX_CHOICES];
    mhc__depth_model at[MHC__STUDY_MAX_CHOICES][MHC__DEPTH_MODELS];
    int seeds;
    double lr;
    bool full_size; /* 256 channels, rows of 128 tokens */
    bool demo_mhc;  /* the configuration that is called so */
    /* log10 of the largest entry of products of doubly stochastic matrices: 24 random ones, 1/4 everywhere, identities
     */
    double proxy_random, proxy_uniform, proxy_identity;
    /* The largest change of mHC's proxy at 24 blocks by a wrong projection: one iteration, rows alone, 1/4 */
    double proxy_wrong;
} mhc__depth_evidence;

mhc__depth_evidence mhc__depth_evidence_of(const mhc__sweep *study);

extern const mhc__claim mhc__depth_claims[];
extern const int mhc__depth_claim_count;

#endif
