/* A table of text cells that is written as TSV, Markdown, aligned plain text or (report/html.h) HTML. */
#ifndef MHC_REPORT_TABLE_H
#define MHC_REPORT_TABLE_H

#include <stdbool.h>

#include "base/text.h"

typedef struct mhc__table {
    int columns;
    int cells; /* filled so far, row after row; the first `columns` are the head */
    int capacity;
    char **cell;
    bool failed; /* memory ran out: the writers say so */
} mhc__table;

/* The head: names separated by '|', e.g. "Model|Final Loss|Min Loss". */
void mhc__table_start(mhc__table *table, const char *head);
/* The next cell. Tabs and line feeds in it become spaces. */
void mhc__table_cell(mhc__table *table, const char *format, ...) MHC__PRINTF(2, 3);
/* A number in %.*g with 4 digits, in scientific form where that is shorter; "NaN" when it isn't finite. */
void mhc__table_number(mhc__table *table, double value);
/* "a ± b", both as above; "NaN" when a isn't finite. */
void mhc__table_mean(mhc__table *table, double mean, double deviation);
void mhc__table_free(mhc__table *table);

int mhc__table_rows(const mhc__table *table); /* whole rows below the head */
/* row 0 is the head. */
const char *mhc__table_at(const mhc__table *table, int row, int column);
/* Whether the column below the head holds numbers (or "–", "NaN", "a ± b"): it is then set to the right. */
bool mhc__table_numeric(const mhc__table *table, int column);

void mhc__table_tsv(const mhc__table *table, mhc__text *text);
void mhc__table_markdown(const mhc__table *table, mhc__text *text);
void mhc__table_plain(const mhc__table *table, mhc__text *text);

#endif
