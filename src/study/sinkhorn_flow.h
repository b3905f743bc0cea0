/* The picture of a random matrix under Sinkhorn's iteration. */
#ifndef MHC_STUDY_SINKHORN_FLOW_H
#define MHC_STUDY_SINKHORN_FLOW_H

#include "report/html.h"
#include "study/study.h"

/* Draws FOLDER/sinkhorn_flow.* from options->seed, by the convention `reproducing-mhc`, and puts it into the page. */
mhc_status mhc__sinkhorn_flow(const mhc__study_options *options, const char *folder, mhc__html *html, mhc_error *error);

#endif
