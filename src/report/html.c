#include "report/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"
#include "mhc/version.h"

static const char STYLE[] =
    ":root{color-scheme:light dark;--page:#fbfbfa;--card:#fff;--ink:#1d2329;--soft:#5d6770;--line:#e2e5e8;"
    "--mark:#f1f4f7;--accent:#2471a3;--note:#fff8e6;--note-line:#e0a800}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#14171a;--card:#1c2126;--ink:#e4e8ec;--soft:#9aa5b0;"
    "--line:#313840;--mark:#262c33;--accent:#6cb6eb;--note:#2b2615;--note-line:#b8901c}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--page);color:var(--ink);font:16px/1.6 system-ui,-apple-system,'Segoe UI',Roboto,"
    "'DejaVu Sans',sans-serif}\n"
    "main{max-width:72rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}\n"
    "header{border-bottom:1px solid var(--line);margin-bottom:1.5rem;padding-bottom:1rem}\n"
    "h1{font-size:2rem;line-height:1.2;margin:0 0 .4rem;letter-spacing:-.01em}\n"
    "h2{font-size:1.3rem;line-height:1.3;margin:2.6rem 0 .8rem}\n"
    "header p{color:var(--soft);font-size:1.05rem;margin:0}\n"
    "p,ol{max-width:46rem}\n"
    "li{margin:.45rem 0}\n"
    "code{font:.88em ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;background:var(--mark);"
    "padding:.1em .35em;border-radius:4px}\n"
    "pre{background:var(--mark);border:1px solid var(--line);border-radius:8px;padding:.9rem 1.1rem;overflow-x:auto;"
    "line-height:1.5}\n"
    "pre code{background:none;padding:0}\n"
    ".note{max-width:46rem;background:var(--note);border-left:4px solid var(--note-line);border-radius:4px;"
    "padding:.7rem 1rem;margin:1rem 0}\n"
    ".wide{overflow-x:auto;margin:1rem 0}\n"
    "table{border-collapse:collapse;background:var(--card);border:1px solid var(--line);font-size:.92rem;"
    "font-variant-numeric:tabular-nums}\n"
    "caption{caption-side:bottom;text-align:left;color:var(--soft);padding:.5rem 0;max-width:46rem}\n"
    "th,td{padding:.42rem .8rem;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}\n"
    "th{background:var(--mark);font-weight:600}\n"
    "td.n,th.n{text-align:right}\n"
    "tbody tr:last-child td{border-bottom:0}\n"
    "figure{margin:1.2rem 0 2rem}\n"
    "figure img{display:block;max-width:100%;height:auto;background:#fff;border:1px solid var(--line);"
    "border-radius:8px}\n"
    "figcaption{color:var(--soft);font-size:.92rem;margin-top:.5rem;max-width:46rem}\n"
    "a{color:var(--accent)}\n"
    "footer{color:var(--soft);font-size:.88rem;border-top:1px solid var(--line);margin-top:3rem;padding-top:1rem}\n";

void mhc__html_escape(mhc__text *out, const char *text) {
    for (const char *c = text; *c; c++) {
        const char *entity = *c == '&'    ? "&amp;"
                             : *c == '<'  ? "&lt;"
                             : *c == '>'  ? "&gt;"
                             : *c == '"'  ? "&quot;"
                             : *c == '\'' ? "&#39;"
                                          : NULL;
        if (entity)
            mhc__text_append(out, entity, strlen(entity));
        else
            mhc__text_append(out, c, 1);
    }
}

/* Escapes, then turns `x` and **x** into elements; a marker without its partner stays as it is. */
static void inline_text(mhc__text *out, const char *text) {
    mhc__text escaped = {0};
    mhc__html_escape(&escaped, text);
    out->failed |= escaped.failed;
    const char *c = escaped.data ? escaped.data : "";
    while (*c) {
        bool strong = c[0] == '*' && c[1] == '*';
        const char *mark = strong ? "**" : "`", *tag = strong ? "strong" : "code";
        size_t length = strlen(mark);
        const char *end = strong || *c == '`' ? strstr(c + length, mark) : NULL;
        if (!end) {
            mhc__text_append(out, c++, 1);
            continue;
        }
        mhc__text_format(out, "<%s>%.*s</%s>", tag, (int)(end - c - (long)length), c + length, tag);
        c = end + length;
    }
    mhc__text_free(&escaped);
}

static void element(mhc__text *out, const char *open, const char *close, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text) {
        vsnprintf(text, (size_t)length + 1, format, again);
        mhc__text_append(out, open, strlen(open));
        inline_text(out, text);
        mhc__text_append(out, close, strlen(close));
    } else {
        out->failed = true;
    }
    free(text);
    va_end(again);
}

void mhc__html_start(mhc__html *html, const char *title, const char *subtitle) {
    *html = (mhc__html){0};
    mhc__text *out = &html->text;
    mhc__text_format(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    mhc__html_escape(out, title);
    mhc__text_format(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<header>\n<h1>", STYLE);
    mhc__html_escape(out, title);
    mhc__text_format(out, "</h1>\n<p>");
    inline_text(out, subtitle);
    mhc__text_format(out, "</p>\n</header>\n");
}

static void end_section(mhc__html *html) {
    if (html->in_section)
        mhc__text_format(&html->text, "</section>\n");
    html->in_section = false;
}

void mhc__html_section(mhc__html *html, const char *heading) {
    end_section(html);
    mhc__text_format(&html->text, "<section>\n<h2>");
    inline_text(&html->text, heading);
    mhc__text_format(&html->text, "</h2>\n");
    html->in_section = true;
}

void mhc__html_paragraph(mhc__html *html, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    element(&html->text, "<p>", "</p>\n", format, arguments);
    va_end(arguments);
}

void mhc__html_note(mhc__html *html, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    element(&html->text, "<div class=\"note\">", "</div>\n", format, arguments);
    va_end(arguments);
}

void mhc__html_list_start(mhc__html *html) {
    mhc__text_format(&html->text, "<ol>\n");
}

void mhc__html_item(mhc__html *html, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    element(&html->text, "<li>", "</li>\n", format, arguments);
    va_end(arguments);
}

void mhc__html_list_end(mhc__html *html) {
    mhc__text_format(&html->text, "</ol>\n");
}

void mhc__html_code(mhc__html *html, const char *text) {
    mhc__text_format(&html->text, "<pre><code>");
    mhc__html_escape(&html->text, text);
    mhc__text_format(&html->text, "</code></pre>\n");
}

void mhc__html_table(mhc__html *html, const mhc__table *table, const char *caption) {
    mhc__text *out = &html->text;
    out->failed |= table->failed;
    mhc__text_format(out, "<div class=\"wide\">\n<table>\n<caption>");
    inline_text(out, caption);
    mhc__text_format(out, "</caption>\n");
    for (int row = 0; row <= mhc__table_rows(table); row++) {
        const char *tag = row ? "td" : "th";
        mhc__text_format(out, "%s<tr>", row == 0 ? "<thead>\n" : row == 1 ? "<tbody>\n" : "");
        for (int column = 0; column < table->columns; column++) {
            mhc__text_format(out, mhc__table_numeric(table, column) ? "<%s class=\"n\">" : "<%s>", tag);
            inline_text(out, mhc__table_at(table, row, column));
            mhc__text_format(out, "</%s>", tag);
        }
        mhc__text_format(out, "</tr>\n%s", row == 0 ? "</thead>\n" : "");
    }
    mhc__text_format(out, "%s</table>\n</div>\n", mhc__table_rows(table) > 0 ? "</tbody>\n" : "");
}

static void links(mhc__text *out, const char *name, bool drawn) {
    if (drawn)
        mhc__text_format(out, " <a href=\"%s.png\">PNG</a> · <a href=\"%s.svg\">SVG</a> ·", name, name);
    mhc__text_format(out, " <a href=\"%s.tsv\">data</a> · <a href=\"%s.gp\">script</a>", name, name);
}

void mhc__html_figure(mhc__html *html, const char *name, int width, const char *caption) {
    mhc__text *out = &html->text;
    mhc__text_format(out, "<figure>\n<a href=\"%s.svg\"><img src=\"%s.svg\" width=\"%d\" alt=\"", name, name, width);
    mhc__html_escape(out, caption);
    mhc__text_format(out, "\"></a>\n<figcaption>");
    inline_text(out, caption);
    links(out, name, true);
    mhc__text_format(out, "</figcaption>\n</figure>\n");
}

void mhc__html_no_figure(mhc__html *html, const char *name, const char *reason) {
    mhc__text *out = &html->text;
    mhc__text_format(out, "<div class=\"note\">The picture <code>%s</code> is not drawn: ", name);
    mhc__html_escape(out, reason);
    mhc__text_format(out, ".");
    links(out, name, false);
    mhc__text_format(out, "</div>\n");
}

mhc_status mhc__html_write(mhc__html *html, const char *path, mhc_error *error) {
    end_section(html);
    mhc__text_format(&html->text,
                     "<footer>Written by mhc %s. Every picture has its numbers (.tsv) and its gnuplot script (.gp) "
                     "beside it.</footer>\n</main>\n</body>\n</html>\n",
                     mhc_version());
    mhc_status status = html->text.failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for the page", path)
                                          : mhc__write_file(path, html->text.data, html->text.length, error);
    mhc__text_free(&html->text);
    return status;
}
