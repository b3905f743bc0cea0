#include "file/json_lines.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "file/atomic.h"

/* The "step" of a line, or -1 where there is none. */
static int64_t step_of(const char *line, size_t length) {
    json_error_t why;
    json_t *object = json_loadb(line, length, 0, &why);
    json_t *step = json_object_get(object, "step");
    int64_t value = json_is_integer(step) ? (int64_t)json_integer_value(step) : -1;
    json_decref(object);
    return value;
}

mhc_status mhc__json_lines_drop(const char *path, int64_t from_step, mhc_error *error) {
    struct stat state;
    if (stat(path, &state) != 0 || !S_ISREG(state.st_mode))
        return MHC_OK;
    char *bytes;
    size_t size;
    MHC__TRY(mhc__read_file(path, &bytes, &size, error));
    mhc__text kept = {0};
    mhc__text_append(&kept, "", 0);
    for (size_t at = 0; at < size;) {
        const char *end = memchr(bytes + at, '\n', size - at);
        if (!end)
            break;
        size_t length = (size_t)(end - bytes) - at;
        if (step_of(bytes + at, length) < from_step)
            mhc__text_append(&kept, bytes + at, length + 1);
        at += length + 1;
    }
    mhc_status status = MHC_OK;
    if (kept.failed)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to read it", path);
    else if (kept.length != size)
        status = mhc__write_file(path, kept.data, kept.length, error);
    mhc__text_free(&kept);
    free(bytes);
    return status;
}
