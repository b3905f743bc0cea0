/* Looking at, and making, what is in a test's folder. */
#ifndef MHC_TESTS_FILE_SUPPORT_H
#define MHC_TESTS_FILE_SUPPORT_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "scratch.h"

static inline int entries_of(const char *folder) {
    DIR *entries = opendir(folder);
    if (!entries)
        return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(entries));)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

static inline bool is_there(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

static inline void put(const char *path, const char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline char *get(const char *path, size_t *size) {
    char *bytes = NULL;
    mhc_error error = {0};
    if (mhc__read_file(path, &bytes, size, &error) != MHC_OK)
        fail_msg("%s", error.message);
    return bytes;
}

static inline void assert_content(const char *path, const char *expected) {
    size_t size;
    char *bytes = get(path, &size);
    assert_string_equal(bytes, expected);
    free(bytes);
}

#endif
