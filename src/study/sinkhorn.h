/* The study of Sinkhorn's iteration: random logits in place of a trained model, all in double. */
#ifndef MHC_STUDY_SINKHORN_H
#define MHC_STUDY_SINKHORN_H

#include "mhc/spec.h"
#include "report/claim.h"
#include "study/settings.h"

enum {
    MHC__SINKHORN_N = 4,
    MHC__SINKHORN_CASES = 11,
    MHC__SINKHORN_TIMES = 7,   /* counts of cycles at which errors are looked at */
    MHC__SINKHORN_STEPS = 100, /* cycles of the curves */
    MHC__SINKHORN_KINDS = 8,   /* conventions, and last the exact limit */
    MHC__SINKHORN_SCALES = 3,  /* of logits, at which conventions are compared */
    MHC__SINKHORN_STACKS = 5,  /* kinds of products over depth */
    MHC__SINKHORN_DEPTHS = 4
};

extern const int mhc__sinkhorn_times[MHC__SINKHORN_TIMES];
extern const int mhc__sinkhorn_depths[MHC__SINKHORN_DEPTHS];
extern const double mhc__sinkhorn_scales[MHC__SINKHORN_SCALES];
/* The exact limit is "birkhoff". */
extern const char *const mhc__sinkhorn_kinds[MHC__SINKHORN_KINDS];

/* A kind of logits: gap on the diagonal, plus N(0, deviation^2) everywhere. */
typedef struct mhc__sinkhorn_logits {
    const char *name;
    double gap, deviation;
} mhc__sinkhorn_logits;
extern const mhc__sinkhorn_logits mhc__sinkhorn_cases[MHC__SINKHORN_CASES];

/* What was measured of one kind of logits. Errors are those of the sums that are not divided last (`paper`: columns):
 * the largest distance from 1. */
typedef struct mhc__sinkhorn_case {
    double curve[MHC__SINKHORN_STEPS]; /* mean error after 1.. cycles */
    double mean[MHC__SINKHORN_TIMES], p99[MHC__SINKHORN_TIMES], most[MHC__SINKHORN_TIMES];
    double above[MHC__SINKHORN_TIMES];      /* share of the draws whose error is above 1e-3 */
    double cycles_mean, cycles_p99, capped; /* to an error of 1e-6; the share that had not got there */
    double rate_off;                        /* median of |error of a cycle / that of the one before - sigma^2| */
    double sigma, off_diagonal;             /* of the limit: mean largest singular value on differences, mass */
    double gradient_median, gradient_p99;   /* of 20 cycles against the limit's: relative Frobenius distance */
} mhc__sinkhorn_case;

typedef struct mhc__sinkhorn_stack {
    const char *name;
    double deviation;
    bool shared;                                                  /* one matrix in all layers */
    double p95[MHC__SINKHORN_DEPTHS], most[MHC__SINKHORN_DEPTHS]; /* largest column sum of the product */
    double forward_off;                                           /* largest distance of a row sum from 1 */
} mhc__sinkhorn_stack;

/* All that the claims are decided by. */
typedef struct mhc__sinkhorn_evidence {
    int64_t draws;
    int cap; /* cycles that are tried at most */
    mhc__sinkhorn_case cases[MHC__SINKHORN_CASES];
    double median[MHC__SINKHORN_SCALES][MHC__SINKHORN_KINDS][MHC__SINKHORN_KINDS]; /* largest distance of an entry */
    double largest[MHC__SINKHORN_SCALES][MHC__SINKHORN_KINDS][MHC__SINKHORN_KINDS];
    mhc__sinkhorn_stack stacks[MHC__SINKHORN_STACKS];
    int boolq_iterations;     /* that the convention boolq-100 does */
    double boolq_residual[3]; /* largest residual over its own start after 10, 20, 40 */
} mhc__sinkhorn_evidence;

/* Fills evidence for options->seed. Errors: MHC_INTERRUPTED, MHC_OUT_OF_MEMORY. */
mhc_status mhc__sinkhorn_measure(const mhc__study_options *options, int64_t draws, int cap,
                                 mhc__sinkhorn_evidence *evidence, mhc_error *error);
/* h becomes what `paper` makes of these logits in that many cycles. */
void mhc__sinkhorn_start(const double *logits, double *h);
void mhc__sinkhorn_cycle(double *h);

enum { MHC__SINKHORN_CLAIMS = 5 };
extern const mhc__claim mhc__sinkhorn_claims[MHC__SINKHORN_CLAIMS];

mhc_status mhc__sinkhorn_report(const mhc__study_options *options, const mhc__sinkhorn_evidence *evidence,
                                double seconds, const char *folder, mhc_error *error);

#endif
