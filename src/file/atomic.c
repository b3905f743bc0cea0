#include "file/atomic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

static mhc_status fail_errno(mhc_error *error, const char *verb, const char *path) {
    return mhc__fail(error, MHC_IO, "%s: can't %s: %s", path, verb, strerror(errno));
}

static mhc_status no_memory(mhc_error *error, const char *path) {
    return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", path);
}

/* The folder that holds path, malloc'd: what has to be flushed for a rename to last. */
static char *parent_of(const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    while (length > 1 && path[length - 1] == '/')
        length--;
    return length ? mhc__format("%.*s", (int)length, path) : mhc__format(".");
}

static mhc_status flush_folder(const char *path, mhc_error *error) {
    int folder = open(path, O_RDONLY | O_DIRECTORY);
    if (folder < 0)
        return fail_errno(error, "open the folder", path);
    /* Some file systems can't flush a folder and say EINVAL: nothing more can be done there. */
    int failed = fsync(folder) != 0 && errno != EINVAL;
    int reason = errno;
    close(folder);
    errno = reason;
    return failed ? fail_errno(error, "flush the folder", path) : MHC_OK;
}

static mhc_status flush_parent(const char *path, mhc_error *error) {
    char *parent = parent_of(path);
    if (!parent)
        return no_memory(error, path);
    mhc_status status = flush_folder(parent, error);
    free(parent);
    return status;
}

static mhc_status write_all(int file, const char *path, const char *bytes, size_t size, mhc_error *error) {
    while (size) {
        ssize_t written = write(file, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return fail_errno(error, "write", path);
        bytes += written;
        size -= (size_t)written;
    }
    return MHC_OK;
}

mhc_status mhc__write_pieces(const char *path, const mhc__piece *pieces, int count, mhc_error *error) {
    char *beside = mhc__format("%s.tmp-%ld", path, (long)getpid());
    if (!beside)
        return no_memory(error, path);
    int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    mhc_status status = file < 0 ? fail_errno(error, "create", path) : MHC_OK;
    for (int i = 0; i < count && status == MHC_OK; i++)
        status = write_all(file, path, pieces[i].bytes, pieces[i].size, error);
    if (status == MHC_OK && fsync(file) != 0)
        status = fail_errno(error, "flush", path);
    if (file >= 0 && close(file) != 0 && status == MHC_OK)
        status = fail_errno(error, "close", path);
    if (status == MHC_OK && rename(beside, path) != 0)
        status = fail_errno(error, "replace", path);
    if (status != MHC_OK && file >= 0)
        unlink(beside);
    free(beside);
    return status == MHC_OK ? flush_parent(path, error) : status;
}

mhc_status mhc__write_file(const char *path, const void *bytes, size_t size, mhc_error *error) {
    return mhc__write_pieces(path, &(mhc__piece){bytes, size}, 1, error);
}

mhc_status mhc__make_folders(const char *path, mhc_error *error) {
    char *partial = mhc__format("%s", path);
    if (!partial)
        return no_memory(error, path);
    mhc_status status = MHC_OK;
    if (!*path)
        status = mhc__fail(error, MHC_INVALID_ARGUMENT, "expected the path of a folder, found an empty one");
    for (char *slash = partial + 1; status == MHC_OK; slash++) {
        char here = *slash;
        if (here != '/' && here != '\0')
            continue;
        *slash = '\0';
        struct stat info;
        bool made = mkdir(partial, 0777) == 0;
        if (made)
            status = flush_parent(partial, error);
        else if (errno != EEXIST)
            status = fail_errno(error, "make the folder", partial);
        if (status == MHC_OK && (stat(partial, &info) != 0 || !S_ISDIR(info.st_mode)))
            status = mhc__fail(error, MHC_IO, "%s: expected a folder, found something else", partial);
        *slash = here;
        if (here == '\0')
            break;
    }
    free(partial);
    return status;
}

mhc_status mhc__read_file(const char *path, char **bytes, size_t *size, mhc_error *error) {
    return mhc__read_file_up_to(path, SIZE_MAX, bytes, size, error);
}

mhc_status mhc__read_file_up_to(const char *path, size_t limit, char **bytes, size_t *size, mhc_error *error) {
    *bytes = NULL;
    *size = 0;
    int file = open(path, O_RDONLY);
    if (file < 0)
        return fail_errno(error, "open", path);
    struct stat info;
    mhc_status status = MHC_OK;
    mhc__text text = {0};
    if (fstat(file, &info) == 0 && S_ISDIR(info.st_mode))
        status = mhc__fail(error, MHC_IO, "%s: expected a file, found a folder", path);
    while (status == MHC_OK) {
        char chunk[65536];
        ssize_t count = read(file, chunk, sizeof chunk);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            status = fail_errno(error, "read", path);
        if (count <= 0)
            break;
        if ((size_t)count > limit - text.length) {
            status = mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: expected at most %zu bytes, found more", path, limit);
            break;
        }
        mhc__text_append(&text, chunk, (size_t)count);
    }
    close(file);
    mhc__text_append(&text, "", 0);
    if (status == MHC_OK && text.failed)
        status = no_memory(error, path);
    if (status != MHC_OK) {
        mhc__text_free(&text);
        return status;
    }
    *bytes = text.data;
    *size = text.length;
    return MHC_OK;
}

mhc_status mhc__remove_tree(const char *path, mhc_error *error) {
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? MHC_OK : fail_errno(error, "look at", path);
    if (!S_ISDIR(info.st_mode))
        return unlink(path) == 0 || errno == ENOENT ? MHC_OK : fail_errno(error, "remove", path);
    DIR *folder = opendir(path);
    if (!folder)
        return fail_errno(error, "open the folder", path);
    mhc_status status = MHC_OK;
    for (struct dirent *entry; status == MHC_OK && (entry = readdir(folder));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        char *child = mhc__format("%s/%s", path, entry->d_name);
        status = child ? mhc__remove_tree(child, error) : no_memory(error, path);
        free(child);
    }
    closedir(folder);
    if (status == MHC_OK && rmdir(path) != 0 && errno != ENOENT)
        status = fail_errno(error, "remove the folder", path);
    return status;
}

mhc_status mhc__path_exists(const char *path, bool *there, mhc_error *error) {
    struct stat info;
    *there = lstat(path, &info) == 0;
    return *there || errno == ENOENT || errno == ENOTDIR ? MHC_OK : fail_errno(error, "look at", path);
}

static bool exists(const char *path) {
    bool there;
    return mhc__path_exists(path, &there, NULL) == MHC_OK && there;
}

/* The new folder takes its place in two renames, since rename can't replace a folder that isn't empty. Between them
 * `to` is absent and `to`.old is whole: mhc__recover_folder puts it back. */
mhc_status mhc__replace_folder(const char *from, const char *to, mhc_error *error) {
    char *old = mhc__format("%s.old", to);
    if (!old)
        return no_memory(error, to);
    mhc_status status = flush_folder(from, error);
    if (status == MHC_OK)
        status = mhc__recover_folder(to, error);
    if (status == MHC_OK && exists(to) && rename(to, old) != 0)
        status = fail_errno(error, "set aside", to);
    if (status == MHC_OK && rename(from, to) != 0) {
        status = fail_errno(error, "put in place", to);
        if (exists(old))
            rename(old, to);
    }
    if (status == MHC_OK)
        status = flush_parent(to, error);
    if (status == MHC_OK)
        status = mhc__remove_tree(old, error);
    free(old);
    return status;
}

mhc_status mhc__recover_folder(const char *path, mhc_error *error) {
    char *old = mhc__format("%s.old", path);
    if (!old)
        return no_memory(error, path);
    mhc_status status = MHC_OK;
    if (exists(old)) {
        if (exists(path))
            status = mhc__remove_tree(old, error);
        else if (rename(old, path) != 0)
            status = fail_errno(error, "bring back", path);
    }
    free(old);
    return status;
}
