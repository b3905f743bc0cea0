/* The reference data where there is any. */
#ifndef TESTS_DATA_SUPPORT_H
#define TESTS_DATA_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/unpack.h"
#include "scratch.h"

static inline void write_text(const char *path, const void *bytes, size_t size) {
    mhc_error error = {0};
    if (mhc__write_file(path, bytes, size, &error) != MHC_OK)
        fail_msg("%s", error.message);
}

/* The content of MHC_SHARED_DIR/data/NAME.xz; skips the test where it is absent. */
static inline mhc__text shared_text(const char *name) {
    const char *shared = getenv("MHC_SHARED_DIR");
    char *path = mhc__format("%s/data/%s.xz", shared && *shared ? shared : "../shared", name), *bytes = NULL;
    size_t size = 0;
    mhc__text text = {0};
    mhc_error error = {0};
    mhc_status status = mhc__read_file(path, &bytes, &size, NULL);
    if (status != MHC_OK) {
        print_message("skipped: no %s (set MHC_SHARED_DIR)\n", path);
        free(path);
        skip();
    }
    free(path);
    if (mhc__unpack(MHC__PACKING_XZ, bytes, size, (size_t)1 << 28, &text, &error) != MHC_OK)
        fail_msg("%s: %s", name, error.message);
    free(bytes);
    return text;
}

#endif
