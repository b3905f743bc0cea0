#include "report/screen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/run_log.h"

/* A braille character is 2 x 4 dots; these are their bits, left column and right column from the top down. */
static const unsigned char DOTS[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

enum { LABEL = 10, MAX_WIDTH = 400, MAX_HEIGHT = 100 };

/* The mean of what is finite in column `at` of `width`; NaN where nothing is. */
static double bucket(const double *values, int64_t count, int at, int width) {
    int64_t from = count * at / width, to = count * (at + 1) / width;
    to = to > from ? to : from + 1;
    double sum = 0;
    int64_t used = 0;
    for (int64_t i = from; i < to && i < count; i++)
        if (isfinite(values[i])) {
            sum += values[i];
            used++;
        }
    return used ? sum / (double)used : NAN;
}

static void find_range(mhc__curve *curve, const double *points, int count) {
    curve->low = INFINITY;
    curve->high = -INFINITY;
    for (int i = 0; i < count; i++)
        if (isfinite(points[i])) {
            curve->low = fmin(curve->low, points[i]);
            curve->high = fmax(curve->high, points[i]);
        }
    curve->logarithmic &= curve->low > 0;
}

static double scaled(const mhc__curve *curve, double value) {
    double low = curve->low, high = curve->high;
    if (curve->logarithmic) {
        low = log(low);
        high = log(high);
        value = log(value);
    }
    return high > low ? (value - low) / (high - low) : 0.5;
}

static void braille(mhc__text *row, unsigned char dots) {
    char bytes[3] = {(char)0xe2, (char)(0xa0 | dots >> 6), (char)(0x80 | (dots & 0x3f))};
    mhc__text_append(row, bytes, 3);
}

void mhc__curve_draw(mhc__curve *curve, const double *values, int64_t count, mhc__text *rows) {
    static const double nothing = NAN;
    unsigned char cells[MAX_HEIGHT][MAX_WIDTH] = {{0}};
    double points[2 * MAX_WIDTH];
    int width = curve->width < MAX_WIDTH ? curve->width : MAX_WIDTH;
    int height = curve->height < MAX_HEIGHT ? curve->height : MAX_HEIGHT;
    for (int i = 0; i < 2 * width; i++)
        points[i] = count > 0 ? bucket(values, count, i, 2 * width) : nothing;
    find_range(curve, points, 2 * width);
    int before = -1;
    for (int i = 0; i < 2 * width; i++) {
        if (!isfinite(points[i])) {
            before = -1;
            continue;
        }
        int dot = (int)lround((1 - scaled(curve, points[i])) * (4 * height - 1));
        /* upright strokes join neighbours, so that a steep curve is one line */
        int from = before < 0 ? dot : before < dot ? before + 1 : dot, to = before > dot ? before - 1 : dot;
        for (int y = from; y <= to; y++)
            cells[y / 4][i / 2] |= DOTS[y % 4][i % 2];
        cells[dot / 4][i / 2] |= DOTS[dot % 4][i % 2];
        before = dot;
    }
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            braille(&rows[y], cells[y][x]);
}

/* "1.234", "1.23e+10": at most 9 characters. */
static void short_number(double value, char *text, size_t size) {
    if (!isfinite(value))
        snprintf(text, size, "–");
    else if (value != 0 && (fabs(value) >= 1e5 || fabs(value) < 1e-3))
        snprintf(text, size, "%.1e", value);
    else
        snprintf(text, size, "%.4g", value);
}

static double last_of(const mhc__metrics *metrics, const char *name) {
    const double *values = mhc__metrics_column(metrics, name);
    for (int64_t i = metrics->rows - 1; values && i >= 0; i--)
        if (isfinite(values[i]))
            return values[i];
    return NAN;
}

/* Seconds of a step, mean over the last fifty. */
static double seconds_per_step(const mhc__metrics *metrics) {
    const double *values = mhc__metrics_column(metrics, "seconds");
    int64_t from = metrics->rows > 50 ? metrics->rows - 50 : 0, used = 0;
    double sum = 0;
    for (int64_t i = from; values && i < metrics->rows; i++)
        if (isfinite(values[i])) {
            sum += values[i];
            used++;
        }
    return used ? sum / (double)used : NAN;
}

static int64_t steps_done(const mhc__metrics *metrics) {
    return metrics->rows ? metrics->step[metrics->rows - 1] + 1 : 0;
}

/* The end of `text` cut to `columns` characters, each a column wide. */
static void cut(mhc__text *out, const char *text, int columns) {
    const char *c = text;
    for (int used = 0; *c && (((unsigned char)*c & 0xc0) == 0x80 || used < columns); c++)
        used += ((unsigned char)*c & 0xc0) != 0x80;
    mhc__text_append(out, text, (size_t)(c - text));
}

static void state_of(const mhc__screen *screen, char *text, size_t size) {
    int64_t done = steps_done(screen->metrics);
    double each = seconds_per_step(screen->metrics);
    char left[32], quiet[32];
    mhc__duration(each * (double)(screen->steps - done), left, sizeof left);
    mhc__duration(screen->silent, quiet, sizeof quiet);
    if (screen->steps && done >= screen->steps)
        snprintf(text, size, "finished");
    else if (isfinite(screen->silent) && screen->silent > 10 + 5 * (isfinite(each) ? each : 0))
        snprintf(text, size, "silent for %s", quiet);
    else if (screen->steps)
        snprintf(text, size, "left %s", left);
    else
        snprintf(text, size, "running");
}

static void speed_of(const mhc__screen *screen, char *text, size_t size) {
    double each = seconds_per_step(screen->metrics), rate = screen->step_tokens / each;
    if (!isfinite(each))
        snprintf(text, size, "–");
    else if (!isfinite(rate))
        snprintf(text, size, "%.3g steps/s", 1 / each);
    else
        snprintf(text, size, rate >= 1e3 ? "%.1fk tok/s" : "%.0f tok/s", rate >= 1e3 ? rate / 1e3 : rate);
}

/* "step 40/150  loss 3.41  held-out 3.45  gradient 0.95  gain 1  2.5k tok/s  left 3m 07s". */
static void summary(const mhc__screen *screen, mhc__text *line) {
    static const char *const shown[][2] = {{"loss", "loss"},
                                           {"eval_loss", "held-out"},
                                           {"grad_norm", "gradient"},
                                           {"composite_gain_forward", "gain"},
                                           {"activation_gain", "activation gain"}};
    mhc__text_format(line, "step %lld", (long long)steps_done(screen->metrics));
    if (screen->steps)
        mhc__text_format(line, "/%lld", (long long)screen->steps);
    for (int i = 0; i < 5; i++) {
        char number[32];
        double value = last_of(screen->metrics, shown[i][0]);
        if (!isfinite(value) && i > 0)
            continue;
        short_number(value, number, sizeof number);
        mhc__text_format(line, "  %s %s", shown[i][1], number);
    }
    char speed[48], state[64];
    speed_of(screen, speed, sizeof speed);
    state_of(screen, state, sizeof state);
    mhc__text_format(line, "  %s  %s", speed, state);
}

void mhc__screen_line(const mhc__screen *screen, mhc__text *out) {
    summary(screen, out);
    mhc__text_format(out, "\n");
}

typedef struct plot {
    const char *column, *title;
    bool logarithmic;
    int colour; /* of a terminal */
} plot;

/* What is measured now and then, as held-out losses are, without the steps between; the caller frees. NULL: it is
 * measured in most steps, or memory is out. */
static double *without_gaps(const double *values, int64_t *count) {
    int64_t finite = 0;
    for (int64_t i = 0; i < *count; i++)
        finite += isfinite(values[i]) != 0;
    double *dense = 2 * finite < *count ? malloc((size_t)(finite + 1) * sizeof *dense) : NULL;
    if (!dense)
        return NULL;
    finite = 0;
    for (int64_t i = 0; i < *count; i++)
        if (isfinite(values[i]))
            dense[finite++] = values[i];
    *count = finite;
    return dense;
}

static void draw_plot(const mhc__screen *screen, const plot *which, int height, mhc__text *out) {
    mhc__text rows[MAX_HEIGHT] = {{0}};
    int width = screen->columns - LABEL - 2;
    mhc__curve curve = {width < 4 ? 4 : width, height - 1, which->logarithmic, 0, 0};
    const double *values = mhc__metrics_column(screen->metrics, which->column);
    int64_t count = screen->metrics->rows;
    double *dense = without_gaps(values, &count);
    mhc__curve_draw(&curve, dense ? dense : values, count, rows);
    free(dense);
    char number[32];
    short_number(last_of(screen->metrics, which->column), number, sizeof number);
    mhc__text title = {0};
    mhc__text_format(&title, "%s %s%s", which->title, number, curve.logarithmic ? "  (logarithmic)" : "");
    cut(out, title.data ? title.data : "", screen->columns);
    mhc__text_free(&title);
    mhc__text_format(out, "\n");
    for (int y = 0; y < height - 1; y++) {
        if (y == 0)
            short_number(curve.high, number, sizeof number);
        else if (y == height - 2)
            short_number(curve.low, number, sizeof number);
        else
            number[0] = '\0';
        int pad = LABEL - (!strcmp(number, "–") ? 1 : (int)strlen(number));
        mhc__text_format(out, "%*s%s ", pad > 0 ? pad : 0, "", number);
        if (screen->colour)
            mhc__text_format(out, "\033[%dm", which->colour);
        mhc__text_append(out, rows[y].data ? rows[y].data : "", rows[y].length);
        mhc__text_format(out, "%s\n", screen->colour ? "\033[0m" : "");
        mhc__text_free(&rows[y]);
    }
}

void mhc__screen_draw(const mhc__screen *screen, mhc__text *out) {
    static const plot plots[] = {{"loss", "loss", false, 32},
                                 {"grad_norm", "gradient norm", true, 33},
                                 {"composite_gain_forward", "composite gain, forward", true, 36},
                                 {"activation_gain", "activation gain", true, 36},
                                 {"eval_loss", "held-out loss", false, 35}};
    mhc__text line = {0};
    cut(out, screen->folder, screen->columns);
    mhc__text_format(out, "\n");
    summary(screen, &line);
    cut(out, line.data ? line.data : "", screen->columns);
    mhc__text_format(out, "\n");
    mhc__text_free(&line);
    const plot *there[3];
    int count = 0, room = screen->lines - 2;
    for (int i = 0; i < 5 && count < 3 && (count + 1) * 4 <= room; i++)
        if (isfinite(last_of(screen->metrics, plots[i].column)) && screen->columns >= LABEL + 8)
            there[count++] = &plots[i];
    for (int i = 0; i < count; i++) {
        int height = room / (count - i);
        height = height > 24 ? 24 : height;
        draw_plot(screen, there[i], height, out);
        room -= height;
    }
}
