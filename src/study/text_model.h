/* A small transformer on text, for studies of our own that compare held-out losses. */
#ifndef MHC_STUDY_TEXT_MODEL_H
#define MHC_STUDY_TEXT_MODEL_H

#include "config/config.h"

/* 4 blocks, 128 channels, 4 streams; characters, 16 rows of 128; cosine from 1e-3; the last 5 % of the text held out.
 * steps: for the study to set. A step takes about 0.1 s on two cores. */
mhc__config mhc__study_text_model(void);
/* Errors where nothing is held out. */
mhc_status mhc__study_needs_held_out(const mhc__data_config *data, mhc_error *error);

#endif
