/* Builds one page, as HTML and as Markdown at once. The HTML is self-contained: inline CSS (light and dark), pictures
 * inline as SVG, no scripts, nothing loaded from elsewhere. All text is escaped; `code` and **strong** are the only
 * markup in it. */
#ifndef MHC_REPORT_HTML_H
#define MHC_REPORT_HTML_H

#include "base/text.h"
#include "report/table.h"

typedef struct mhc__html {
    mhc__text text;     /* of the body, from its header on */
    mhc__text markdown; /* the same */
    mhc__text contents; /* links to the sections */
    char title[128];
    int sections, items, pictures;
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
/* An item of text that was put together before; frees it. Nothing where it is empty. */
void mhc__html_item_text(mhc__html *html, mhc__text *text);
void mhc__html_list_end(mhc__html *html);
/* Preformatted text: commands, files. */
void mhc__html_code(mhc__html *html, const char *text);
void mhc__html_table(mhc__html *html, const mhc__table *table, const char *caption);
/* A table of two columns, without a head: names of facts and what they are. */
void mhc__html_facts(mhc__html *html, const mhc__table *table);
/* The picture FOLDER/NAME.svg, put into the page as the first `count` panels of a grid of columns x rows, which stand
 * below each other where the page is narrow; with links to NAME.png, .svg, .tsv and .gp. MHC_IO and MHC_CORRUPT when
 * the file isn't there or isn't gnuplot's SVG: nothing is written then. */
mhc_status mhc__html_figure(mhc__html *html, const char *folder, const char *name, int columns, int rows, int count,
                            const char *caption, mhc_error *error);
/* In place of a figure that could not be drawn: says why, and links the data and the script. */
void mhc__html_no_figure(mhc__html *html, const char *name, const char *reason);
/* Ends the page and writes FOLDER/index.html and FOLDER/report.md; html is freed in any case. */
mhc_status mhc__html_write(mhc__html *html, const char *folder, mhc_error *error);
void mhc__html_free(mhc__html *html);

/* text with & < > " and ' replaced. */
void mhc__html_escape(mhc__text *out, const char *text);
/* text with its markup as elements. */
void mhc__html_inline(mhc__text *out, const char *text);
/* text with its markup as Markdown, and what Markdown would take for HTML escaped. */
void mhc__html_markdown(mhc__text *out, const char *text);

/* The style sheet. */
extern const char mhc__html_style[];

#endif
