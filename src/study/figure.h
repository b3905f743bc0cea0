/* A picture in a study's report. */
#ifndef MHC_STUDY_FIGURE_H
#define MHC_STUDY_FIGURE_H

#include "report/figure.h"
#include "report/plot.h"
#include "study/study.h"

/* mhc__figure_put with the study's log. */
mhc_status mhc__figure_draw(mhc__figure *figure, const char *folder, mhc__html *html, const mhc__study_options *options,
                            mhc_error *error);

#endif
