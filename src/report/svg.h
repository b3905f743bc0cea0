/* gnuplot's SVG, made part of a page: without what a page has already, and with colours that follow the page's theme.
 */
#ifndef MHC_REPORT_SVG_H
#define MHC_REPORT_SVG_H

#include <stdbool.h>

#include "base/text.h"

/* Appends FOLDER/NAME.svg as an element of class "plot": a grid of columns x rows panels, the first `count`
 * of which are there, each its own <svg> of an
 * equal part of the picture. Colours of report/plot.h become the variables --plot-… of the page's style; all others
 * stay. symbols: with the point symbols that the pictures of a page share; for the first one. label: for those who
 * can't see it. MHC_IO, MHC_CORRUPT: not there, or not gnuplot's. */
mhc_status mhc__svg_inline(const char *folder, const char *name, int columns, int rows, int count, bool symbols,
                           const char *label, mhc__text *out, mhc_error *error);

#endif
