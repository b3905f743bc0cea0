/* Curves of several runs in one panel for each number. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/plot.h"
#include "report/runs.h"

/* A curve has no more points: the rest is finer than a page shows, and the page stays small. */
enum { POINTS = 400, PANEL_WIDTH = 500, PANEL_HEIGHT = 360, MOST_PANELS = 12 };

/* An axis shows this share of its numbers at least: of less, all ticks would read alike and rounding would look like a
 * slope. */
static const double LEAST_RANGE = 1e-3;

typedef struct panel {
    char column[48];
    const char *title, *ylabel;
    bool logarithmic;
} panel;

/* What every run is about; then what else a run may have. tokens/s is made of seconds. */
static const panel PROGRESS[] = {
    {"loss", "Training loss", "nats per token", false},
    {"eval_loss", "Held-out loss", "nats per token", false},
    {"grad_norm", "Gradient norm", "global L2, before clipping", true},
    {"seconds", "Speed", "tokens per second", false},
    {"lr", "Learning rate", "", false},
};
static const panel GAINS[] = {
    {"activation_gain", "Activation gain", "max |x_L| / max |x_0|", true},
    {"composite_gain_forward", "Composite gain, forward", "largest |row sum|", true},
    {"composite_gain_backward", "Composite gain, backward", "largest |column sum|", true},
    {"gain_proxy", "Gain proxy", "log10 of the largest entry", false},
    {"stream_spread", "Stream spread", "max |x_i - mean| / rms", true},
    {"half_life", "Half-life of differences", "sites until half is left", true},
};
enum { PROGRESS_COUNT = sizeof PROGRESS / sizeof PROGRESS[0], GAINS_COUNT = sizeof GAINS / sizeof GAINS[0] };

static bool any_has(const mhc__runs *runs, const char *column) {
    for (int r = 0; r < runs->count; r++)
        if (isfinite(mhc__run_last(&runs->run[r], column)))
            return true;
    return false;
}

/* A curve: the mean of what is finite among the rows of one point; speed from seconds. */
static double point(const mhc__run *run, const char *column, int64_t from, int64_t to) {
    const double *values = mhc__metrics_column(&run->metrics, column);
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = from; values && i < to; i++)
        if (isfinite(values[i])) {
            sum += values[i];
            count++;
        }
    double mean = count ? sum / (double)count : NAN;
    if (strcmp(column, "seconds") != 0)
        return mean;
    double tokens = mhc__run_step_tokens(run);
    return (isfinite(tokens) ? tokens : 1) / mean;
}

static int64_t rows_per_point(const mhc__run *run) {
    return (run->metrics.rows + POINTS - 1) / POINTS;
}

/* For each run its steps, then its columns, all named as the run: gnuplot takes the titles of curves from there. */
static void fill_tsv(const mhc__runs *runs, const panel *panels, int count, mhc__text *tsv) {
    for (int r = 0; r < runs->count; r++)
        for (int p = -1; p < count; p++)
            mhc__text_format(tsv, "%s%s", r || p >= 0 ? "\t" : "", p < 0 ? "step" : runs->run[r].name);
    mhc__text_format(tsv, "\n");
    for (int64_t at = 0; at < POINTS; at++) {
        for (int r = 0; r < runs->count; r++) {
            const mhc__run *run = &runs->run[r];
            int64_t each = rows_per_point(run), from = at * each, to = from + each;
            to = to < run->metrics.rows ? to : run->metrics.rows;
            mhc__tsv_number(tsv, r == 0, from < to ? (double)run->metrics.step[(from + to - 1) / 2] : NAN);
            for (int p = 0; p < count; p++)
                mhc__tsv_number(tsv, false, from < to ? point(run, panels[p].column, from, to) : NAN);
        }
        mhc__text_format(tsv, "\n");
    }
}

/* One run is drawn thin; of several the first lies under the others, and is wider. */
static int style_of(const mhc__runs *runs, int r) {
    return runs->count == 1 ? 3 : 1 + r % MHC__PLOT_STYLES;
}

/* The range of a panel, from the same points that are drawn. */
static void fill_range(const mhc__runs *runs, const panel *p, mhc__text *gp) {
    double low = INFINITY, high = -INFINITY;
    for (int r = 0; r < runs->count; r++) {
        int64_t rows = runs->run[r].metrics.rows, each = rows_per_point(&runs->run[r]);
        for (int64_t from = 0; from < rows; from += each) {
            double y = point(&runs->run[r], p->column, from, from + each < rows ? from + each : rows);
            low = y < low ? y : low;
            high = y > high ? y : high;
        }
    }
    double middle = 0.5 * low + 0.5 * high, half = 0.5 * LEAST_RANGE * fabs(middle);
    if (!p->logarithmic && isfinite(middle) && high - low < 2 * half)
        mhc__text_format(gp, "set yrange [%.9g:%.9g]\n", middle - half, middle + half);
    else
        mhc__text_format(gp, "set yrange [*:*]\n");
}

/* Held-out losses are far apart: points and lines. */
static void fill_gnuplot(const mhc__runs *runs, const panel *panels, int count, const char *name, mhc__text *gp) {
    int columns = count < 3 ? count : count == 4 ? 2 : 3, rows = (count + columns - 1) / columns;
    mhc__text_format(gp,
                     "set multiplot layout %d,%d\nset xlabel \"step\"\nset key top right noenhanced samplen 2\n"
                     "set datafile missing \"NaN\"\n",
                     rows, columns);
    for (int p = 0; p < count; p++) {
        fill_range(runs, &panels[p], gp);
        mhc__text_format(
            gp, "set title \"%s\" noenhanced\nset ylabel \"%s\" noenhanced\n%s\nset format y \"%s\"\nplot ",
            panels[p].title ? panels[p].title : panels[p].column, panels[p].ylabel ? panels[p].ylabel : "",
            panels[p].logarithmic ? "set logscale y" : "unset logscale y", panels[p].logarithmic ? "%g" : "%.6g");
        for (int r = 0; r < runs->count; r++) {
            int step = 1 + r * (count + 1);
            bool sparse = !strcmp(panels[p].column, "eval_loss");
            mhc__text_format(gp, "%s'%s.tsv' using %d:%d with %s ls %d %s title columnheader(%d)",
                             r ? ", \\\n     " : "", name, step, step + 1 + p, sparse ? "linespoints" : "lines",
                             style_of(runs, r), sparse ? "pt 7 ps 0.5" : "", step + 1 + p);
        }
        mhc__text_format(gp, "\n");
    }
    mhc__text_format(gp, "unset multiplot\n");
}

static mhc_status draw(const mhc__runs *runs, const char *out, const panel *panels, int count, const char *name,
                       const char *caption, mhc__html *html, FILE *log, mhc_error *error) {
    panel there[MOST_PANELS];
    int found = 0;
    for (int p = 0; p < count && found < MOST_PANELS; p++)
        if (any_has(runs, panels[p].column))
            there[found++] = panels[p];
    if (!found)
        return MHC_OK;
    int columns = found < 3 ? found : found == 4 ? 2 : 3, rows = (found + columns - 1) / columns;
    mhc__figure figure = {
        .name = name, .width = PANEL_WIDTH * columns, .height = PANEL_HEIGHT * rows, .caption = caption};
    fill_tsv(runs, there, found, &figure.tsv);
    fill_gnuplot(runs, there, found, name, &figure.gnuplot);
    return mhc__figure_put(&figure, out, html, log, error);
}

static bool known(const char *column) {
    if (!strcmp(column, "tokens"))
        return true;
    for (int i = 0; i < PROGRESS_COUNT; i++)
        if (!strcmp(PROGRESS[i].column, column))
            return true;
    for (int i = 0; i < GAINS_COUNT; i++)
        if (!strcmp(GAINS[i].column, column))
            return true;
    return false;
}

/* Numbers that have no place above, of all runs, by their own names. */
static int others_of(const mhc__runs *runs, panel *others, int most) {
    int count = 0;
    for (int r = 0; r < runs->count; r++)
        for (int c = 0; c < runs->run[r].metrics.columns; c++) {
            const char *name = runs->run[r].metrics.column[c].name;
            bool new = !known(name) && !strpbrk(name, "\"\\`\n");
            for (int i = 0; i < count; i++)
                new &= strcmp(others[i].column, name) != 0;
            if (!new || count == most)
                continue;
            others[count] = (panel){0};
            memcpy(others[count++].column, name, strlen(name) + 1);
        }
    return count;
}

mhc_status mhc__runs_figures(const mhc__runs *runs, const char *out, mhc__html *html, FILE *log, mhc_error *error) {
    int64_t each = 1;
    for (int r = 0; r < runs->count; r++)
        each = rows_per_point(&runs->run[r]) > each ? rows_per_point(&runs->run[r]) : each;
    char thinned[96] = "";
    if (each > 1)
        snprintf(thinned, sizeof thinned, " A point is the mean of up to %lld steps.", (long long)each);
    mhc__text caption = {0};
    mhc__text_format(&caption, "Loss, gradient norm, speed and learning rate of every run, by step.%s", thinned);
    mhc_status status =
        draw(runs, out, PROGRESS, PROGRESS_COUNT, "progress", caption.data ? caption.data : "", html, log, error);
    mhc__text_free(&caption);
    mhc__text_format(&caption, "What the residual streams do: gains and spread, as docs/metrics.md defines them.%s",
                     thinned);
    if (status == MHC_OK)
        status = draw(runs, out, GAINS, GAINS_COUNT, "gains", caption.data ? caption.data : "", html, log, error);
    mhc__text_free(&caption);
    panel others[4 * MOST_PANELS];
    int count = others_of(runs, others, 4 * MOST_PANELS);
    for (int from = 0; status == MHC_OK && from < count; from += MOST_PANELS) {
        char name[32];
        snprintf(name, sizeof name, "others%d", 1 + from / MOST_PANELS);
        status = draw(runs, out, others + from, count - from < MOST_PANELS ? count - from : MOST_PANELS, name,
                      "What else was measured, by the names in metrics.jsonl.", html, log, error);
    }
    return status;
}
