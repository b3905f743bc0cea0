/* A small transformer on text, for studies of our own that compare held-out losses. */
#ifndef MHC_STUDY_TEXT_MODEL_H
#define MHC_STUDY_TEXT_MODEL_H

#include "config/config.h"

/* 4 blocks, 128 channels, 4 streams; characters, 16 rows of 128; cosine from 1e-3; the last 5 % of the text held out.
 * steps: for the study to set. A step takes about 0.1 s on two cores. */
mhc__config mhc__study_text_model(void);
/* The same, deep and narrow: 30 blocks of 32 channels, 60 sites where attention and feed-forward have one each; 4 rows
 * of
 * 64. Its streams end in their mean, whatever the connection. */
mhc__config mhc__study_deep_text_model(void);
/* Errors where nothing is held out. */
mhc_status mhc__study_needs_held_out(const mhc__data_config *data, mhc_error *error);

#endif
