#include <math.h>

#include "probe/range.h"
#include "study/constraints.h"
#include "study/figure.h"

static const char PANEL[] = "plot for [s=%d:%d] '%s.tsv' using ($1+0.1*(s-%d)-0.1):s skip 1 with points pt 7 ps 0.5 "
                            "lc rgb \"#7f8c8d\" notitle, \\\n"
                            "     '' using 1:%d:%d:%d:xtic(2) skip 1 with yerrorbars ls 3 pt 7 ps 1.1 lw 2 notitle\n";

/* Columns of one base: mean, low, high, then the seeds. */
static void columns(const mhc__constraints *study, int choice, int base, const mhc__paired *d, mhc__text *tsv) {
    mhc__tsv_number(tsv, false, d->mean);
    mhc__tsv_number(tsv, false, d->low);
    mhc__tsv_number(tsv, false, d->high);
    for (int s = 0; s < study->seeds; s++)
        mhc__tsv_number(tsv, false,
                        isfinite(d->mean) ? mhc__constraints_arm(study, choice, s)->held_out.loss -
                                                mhc__constraints_arm(study, base, s)->held_out.loss
                                          : NAN);
}

static void head(const mhc__constraints *study, const char *base, mhc__text *tsv) {
    mhc__text_format(tsv, "\tless %s\tlow\thigh", base);
    for (int s = 0; s < study->seeds; s++)
        mhc__text_format(tsv, "\tseed %llu", (unsigned long long)study->options->seed + 1 + (unsigned)s);
}

static mhc_status differences(mhc__constraints *study, int control, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "constraints_differences",
                          .width = 1400,
                          .height = 560,
                          .caption = "Held-out loss less the residual's (left) and less the reference's (right). Small "
                                     "points: one seed each; large ones: their mean, with the 95 % interval of "
                                     "Student's t, not corrected for their number."};
    mhc__paired less[MHC__STUDY_MAX_CHOICES], than[MHC__STUDY_MAX_CHOICES];
    const char *names[2] = {study->choices[control].label, study->choices[study->reference].label};
    mhc__constraints_against(study, control, less);
    mhc__constraints_against(study, study->reference, than);
    mhc__text_format(&figure.tsv, "place\tmodel");
    head(study, names[0], &figure.tsv);
    head(study, names[1], &figure.tsv);
    mhc__text_format(&figure.tsv, "\n");
    for (int c = 0; c < study->choice_count; c++) {
        mhc__text_format(&figure.tsv, "%d\t%s", c, study->choices[c].label);
        columns(study, c, control, &less[c], &figure.tsv);
        columns(study, c, study->reference, &than[c], &figure.tsv);
        mhc__text_format(&figure.tsv, "\n");
    }
    mhc__text_format(&figure.gnuplot,
                     "set multiplot layout 1,2\nset format y \"%%g\"\nset xrange [-0.6:%d.6]\n"
                     "set offsets 0, 0, graph 0.1, graph 0.1\nset xtics rotate by 40 right\nset xzeroaxis ls 1 lw 2\n"
                     "set ylabel \"nats\"\n",
                     study->choice_count - 1);
    for (int panel = 0; panel < 2; panel++) {
        int first = 3 + panel * (3 + study->seeds);
        mhc__text_format(&figure.gnuplot, "set title \"Held-out loss less that of %s\"\n", names[panel]);
        mhc__text_format(&figure.gnuplot, PANEL, first + 3, first + 2 + study->seeds, figure.name, first + 3, first,
                         first + 1, first + 2);
    }
    mhc__text_format(&figure.gnuplot, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

/* Names of points that lie on each other can't be read: only the first of them has one. at: [count] points. */
static void name_points(const double (*at)[2], int count, bool *named) {
    mhc__range range[2] = {MHC__RANGE_EMPTY, MHC__RANGE_EMPTY};
    for (int c = 0; c < count; c++)
        for (int axis = 0; axis < 2; axis++)
            if (isfinite(at[c][axis]))
                mhc__widen(&range[axis], at[c][axis]);
    for (int c = 0; c < count; c++) {
        named[c] = true;
        for (int b = 0; b < c && named[c]; b++)
            named[c] = !named[b] || !(fabs(at[c][0] - at[b][0]) <= 0.35 * (range[0].high - range[0].low) &&
                                      fabs(at[c][1] - at[b][1]) <= 0.04 * (range[1].high - range[1].low));
    }
}

static mhc_status costs(mhc__constraints *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "constraints_costs",
                          .width = 1400,
                          .height = 560,
                          .caption = "Held-out loss after the same tokens, mean over seeds, against what a step takes: "
                                     "measured (left, median over steps and seeds) and counted (right). Of points that "
                                     "lie together the first is named."};
    double points[2][MHC__STUDY_MAX_CHOICES][2];
    bool named[2][MHC__STUDY_MAX_CHOICES];
    for (int c = 0; c < study->choice_count; c++) {
        double loss = 0;
        for (int s = 0; s < study->seeds; s++)
            loss += mhc__arm_held_out(mhc__constraints_arm(study, c, s)) / study->seeds;
        points[0][c][0] = 1e3 * mhc__constraints_step_seconds(study, c);
        points[1][c][0] = 1e-6 * (study->costs[c].layers + study->costs[c].connection);
        points[0][c][1] = points[1][c][1] = loss;
    }
    for (int panel = 0; panel < 2; panel++)
        name_points((const double(*)[2])points[panel], study->choice_count, named[panel]);
    mhc__text_format(&figure.tsv, "model\theld-out loss\tms per step\tMFLOP per token\tname left\tname right\n");
    for (int c = 0; c < study->choice_count; c++) {
        const char *label = study->choices[c].label;
        mhc__text_format(&figure.tsv, "%s", label);
        mhc__tsv_number(&figure.tsv, false, points[0][c][1]);
        mhc__tsv_number(&figure.tsv, false, points[0][c][0]);
        mhc__tsv_number(&figure.tsv, false, points[1][c][0]);
        mhc__text_format(&figure.tsv, "\t%s\t%s\n", named[0][c] ? label : " ", named[1][c] ? label : " ");
    }
    mhc__text_format(&figure.gnuplot,
                     "set multiplot layout 1,2\nset format \"%%g\"\nset ylabel \"held-out loss (nats)\"\nunset key\n"
                     "set offsets graph 0.05, graph 0.25, graph 0.05, graph 0.05\n"
                     "set xlabel \"ms per step\"\nset title \"Per second\"\n"
                     "plot '%s.tsv' using 3:2:5 skip 1 with labels left offset 0.8,0 point ls 3 pt 7\n"
                     "set xlabel \"MFLOP per token\"\nset title \"Per FLOP\"\n"
                     "plot '%s.tsv' using 4:2:6 skip 1 with labels left offset 0.8,0 point ls 3 pt 7\n"
                     "unset multiplot\n",
                     figure.name, figure.name);
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__constraints_figures(mhc__constraints *study, mhc__html *html, mhc_error *error) {
    int control = mhc__choice_find(study->choices, study->choice_count, "residual");
    if (control >= 0 && study->reference >= 0)
        MHC__TRY(differences(study, control, html, error));
    return costs(study, html, error);
}
