#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "data/packed.h"
#include "data/registry.h"
#include "report/table.h"
#include "stop.h"

static void add_files(mhc__table *table, const mhc__dataset *set) {
    int64_t size = 0;
    for (int i = 0; i < set->count; i++)
        size += set->files[i].size;
    mhc__table_cell(table, "%s", set->name);
    if (size)
        mhc__table_cell(table, "%.1f MB", (double)size * 1e-6);
    else
        mhc__table_cell(table, "–");
    mhc__table_cell(table, "%s", set->about);
    mhc__table_cell(table, "%s", set->licence ? set->licence : "–");
}

static int list(void) {
    mhc__table table = {0};
    mhc__text text = {0};
    mhc__table_start(&table, "Name|Size|What it is|Licence");
    for (int i = 0; i < mhc__dataset_count(); i++)
        add_files(&table, mhc__dataset_at(i));
    mhc__table_plain(&table, &text);
    fputs(text.data ? text.data : "", stdout);
    mhc__text_free(&text);
    mhc__table_free(&table);
    return MHC__EXIT_FINE;
}

typedef struct watcher {
    bool visible, open;
} watcher;

static bool on_progress(void *user, const char *name, int64_t done, int64_t total) {
    watcher *w = user;
    if (w->visible) {
        fprintf(stderr, "\r%s  %.1f", name, (double)done * 1e-6);
        if (total > 0)
            fprintf(stderr, " of %.1f", (double)total * 1e-6);
        fprintf(stderr, " MB ");
        w->open = true;
    }
    return !mhc__stop_asked();
}

static int get(const mhc__arguments *arguments, const char *name) {
    const char *folder = mhc__option_text(arguments, "out");
    folder = folder ? folder : "data";
    const mhc__dataset *set = mhc__dataset_find(name);
    if (!set)
        return mhc__misused(arguments->command, "unknown data set \"%.60s\"; `mhc data list` names them", name);
    watcher w = {.visible = !mhc__option_given(arguments, "quiet") && isatty(STDERR_FILENO)};
    mhc__stop_on_signals();
    mhc_error error = {0};
    mhc_status status = mhc__data_get(name, folder, mhc__option_text(arguments, "mirror"), on_progress, &w, &error);
    if (w.open)
        fprintf(stderr, "\n");
    if (status != MHC_OK)
        return mhc__failed(&error);
    for (int i = 0; i < set->count; i++)
        printf("%s/%s\n", folder, set->files[i].name);
    return MHC__EXIT_FINE;
}

/* TEXT.tokens, beside a folder too, whose name may be given with slashes at its end. */
static char *default_output(const char *text) {
    size_t length = strlen(text);
    while (length > 1 && text[length - 1] == '/')
        length--;
    return mhc__format("%.*s.tokens", (int)length, text);
}

static int pack(const mhc__arguments *arguments, const char *text) {
    const char *out = mhc__option_text(arguments, "out"), *kind = mhc__option_text(arguments, "tokenizer");
    const char *folder = mhc__option_text(arguments, "tokenizer-dir");
    char *path = out ? mhc__format("%s", out) : default_output(text);
    mhc_error error = {0};
    int64_t count = 0;
    int vocabulary = 0;
    mhc_status status =
        path ? mhc__data_pack(text, kind ? kind : "byte", folder ? folder : "",
                              mhc__option_given(arguments, "skip-invalid"), path, &count, &vocabulary, &error)
             : mhc__fail(&error, MHC_OUT_OF_MEMORY, "no memory for the path");
    if (status == MHC_OK)
        printf("%s: %lld tokens, %d ids; use it with --data %s\n", path, (long long)count, vocabulary, path);
    free(path);
    return status == MHC_OK ? MHC__EXIT_FINE : mhc__failed(&error);
}

int mhc__command_data(const mhc__arguments *arguments) {
    const char *what = mhc__operand(arguments, 0), *name = mhc__operand(arguments, 1);
    if (strcmp(what, "list") == 0 && !name)
        return list();
    if (strcmp(what, "get") == 0 && name)
        return get(arguments, name);
    if (strcmp(what, "pack") == 0 && name)
        return pack(arguments, name);
    return mhc__misused(arguments->command, "expected %s", arguments->command->operands);
}
