/* Inside of the gradient-flow study: its arms, what its report is made from, and the evidence for its claims. */
#ifndef MHC_STUDY_FLOW_H
#define MHC_STUDY_FLOW_H

#include "report/claim.h"
#include "report/html.h"
#include "study/arm.h"
#include "study/layer_log.h"
#include "study/settings.h"
#include "study/variant.h"

typedef struct mhc__flow_arm {
    mhc__arm arm;
    mhc__layer_log log;
} mhc__flow_arm;

typedef struct mhc__flow {
    const mhc__study_options *options;
    mhc__study_folder folder;
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];
    int choice_count, seeds;
    mhc__config config;        /* of all arms; each has its own choice and seed */
    mhc__questions *questions; /* as every arm has them */
    mhc__flow_arm *arms;       /* [choice_count, seeds] */
} mhc__flow;

static inline const mhc__flow_arm *mhc__flow_at(const mhc__flow *study, int choice, int seed) {
    return &study->arms[choice * study->seeds + seed];
}

/* Within which mHC is said to keep all gradients. */
#define MHC__FLOW_CLAIMED_LEAST 1e-7
#define MHC__FLOW_CLAIMED_MOST  1e-2

/* The layers that are drawn and tabled, of 100 the published 0, 40, 80, 99: those shares of any depth. */
enum { MHC__FLOW_LAYERS = 4 };
void mhc__flow_layers(int blocks, int layers[MHC__FLOW_LAYERS]);

/* What the claims are decided by: of one model, its first seed unless stated otherwise. */
typedef struct mhc__flow_model {
    bool there;
    int64_t steps;                       /* measured */
    double gradient_min, gradient_max;   /* of all layers and steps */
    double gradient_max_early;           /* of the first 100 steps */
    int64_t outside;                     /* steps in which a layer's lies outside of what is claimed of mHC's */
    double first_layer_min;              /* of the first layer, over steps */
    double ratio_early, ratio_late;      /* last layer over first: median of the first 100, and of the last 500 steps */
    int64_t burst;                       /* the first, see mhc__flow_burst; -1: none */
    int64_t burst_first, burst_last;     /* the earliest and the latest of all seeds that have one; -1 */
    int seeds, bursts;                   /* how many seeds, and how many of them have one */
    double raw_start, raw_end;           /* norm of the logits of res, mean over layers, in the first and last step */
    double raw_change;                   /* the largest relative change of a layer's, before its burst, or at all */
    double routing_change;               /* the same of the logits of res, pre and post */
    double projected_min, projected_max; /* norm of res, over layers and steps */
    double loss_late;                    /* mhc__flow_loss_late */
    double accuracy, yes;                /* of the last evaluation; NaN without one */
    double moved_min;                    /* of the last evaluation: how far the layer that moved least did */
    double growth;                       /* of the streams' norm from the first layer to the last, before training */
    double seconds;                      /* per step */
} mhc__flow_model;

typedef struct mhc__flow_evidence {
    mhc__flow_model hc, mhc, residual, residual_norm, identity_start;
    double prior_entropy;        /* of the training answers, nats */
    double majority;             /* share of the commoner answer of the dev questions */
    int64_t dev_questions;       /* how many */
    int sinkhorn_iterations;     /* that the published mHC runs */
    double sinkhorn_residual[3]; /* the largest of many logits as they start, after 10, 20 and 40 iterations */
    bool real_questions;         /* not generated ones */
} mhc__flow_evidence;

/* The first step after 100 at which the largest gradient norm of a layer is more than 100 times the median of the 100
 * steps before; -1: none. */
int64_t mhc__flow_burst(const mhc__layer_log *log);
/* Mean loss of the last epoch, or of the last quarter of a run shorter than four. */
double mhc__flow_loss_late(const mhc__flow_arm *flow);
mhc__flow_evidence mhc__flow_evidence_of(const mhc__flow *study);

extern const mhc__claim mhc__flow_claims[];
extern const int mhc__flow_claim_count;

/* OUT/report/. */
mhc_status mhc__flow_report(mhc__flow *study, mhc_error *error);
mhc_status mhc__flow_figures(mhc__flow *study, mhc__html *html, mhc_error *error);

#endif
