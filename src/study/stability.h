/* Inside of the stability study: its arms, and what the report is made from. */
#ifndef MHC_STUDY_STABILITY_H
#define MHC_STUDY_STABILITY_H

#include "report/html.h"
#include "study/arm.h"
#include "study/settings.h"
#include "study/summary.h"
#include "study/variant.h"

/* What two models give for the same tokens before training, without dropout. */
typedef struct mhc__stability_start {
    double logits_off; /* largest |logit - that of reproducing-mhc|, all seeds; NaN: there is none to compare with */
    double logits_rms; /* of reproducing-mhc's */
} mhc__stability_start;

typedef struct mhc__stability {
    const mhc__study_options *options;
    mhc__study_folder folder;
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];
    int choice_count, seeds;
    int64_t every;      /* steps between the records of table and pictures: 20, as published; less in short runs */
    mhc__config config; /* of all arms; each has its own connection, streams and seed */
    mhc__arm *arms;     /* [choice_count, seeds] */
    mhc__stability_start starts[MHC__STUDY_MAX_CHOICES];
} mhc__stability;

static inline const mhc__arm *mhc__stability_arm(const mhc__stability *study, int connection, int seed) {
    return &study->arms[connection * study->seeds + seed];
}

/* Whether every coefficient starts the same for all streams and comes from parameters alone: then streams that start as
 * copies stay copies, by symmetry. */
bool mhc__stability_symmetric(const mhc__stability *study, int c);
/* Copies, mixed by 1/n, read with weights that sum to 1 and written with one factor, from the first pass to the last:
 * the baseline with this factor on each branch. NaN where it is not so. Profiles of before the sums of pre were
 * recorded don't know them. */
double mhc__stability_branch_factor(const mhc__stability *study, int c);
/* Fills study->starts, after the arms have run: models as they start, on the first rows of the first batch. */
mhc_status mhc__stability_compare_starts(mhc__stability *study, mhc_error *error);
/* Over all steps and seeds: the largest |loss(c) - loss(other)|; NaN where a run ended early. */
double mhc__stability_loss_off(const mhc__stability *study, int c, int other);
/* loss(c) - loss(base) on the same batches, mean over the last tenth of the steps and over seeds. */
mhc__significance mhc__stability_loss(const mhc__stability *study, int c, int base, double *mean, double *error);

/* OUT/report/: index.html, the pictures, table.tsv and table.md; the table also to the log. */
mhc_status mhc__stability_report(mhc__stability *study, mhc_error *error);
/* The section on what lowers the gain: the controls beside mHC. Nothing where none was run. */
void mhc__stability_causes(const mhc__stability *study, mhc__html *html);
/* The sentences of the report that depend on what was measured. */
void mhc__stability_findings(mhc__stability *study, mhc__html *html);
/* The pictures, into the page. */
mhc_status mhc__stability_figures(mhc__stability *study, mhc__html *html, mhc_error *error);

#endif
