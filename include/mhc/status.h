/* Status codes and messages.
 *
 * Every call that can fail returns an mhc_status and takes, as its last argument, an mhc_error that the caller owns. On
 * failure the error holds one line that says what was expected, what was found and where; on success it is left alone.
 * Pass NULL where the code is enough. The library never prints, aborts or exits. */
#ifndef MHC_STATUS_H
#define MHC_STATUS_H

#include "mhc/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mhc_status {
    MHC_OK = 0,
    MHC_INVALID_ARGUMENT, /* a value outside its documented range, or a NULL where data is needed */
    MHC_UNSUPPORTED,      /* a valid request that this build or device can't do */
    MHC_OUT_OF_MEMORY,    /* an allocation failed, or a workspace is smaller than its query said */
    MHC_IO,               /* reading or writing failed: missing file, full disk, no permission, no network */
    MHC_CORRUPT,          /* a file that isn't what it claims to be */
    MHC_MISMATCH,         /* two things that should agree don't: shapes, checksums, expected values */
    MHC_NOT_FINITE,       /* NaN or Inf where training can't go on */
    MHC_INTERRUPTED,      /* stopped on request; what was done is kept */
    MHC_DEVICE_FAILED     /* the GPU, or its driver, refused or failed */
} mhc_status;

typedef struct mhc_error {
    mhc_status status;
    char message[1024];
} mhc_error;

/* The name of a status, e.g. "invalid argument"; "unknown status" for a value outside the enum. Never NULL. */
MHC_API const char *mhc_status_name(mhc_status status);

#ifdef __cplusplus
}
#endif

#endif
