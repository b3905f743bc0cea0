#include "train/checkpoint_folder.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "file/atomic.h"
#include "train/checkpoint.h"

char *mhc__checkpoint_path(const char *run, int64_t step) {
    return mhc__format("%s/checkpoints/step-%08" PRId64, run, step);
}

/* The step of a name that begins with one as mhc__checkpoint_path writes it, else -1; *rest points behind it. */
static int64_t step_of(const char *name, const char **rest) {
    char *end, whole[64];
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return -1;
    long long step = strtoll(name + 5, &end, 10);
    snprintf(whole, sizeof whole, "step-%08lld", step);
    if (strlen(whole) != (size_t)(end - name) || strncmp(whole, name, (size_t)(end - name)) != 0)
        return -1;
    *rest = end;
    return step;
}

static mhc_status no_memory(const char *path, mhc_error *error) {
    return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", path);
}

static mhc_status has_state(const char *folder, bool *has, mhc_error *error) {
    char *path = mhc__format("%s/state.json", folder);
    mhc_status status = path ? mhc__path_exists(path, has, error) : no_memory(folder, error);
    free(path);
    return status;
}

typedef struct found {
    int64_t oldest, newest;
    int64_t broken; /* one without its state, -1 for none */
    int count;
} found;

/* Whether `name` in folder is a checkpoint; brings back one that a kill left set aside. */
static mhc_status look_at(const char *folder, const char *name, const char *rest, bool *whole, mhc_error *error) {
    bool aside = strcmp(rest, ".old") == 0;
    *whole = false;
    if (*rest && !aside)
        return MHC_OK;
    char *path = mhc__format("%s/%.*s", folder, (int)(rest - name), name);
    if (!path)
        return no_memory(folder, error);
    if (aside)
        mhc__recover_folder(path, NULL);
    mhc_status status = has_state(path, whole, error);
    free(path);
    return status;
}

/* Looks through the step folders. A folder that isn't there has none. oldest leaves out the step `spared`. */
static mhc_status scan(const char *folder, int64_t spared, found *f, mhc_error *error) {
    *f = (found){-1, -1, -1, 0};
    DIR *entries = opendir(folder);
    if (!entries)
        return errno == ENOENT ? MHC_OK
                               : mhc__fail(error, MHC_IO, "%s: can't open the folder: %s", folder, strerror(errno));
    mhc_status status = MHC_OK;
    for (struct dirent *entry; status == MHC_OK && (entry = readdir(entries));) {
        const char *rest = "";
        bool whole = false;
        int64_t step = step_of(entry->d_name, &rest);
        if (step >= 0)
            status = look_at(folder, entry->d_name, rest, &whole, error);
        if (!whole) {
            f->broken = step >= 0 && !*rest ? step : f->broken;
            continue;
        }
        f->count += *rest == '\0';
        if (step != spared && (f->oldest < 0 || step < f->oldest))
            f->oldest = step;
        f->newest = step > f->newest ? step : f->newest;
    }
    closedir(entries);
    return status;
}

static char *step_path(const char *folder, int64_t step) {
    return mhc__format("%s/step-%08" PRId64, folder, step);
}

/* The newest of a folder of step folders; NULL when it has none. A lone broken one is no reason to begin anew. */
static mhc_status newest_in(const char *folder, char **newest, mhc_error *error) {
    found f;
    MHC__TRY(scan(folder, -1, &f, error));
    if (f.newest < 0 && f.broken >= 0)
        return mhc__fail(error, MHC_CORRUPT, "%s/step-%08" PRId64 ": no state.json in it: not a whole checkpoint",
                         folder, f.broken);
    if (f.newest < 0)
        return MHC_OK;
    *newest = step_path(folder, f.newest);
    return *newest ? MHC_OK : no_memory(folder, error);
}

mhc_status mhc__checkpoint_newest(const char *path, char **folder, mhc_error *error) {
    bool is_one;
    *folder = NULL;
    MHC__TRY(has_state(path, &is_one, error));
    if (is_one) {
        *folder = mhc__format("%s", path);
        return *folder ? MHC_OK : no_memory(path, error);
    }
    char *inside = mhc__format("%s/checkpoints", path);
    mhc_status status = inside ? newest_in(inside, folder, error) : no_memory(path, error);
    free(inside);
    return status == MHC_OK && !*folder ? newest_in(path, folder, error) : status;
}

mhc_status mhc__checkpoint_find(const char *path, char **folder, mhc_error *error) {
    bool there;
    *folder = NULL;
    MHC__TRY(mhc__path_exists(path, &there, error));
    if (!there)
        return mhc__fail(error, MHC_IO, "%s: no such run or checkpoint", path);
    MHC__TRY(mhc__checkpoint_newest(path, folder, error));
    return *folder
               ? MHC_OK
               : mhc__fail(error, MHC_IO, "%s: no checkpoint in it (expected checkpoints/step-… or state.json)", path);
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

static mhc_status remove_step(const char *folder, int64_t step, mhc_error *error) {
    /* Renamed first, so that a kill in the middle leaves no half folder with a whole one's name. */
    char *path = step_path(folder, step), *away = path ? mhc__format("%s.tmp", path) : NULL;
    mhc_status status = away ? MHC_OK : no_memory(folder, error);
    if (status == MHC_OK && rename(path, away) != 0)
        status = mhc__fail(error, MHC_IO, "%s: can't rename it: %s", path, strerror(errno));
    if (status == MHC_OK)
        status = mhc__remove_tree(away, error);
    free(away);
    free(path);
    return status;
}

mhc_status mhc__checkpoint_prune(const char *run, int keep, int64_t newest, mhc_error *error) {
    char *folder = mhc__format("%s/checkpoints", run);
    if (!folder)
        return no_memory(run, error);
    mhc_status status = remove_leftovers(folder, error);
    found f = {-1, -1, -1, 0};
    if (status == MHC_OK)
        status = scan(folder, newest, &f, error);
    while (status == MHC_OK && keep > 0 && f.count > keep && f.oldest >= 0) {
        status = remove_step(folder, f.oldest, error);
        if (status == MHC_OK)
            status = scan(folder, newest, &f, error);
    }
    free(folder);
    return status;
}
