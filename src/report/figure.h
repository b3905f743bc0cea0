/* A picture in a report. */
#ifndef MHC_REPORT_FIGURE_H
#define MHC_REPORT_FIGURE_H

#include <stdio.h>

#include "report/html.h"

typedef struct mhc__figure {
    const char *name;
    int width, height;      /* pixels */
    mhc__text tsv, gnuplot; /* "set multiplot layout ROWS,COLUMNS" makes panels, which a narrow page stacks */
    const char *caption;
} mhc__figure;

/* Draws FOLDER/NAME.png and .svg and puts the picture into the page; where gnuplot is absent or fails, the page and the
 * log (NULL: none) say so and link the data. Frees the texts. MHC_OUT_OF_MEMORY when they are incomplete. */
mhc_status mhc__figure_put(mhc__figure *figure, const char *folder, mhc__html *html, FILE *log, mhc_error *error);

/* A cell of a TSV: a tab before it unless it is the first of its line; NaN as gnuplot reads it. */
void mhc__tsv_number(mhc__text *tsv, bool first, double value);

#endif
