/* Inside of the ablation study: its arms, and what the report is made from. */
#ifndef MHC_STUDY_ABLATION_H
#define MHC_STUDY_ABLATION_H

#include "report/claim.h"
#include "report/html.h"
#include "study/arm.h"
#include "study/settings.h"
#include "study/summary.h"
#include "study/variant.h"

typedef struct mhc__ablation {
    const mhc__study_options *options;
    mhc__study_folder folder;
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];
    int choice_count, seeds;
    mhc__config config; /* of all arms; each has its own choice and seed */
    mhc__arm *arms;     /* [choice_count, seeds] */
} mhc__ablation;

static inline const mhc__arm *mhc__ablation_arm(const mhc__ablation *study, int choice, int seed) {
    return &study->arms[choice * study->seeds + seed];
}

/* Of held-out losses on the same text, after training from the same weights on the same batches. */
typedef struct mhc__ablation_difference {
    bool there;         /* both models were run, and finite for every seed */
    double mean, error; /* nats; standard error over seeds */
    mhc__significance seen;
} mhc__ablation_difference;

/* Of models a - b, by their places among the choices; -1: not there. */
mhc__ablation_difference mhc__ablation_between(const mhc__ablation *study, int a, int b);

/* What the paper's table 1 is about, for one way of learning the maps. */
typedef struct mhc__ablation_family {
    mhc__ablation_difference res;         /* H_res learned, less all fixed (the residual) */
    mhc__ablation_difference pre;         /* H_pre as well, less H_res alone */
    mhc__ablation_difference post;        /* H_post as well, less those two */
    mhc__ablation_difference all;         /* all three, less all fixed */
    mhc__ablation_difference without_res; /* H_pre and H_post with H_res = I, less all fixed: the missing row */
    mhc__ablation_difference of_res;      /* all three, less H_res = I: what H_res adds to the other two */
} mhc__ablation_family;

typedef struct mhc__ablation_evidence {
    int seeds;
    mhc__ablation_family hc, mhc;
} mhc__ablation_evidence;

enum { MHC__ABLATION_CLAIMS = 5 };
extern const mhc__claim mhc__ablation_claims[MHC__ABLATION_CLAIMS];

mhc__ablation_evidence mhc__ablation_gather(const mhc__ablation *study);

/* What the paper gives for the row of a model, in nats; NaN where it has none. */
double mhc__ablation_published(const char *choice);

/* OUT/report/: index.html, the pictures, table.tsv and table.md; the table also to the log. */
mhc_status mhc__ablation_report(mhc__ablation *study, mhc_error *error);
mhc_status mhc__ablation_figures(mhc__ablation *study, mhc__html *html, mhc_error *error);
/* The sentences that depend on what was measured. */
void mhc__ablation_findings(const mhc__ablation *study, mhc__html *html);

#endif
