/* The parts that every study's report has, and its files. */
#ifndef MHC_STUDY_PAGE_H
#define MHC_STUDY_PAGE_H

#include "report/claim.h"
#include "report/html.h"
#include "study/study.h"

/* The section of published claims; FOLDER/claims.tsv; and a line to the log that counts verdicts. */
mhc_status mhc__page_claims(mhc__html *html, const mhc__claim *claims, int count, const void *evidence,
                            const char *folder, const mhc__study_options *options, mhc_error *error);
/* The section that says how to repeat it, with what it was made and where. seconds: of training, all arms. */
void mhc__page_origin(mhc__html *html, const char *study, const mhc__study_options *options, int seeds, double seconds);
/* FOLDER/table.tsv and FOLDER/table.md. */
mhc_status mhc__page_table(const mhc__table *table, const char *folder, mhc_error *error);
/* FOLDER/index.html and report.md, and a line to the log that says so. Frees the page. */
mhc_status mhc__page_write(mhc__html *html, const char *folder, const mhc__study_options *options, mhc_error *error);

/* The command line that runs a study with these options, quoted for a shell. */
void mhc__page_command(const char *study, const mhc__study_options *options, mhc__text *text);

#endif
