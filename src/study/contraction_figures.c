#include <math.h>

#include "study/contraction.h"
#include "study/figure.h"

typedef mhc__contraction_study study_t;
enum { PANEL_WIDTH = 500, PANEL_HEIGHT = 420, NARROW = 1, WIDE = 2 };
static const char *const GROUPS[MHC__MAP_GROUPS] = {"published starts", "same mass at the start", "leaky, K around 0"};

/* Curves of ln values are drawn as powers of ten; below, they leave the picture. */
static double decades(double ln) {
    return ln / log(10);
}

static void map_heads(const char *first, mhc__text *tsv) {
    mhc__text_format(tsv, "%s", first);
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++)
        for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++)
            mhc__text_format(tsv, "\t%s, %g", mhc__contraction_maps[map].name, mhc__contraction_spreads[spread]);
    mhc__text_format(tsv, "\n");
}

static int column(int map, int spread) {
    return 2 + map * MHC__CONTRACTION_SPREADS + spread;
}

/* The curves of one panel, and the law for each as a thin line: its volume spread evenly over the directions. */
static void map_curves(const study_t *study, const char *file, int group, int spread, mhc__text *gp) {
    int drawn = 0;
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++)
        if ((int)mhc__contraction_maps[map].group == group) {
            mhc__text_format(gp, "%s'%s.tsv' using 1:%d skip 1 with lines ls %d title \"%s\"",
                             drawn ? ", \\\n     " : "plot ", file, column(map, spread), drawn + 1,
                             mhc__contraction_maps[map].name);
            drawn++;
            const mhc__contraction *c = &study->maps[map][study->depth_count - 1][spread];
            if (c->on_differences && c->mass > 1e-9)
                mhc__text_format(gp, ", \\\n     %.6g*x with lines ls %d lw 1 dashtype (2,4) notitle",
                                 -decades(c->mass) / (MHC__CONTRACTION_N - 1), drawn);
        }
}

/* Rows: as it starts, wide. Columns: groups. */
static mhc_status survival(study_t *study, mhc__html *html, mhc_error *error) {
    const int depth = study->depth_count - 1, sites = study->depths[depth];
    mhc__figure figure = {
        .name = "contraction_survival",
        .width = PANEL_WIDTH * MHC__MAP_GROUPS,
        .height = 2 * PANEL_HEIGHT,
        .caption = "What is left of a difference between streams after so many sites, as a power of ten: "
                   "root mean square over directions (of all streams where differences don't stay among "
                   "themselves), mean logarithm over inputs. Above, the input-dependent part of the logits "
                   "as it starts (scale 0.01); below, wide (scale 1). A start at zeros leaves nothing after "
                   "one site. Dotted: the law of volumes, spread evenly over the directions. The panels have their own "
                   "axes."};
    map_heads("sites", &figure.tsv);
    for (int s = 0; s < sites; s++) {
        mhc__text_format(&figure.tsv, "%d", s + 1);
        for (int map = 0; map < MHC__CONTRACTION_MAPS; map++)
            for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++) {
                double left = study->maps[map][depth][spread].survival[s];
                mhc__tsv_number(&figure.tsv, false, isfinite(left) ? decades(left) : NAN);
            }
        mhc__text_format(&figure.tsv, "\n");
    }
    mhc__text *gp = &figure.gnuplot;
    mhc__text_format(gp,
                     "set multiplot layout 2,%d\nset xlabel \"sites\"\nset ylabel \"left, log_{10}\"\n"
                     "set xrange [0:%d]\nset key outside bottom center horizontal noenhanced\n",
                     MHC__MAP_GROUPS, sites);
    static const char *const floors[2][MHC__MAP_GROUPS] = {{"-6:1", "-6:1", "-3:0.2"}, {"-40:10", "-6:1", "-3:0.2"}};
    for (int wide = 0; wide < 2; wide++)
        for (int group = 0; group < MHC__MAP_GROUPS; group++) {
            mhc__text_format(gp, "set title \"%s, scale %g\"\nset yrange [%s]\n", GROUPS[group],
                             mhc__contraction_spreads[wide ? WIDE : NARROW], floors[wide][group]);
            map_curves(study, figure.name, group, wide ? WIDE : NARROW, gp);
            mhc__text_format(gp, "\n");
        }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

/* Volume of a site against its mass: the law is the diagonal. */
static mhc_status law(study_t *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "contraction_law",
                          .width = 1000,
                          .height = 480,
                          .caption =
                              "The law of volumes: -ln|det H| of a site, mean over sites and inputs, against the mass "
                              "that its rows have off the diagonal, sum of 1 - H_ii. On the line the law near the "
                              "identity holds. All constraints, starts and scales of the dynamic part; isometries have "
                              "mass without volume and are not on the picture."};
    mhc__text_format(&figure.tsv, "constraint\tgroup\tscale\tmass\tvolume\n");
    for (int group = 0; group < MHC__MAP_GROUPS; group++) {
        mhc__text_format(&figure.tsv, "%s", group ? "\n\n" : "");
        for (int map = 0; map < MHC__CONTRACTION_MAPS; map++)
            for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++) {
                const mhc__contraction *c = &study->maps[map][study->depth_count - 1][spread];
                if ((int)mhc__contraction_maps[map].group != group)
                    continue;
                mhc__text_format(&figure.tsv, "%s\t%d\t%g", mhc__contraction_maps[map].name, group,
                                 mhc__contraction_spreads[spread]);
                bool drawn = c->mass > 1e-6 && c->volume > 1e-6 && isfinite(c->volume);
                mhc__tsv_number(&figure.tsv, false, drawn ? c->mass : NAN);
                mhc__tsv_number(&figure.tsv, false, drawn ? c->volume : NAN);
                mhc__text_format(&figure.tsv, "\n");
            }
    }
    mhc__text_format(&figure.gnuplot,
                     "set logscale xy\nset format xy \"10^{%%T}\"\nset xrange [3e-4:10]\nset yrange [3e-4:30]\n"
                     "set xlabel \"sum of 1 - H_{ii}\"\nset ylabel \"-ln |det H|\"\nset key top left\n"
                     "plot x with lines lc rgb \"#888888\" title \"the law\"");
    for (int group = 0; group < MHC__MAP_GROUPS; group++)
        mhc__text_format(&figure.gnuplot,
                         ", \\\n     '%s.tsv' index %d using 4:5 %swith points ls %d pt %d ps 1.2 title \"%s\"",
                         figure.name, group, group ? "" : "skip 1 ", group + 2, 5 + 2 * group, GROUPS[group]);
    mhc__text_format(&figure.gnuplot, "\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

static mhc_status leaky(study_t *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "contraction_leaky",
                          .width = 1100,
                          .height = 460,
                          .caption =
                              "What leaky mixers leave of a difference after all sites, by β, with K from wide logits "
                              "around 0: root mean square (line), smallest singular value of any input (points), the "
                              "bound (1 - β/L)^L (grey), which nothing may be below."};
    mhc__text_format(&figure.tsv, "beta\tbound");
    for (int d = 0; d < study->depth_count; d++)
        mhc__text_format(&figure.tsv, "\t%d sites\t%d sites, least", study->depths[d], study->depths[d]);
    mhc__text_format(&figure.tsv, "\n");
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++) {
        double beta = mhc__contraction_maps[map].beta;
        if (!(beta > 0))
            continue;
        int most = study->depths[study->depth_count - 1];
        mhc__text_format(&figure.tsv, "%g", beta);
        mhc__tsv_number(&figure.tsv, false, beta < most ? exp(most * log(1 - beta / most)) : NAN);
        for (int d = 0; d < study->depth_count; d++) {
            const mhc__contraction *c = &study->maps[map][d][WIDE];
            mhc__tsv_number(&figure.tsv, false, exp(mhc__contraction_left(c)));
            mhc__tsv_number(&figure.tsv, false, exp(c->smallest_low));
        }
        mhc__text_format(&figure.tsv, "\n");
    }
    mhc__text_format(&figure.gnuplot,
                     "set logscale xy\nset xrange [0.2:5]\nset xtics (0.25, 0.5, 1, 2, 4)\nset yrange [0.01:1]\n"
                     "set xlabel \"β\"\nset ylabel \"left\"\nset key bottom left\n"
                     "plot '%s.tsv' using 1:2 skip 1 with lines lc rgb \"#888888\" lw 2 title \"bound\"",
                     figure.name);
    for (int d = 0; d < study->depth_count; d++)
        mhc__text_format(
            &figure.gnuplot,
            ", \\\n     '' using 1:%d skip 1 with lines ls %d title \"%d sites\", '' using 1:%d skip 1 with "
            "points ls %d pt 7 notitle",
            3 + 2 * d, d + 3, study->depths[d], 4 + 2 * d, d + 3);
    mhc__text_format(&figure.gnuplot, "\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__contraction_map_figures(study_t *study, mhc__html *html, mhc_error *error) {
    MHC__TRY(survival(study, html, error));
    MHC__TRY(law(study, html, error));
    return leaky(study, html, error);
}

/* ---- models ---- */

typedef enum by_depth { MATRICES, KEPT, SHARE, GRADIENT, REST, QUANTITIES } by_depth;

static double value(const mhc__contraction_look *look, by_depth what, int point) {
    const int last = look->points - 1;
    if (point > last)
        return NAN;
    switch (what) {
    case MATRICES:
        return point ? decades(look->maps.survival[point - 1]) : 0;
    case KEPT:
        return decades(look->kept[point]);
    case SHARE:
        return look->share[point];
    case GRADIENT:
        return log10(look->gradient[point] / look->gradient[last]);
    case REST:
        return log10(look->rest[point] / look->gradient[last]);
    case QUANTITIES:
        break;
    }
    return NAN;
}

static bool shown(const mhc__subject *s, int when) {
    return when == 0 || s->finite;
}

/* One panel for the start and one for after training, of each quantity. */
static mhc_status by_depth_figure(study_t *study, mhc__figure *figure, const by_depth *what, int count,
                                  const char *const *ylabels, mhc__html *html, mhc_error *error) {
    int points = 0;
    figure->width = PANEL_WIDTH * count;
    figure->height = 2 * PANEL_HEIGHT;
    mhc__text_format(&figure->tsv, "sites passed");
    for (int i = 0; i < study->subject_count; i++) {
        const mhc__subject *s = &study->subjects[i];
        points = s->before.points > points ? s->before.points : points;
        for (int k = 0; k < 2 * count; k++)
            mhc__text_format(&figure->tsv, "\t%s %s, %s", s->label, ylabels[k / 2], k % 2 ? "trained" : "start");
    }
    for (int p = 0; p < points; p++) {
        mhc__text_format(&figure->tsv, "\n%d", p);
        for (int i = 0; i < study->subject_count; i++)
            for (int k = 0; k < 2 * count; k++) {
                const mhc__subject *s = &study->subjects[i];
                double v = shown(s, k % 2) ? value(k % 2 ? &s->after : &s->before, what[k / 2], p) : NAN;
                mhc__tsv_number(&figure->tsv, false, isfinite(v) ? v : NAN);
            }
    }
    mhc__text_format(&figure->tsv, "\n");
    mhc__text_format(&figure->gnuplot,
                     "set multiplot layout 2,%d\nset xlabel \"sites passed\"\nset xrange [0:%d]\nset key outside "
                     "bottom center horizontal noenhanced\n",
                     count, points - 1);
    for (int when = 0; when < 2; when++)
        for (int k = 0; k < count; k++) {
            mhc__text_format(&figure->gnuplot, "set title \"%s\"\nset ylabel \"%s\"\nset yrange [%s]\n",
                             when ? "trained" : "at the start", ylabels[k], what[k] == SHARE ? "0:1" : "*:*");
            for (int i = 0; i < study->subject_count; i++)
                mhc__text_format(&figure->gnuplot, "%s'%s.tsv' using 1:%d skip 1 with lines ls %d title \"%s\"",
                                 i ? ", \\\n     " : "plot ", figure->name, 2 + i * 2 * count + 2 * k + when,
                                 study->subjects[i].style, study->subjects[i].label);
            mhc__text_format(&figure->gnuplot, "\n");
        }
    mhc__text_format(&figure->gnuplot, "unset multiplot\n");
    return mhc__figure_draw(figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__contraction_model_figures(study_t *study, mhc__html *html, mhc_error *error) {
    static const by_depth up[] = {MATRICES, KEPT, SHARE}, down[] = {GRADIENT, REST};
    static const char *const up_labels[] = {"random difference left, log_{10}", "energy of the first left, log_{10}",
                                            "its share of all differences"};
    static const char *const down_labels[] = {"gradient over the last, log_{10}",
                                              "differences over the last, log_{10}"};
    mhc__figure above = {.name = "contraction_models",
                         .caption = "On the way up. Left: what the matrices leave of a random difference. Middle: of "
                                    "the energy of the differences that the first layer wrote. Right: the share that "
                                    "these have in all differences there; later layers write their own. Above with "
                                    "the weights of the start, below trained."};
    mhc__figure below = {.name = "contraction_gradients",
                         .caption =
                             "On the way down (read from right to left): the norm of the loss gradient with "
                             "respect to the streams, over that at the end; right, of its part in differences between "
                             "streams. This is what d x_L / d x_0 does to one gradient, branches included."};
    if (study->subject_count == 0)
        return MHC_OK;
    MHC__TRY(by_depth_figure(study, &above, up, 3, up_labels, html, error));
    return by_depth_figure(study, &below, down, 2, down_labels, html, error);
}
