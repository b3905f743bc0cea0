#include "run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "file/atomic.h"

mhc_status mhc__join(const char *folder, const char *name, char **path, mhc_error *error) {
    *path = mhc__format("%s/%s", folder, name);
    return *path ? MHC_OK : mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the path of %s", name);
}

mhc_status mhc__folder_has(const char *folder, const char *name, bool *has, mhc_error *error) {
    char *path;
    MHC__TRY(mhc__join(folder, name, &path, error));
    mhc_status status = mhc__path_exists(path, has, error);
    free(path);
    return status;
}

mhc_status mhc__run_lock(const char *folder, int *lock, mhc_error *error) {
    char *path;
    MHC__TRY(mhc__join(folder, "lock", &path, error));
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    mhc_status status = MHC_OK;
    if (file < 0)
        status = mhc__fail(error, MHC_IO, "%s: can't open: %s", path, strerror(errno));
    else if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        status = mhc__fail(error, MHC_IO, "%s: another mhc is training here", folder);
    /* Any other failure means a file system without locks, where a run does without. */
    if (status != MHC_OK && file >= 0)
        close(file);
    else
        *lock = file;
    free(path);
    return status;
}
