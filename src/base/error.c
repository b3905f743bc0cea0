#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

const char *mhc_status_name(mhc_status status) {
    switch (status) {
    case MHC_OK:
        return "ok";
    case MHC_INVALID_ARGUMENT:
        return "invalid argument";
    case MHC_UNSUPPORTED:
        return "unsupported";
    case MHC_OUT_OF_MEMORY:
        return "out of memory";
    case MHC_IO:
        return "input/output failed";
    case MHC_CORRUPT:
        return "corrupt file";
    case MHC_MISMATCH:
        return "mismatch";
    case MHC_NOT_FINITE:
        return "not finite";
    case MHC_INTERRUPTED:
        return "interrupted";
    case MHC_DEVICE_FAILED:
        return "the device failed";
    }
    return "unknown status";
}

/* A message is one line of text, whatever bytes of a foreign file it quotes: white space becomes ' ', other control
 * characters '?'. */
static void keep_to_one_line(char *message) {
    for (; *message; message++)
        if ((unsigned char)*message < 0x20 || *message == 0x7F)
            *message = *message >= '\t' && *message <= '\r' ? ' ' : '?';
}

mhc_status mhc__fail(mhc_error *error, mhc_status status, const char *format, ...) {
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        keep_to_one_line(error->message);
        error->status = status;
    }
    return status;
}

mhc_status mhc__fail_in(mhc_error *error, mhc_status status, const char *format, ...) {
    if (!error)
        return status;
    mhc_error inner = *error;
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    int room = (int)sizeof error->message - 3 - used; /* for ": " and the end */
    if (used >= 0 && room > 0)
        snprintf(error->message + used, sizeof error->message - (size_t)used, ": %.*s", room, inner.message);
    keep_to_one_line(error->message);
    return error->status;
}
