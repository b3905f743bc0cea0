#include <math.h>

#include "study/figure.h"
#include "study/sweep.h"

enum { PANEL_WIDTH = 500, PANEL_HEIGHT = 400 };

static const char *separator(const mhc__sweep *study, int c) {
    return c + 1 < study->choice_count ? ", \\\n     " : "\n";
}

/* A few names fit into a corner; more stand below each panel and make it higher. */
enum { NAMES_IN_A_CORNER = 6, NAME_HEIGHT = 20 };

static const char *key_at(const mhc__sweep *study, const char *corner) {
    return study->choice_count > NAMES_IN_A_CORNER ? "below" : corner;
}

static int panel_height(const mhc__sweep *study) {
    return PANEL_HEIGHT + (study->choice_count > NAMES_IN_A_CORNER ? NAME_HEIGHT * study->choice_count : 0);
}

typedef enum by_site { SIGNAL, GRADIENT } by_site;

/* The signal relative to where it enters; the gradient relative to where it enters, which is the other end. */
static double site_value(const mhc__profile *profile, by_site which, int point) {
    if (point >= profile->points)
        return NAN;
    if (which == SIGNAL)
        return profile->norm[point] / profile->norm[0];
    return profile->gradient[point] / profile->gradient[profile->points - 1];
}

/* A connection that wraps blocks has fewer sites: places are measured in blocks. */
static double place(const mhc__arm *arm, int point) {
    return (double)point * arm->config.model.blocks / (arm->before.points - 1);
}

/* For each depth and connection: place, before, after; a connection's columns end where it has no more sites. */
static void site_tsv(mhc__sweep *study, by_site which, mhc__text *tsv) {
    int points = 0;
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->choice_count; c++) {
            int own = mhc__sweep_arm(study, d, c, 0)->before.points;
            points = own > points ? own : points;
            const char *label = study->choices[c].label;
            mhc__text_format(tsv, "%s%d %s block\t%d %s at the start\t%d %s trained", d || c ? "\t" : "",
                             study->depths[d], label, study->depths[d], label, study->depths[d], label);
        }
    mhc__text_format(tsv, "\n");
    for (int p = 0; p < points; p++) {
        for (int d = 0; d < study->depth_count; d++)
            for (int c = 0; c < study->choice_count; c++) {
                const mhc__arm *arm = mhc__sweep_arm(study, d, c, 0);
                mhc__tsv_number(tsv, d == 0 && c == 0, p < arm->before.points ? place(arm, p) : NAN);
                mhc__tsv_number(tsv, false, site_value(&arm->before, which, p));
                mhc__tsv_number(tsv, false, site_value(&arm->after, which, p));
            }
        mhc__text_format(tsv, "\n");
    }
}

/* Two rows of panels: at the start and after training; one column for each depth. */
static mhc_status by_site_figure(mhc__sweep *study, by_site which, mhc__figure *figure, const char *ylabel,
                                 mhc__html *html, mhc_error *error) {
    figure->width = PANEL_WIDTH * study->depth_count;
    figure->height = 2 * panel_height(study);
    site_tsv(study, which, &figure->tsv);
    mhc__text *gp = &figure->gnuplot;
    mhc__text_format(gp,
                     "set multiplot layout 2,%d\nset logscale y\nset format y \"10^{%%T}\"\nset key %s\n"
                     "set xlabel \"blocks passed\"\nset ylabel \"%s\" noenhanced\n",
                     study->depth_count, key_at(study, which == SIGNAL ? "top left" : "top right"), ylabel);
    for (int when = 0; when < 2; when++)
        for (int d = 0; d < study->depth_count; d++) {
            mhc__text_format(gp, "set title \"%d blocks, %s\"\nset xrange [0:%d]\nplot ", study->depths[d],
                             when ? "after training" : "at the start", study->depths[d]);
            for (int c = 0; c < study->choice_count; c++) {
                int column = 1 + 3 * (d * study->choice_count + c);
                mhc__text_format(gp, "'%s.tsv' using %d:%d skip 1 with lines ls %d title \"%s\"%s", figure->name,
                                 column, column + 1 + when, study->choices[c].style, study->choices[c].label,
                                 separator(study, c));
            }
        }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(figure, study->folder.report, html, study->options, error);
}

static mhc_status signal(mhc__sweep *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "depth_signal",
                          .caption = "How large the signal is on its way up: the norm of the streams after each site, "
                                     "relative to the embedding that enters (root mean square over streams, mean over "
                                     "tokens), of the first seed. A curve that stops has overflowed."};
    return by_site_figure(study, SIGNAL, &figure, "||x_l|| / ||x_0||", html, error);
}

static mhc_status gradient(mhc__sweep *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "depth_gradient",
                          .caption = "How large the gradient is on its way down (read from right to left): the norm of "
                                     "the loss gradient with respect to the streams at each site, relative to the last "
                                     "one, of the first seed."};
    return by_site_figure(study, GRADIENT, &figure, "||dL/dx_l|| / ||dL/dx_L||", html, error);
}

static mhc_status losses(mhc__sweep *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {
        .name = "depth_loss",
        .width = PANEL_WIDTH * study->depth_count,
        .height = 2 * panel_height(study),
        .caption =
            "Training loss (above) and global gradient norm (below), step by step, of the first seed. A curve that "
            "stops, or is not there, became NaN or Inf."};
    mhc__text *tsv = &figure.tsv, *gp = &figure.gnuplot;
    mhc__text_format(tsv, "step");
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->choice_count; c++)
            mhc__text_format(tsv, "\t%d %s loss\t%d %s gradient norm", study->depths[d], study->choices[c].label,
                             study->depths[d], study->choices[c].label);
    mhc__text_format(tsv, "\n");
    for (int64_t step = 0; step < study->config.train.steps; step++) {
        mhc__text_format(tsv, "%lld", (long long)step);
        for (int d = 0; d < study->depth_count; d++)
            for (int c = 0; c < study->choice_count; c++) {
                const mhc__series *series = &mhc__sweep_arm(study, d, c, 0)->series;
                mhc__tsv_number(tsv, false, step < series->count ? series->at[step].loss : NAN);
                mhc__tsv_number(tsv, false, step < series->count ? series->at[step].grad_norm : NAN);
            }
        mhc__text_format(tsv, "\n");
    }
    mhc__text_format(gp, "set multiplot layout 2,%d\nset key %s\nset xlabel \"step\"\n", study->depth_count,
                     key_at(study, "top right"));
    for (int what = 0; what < 2; what++) {
        mhc__text_format(gp, what ? "set logscale y\nset format y \"10^{%%T}\"\nset yrange [*:*]\n"
                                    "set ylabel \"global gradient norm\"\n"
                                  : "set yrange [0:*]\nset ylabel \"cross-entropy (nats)\"\n");
        for (int d = 0; d < study->depth_count; d++) {
            mhc__text_format(gp, "set title \"%d blocks\"\nplot ", study->depths[d]);
            for (int c = 0; c < study->choice_count; c++)
                mhc__text_format(gp, "'depth_loss.tsv' using 1:%d skip 1 with lines ls %d title \"%s\"%s",
                                 2 + what + 2 * (d * study->choice_count + c), study->choices[c].style,
                                 study->choices[c].label, separator(study, c));
        }
    }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

static mhc_status scaling(mhc__sweep *study, mhc__html *html, mhc_error *error) {
    static const struct {
        mhc__sweep_value which;
        const char *title, *ylabel;
    } panels[] = {
        {MHC__SWEEP_SIGNAL_END, "Signal after training: out / in", "||x_L|| / ||x_0||"},
        {MHC__SWEEP_GRADIENT_END, "Gradient after training: first / last site", "||dL/dx_0|| / ||dL/dx_L||"},
        {MHC__SWEEP_COMPOSITE_MAX, "Composite gain: largest in training", "largest |row sum| of the product of H_res"},
    };
    mhc__figure figure = {.name = "depth_scaling",
                          .width = 3 * PANEL_WIDTH,
                          .height = panel_height(study) + 20,
                          .caption =
                              "Signal, gradient and gain against the number of blocks; with several seeds their mean. "
                              "On a logarithmic axis a straight line is "
                              "exponential growth. The composite gain (arXiv 2512.24880, figure 3) is what the "
                              "residual path alone, all branches left out, does to a signal; plain residuals have "
                              "1."};
    mhc__text *tsv = &figure.tsv, *gp = &figure.gnuplot;
    mhc__text_format(tsv, "blocks");
    for (int p = 0; p < 3; p++)
        for (int c = 0; c < study->choice_count; c++)
            mhc__text_format(tsv, "\t%s %s", panels[p].title, study->choices[c].label);
    mhc__text_format(tsv, "\n");
    for (int d = 0; d < study->depth_count; d++) {
        mhc__text_format(tsv, "%d", study->depths[d]);
        for (int p = 0; p < 3; p++)
            for (int c = 0; c < study->choice_count; c++)
                mhc__tsv_number(tsv, false, mhc__sweep_mean(study, d, c, panels[p].which));
        mhc__text_format(tsv, "\n");
    }
    mhc__text_format(
        gp,
        "set multiplot layout 1,3\nset logscale y\nset format y \"10^{%%T}\"\nset key %s\n"
        "set xlabel \"blocks\"\nset xrange [0:*]\nset offsets graph 0.03, graph 0.03, graph 0.15, graph 0.05\n",
        key_at(study, "top left"));
    for (int p = 0; p < 3; p++) {
        mhc__text_format(gp, "set title \"%s\"\nset ylabel \"%s\" noenhanced\nplot ", panels[p].title,
                         panels[p].ylabel);
        for (int c = 0; c < study->choice_count; c++)
            mhc__text_format(
                gp, "'depth_scaling.tsv' using 1:%d skip 1 with linespoints ls %d pt 7 ps 0.9 title \"%s\"%s",
                2 + p * study->choice_count + c, study->choices[c].style, study->choices[c].label, separator(study, c));
    }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__sweep_figures(mhc__sweep *study, mhc__html *html, mhc_error *error) {
    MHC__TRY(scaling(study, html, error));
    MHC__TRY(signal(study, html, error));
    MHC__TRY(gradient(study, html, error));
    return losses(study, html, error);
}
