/* Claims that others published, and what data say about them. A study has a table of claims, each with the rule that
 * decides it: a function of the study's evidence (a struct of measured numbers, so that a test can feed it other ones),
 * which says what it measured, the verdict and the reason. A verdict is never written by hand. */
#ifndef MHC_REPORT_CLAIM_H
#define MHC_REPORT_CLAIM_H

#include "base/text.h"
#include "report/html.h"

typedef enum mhc__verdict {
    MHC__REPRODUCED,
    MHC__NOT_REPRODUCED,
    MHC__OTHER_REASON, /* true, but not for the reason given */
    MHC__CONTRADICTED, /* by what was published together with it */
    MHC__NOT_DECIDED,  /* by this run; the reason says what it would take */
    MHC__VERDICTS
} mhc__verdict;

/* "reproduced", "true, but not for the reason given", … */
const char *mhc__verdict_name(mhc__verdict verdict);

typedef struct mhc__finding {
    mhc__verdict verdict;
    mhc__text measured, reason;
} mhc__finding;

typedef struct mhc__claim {
    const char *id;        /* short, stays the same: "mhc-poc-16" */
    const char *text;      /* what is claimed: a sentence */
    const char *source;    /* who says so, where */
    const char *published; /* the figures given for it; NULL: none were given */
    const char *rule;      /* how data decide it: a sentence */
    /* Calls mhc__measured any number of times and mhc__ruled once. NULL: no run of this study can decide it. */
    void (*decide)(const void *evidence, mhc__finding *finding);
    const char *needs; /* where decide is NULL: what it would take */
} mhc__claim;

/* Appends to what was measured; pieces are joined by "; ". */
void mhc__measured(mhc__finding *finding, const char *format, ...) MHC__PRINTF(2, 3);
/* The verdict and its reason; the last call counts. */
void mhc__ruled(mhc__finding *finding, mhc__verdict verdict, const char *format, ...) MHC__PRINTF(3, 4);

/* What the evidence says about one claim. A rule that never ruled leaves it not decided. The caller frees. */
mhc__finding mhc__claim_decide(const mhc__claim *claim, const void *evidence);
void mhc__finding_free(mhc__finding *finding);

/* The part of a report about all of them: how many of each verdict, then each with published and measured figures side
 * by side, verdict, reason and rule. */
void mhc__claims_section(mhc__html *html, const mhc__claim *claims, int count, const void *evidence);
/* The same as rows: claim, verdict, published, measured, reason, rule, source, text. */
void mhc__claims_table(const mhc__claim *claims, int count, const void *evidence, mhc__table *table);
/* "12 claims: 3 reproduced, 2 not reproduced, …". */
void mhc__claims_say(const mhc__claim *claims, int count, const void *evidence, mhc__text *text);

#endif
