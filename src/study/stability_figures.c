#include <math.h>
#include <stdlib.h>

#include "base/philox.h"
#include "mhc/oracle.h"
#include "study/figure.h"
#include "study/sinkhorn_flow.h"
#include "study/stability.h"
#include "study/summary.h"

enum { LOSS, GRADIENT, GAIN, COMPOSITE_FORWARD, COMPOSITE_BACKWARD, SPREAD, QUANTITIES };

static double quantity(const mhc__measurement *m, int which) {
    const double values[QUANTITIES] = {
        m->loss,        m->grad_norm, m->gains.activation, m->gains.composite_forward, m->gains.composite_backward,
        m->gains.spread};
    return values[which];
}

/* Mean and spread over seeds of one quantity at one step; NaN where an arm has no such step. */
static void over_seeds(const mhc__stability *study, int connection, int64_t step, int which, double *mean,
                       double *spread) {
    double *values = malloc((size_t)study->seeds * sizeof *values);
    *mean = *spread = NAN;
    if (!values)
        return;
    for (int s = 0; s < study->seeds; s++) {
        const mhc__series *series = &mhc__stability_arm(study, connection, s)->series;
        values[s] = step < series->count ? quantity(&series->at[step], which) : NAN;
    }
    mhc__mean_spread(values, study->seeds, mean, spread);
    free(values);
}

/* step, then mean and spread of each quantity of each connection. */
static void series_tsv(mhc__stability *study, const int *quantities, const char *const *names, int count,
                       mhc__text *tsv) {
    mhc__text_format(tsv, "step");
    for (int c = 0; c < study->choice_count; c++)
        for (int q = 0; q < count; q++)
            mhc__text_format(tsv, "\t%s %s\t%s %s spread", study->choices[c].label, names[q], study->choices[c].label,
                             names[q]);
    mhc__text_format(tsv, "\n");
    for (int64_t step = 0; step < study->config.train.steps; step += study->every) {
        mhc__text_format(tsv, "%lld", (long long)step);
        for (int c = 0; c < study->choice_count; c++)
            for (int q = 0; q < count; q++) {
                double mean, spread;
                over_seeds(study, c, step, quantities[q], &mean, &spread);
                mhc__tsv_number(tsv, false, mean);
                mhc__tsv_number(tsv, false, spread);
            }
        mhc__text_format(tsv, "\n");
    }
}

/* One panel: quantity number q of `count` in the file, a line for each connection, a band where there are seeds. Its
 * lower edge on a logarithmic axis, where mean - spread may be 0 or less: mean^2 / (mean + spread) then, as far below
 * the mean as the upper edge is above it. */
static void panel(mhc__stability *study, mhc__text *gp, const char *file, int q, int count, bool logarithmic) {
    mhc__text_format(gp, "plot ");
    for (int c = 0; c < study->choice_count; c++) {
        int mean = 2 + 2 * (c * count + q);
        if (study->seeds > 1)
            mhc__text_format(gp,
                             "'%s.tsv' using 1:($%d>$%d || !%d ? $%d-$%d : $%d**2/($%d+$%d)):($%d+$%d) skip 1 with "
                             "filledcurves ls %d fs transparent "
                             "solid 0.2 notitle, \\\n     ",
                             file, mean, mean + 1, logarithmic, mean, mean + 1, mean, mean, mean + 1, mean, mean + 1,
                             study->choices[c].style);
        mhc__text_format(gp, "'%s.tsv' using 1:%d skip 1 with lines ls %d title \"%s\"%s", file, mean,
                         study->choices[c].style, study->choices[c].label,
                         c + 1 < study->choice_count ? ", \\\n     " : "\n");
    }
}

static void loss_gradient_gain(mhc__stability *study, mhc__text *gp, const char *file) {
    mhc__text_format(gp, "set xlabel \"step\"\nset format y \"%%g\"\nset key top right\n"
                         "set title \"Training loss\"\nset ylabel \"cross-entropy (nats)\"\nset yrange [0:*]\n");
    panel(study, gp, file, 0, 3, false);
    mhc__text_format(gp, "set title \"Gradient norm\"\nset ylabel \"global L2 norm before clipping\"\n"
                         "set logscale y\nset yrange [*:*]\n");
    panel(study, gp, file, 1, 3, true);
    mhc__text_format(
        gp, "set title \"Activation gain\"\nset key bottom right\nset ylabel \"max |x_L| / max |x_0|\" noenhanced\n");
    panel(study, gp, file, 2, 3, true);
}

static const int THREE[] = {LOSS, GRADIENT, GAIN};
static const char *const THREE_NAMES[] = {"loss", "gradient norm", "activation gain"};

static mhc_status training_stability(mhc__stability *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "training_stability",
                          .width = 1500,
                          .height = 440,
                          .caption = "Loss, gradient norm and activation gain of the training batches. The gain is the "
                                     "published metric (called amax gain there): a ratio of activations, which does "
                                     "not look at the matrices of the connection."};
    series_tsv(study, THREE, THREE_NAMES, 3, &figure.tsv);
    mhc__text_format(&figure.gnuplot, "set multiplot layout 1,3\n");
    loss_gradient_gain(study, &figure.gnuplot, figure.name);
    mhc__text_format(&figure.gnuplot, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

/* Last loss, and the mean of the last five gain records, as the published bars show them. */
static void bars(mhc__stability *study, mhc__text *gp) {
    double loss[MHC__STUDY_MAX_CHOICES], gain[MHC__STUDY_MAX_CHOICES], loss_max = 0, gain_max = 0;
    int64_t records = (study->config.train.steps - 1) / study->every + 1;
    for (int c = 0; c < study->choice_count; c++) {
        double spread, sum = 0;
        int64_t used = records < 5 ? records : 5;
        over_seeds(study, c, (records - 1) * study->every, LOSS, &loss[c], &spread);
        for (int64_t r = records - used; r < records; r++) {
            double one;
            over_seeds(study, c, r * study->every, GAIN, &one, &spread);
            sum += one / (double)used;
        }
        gain[c] = sum;
        loss_max = fmax(loss_max, loss[c]);
        gain_max = fmax(gain_max, gain[c]);
    }
    mhc__text_format(gp, "$bars << EOD\n");
    for (int c = 0; c < study->choice_count; c++) {
        double share = log10(gain[c] + 1) / log10(gain_max + 1);
        mhc__text_format(gp, "\"%s\"", study->choices[c].label);
        mhc__tsv_number(gp, false, loss[c] / loss_max);
        mhc__tsv_number(gp, false, share);
        mhc__text_format(gp, "\n");
    }
    mhc__text_format(gp, "EOD\n");
}

static mhc_status stability_detailed(mhc__stability *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "stability_detailed",
                          .width = 1200,
                          .height = 860,
                          .caption = "The same three curves, and the published bars: final loss as a share of the "
                                     "largest, and log10(1 + gain) as a share of the largest, the gain being the mean "
                                     "of the last five records."};
    series_tsv(study, THREE, THREE_NAMES, 3, &figure.tsv);
    bars(study, &figure.gnuplot);
    mhc__text_format(&figure.gnuplot, "set multiplot layout 2,2\n");
    loss_gradient_gain(study, &figure.gnuplot, figure.name);
    mhc__text_format(&figure.gnuplot,
                     "unset logscale y\nset title \"Final values, relative to the largest\"\nunset xlabel\n"
                     "set ylabel \"share of the largest\"\nset yrange [0:1.3]\nset ytics 0,0.2,1\nset key top right\n"
                     "set style data histograms\nset style histogram clustered gap 1\n"
                     "set style fill solid 0.85 border -1\nset boxwidth 0.9\nset xtics scale 0\n"
                     "plot $bars using 2:xtic(1) linecolor rgb \"#7f8c8d\" title \"final loss\", "
                     "'' using 3 linecolor rgb \"#f39c12\" title \"log(1 + activation gain)\", \\\n"
                     "     '' using ($0-0.17):($2+0.05):(sprintf(\"%%.2f\",$2)) with labels notitle, "
                     "'' using ($0+0.17):($3+0.05):(sprintf(\"%%.2f\",$3)) with labels notitle\n"
                     "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

/* Of one seed's profile: ||x_l|| / ||x_0||. */
static double growth(const mhc__profile *profile, const double *norms, int point) {
    return point < profile->points ? norms[point] / norms[0] : NAN;
}

static mhc_status norm_growth(mhc__stability *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "norm_growth",
                          .width = 1200,
                          .height = 460,
                          .caption =
                              "Feature norm by depth, ||x_l|| / ||x_0|| (mean over tokens; root mean square over "
                              "streams), on one training batch of the first seed, with dropout. Attention and "
                              "feed-forward are one site each. The published picture has no definition; this one "
                              "is ours."};
    mhc__text *tsv = &figure.tsv, *gp = &figure.gnuplot;
    mhc__text_format(tsv, "site");
    int points = 0;
    for (int c = 0; c < study->choice_count; c++) {
        const char *label = study->choices[c].label;
        mhc__text_format(tsv, "\t%s at the start\t%s trained\t%s mean stream at the start\t%s mean stream trained",
                         label, label, label, label);
        int own = mhc__stability_arm(study, c, 0)->before.points;
        points = own > points ? own : points;
    }
    mhc__text_format(tsv, "\n");
    for (int p = 0; p < points; p++) {
        mhc__text_format(tsv, "%d", p);
        for (int c = 0; c < study->choice_count; c++) {
            const mhc__arm *arm = mhc__stability_arm(study, c, 0);
            mhc__tsv_number(tsv, false, growth(&arm->before, arm->before.norm, p));
            mhc__tsv_number(tsv, false, growth(&arm->after, arm->after.norm, p));
            mhc__tsv_number(tsv, false, growth(&arm->before, arm->before.norm_of_mean, p));
            mhc__tsv_number(tsv, false, growth(&arm->after, arm->after.norm_of_mean, p));
        }
        mhc__text_format(tsv, "\n");
    }
    mhc__text_format(gp, "set multiplot layout 1,2\nset logscale y\nset format y \"%%g\"\nset key top left\n"
                         "set xlabel \"sites passed (attention, feed-forward, …)\"\n"
                         "set ylabel \"||x_l|| / ||x_0||\" noenhanced\n");
    for (int when = 0; when < 2; when++) {
        mhc__text_format(gp, "set title \"%s\"\nplot ", when ? "After training" : "At the start");
        for (int c = 0; c < study->choice_count; c++)
            mhc__text_format(gp,
                             "'norm_growth.tsv' using 1:%d skip 1 with linespoints ls %d pt 7 ps 0.5 title \"%s\"%s",
                             2 + 4 * c + when, study->choices[c].style, study->choices[c].label,
                             c + 1 < study->choice_count ? ", \\\n     " : "\n");
    }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

static mhc_status amax_gain(mhc__stability *study, mhc__html *html, mhc_error *error) {
    static const int which[] = {COMPOSITE_FORWARD, COMPOSITE_BACKWARD, SPREAD};
    static const char *const names[] = {"composite forward gain", "composite backward gain", "stream spread"};
    mhc__figure figure = {.name = "amax_gain",
                          .width = 1500,
                          .height = 480,
                          .caption = "The gain of the mHC paper (arXiv 2512.24880, figure 3): the largest absolute row "
                                     "sum (forward) and column sum (backward) of the product of all H_res; and how far "
                                     "the streams are apart, as the largest distance from their mean over the rms. A "
                                     "spread of 0 is drawn at 1e-9."};
    series_tsv(study, which, names, 3, &figure.tsv);
    mhc__text *gp = &figure.gnuplot;
    mhc__text_format(gp, "set multiplot layout 1,3\nset xlabel \"step\" offset 0,0.5\nset format y \"%%g\"\n"
                         "set key bmargin center horizontal samplen 2\n"
                         "set offsets graph 0, graph 0, graph 0.05, graph 0.05\n"
                         "set title \"Composite gain, forward\"\nset ylabel \"largest |row sum|\"\n");
    panel(study, gp, figure.name, 0, 3, false);
    mhc__text_format(gp, "set title \"Composite gain, backward\"\nset ylabel \"largest |column sum|\"\n");
    panel(study, gp, figure.name, 1, 3, false);
    mhc__text_format(gp, "unset offsets\nset logscale y\nset format y \"10^{%%T}\"\nset yrange [5e-10:10]\n"
                         "set title \"Stream spread\"\nset ylabel \"max |x_i - mean| / rms\" noenhanced\nplot ");
    for (int c = 0; c < study->choice_count; c++)
        mhc__text_format(gp, "'%s.tsv' using 1:($%d > 1e-9 ? $%d : 1e-9) skip 1 with lines ls %d title \"%s\"%s",
                         figure.name, 2 + 2 * (3 * c + 2), 2 + 2 * (3 * c + 2), study->choices[c].style,
                         study->choices[c].label, c + 1 < study->choice_count ? ", \\\n     " : "\n");
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__stability_figures(mhc__stability *study, mhc__html *html, mhc_error *error) {
    MHC__TRY(training_stability(study, html, error));
    MHC__TRY(stability_detailed(study, html, error));
    MHC__TRY(norm_growth(study, html, error));
    MHC__TRY(amax_gain(study, html, error));
    return mhc__sinkhorn_flow(study->options, study->folder.report, html, error);
}
