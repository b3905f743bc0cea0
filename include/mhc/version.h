/* The version of the header you compile with (macros) and of the library you run with (function). */
#ifndef MHC_VERSION_H
#define MHC_VERSION_H

#include "mhc/export.h"

#define MHC_VERSION_MAJOR 0
#define MHC_VERSION_MINOR 1
#define MHC_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* "MAJOR.MINOR.PATCH" of the library that was linked. Static storage. */
MHC_API const char *mhc_version(void);

#ifdef __cplusplus
}
#endif

#endif
