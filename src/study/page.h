/* The files of a report: its tables and its page. */
#ifndef MHC_STUDY_PAGE_H
#define MHC_STUDY_PAGE_H

#include "report/html.h"
#include "study/study.h"

/* FOLDER/table.tsv and FOLDER/table.md. */
mhc_status mhc__page_table(const mhc__table *table, const char *folder, mhc_error *error);
/* FOLDER/index.html, and a line to the log that says so. Frees the page's text. */
mhc_status mhc__page_write(mhc__html *html, const char *folder, const mhc__study_options *options, mhc_error *error);

#endif
