#include "report/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(mhc__table *table, char *cell) {
    if (table->failed || !cell) {
        table->failed = true;
        free(cell);
        return;
    }
    if (table->cells == table->capacity) {
        int capacity = table->capacity ? 2 * table->capacity : 64;
        char **larger = realloc(table->cell, (size_t)capacity * sizeof *larger);
        if (!larger) {
            table->failed = true;
            free(cell);
            return;
        }
        table->cell = larger;
        table->capacity = capacity;
    }
    for (char *c = cell; *c; c++)
        if (*c == '\t' || *c == '\n' || *c == '\r')
            *c = ' ';
    table->cell[table->cells++] = cell;
}

void mhc__table_start(mhc__table *table, const char *head) {
    *table = (mhc__table){0};
    for (;;) {
        const char *end = strchr(head, '|');
        int length = end ? (int)(end - head) : (int)strlen(head);
        add(table, mhc__format("%.*s", length, head));
        table->columns++;
        if (!end)
            return;
        head = end + 1;
    }
}

void mhc__table_cell(mhc__table *table, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *cell = length < 0 ? NULL : malloc((size_t)length + 1);
    if (cell)
        vsnprintf(cell, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    add(table, cell);
}

static void number_text(double value, char *text, size_t size) {
    if (!isfinite(value))
        snprintf(text, size, "NaN");
    else if (value != 0 && (fabs(value) >= 1e5 || fabs(value) < 1e-3))
        snprintf(text, size, "%.2e", value);
    else
        snprintf(text, size, "%.4g", value);
}

void mhc__table_number(mhc__table *table, double value) {
    char text[32];
    number_text(value, text, sizeof text);
    mhc__table_cell(table, "%s", text);
}

void mhc__table_mean(mhc__table *table, double mean, double deviation) {
    char text[32], spread[32];
    number_text(mean, text, sizeof text);
    number_text(deviation, spread, sizeof spread);
    if (isfinite(mean))
        mhc__table_cell(table, "%s ± %s", text, spread);
    else
        mhc__table_cell(table, "%s", text);
}

void mhc__table_free(mhc__table *table) {
    for (int i = 0; i < table->cells; i++)
        free(table->cell[i]);
    free(table->cell);
    *table = (mhc__table){0};
}

int mhc__table_rows(const mhc__table *table) {
    return table->columns ? table->cells / table->columns - 1 : 0;
}

const char *mhc__table_at(const mhc__table *table, int row, int column) {
    return table->cell[row * table->columns + column];
}

bool mhc__table_numeric(const mhc__table *table, int column) {
    if (column == 0)
        return false;
    for (int row = 1; row <= mhc__table_rows(table); row++) {
        const char *cell = mhc__table_at(table, row, column);
        if (!*cell || !strcmp(cell, "–") || !strcmp(cell, "NaN"))
            continue;
        char *end;
        strtod(cell, &end);
        if (end == cell || (*end && strncmp(end, " ± ", 4) != 0))
            return false;
    }
    return true;
}

void mhc__table_tsv(const mhc__table *table, mhc__text *text) {
    text->failed |= table->failed;
    for (int row = 0; row <= mhc__table_rows(table); row++)
        for (int column = 0; column < table->columns; column++)
            mhc__text_format(text, "%s%s", mhc__table_at(table, row, column),
                             column + 1 < table->columns ? "\t" : "\n");
}

static void markdown_cell(mhc__text *text, const char *cell) {
    mhc__text_append(text, " ", 1);
    for (const char *c = cell; *c; c++)
        mhc__text_format(text, "%s%c", *c == '|' ? "\\" : "", *c);
    mhc__text_append(text, " |", 2);
}

void mhc__table_markdown(const mhc__table *table, mhc__text *text) {
    text->failed |= table->failed;
    for (int row = 0; row <= mhc__table_rows(table); row++) {
        mhc__text_append(text, "|", 1);
        for (int column = 0; column < table->columns; column++)
            markdown_cell(text, mhc__table_at(table, row, column));
        mhc__text_append(text, "\n", 1);
        if (row)
            continue;
        mhc__text_append(text, "|", 1);
        for (int column = 0; column < table->columns; column++)
            mhc__text_format(text, mhc__table_numeric(table, column) ? "---:|" : "---|");
        mhc__text_append(text, "\n", 1);
    }
}

/* Characters of UTF-8 text, each taken as one column wide. */
static int width_of(const char *text) {
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

void mhc__table_plain(const mhc__table *table, mhc__text *text) {
    text->failed |= table->failed;
    for (int row = 0; row <= mhc__table_rows(table); row++) {
        for (int column = 0; column < table->columns; column++) {
            int widest = 0;
            for (int other = 0; other <= mhc__table_rows(table); other++) {
                int width = width_of(mhc__table_at(table, other, column));
                widest = width > widest ? width : widest;
            }
            const char *cell = mhc__table_at(table, row, column);
            int pad = widest - width_of(cell);
            bool right = mhc__table_numeric(table, column), last = column + 1 == table->columns;
            mhc__text_format(text, "%*s%s%*s%s", right ? pad : 0, "", cell, right || last ? 0 : pad, "",
                             last ? "\n" : "  ");
        }
    }
}
