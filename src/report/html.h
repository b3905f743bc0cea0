/* Builds one self-contained page: inline CSS (light and dark), pictures beside it by relative path, no scripts, nothing
 * loaded from elsewhere. All text is escaped; `code` and **strong** are the only markup in it. */
#ifndef MHC_REPORT_HTML_H
#define MHC_REPORT_HTML_H

#include "base/text.h"
#include "report/table.h"

typedef struct mhc__html {
    mhc__text text;
    bool in_section;
} mhc__html;

void mhc__html_start(mhc__html *html, const char *title, const char *subtitle);
/* A headed part of the page; ends the one before. */
void mhc__html_section(mhc__html *html, const char *heading);
void mhc__html_paragraph(mhc__html *html, const char *format, ...) MHC__PRINTF(2, 3);
/* A box that stands out: what a reader must not miss. */
void mhc__html_note(mhc__html *html, const char *format, ...) MHC__PRINTF(2, 3);
/* Ordered list: one call per item between start and end. */
void mhc__html_list_start(mhc__html *html);
void mhc__html_item(mhc__html *html, const char *format, ...) MHC__PRINTF(2, 3);
void mhc__html_list_end(mhc__html *html);
/* Preformatted text: commands, files. */
void mhc__html_code(mhc__html *html, const char *text);
void mhc__html_table(mhc__html *html, const mhc__table *table, const char *caption);
/* NAME.svg with links to NAME.png, NAME.tsv and NAME.gp below it; width in pixels is its natural size. */
void mhc__html_figure(mhc__html *html, const char *name, int width, const char *caption);
/* In place of a figure that could not be drawn: says why, and links the data and the script. */
void mhc__html_no_figure(mhc__html *html, const char *name, const char *reason);
/* Ends the page and writes it; html is freed in any case. */
mhc_status mhc__html_write(mhc__html *html, const char *path, mhc_error *error);

/* text with & < > " and ' replaced. */
void mhc__html_escape(mhc__text *out, const char *text);

#endif
