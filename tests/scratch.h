/* A folder of the test's own under TMPDIR, removed at its end. */
#ifndef MHC_TESTS_SCRATCH_H
#define MHC_TESTS_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

#include "file/atomic.h"

static char scratch_folder[512];

static inline int scratch_make(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(scratch_folder, sizeof scratch_folder, "%s/mhc-test-XXXXXX", base && *base ? base : P_tmpdir);
    return mkdtemp(scratch_folder) ? 0 : -1;
}

static inline int scratch_remove(void **state) {
    (void)state;
    return mhc__remove_tree(scratch_folder, NULL) == MHC_OK ? 0 : -1;
}

/* FOLDER/name, in one of 32 rotating buffers. */
static inline const char *scratch_path(const char *name) {
    static char buffers[32][1024];
    static int next;
    char *buffer = buffers[next++ % 32];
    snprintf(buffer, sizeof buffers[0], "%s/%s", scratch_folder, name);
    return buffer;
}

#endif
