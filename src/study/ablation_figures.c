#include <math.h>

#include "study/ablation.h"
#include "study/figure.h"

/* One point for each seed, the mean with its standard errors, and what is published. */
static mhc_status differences(mhc__ablation *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "ablation_differences",
                          .width = 720,
                          .height = 460,
                          .caption =
                              "Held-out loss less that of the residual, in which all three maps are fixed. Small "
                              "points: one seed each; large ones: their mean, with twice its standard error; "
                              "crosses: the published differences of HC, for their sign and order."};
    int fixed = mhc__choice_find(study->choices, study->choice_count, "residual"), place = 0;
    mhc__text_format(&figure.tsv, "place\tmodel\tmean\ttwice the standard error\tpublished");
    for (int s = 0; s < study->seeds; s++)
        mhc__text_format(&figure.tsv, "\tseed %llu", (unsigned long long)study->options->seed + (unsigned)s);
    mhc__text_format(&figure.tsv, "\n");
    for (int c = 0; c < study->choice_count; c++) {
        if (c == fixed)
            continue;
        mhc__ablation_difference d = mhc__ablation_between(study, c, fixed);
        mhc__text_format(&figure.tsv, "%d\t%s", place++, study->choices[c].label);
        mhc__tsv_number(&figure.tsv, false, d.mean);
        mhc__tsv_number(&figure.tsv, false, 2 * d.error);
        mhc__tsv_number(&figure.tsv, false, mhc__ablation_published(study->choices[c].name));
        for (int s = 0; s < study->seeds; s++)
            mhc__tsv_number(&figure.tsv, false,
                            d.there ? mhc__ablation_arm(study, c, s)->held_out.loss -
                                          mhc__ablation_arm(study, fixed, s)->held_out.loss
                                    : NAN);
        mhc__text_format(&figure.tsv, "\n");
    }
    mhc__text_format(
        &figure.gnuplot,
        "set ylabel \"held-out loss less the residual's (nats)\"\nset format y \"%%g\"\nset key top right\n"
        "set xrange [-0.6:%d.6]\nset offsets 0, 0, graph 0.15, graph 0.1\nset xtics rotate by 35 right\n"
        "set xzeroaxis ls 1 lw 2\n"
        "plot for [s=6:%d] '%s.tsv' using ($1+0.08*(s-6)-0.2):s skip 1 with points pt 7 ps 0.6 lc rgb "
        "\"#7f8c8d\" notitle, \\\n"
        "     '' using 1:3:4:xtic(2) skip 1 with yerrorbars ls 3 pt 7 ps 1.2 lw 2 title \"mean\", \\\n"
        "     '' using ($1+0.2):5 skip 1 with points ls 2 pt 2 ps 1.2 lw 2 title \"published\"\n",
        place > 0 ? place - 1 : 0, 5 + study->seeds, figure.name);
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

/* Mean over seeds of the loss less the residual's on the same batches, and over the steps of a window that ends here;
 * NaN without them all. */
static double loss_less(const mhc__ablation *study, int c, int fixed, int64_t step, int64_t window) {
    double sum = 0;
    if (step + 1 < window)
        return NAN;
    for (int s = 0; s < study->seeds; s++) {
        const mhc__series *a = &mhc__ablation_arm(study, c, s)->series,
                          *b = &mhc__ablation_arm(study, fixed, s)->series;
        for (int64_t i = step + 1 - window; i <= step; i++)
            sum += i < a->count && i < b->count ? a->at[i].loss - b->at[i].loss : NAN;
    }
    return sum / (double)(window * study->seeds);
}

static double spread_at(const mhc__ablation *study, int c, int64_t step) {
    double sum = 0;
    for (int s = 0; s < study->seeds; s++) {
        const mhc__series *series = &mhc__ablation_arm(study, c, s)->series;
        sum += step < series->count ? series->at[step].gains.spread : NAN;
    }
    return sum / study->seeds;
}

/* Lines of all choices but the residual; column: 2 or 3, of each. */
static void lines(const mhc__ablation *study, const char *file, int fixed, int column, const char *floor,
                  mhc__text *gp) {
    int place = 0;
    mhc__text_format(gp, "plot ");
    for (int c = 0; c < study->choice_count; c++) {
        if (c == fixed)
            continue;
        int at = column + 2 * place;
        if (floor)
            mhc__text_format(gp, "%s'%s.tsv' using 1:($%d > %s ? $%d : %s)", place ? ", \\\n     " : "", file, at,
                             floor, at, floor);
        else
            mhc__text_format(gp, "%s'%s.tsv' using 1:%d", place ? ", \\\n     " : "", file, at);
        mhc__text_format(gp, " skip 1 with lines ls %d lw 1.6 title \"%s\"", study->choices[c].style,
                         study->choices[c].label);
        place++;
    }
    mhc__text_format(gp, "\n");
}

static mhc_status training(mhc__ablation *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "ablation_training",
                          .width = 1400,
                          .height = 520,
                          .caption =
                              "Left: training loss less the residual's on the same batches, mean over seeds and "
                              "over the twentieth of the run that ends at a step. Right: how far the streams are "
                              "apart, the largest distance from their mean over the rms, mean over seeds; at or "
                              "below 1e-5 they are copies up to rounding, and 0 is drawn at 1e-9."};
    int fixed = mhc__choice_find(study->choices, study->choice_count, "residual");
    int64_t steps = study->config.train.steps, window = steps / 20 > 0 ? steps / 20 : 1;
    mhc__text_format(&figure.tsv, "step");
    for (int c = 0; c < study->choice_count; c++)
        if (c != fixed)
            mhc__text_format(&figure.tsv, "\t%s loss\t%s spread", study->choices[c].label, study->choices[c].label);
    mhc__text_format(&figure.tsv, "\n");
    for (int64_t step = 0; step<steps; step += steps> 400 ? 4 : 1) {
        mhc__text_format(&figure.tsv, "%lld", (long long)step);
        for (int c = 0; c < study->choice_count; c++) {
            if (c == fixed)
                continue;
            mhc__tsv_number(&figure.tsv, false, fixed < 0 ? NAN : loss_less(study, c, fixed, step, window));
            mhc__tsv_number(&figure.tsv, false, spread_at(study, c, step));
        }
        mhc__text_format(&figure.tsv, "\n");
    }
    mhc__text_format(&figure.gnuplot, "set multiplot layout 1,2\nset xlabel \"step\"\nset format y \"%%g\"\n"
                                      "set key outside bottom center horizontal\nset xzeroaxis ls 1 lw 2\n"
                                      "set title \"Training loss less the residual's\"\nset ylabel \"nats\"\n");
    lines(study, figure.name, fixed, 2, NULL, &figure.gnuplot);
    mhc__text_format(&figure.gnuplot,
                     "set logscale y\nset format y \"10^{%%T}\"\nset yrange [5e-10:10]\n"
                     "set title \"Stream spread\"\nset ylabel \"max |x_i - mean| / rms\" noenhanced\n");
    lines(study, figure.name, fixed, 3, "1e-9", &figure.gnuplot);
    mhc__text_format(&figure.gnuplot, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__ablation_figures(mhc__ablation *study, mhc__html *html, mhc_error *error) {
    int fixed = mhc__choice_find(study->choices, study->choice_count, "residual");
    if (study->choice_count == 1 && fixed == 0)
        return MHC_OK; /* nothing to draw beside it */
    if (fixed >= 0)
        MHC__TRY(differences(study, html, error));
    return training(study, html, error);
}
