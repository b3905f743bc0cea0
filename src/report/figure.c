#include "report/figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/plot.h"

/* The grid of a script, and how many of its places it plots into. */
static void panels(const char *gnuplot, int *columns, int *rows, int *count) {
    const char *layout = strstr(gnuplot, "set multiplot layout ");
    if (!layout || sscanf(layout, "set multiplot layout %d,%d", rows, columns) != 2 || *rows < 1 || *columns < 1)
        *rows = *columns = 1;
    int plots = 0;
    for (const char *c = gnuplot; (c = strstr(c, "\nplot ")); c++)
        plots++;
    *count = plots >= 1 && plots < *rows * *columns ? plots : *rows * *columns;
}

mhc_status mhc__figure_put(mhc__figure *figure, const char *folder, mhc__html *html, FILE *log, mhc_error *error) {
    mhc_status status = MHC_OK;
    if (figure->tsv.failed || figure->gnuplot.failed || !figure->tsv.data || !figure->gnuplot.data) {
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for the picture", figure->name);
    } else {
        mhc_error why = {0};
        int columns, rows, count;
        panels(figure->gnuplot.data, &columns, &rows, &count);
        mhc_status drawn = mhc__plot(folder, figure->name, figure->tsv.data, figure->gnuplot.data, figure->width,
                                     figure->height, &why);
        if (drawn == MHC_OK)
            drawn = mhc__html_figure(html, folder, figure->name, columns, rows, count, figure->caption, &why);
        if (drawn != MHC_OK) {
            if (log)
                fprintf(log, "%s: not drawn: %s\n", figure->name, why.message);
            mhc__html_no_figure(html, figure->name, why.message);
        }
    }
    mhc__text_free(&figure->tsv);
    mhc__text_free(&figure->gnuplot);
    return status;
}

void mhc__tsv_number(mhc__text *tsv, bool first, double value) {
    if (isfinite(value))
        mhc__text_format(tsv, "%s%.9g", first ? "" : "\t", value);
    else
        mhc__text_format(tsv, "%sNaN", first ? "" : "\t");
}
