/* Fills an mhc_error and returns its status, so that a failure is one statement:
 *     return mhc__fail(error, MHC_INVALID_ARGUMENT, "streams: %d is not in 1..%d", n, MHC_MAX_STREAMS); */
#ifndef MHC_BASE_ERROR_H
#define MHC_BASE_ERROR_H

#include "mhc/status.h"

#if defined(__GNUC__)
#define MHC__PRINTF(position, first) __attribute__((format(printf, position, first)))
#else
#define MHC__PRINTF(position, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* error may be NULL. Returns status. */
mhc_status mhc__fail(mhc_error *error, mhc_status status, const char *format, ...) MHC__PRINTF(3, 4);

/* Puts "context: " in front of the message that a failed callee left. Returns error's status, or status when error is
 * NULL. */
mhc_status mhc__fail_in(mhc_error *error, mhc_status status, const char *format, ...) MHC__PRINTF(3, 4);

#ifdef __cplusplus
}
#endif

/* Returns from the calling function with the status of `call` unless it is MHC_OK. */
#define MHC__TRY(call)                                                                                                 \
    do {                                                                                                               \
        mhc_status mhc__try_status = (call);                                                                           \
        if (mhc__try_status != MHC_OK)                                                                                 \
            return mhc__try_status;                                                                                    \
    } while (0)

#endif
