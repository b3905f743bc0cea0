#include "report/html.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"
#include "mhc/version.h"
#include "report/plot.h"
#include "report/svg.h"

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

/* The end of the `x` or **x** that starts at c, at its closing mark; NULL: none starts there. */
static const char *marked(const char *c, size_t *mark) {
    *mark = c[0] == '*' && c[1] == '*' ? 2 : 1;
    if (*mark == 2)
        return strstr(c + 2, "**");
    return *c == '`' ? strchr(c + 1, '`') : NULL;
}

/* How much of c, where a word begins, is a number in scientific form with a minus sign, after which a browser would
 * break the line; 0: none is. */
static size_t breakable(const char *c) {
    size_t digits = strspn(c, "0123456789.");
    if (digits == 0 || c[digits] != 'e' || c[digits + 1] != '-')
        return 0;
    size_t exponent = strspn(c + digits + 2, "0123456789");
    return exponent ? digits + 2 + exponent : 0;
}

/* One character of escaped text, or one number, and what must stay on its line. Returns what is left. */
static const char *plain(mhc__text *out, const char *c, char before) {
    size_t number = isalnum((unsigned char)before) || before == '.' ? 0 : breakable(c);
    if (number) {
        mhc__text_format(out, "<span class=\"one\">%.*s</span>", (int)number, c);
        return c + number;
    }
    if (c[0] == ' ' && c[1] == '%' && isdigit((unsigned char)before))
        mhc__text_format(out, "&nbsp;");
    else
        mhc__text_append(out, c, 1);
    return c + 1;
}

/* Escapes, then turns `x` and **x** into elements; a marker without its partner stays as it is. */
void mhc__html_inline(mhc__text *out, const char *text) {
    mhc__text escaped = {0};
    mhc__html_escape(&escaped, text);
    out->failed |= escaped.failed;
    const char *c = escaped.data ? escaped.data : "";
    while (*c) {
        size_t mark;
        const char *end = marked(c, &mark), *tag = mark == 2 ? "strong" : "code";
        if (!end) {
            c = plain(out, c, c > escaped.data ? c[-1] : ' ');
            continue;
        }
        mhc__text_format(out, "<%s>%.*s</%s>", tag, (int)(end - c - (long)mark), c + mark, tag);
        c = end + mark;
    }
    mhc__text_free(&escaped);
}

void mhc__html_markdown(mhc__text *out, const char *text) {
    for (const char *c = text; *c;) {
        size_t mark;
        const char *end = marked(c, &mark);
        if (end && mark == 1) {
            mhc__text_append(out, c, (size_t)(end - c) + 1);
            c = end + 1;
            continue;
        }
        mhc__text_format(out, "%s%c", *c == '<' || *c == '|' ? "\\" : "", *c);
        c++;
    }
}

/* Both forms of one piece of text, between what opens and closes it in each. */
static void element(mhc__html *html, const char *open, const char *close, const char *before, const char *after,
                    const char *format, va_list arguments) {
    mhc__text text = {0};
    mhc__text_format_list(&text, format, arguments);
    html->text.failed |= text.failed;
    if (text.data) {
        mhc__text_append(&html->text, open, strlen(open));
        mhc__html_inline(&html->text, text.data);
        mhc__text_append(&html->text, close, strlen(close));
        mhc__text_append(&html->markdown, before, strlen(before));
        mhc__html_markdown(&html->markdown, text.data);
        mhc__text_append(&html->markdown, after, strlen(after));
    }
    mhc__text_free(&text);
}

void mhc__html_start(mhc__html *html, const char *title, const char *subtitle) {
    *html = (mhc__html){0};
    snprintf(html->title, sizeof html->title, "%s", title);
    mhc__text_format(&html->text, "<header>\n<h1>");
    mhc__html_escape(&html->text, title);
    mhc__text_format(&html->text, "</h1>\n<p>");
    mhc__html_inline(&html->text, subtitle);
    mhc__text_format(&html->text, "</p>\n</header>\n");
    mhc__text_format(&html->markdown, "# ");
    mhc__html_markdown(&html->markdown, title);
    mhc__text_format(&html->markdown, "\n\n");
    mhc__html_markdown(&html->markdown, subtitle);
    mhc__text_format(&html->markdown, "\n\n");
}

static void end_section(mhc__html *html) {
    if (html->in_section)
        mhc__text_format(&html->text, "</section>\n");
    html->in_section = false;
}

void mhc__html_section(mhc__html *html, const char *heading) {
    end_section(html);
    html->sections++;
    mhc__text_format(&html->text, "<section id=\"s%d\">\n<h2>", html->sections);
    mhc__html_inline(&html->text, heading);
    mhc__text_format(&html->text, "</h2>\n");
    mhc__text_format(&html->contents, "<a href=\"#s%d\">", html->sections);
    mhc__html_inline(&html->contents, heading);
    mhc__text_format(&html->contents, "</a>\n");
    mhc__text_format(&html->markdown, "## ");
    mhc__html_markdown(&html->markdown, heading);
    mhc__text_format(&html->markdown, "\n\n");
    html->in_section = true;
}

void mhc__html_paragraph(mhc__html *html, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    element(html, "<p>", "</p>\n", "", "\n\n", format, arguments);
    va_end(arguments);
}

void mhc__html_note(mhc__html *html, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    element(html, "<div class=\"note\">", "</div>\n", "> ", "\n\n", format, arguments);
    va_end(arguments);
}

void mhc__html_list_start(mhc__html *html) {
    mhc__text_format(&html->text, "<ol>\n");
    html->items = 0;
}

void mhc__html_item(mhc__html *html, const char *format, ...) {
    va_list arguments;
    char before[16];
    snprintf(before, sizeof before, "%d. ", ++html->items);
    va_start(arguments, format);
    element(html, "<li>", "</li>\n", before, "\n", format, arguments);
    va_end(arguments);
}

void mhc__html_item_text(mhc__html *html, mhc__text *text) {
    html->text.failed |= text->failed;
    if (text->data)
        mhc__html_item(html, "%s", text->data);
    mhc__text_free(text);
}

void mhc__html_list_end(mhc__html *html) {
    mhc__text_format(&html->text, "</ol>\n");
    mhc__text_format(&html->markdown, "\n");
}

void mhc__html_code(mhc__html *html, const char *text) {
    mhc__text_format(&html->text, "<pre><code>");
    mhc__html_escape(&html->text, text);
    mhc__text_format(&html->text, "</code></pre>\n");
    bool ended = *text && text[strlen(text) - 1] == '\n';
    mhc__text_format(&html->markdown, "```\n%s%s```\n\n", text, ended ? "" : "\n");
}

void mhc__html_table(mhc__html *html, const mhc__table *table, const char *caption) {
    mhc__text *out = &html->text;
    out->failed |= table->failed;
    mhc__text_format(out, "<div class=\"wide\" tabindex=\"0\">\n<table>\n<caption>");
    mhc__html_inline(out, caption);
    mhc__text_format(out, "</caption>\n");
    for (int row = 0; row <= mhc__table_rows(table); row++) {
        const char *tag = row ? "td" : "th";
        mhc__text_format(out, "%s<tr>", row == 0 ? "<thead>\n" : row == 1 ? "<tbody>\n" : "");
        for (int column = 0; column < table->columns; column++) {
            mhc__text_format(out, mhc__table_numeric(table, column) ? "<%s class=\"n\">" : "<%s>", tag);
            mhc__html_inline(out, mhc__table_at(table, row, column));
            mhc__text_format(out, "</%s>", tag);
        }
        mhc__text_format(out, "</tr>\n%s", row == 0 ? "</thead>\n" : "");
    }
    mhc__text_format(out, "%s</table>\n</div>\n", mhc__table_rows(table) > 0 ? "</tbody>\n" : "");
    mhc__table_markdown(table, &html->markdown);
    mhc__text_format(&html->markdown, "\n");
    mhc__html_markdown(&html->markdown, caption);
    mhc__text_format(&html->markdown, "\n\n");
}

void mhc__html_facts(mhc__html *html, const mhc__table *table) {
    html->text.failed |= table->failed;
    mhc__text_format(&html->text, "<dl class=\"facts\">\n");
    for (int row = 1; row <= mhc__table_rows(table); row++) {
        mhc__text_format(&html->text, "<div><dt>");
        mhc__html_inline(&html->text, mhc__table_at(table, row, 0));
        mhc__text_format(&html->text, "</dt><dd>");
        mhc__html_inline(&html->text, mhc__table_at(table, row, 1));
        mhc__text_format(&html->text, "</dd></div>\n");
    }
    mhc__text_format(&html->text, "</dl>\n");
    mhc__table_markdown(table, &html->markdown);
    mhc__text_format(&html->markdown, "\n");
}

static void links(mhc__html *html, const char *name, bool drawn) {
    static const char *const types[][2] = {{"png", "PNG"}, {"svg", "SVG"}, {"tsv", "data"}, {"gp", "script"}};
    for (int i = drawn ? 0 : 2; i < 4; i++) {
        const char *dot = i == (drawn ? 0 : 2) ? " " : " · ";
        mhc__text_format(&html->text, "%s<a href=\"%s.%s\">%s</a>", dot, name, types[i][0], types[i][1]);
        mhc__text_format(&html->markdown, "%s[%s](%s.%s)", dot, types[i][1], name, types[i][0]);
    }
}

mhc_status mhc__html_figure(mhc__html *html, const char *folder, const char *name, int columns, int rows, int count,
                            const char *caption, mhc_error *error) {
    mhc__text picture = {0};
    mhc_status status =
        mhc__svg_inline(folder, name, columns, rows, count, html->pictures == 0, caption, &picture, error);
    if (status == MHC_OK) {
        html->pictures++;
        mhc__text *out = &html->text;
        mhc__text_format(out, "<figure>\n");
        mhc__text_append(out, picture.data ? picture.data : "", picture.length);
        out->failed |= picture.failed;
        mhc__text_format(out, "<figcaption>");
        mhc__html_inline(out, caption);
        mhc__text_format(&html->markdown, "![%s](%s.png)\n\n", name, name);
        mhc__html_markdown(&html->markdown, caption);
        links(html, name, true);
        mhc__text_format(out, "</figcaption>\n</figure>\n");
        mhc__text_format(&html->markdown, "\n\n");
    }
    mhc__text_free(&picture);
    return status;
}

void mhc__html_no_figure(mhc__html *html, const char *name, const char *reason) {
    mhc__text *out = &html->text;
    mhc__text_format(out, "<div class=\"note\">The picture <code>%s</code> is not drawn: ", name);
    mhc__html_escape(out, reason);
    mhc__text_format(out, ".");
    mhc__text_format(&html->markdown, "> The picture `%s` is not drawn: ", name);
    mhc__html_markdown(&html->markdown, reason);
    mhc__text_format(&html->markdown, ".");
    links(html, name, false);
    mhc__text_format(out, "</div>\n");
    mhc__text_format(&html->markdown, "\n\n");
}

void mhc__html_free(mhc__html *html) {
    mhc__text_free(&html->text);
    mhc__text_free(&html->markdown);
    mhc__text_free(&html->contents);
}

/* Each colour of a picture twice: as it is drawn, and for a dark page. */
static void plot_variables(mhc__text *page) {
    for (int dark = 0; dark < 2; dark++) {
        mhc__text_format(page, "%s", dark ? "@media(prefers-color-scheme:dark){:root{" : ":root{");
        for (int i = 0; i < MHC__PLOT_COLOURS; i++)
            mhc__text_format(page, "--plot-%s:#%06x;", mhc__plot_colours[i].name,
                             dark ? mhc__plot_colours[i].dark : mhc__plot_colours[i].rgb);
        mhc__text_format(page, "%s\n", dark ? "}}" : "}");
    }
}

static void whole_page(const mhc__html *html, mhc__text *page) {
    mhc__text_format(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                           "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    mhc__html_escape(page, html->title);
    mhc__text_format(page, "</title>\n<style>\n%s", mhc__html_style);
    plot_variables(page);
    mhc__text_format(page, "</style>\n</head>\n<body>\n<main>\n");
    const char *body = html->text.data, *after = strstr(body, "</header>\n") + strlen("</header>\n");
    mhc__text_append(page, body, (size_t)(after - body));
    if (html->contents.data)
        mhc__text_format(page, "<nav>\n%s</nav>\n", html->contents.data);
    mhc__text_append(page, after, html->text.length - (size_t)(after - body));
    mhc__text_format(page,
                     "<footer>Written by mhc %s. Every picture has its numbers (.tsv) and its gnuplot script (.gp) "
                     "beside this page; the same text as Markdown is in <a href=\"report.md\">report.md</a>.</footer>\n"
                     "</main>\n</body>\n</html>\n",
                     mhc_version());
}

static mhc_status write_in(const char *folder, const char *name, const mhc__text *text, mhc_error *error) {
    char *path = mhc__format("%s/%s", folder, name);
    mhc_status status = text->failed || !path ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s/%s: no memory", folder, name)
                                              : mhc__write_file(path, text->data, text->length, error);
    free(path);
    return status;
}

mhc_status mhc__html_write(mhc__html *html, const char *folder, mhc_error *error) {
    end_section(html);
    mhc__text page = {0};
    page.failed = html->text.failed || html->contents.failed;
    if (!page.failed)
        whole_page(html, &page);
    mhc_status status = write_in(folder, "index.html", &page, error);
    if (status == MHC_OK)
        status = write_in(folder, "report.md", &html->markdown, error);
    mhc__text_free(&page);
    mhc__html_free(html);
    return status;
}
