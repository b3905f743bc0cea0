#include "train/checkpoint_folder.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "file/atomic.h"
#include "train/checkpoint.h"

char *mhc__checkpoint_path(const char *run, int64_t step) {
    return mhc__format("%s/checkpoints/step-%08" PRId64, run, step);
}

static bool is_file(const char *folder, const char *name) {
    char *path = mhc__format("%s/%s", folder, name);
    struct stat info;
    bool found = path && stat(path, &info) == 0;
    free(path);
    return found;
}

/* "step-NNN" exactly, else -1; *rest points behind the number. */
static int64_t step_of(const char *name, const char **rest) {
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return -1;
    char *end;
    long long step = strtoll(name + 5, &end, 10);
    *rest = end;
    return step;
}

static bool has_state(const char *folder, const char *name) {
    char *path = mhc__format("%s/%s", folder, name);
    bool found = path && is_file(path, "state.json");
    free(path);
    return found;
}

typedef struct found {
    int64_t oldest, newest;
    int count;
} found;

/* Looks through the step folders, bringing back those that a kill left set aside. A folder that can't be read has none.
 * oldest leaves out the step `spared`. */
static found scan(const char *folder, int64_t spared) {
    found f = {-1, -1, 0};
    DIR *entries = opendir(folder);
    if (!entries)
        return f;
    for (struct dirent *entry; (entry = readdir(entries));) {
        const char *rest = "";
        int64_t step = step_of(entry->d_name, &rest);
        if (step < 0)
            continue;
        if (!strcmp(rest, ".old")) {
            char *whole = mhc__format("%s/%.*s", folder, (int)(strlen(entry->d_name) - 4), entry->d_name);
            if (whole)
                mhc__recover_folder(whole, NULL);
            free(whole);
        } else if (*rest || !has_state(folder, entry->d_name)) {
            continue;
        }
        f.count += *rest == '\0';
        if (step != spared && (f.oldest < 0 || step < f.oldest))
            f.oldest = step;
        f.newest = step > f.newest ? step : f.newest;
    }
    closedir(entries);
    return f;
}

static char *step_path(const char *folder, int64_t step) {
    return mhc__format("%s/step-%08" PRId64, folder, step);
}

mhc_status mhc__checkpoint_find(const char *path, char **folder, mhc_error *error) {
    *folder = NULL;
    struct stat info;
    if (stat(path, &info) != 0)
        return mhc__fail(error, MHC_IO, "%s: no such run or checkpoint", path);
    if (is_file(path, "state.json")) {
        *folder = mhc__format("%s", path);
        return *folder ? MHC_OK : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", path);
    }
    char *inside = mhc__format("%s/checkpoints", path);
    if (!inside)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", path);
    const char *places[] = {inside, path};
    for (int i = 0; !*folder && i < 2; i++) {
        found f = scan(places[i], -1);
        if (f.newest >= 0)
            *folder = step_path(places[i], f.newest);
    }
    free(inside);
    if (!*folder)
        return mhc__fail(error, MHC_IO, "%s: no checkpoint in it (expected checkpoints/step-… or state.json)", path);
    return MHC_OK;
}

static mhc_status remove_leftovers(const char *folder, mhc_error *error) {
    DIR *entries = opendir(folder);
    if (!entries)
        return MHC_OK;
    mhc_status status = MHC_OK;
    for (struct dirent *entry; status == MHC_OK && (entry = readdir(entries));) {
        const char *rest = "";
        if (step_of(entry->d_name, &rest) < 0 || strcmp(rest, ".tmp") != 0)
            continue;
        char *path = mhc__format("%s/%s", folder, entry->d_name);
        status = path ? mhc__remove_tree(path, error) : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", folder);
        free(path);
    }
    closedir(entries);
    return status;
}

mhc_status mhc__checkpoint_prune(const char *run, int keep, int64_t newest, mhc_error *error) {
    char *folder = mhc__format("%s/checkpoints", run);
    if (!folder)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", run);
    mhc_status status = remove_leftovers(folder, error);
    for (found f = scan(folder, newest); status == MHC_OK && keep > 0 && f.count > keep && f.oldest >= 0;
         f = scan(folder, newest)) {
        char *path = step_path(folder, f.oldest);
        /* Renamed first, so that a kill in the middle leaves no half folder with a whole one's name. */
        char *away = path ? mhc__format("%s.tmp", path) : NULL;
        if (!away || rename(path, away) != 0)
            status = mhc__fail(error, MHC_IO, "%s: can't remove the old checkpoint", path ? path : folder);
        if (status == MHC_OK)
            status = mhc__remove_tree(away, error);
        free(away);
        free(path);
    }
    free(folder);
    return status;
}
