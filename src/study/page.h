/* The parts that every study's report has, and its files. */
#ifndef MHC_STUDY_PAGE_H
#define MHC_STUDY_PAGE_H

#include "report/claim.h"
#include "report/html.h"
#include "study/study.h"

/* The section of published claims; FOLDER/claims.tsv; and a line to the log that counts verdicts. */
mhc_status mhc__page_claims(mhc__html *html, const mhc__claim *claims, int count, const void *evidence,
                            const char *folder, const mhc__study_options *options, mhc_error *error);
/* FOLDER/NAME.tsv and FOLDER/NAME.md. */
mhc_status mhc__page_table(const mhc__table *table, const char *folder, const char *name, mhc_error *error);

/* How a report ends. */
typedef struct mhc__page_ending {
    const char *study;
    const mhc__study_options *options;
    const char *folder;
    int seeds;               /* from options->seed on */
    double seconds;          /* of training, all arms */
    const mhc__table *table; /* goes to FOLDER/table.tsv and table.md */
    const mhc__table *said;  /* goes to the log; may be NULL */
} mhc__page_ending;
/* The section that says how to repeat it, with what it was made and where; the tables; FOLDER/index.html and report.md;
 * and a line to the log that says so. With a status that is not MHC_OK it writes nothing and returns that. Frees the
 * page. */
mhc_status mhc__page_end(mhc_status status, const mhc__page_ending *ending, mhc__html *html, mhc_error *error);

/* The command line that runs a study with these options, quoted for a shell. */
void mhc__page_command(const char *study, const mhc__study_options *options, mhc__text *text);

#endif
