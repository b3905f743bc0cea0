#include "report/svg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"
#include "report/html.h"
#include "report/plot.h"

static bool starts(const char *text, const char *end, const char *with) {
    size_t length = strlen(with);
    return (size_t)(end - text) >= length && memcmp(text, with, length) == 0;
}

/* The place after the next `what`, or end. */
static const char *past(const char *from, const char *end, const char *what) {
    size_t length = strlen(what);
    for (const char *c = from; (size_t)(end - c) >= length; c++)
        if (memcmp(c, what, length) == 0)
            return c + length;
    return end;
}

/* "rgb( 46, 204, 113)" at c: the page's variable where plot.h has the colour, else as it is. What follows it. */
static const char *colour(const char *c, mhc__text *out) {
    unsigned red, green, blue;
    int length = 0;
    if (sscanf(c, "rgb(%3u,%3u,%3u)%n", &red, &green, &blue, &length) != 3 || !length)
        length = 4; /* "rgb(" alone */
    else
        for (int i = 0; i < MHC__PLOT_COLOURS; i++)
            if (mhc__plot_colours[i].rgb == (red << 16 | green << 8 | blue)) {
                mhc__text_format(out, "var(--plot-%s)", mhc__plot_colours[i].name);
                return c + length;
            }
    mhc__text_append(out, c, (size_t)length);
    return c + length;
}

/* Attributes that a page doesn't need: names would clash between pictures, fonts are the page's. */
static const char *skipped_attribute(const char *c, const char *end) {
    static const char *const names[] = {" id=\"", " font-family=\"", " xml:space=\""};
    for (int i = 0; i < 3; i++)
        if (starts(c, end, names[i]))
            return past(c + strlen(names[i]), end, "\"");
    return NULL;
}

/* gnuplot's words for what is not a colour of the script. */
static const char *word(const char *c, const char *end, mhc__text *out) {
    static const char *const words[][2] = {{"=\"black\"", "=\"var(--plot-ink)\""},
                                           {"=\"gray\"", "=\"var(--plot-grid)\""}};
    for (int i = 0; i < 2; i++)
        if (starts(c, end, words[i][0])) {
            mhc__text_append(out, words[i][1], strlen(words[i][1]));
            return c + strlen(words[i][0]);
        }
    return NULL;
}

/* One tag, from its '<' to its '>'. */
static const char *tag(const char *c, const char *end, mhc__text *out) {
    while (c < end && *c != '>') {
        const char *next = skipped_attribute(c, end);
        if (!next)
            next = word(c, end, out);
        if (!next && starts(c, end, "rgb("))
            next = colour(c, out);
        if (!next)
            mhc__text_append(out, c, 1);
        c = next ? next : c + 1;
    }
    if (c < end)
        mhc__text_append(out, c++, 1);
    return c;
}

/* Groups without content, and the titles of curves that have none, which gnuplot makes up. */
static const char *skipped_element(const char *c, const char *end) {
    if (starts(c, end, "<title>gnuplot_plot_"))
        return past(c, end, "</title>");
    if (starts(c, end, "<g ")) {
        const char *after = past(c, end, ">");
        after += after < end && *after == '\n';
        return starts(after, end, "</g>\n") ? after + strlen("</g>\n") : NULL;
    }
    return NULL;
}

static void content(const char *c, const char *end, mhc__text *out) {
    while (c < end) {
        const char *next = *c == '<' ? skipped_element(c, end) : NULL;
        if (!next && *c == '<')
            next = tag(c, end, out);
        if (!next)
            mhc__text_append(out, c, *c != '\t');
        c = next ? next : c + 1;
    }
}

typedef struct picture {
    double width, height;
    const char *symbols, *drawing, *end; /* <defs>, what follows it, up to the last </svg> */
} picture;

static bool parse(const char *svg, picture *found) {
    const char *end = svg + strlen(svg), *box = past(svg, end, "viewBox=\"0 0 ");
    found->symbols = strstr(box, "<defs>");
    found->drawing = found->symbols ? past(found->symbols, end, "</defs>") : end;
    found->end = found->drawing;
    for (const char *c = found->drawing; (c = strstr(c, "</svg>")); c++)
        found->end = c;
    return sscanf(box, "%lf %lf", &found->width, &found->height) == 2 && found->width > 0 && found->height > 0 &&
           found->symbols && strstr(svg, "<g id=\"gnuplot_canvas\">") && found->drawing < found->end &&
           !strstr(svg, "<script");
}

static void panels(const picture *from, const char *name, int columns, int rows, int count, bool symbols,
                   mhc__text *out) {
    double width = from->width / columns, height = from->height / rows;
    for (int i = 0; i < count; i++) {
        mhc__text_format(out, "<svg viewBox=\"%g %g %g %g\">", i % columns * width, i / columns * height, width,
                         height);
        if (i) {
            mhc__text_format(out, "<use href=\"#plot-%s\"/></svg>\n", name);
            continue;
        }
        if (symbols)
            mhc__text_append(out, from->symbols, (size_t)(from->drawing - from->symbols));
        mhc__text_format(out, "<g id=\"plot-%s\">\n", name);
        /* the canvas's own group was opened before the symbols */
        mhc__text_format(out, "<g>");
        content(from->drawing, from->end, out);
        mhc__text_format(out, "</g></svg>\n");
    }
}

/* Panels up to so many pixels wide can be read in half the width of a phone: two stand beside each other there. */
enum { SMALL_PANEL = 300 };

mhc_status mhc__svg_inline(const char *folder, const char *name, int columns, int rows, int count, bool symbols,
                           const char *label, mhc__text *out, mhc_error *error) {
    char *path = mhc__format("%s/%s.svg", folder, name), *svg;
    size_t size;
    if (!path)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s/%s: no memory for the picture", folder, name);
    mhc_status status = mhc__read_file(path, &svg, &size, error);
    picture found;
    if (status == MHC_OK && !parse(svg, &found)) {
        status = mhc__fail(error, MHC_CORRUPT, "%s: expected a picture as gnuplot writes it", path);
        free(svg);
    }
    free(path);
    MHC__TRY(status);
    int few = columns > 1 && found.width / columns <= SMALL_PANEL ? 2 : 1;
    mhc__text_format(out, "<div class=\"plot\" style=\"--columns:%d;--few:%d\" role=\"img\" aria-label=\"", columns,
                     few);
    mhc__html_escape(out, label);
    mhc__text_format(out, "\">\n");
    panels(&found, name, columns, rows, count, symbols, out);
    mhc__text_format(out, "</div>\n");
    free(svg);
    return MHC_OK;
}
