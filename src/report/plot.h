/* Pictures by gnuplot, as a process. Each figure is a .tsv (its data) and a .gp (its script) beside the .png and .svg
 * they draw; `gnuplot NAME.gp` draws both again. */
#ifndef MHC_REPORT_PLOT_H
#define MHC_REPORT_PLOT_H

#include <stdbool.h>

#include "base/text.h"

/* Whether gnuplot can be started; the reason in error when not. MHC_UNSUPPORTED without it. */
mhc_status mhc__plot_available(mhc_error *error);
/* Writes FOLDER/NAME.tsv (data) and FOLDER/NAME.gp (script: must plot from 'NAME.tsv' and must not set a terminal or
 * output), then runs gnuplot for NAME.png and NAME.svg of width x height pixels. The .tsv and .gp are written even
 * where gnuplot is absent; then MHC_UNSUPPORTED is returned. NAME: letters, digits, _ and -.
 * The script starts with tabs as separators, "NaN" as missing, a light grid, and line styles 1 (green, residual), 2
 * (red dashed, HC), 3 (blue, mHC), 4, 5, 6 for others: the published colours of reproducing-mhc. */
mhc_status mhc__plot(const char *folder, const char *name, const char *tsv, const char *gnuplot, int width, int height,
                     mhc_error *error);

#endif
