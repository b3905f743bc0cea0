/* The pictures of mhc-poc: its three models alone, with its published end points. */
#include <math.h>
#include <string.h>

#include "study/depth.h"
#include "study/figure.h"

enum { PANEL_WIDTH = 500, PANEL_HEIGHT = 400, MODELS = 3 };

/* Depths have the line styles from here on: those before are the models'. */
enum { DEPTH_STYLE = 4 };

/* The published models among the choices, in the order of the published pictures. */
typedef struct models {
    int at[MODELS], count;
} models;

static models published_models(const mhc__sweep *study) {
    static const char *const names[MODELS] = {"residual", "mhc-poc-hc", "mhc-poc"};
    models found = {{0}, 0};
    for (int i = 0; i < MODELS; i++) {
        int c = mhc__choice_find(study->choices, study->choice_count, names[i]);
        if (c >= 0)
            found.at[found.count++] = c;
    }
    return found;
}

enum { LOSS, GRADIENT, PROXY, QUANTITIES };

static double quantity(const mhc__series *series, int64_t step, int which) {
    if (step >= series->count)
        return NAN;
    const mhc__measurement *m = &series->at[step];
    return which == LOSS ? m->loss : which == GRADIENT ? m->grad_norm : m->gains.proxy;
}

/* step, then for each depth and model: loss, gradient norm, gain proxy, of the first seed. */
static void steps_tsv(mhc__sweep *study, const models *shown, mhc__text *tsv) {
    mhc__text_format(tsv, "step");
    for (int d = 0; d < study->depth_count; d++)
        for (int m = 0; m < shown->count; m++) {
            const char *label = study->choices[shown->at[m]].label;
            mhc__text_format(tsv, "\t%d %s loss\t%d %s gradient norm\t%d %s gain proxy", study->depths[d], label,
                             study->depths[d], label, study->depths[d], label);
        }
    mhc__text_format(tsv, "\n");
    for (int64_t step = 0; step < study->config.train.steps; step++) {
        mhc__text_format(tsv, "%lld", (long long)step);
        for (int d = 0; d < study->depth_count; d++)
            for (int m = 0; m < shown->count; m++)
                for (int q = 0; q < QUANTITIES; q++)
                    mhc__tsv_number(tsv, false, quantity(&mhc__sweep_arm(study, d, shown->at[m], 0)->series, step, q));
        mhc__text_format(tsv, "\n");
    }
}

static int column(const models *shown, int d, int m, int q) {
    return 2 + QUANTITIES * (d * shown->count + m) + q;
}

/* The curves of one quantity at one depth. */
static void panel(mhc__sweep *study, const models *shown, const char *file, int d, int q, mhc__text *gp) {
    mhc__text_format(gp, "plot ");
    for (int m = 0; m < shown->count; m++)
        mhc__text_format(gp, "%s'%s.tsv' using 1:%d skip 1 with linespoints ls %d pi 20 pt 7 ps 0.5 title \"%s\"",
                         m ? ", \\\n     " : "", file, column(shown, d, m, q), study->choices[shown->at[m]].style,
                         study->choices[shown->at[m]].label);
    mhc__text_format(gp, "\n");
}

static mhc_status by_depth(mhc__sweep *study, const models *shown, mhc__figure *figure, int q, const char *settings,
                           mhc__html *html, mhc_error *error) {
    figure->width = PANEL_WIDTH * study->depth_count;
    figure->height = PANEL_HEIGHT + 20;
    steps_tsv(study, shown, &figure->tsv);
    mhc__text *gp = &figure->gnuplot;
    mhc__text_format(gp, "set multiplot layout 1,%d\nset key top right\nset xlabel \"step\"\n%s", study->depth_count,
                     settings);
    for (int d = 0; d < study->depth_count; d++) {
        mhc__text_format(gp, "set title \"%d blocks\"\n", study->depths[d]);
        panel(study, shown, figure->name, d, q, gp);
    }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(figure, study->folder.report, html, study->options, error);
}

static mhc_status loss_comparison(mhc__sweep *study, const models *shown, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "loss_comparison",
                          .caption = "Training loss, as in the published picture of this name (which leaves the "
                                     "12-layer baseline out). Dotted: guessing, ln 256. A model that is not there was "
                                     "NaN from the first step."};
    return by_depth(
        study, shown, &figure, LOSS,
        "set ylabel \"cross-entropy (nats)\"\nset yrange [0:*]\n"
        "set arrow from graph 0, first log(256) to graph 1, first log(256) nohead dt 3 lc rgb \"#888888\"\n",
        html, error);
}

static mhc_status grad_norm_comparison(mhc__sweep *study, const models *shown, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "grad_norm_comparison",
                          .caption = "Global gradient norm of each step. The published text calls the baseline's "
                                     "\"stable, decaying\"; its MLX picture shows growth with spikes."};
    return by_depth(study, shown, &figure, GRADIENT,
                    "set logscale y\nset format y \"10^{%T}\"\nset ylabel \"global L2 norm\"\n", html, error);
}

static mhc_status gain_comparison(mhc__sweep *study, const models *shown, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "gain_comparison",
                          .width = 2 * PANEL_WIDTH + 100,
                          .height = PANEL_HEIGHT + 20,
                          .caption =
                              "The published gain proxy, log10 of the largest entry of the product of all H_res, "
                              "step by step. What it is before the first step is a property of the initialisation."};
    steps_tsv(study, shown, &figure.tsv);
    mhc__text *gp = &figure.gnuplot;
    mhc__text_format(
        gp,
        "set multiplot layout 1,%d\nset key top right\nset xlabel \"step\"\n"
        "set ylabel \"log10 max |entry|\" noenhanced\nset offsets graph 0, graph 0, graph 0.2, graph 0.05\n",
        shown->count - mhc__choice_is_residual(&study->choices[shown->at[0]]));
    for (int m = 0; m < shown->count; m++) {
        if (mhc__choice_is_residual(&study->choices[shown->at[m]]))
            continue;
        mhc__text_format(gp, "set title \"%s\"\nplot ", study->choices[shown->at[m]].label);
        for (int d = 0; d < study->depth_count; d++)
            mhc__text_format(
                gp,
                "%s'gain_comparison.tsv' using 1:%d skip 1 with linespoints ls %d pi 20 pt 7 ps 0.5 title \"%d "
                "blocks\"",
                d ? ", \\\n     " : "", column(shown, d, m, PROXY),
                DEPTH_STYLE + d % (MHC__PLOT_STYLES - DEPTH_STYLE + 1), study->depths[d]);
        mhc__text_format(gp, "\n");
    }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

/* blocks, then for each model: proxy at the start, at the end, published by MLX, by CUDA. */
static mhc_status proxy_scaling(mhc__sweep *study, const models *shown, mhc__html *html, mhc_error *error) {
    static const char *const what[] = {"start", "end", "MLX", "CUDA"};
    mhc__figure figure = {.name = "gain_scaling",
                          .width = PANEL_WIDTH + 160,
                          .height = PANEL_HEIGHT + 60,
                          .caption =
                              "The published picture depth_scaling: gain proxy against depth. Lines: here, after "
                              "training; dots: here, before the first update; crosses: published (MLX, 800 "
                              "steps)."};
    mhc__text *tsv = &figure.tsv, *gp = &figure.gnuplot;
    mhc__text_format(tsv, "blocks");
    for (int m = 0; m < shown->count; m++)
        for (int k = 0; k < 4; k++)
            mhc__text_format(tsv, "\t%s %s", study->choices[shown->at[m]].label, what[k]);
    mhc__text_format(tsv, "\n");
    for (int d = 0; d < study->depth_count; d++) {
        mhc__text_format(tsv, "%d", study->depths[d]);
        for (int m = 0; m < shown->count; m++) {
            int c = shown->at[m];
            const mhc__depth_published *published = mhc__depth_published_of(study->choices[c].name, study->depths[d]);
            mhc__tsv_number(tsv, false, mhc__sweep_mean(study, d, c, MHC__SWEEP_PROXY_START));
            mhc__tsv_number(tsv, false, mhc__sweep_mean(study, d, c, MHC__SWEEP_PROXY));
            mhc__tsv_number(tsv, false, published ? published->mlx_gain : NAN);
            mhc__tsv_number(tsv, false, published ? published->cuda_gain : NAN);
        }
        mhc__text_format(tsv, "\n");
    }
    mhc__text_format(gp, "set key top left\nset xlabel \"blocks\"\nset xrange [0:*]\n"
                         "set ylabel \"log10 max |entry|\" noenhanced\nset offsets graph 0.02, graph 0.05, graph 0.1, "
                         "graph 0.05\nplot ");
    for (int m = 0; m < shown->count; m++) {
        const mhc__choice *choice = &study->choices[shown->at[m]];
        mhc__text_format(gp,
                         "%s'gain_scaling.tsv' using 1:%d skip 1 with lines ls %d title \"%s\", \\\n"
                         "     '' using 1:%d skip 1 with points ls %d pt 7 ps 1.2 notitle, "
                         "'' using 1:%d skip 1 with points ls %d pt 2 ps 1.6 lw 2 notitle",
                         m ? ", \\\n     " : "", 3 + 4 * m, choice->style, choice->label, 2 + 4 * m, choice->style,
                         4 + 4 * m, choice->style);
    }
    mhc__text_format(gp, "\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

static mhc_status deepest(mhc__sweep *study, const models *shown, mhc__html *html, mhc_error *error) {
    int d = study->depth_count - 1;
    mhc__figure figure = {.name = "deepest_comparison",
                          .width = 2 * PANEL_WIDTH,
                          .height = PANEL_HEIGHT + 20,
                          .caption = "Loss and gain proxy of the deepest models (published: 48l_comparison)."};
    steps_tsv(study, shown, &figure.tsv);
    mhc__text *gp = &figure.gnuplot;
    mhc__text_format(gp,
                     "set multiplot layout 1,2\nset key top right\nset xlabel \"step\"\n"
                     "set title \"Loss at %d blocks\"\nset ylabel \"cross-entropy (nats)\"\nset yrange [0:*]\n",
                     study->depths[d]);
    panel(study, shown, figure.name, d, LOSS, gp);
    mhc__text_format(gp,
                     "set title \"Gain proxy at %d blocks\"\nset ylabel \"log10 max |entry|\" noenhanced\n"
                     "set yrange [*:*]\nset offsets graph 0, graph 0, graph 0.2, graph 0.05\n",
                     study->depths[d]);
    panel(study, shown, figure.name, d, PROXY, gp);
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__depth_figures(mhc__sweep *study, mhc__html *html, mhc_error *error) {
    models shown = published_models(study);
    if (shown.count == 0)
        return MHC_OK;
    MHC__TRY(loss_comparison(study, &shown, html, error));
    bool connected = shown.count > 1 || !mhc__choice_is_residual(&study->choices[shown.at[0]]);
    if (connected) {
        MHC__TRY(gain_comparison(study, &shown, html, error));
        MHC__TRY(proxy_scaling(study, &shown, html, error));
    }
    MHC__TRY(deepest(study, &shown, html, error));
    return grad_norm_comparison(study, &shown, html, error);
}
