/* Pictures by gnuplot, as a process. Each figure is a .tsv (its data) and a .gp (its script) beside the .png and .svg
 * they draw; `gnuplot NAME.gp` draws both again. */
#ifndef MHC_REPORT_PLOT_H
#define MHC_REPORT_PLOT_H

#include <stdbool.h>

#include "base/text.h"

/* Line styles 1 (green, residual), 2 (red dashed, HC), 3 (blue, mHC): the published colours of reproducing-mhc; 4 to
 * MHC__PLOT_STYLES for others. */
enum { MHC__PLOT_STYLES = 12, MHC__PLOT_COLOURS = MHC__PLOT_STYLES + 4 };

/* The colours of a picture: those of the line styles, then of text, border and grid. In a page they are the variables
 * --plot-NAME, whose value in a dark one is `dark`. */
typedef struct mhc__plot_colour {
    const char *name;
    unsigned rgb, dark;
} mhc__plot_colour;
extern const mhc__plot_colour mhc__plot_colours[MHC__PLOT_COLOURS];

/* Whether gnuplot can be started; the reason in error when not. MHC_UNSUPPORTED without it. */
mhc_status mhc__plot_available(mhc_error *error);
/* Writes FOLDER/NAME.tsv (data) and FOLDER/NAME.gp (script: must plot from 'NAME.tsv' and must not set a terminal or
 * output), then runs gnuplot for NAME.png and NAME.svg of width x height pixels. The .tsv and .gp are written even
 * where gnuplot is absent; then MHC_UNSUPPORTED is returned. NAME: letters, digits, _ and -.
 * The script starts with tabs as separators, "NaN" as missing, a light grid, and the line styles. */
mhc_status mhc__plot(const char *folder, const char *name, const char *tsv, const char *gnuplot, int width, int height,
                     mhc_error *error);

#endif
