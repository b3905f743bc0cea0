/* For readers that take a path: the input as a file of this process, written anew for each run; or a folder of this
 * process, which is the caller's to remove. */
#ifndef MHC_FUZZ_SCRATCH_FILE_H
#define MHC_FUZZ_SCRATCH_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch_path[256];

/* PREFIX-PID where temporary files go. */
static inline void scratch_name(const char *prefix, char *path, size_t size) {
    const char *folder = getenv("TMPDIR");
    snprintf(path, size, "%s/%s-%ld", folder ? folder : P_tmpdir, prefix, (long)getpid());
}

static inline void scratch_remove(void) {
    unlink(scratch_path);
}

static inline const char *scratch_write(const uint8_t *data, size_t size) {
    if (!*scratch_path) {
        scratch_name("mhc-fuzz", scratch_path, sizeof scratch_path);
        atexit(scratch_remove);
    }
    FILE *file = fopen(scratch_path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(scratch_path);
        exit(1);
    }
    return scratch_path;
}

#endif
