/* What the seam's forward needs besides what pre needs. */
#ifndef MHC_STREAM_SEAM_H
#define MHC_STREAM_SEAM_H

#include "stream/pre/pre.h"

/* Floats of workspace after those of mhc__pre_forward_floats. */
int64_t mhc__seam_panels_floats(const mhc__shape *shape, int64_t tokens);

#endif
