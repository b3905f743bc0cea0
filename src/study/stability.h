/* Inside of the stability study: its arms, and what the report is made from. */
#ifndef MHC_STUDY_STABILITY_H
#define MHC_STUDY_STABILITY_H

#include "report/html.h"
#include "study/arm.h"
#include "study/settings.h"
#include "study/summary.h"
#include "study/variant.h"

typedef struct mhc__stability {
    const mhc__study_options *options;
    mhc__study_folder folder;
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];
    int choice_count, seeds;
    int64_t every;      /* steps between the records of table and pictures: 20, as published; less in short runs */
    mhc__config config; /* of all arms; each has its own connection, streams and seed */
    mhc__arm *arms;     /* [choice_count, seeds] */
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
/* loss(c) - loss(base) on the same batches, mean over the last tenth of the steps and over seeds. */
mhc__significance mhc__stability_loss(const mhc__stability *study, int c, int base, double *mean, double *error);

/* OUT/report/: index.html, the pictures, table.tsv and table.md; the table also to the log. */
mhc_status mhc__stability_report(mhc__stability *study, mhc_error *error);
/* The sentences of the report that depend on what was measured. */
void mhc__stability_findings(mhc__stability *study, mhc__html *html);
/* The pictures, into the page. */
mhc_status mhc__stability_figures(mhc__stability *study, mhc__html *html, mhc_error *error);

#endif
