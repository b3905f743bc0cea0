#include "study/page.h"

#include <stdlib.h>

#include "file/atomic.h"
#include "study/settings.h"

/* Frees text. */
static mhc_status write_text(const char *folder, const char *name, mhc__text *text, mhc_error *error) {
    char *path = mhc__format("%s/%s", folder, name);
    mhc_status status = text->failed || !path ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s/%s: no memory", folder, name)
                                              : mhc__write_file(path, text->data, text->length, error);
    free(path);
    mhc__text_free(text);
    return status;
}

mhc_status mhc__page_table(const mhc__table *table, const char *folder, mhc_error *error) {
    mhc__text tsv = {0}, markdown = {0};
    mhc__table_tsv(table, &tsv);
    MHC__TRY(write_text(folder, "table.tsv", &tsv, error));
    mhc__table_markdown(table, &markdown);
    return write_text(folder, "table.md", &markdown, error);
}

mhc_status mhc__page_write(mhc__html *html, const char *folder, const mhc__study_options *options, mhc_error *error) {
    char *path = mhc__format("%s/index.html", folder);
    if (!path) {
        mhc__text_free(&html->text);
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", folder);
    }
    mhc_status status = mhc__html_write(html, path, error);
    if (status == MHC_OK)
        mhc__study_note(options, "report: %s", path);
    free(path);
    return status;
}
