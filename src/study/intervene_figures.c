#include <math.h>

#include "study/figure.h"
#include "study/intervene.h"

/* Costs below this are drawn there: the axis is logarithmic. */
#define FLOOR 1e-5

static const char *const RANGES[MHC__INTERVENE_RANGES] = {"all", "early", "late"};

static const mhc__intervene_model *any(const mhc__intervene *study) {
    for (int m = 0; m < study->model_count; m++)
        if (!study->models[m].failed)
            return &study->models[m];
    return NULL;
}

static void band_columns(const mhc__intervene_result *r, mhc__text *tsv) {
    mhc__tsv_number(tsv, false, r->cost);
    mhc__tsv_number(tsv, false, 2 * r->error);
}

static void head(const mhc__intervene *study, const char *first, mhc__text *tsv) {
    mhc__text_format(tsv, "%s", first);
    for (int m = 0; m < study->model_count; m++)
        mhc__text_format(tsv, "\t%s\t%s twice the standard error", study->models[m].label, study->models[m].label);
    mhc__text_format(tsv, "\n");
}

/* Points with bars. column: of the first model's cost; rows: of the file, first and last, from 0. */
static void points(const mhc__intervene *study, const char *file, int column, const int rows[2], const char *how,
                   double shift, mhc__text *gp) {
    mhc__text_format(gp, "drawn(y) = y > %g ? y : %g\nplot ", FLOOR, FLOOR);
    for (int m = 0; m < study->model_count; m++) {
        int cost = column + 2 * m;
        double by = shift * (m - 0.5 * (study->model_count - 1));
        mhc__text_format(gp,
                         "%s'%s.tsv' using ($1%+g):(drawn($%d)):(drawn($%d-$%d)):(drawn($%d+$%d)) skip 1 every "
                         "::%d::%d with yerror%s ls %d pt 7 ps 0.9 lw 1.5 title \"%s\"",
                         m ? ", \\\n     " : "", file, by, cost, cost, cost + 1, cost, cost + 1, rows[0], rows[1], how,
                         m == 0 ? 2 : m + 2, study->models[m].label);
    }
    mhc__text_format(gp, "\n");
}

/* One axis for all panels: its upper end. */
static double top(const mhc__intervene *study) {
    double most = 10 * FLOOR;
    for (int m = 0; m < study->model_count; m++)
        for (int i = 0; i < MHC__INTERVENE_HALVES && !study->models[m].failed; i++) {
            const mhc__intervene_result *r = &study->models[m].results[i];
            most = fmax(most, r->cost + (isfinite(r->error) ? 2 * r->error : 0));
        }
    return 2 * most;
}

static mhc_status halves(mhc__intervene *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "intervene_costs",
                          .width = 1500,
                          .height = 420,
                          .caption =
                              "What the held-out loss rises by where a map is replaced, in all sites, in the first "
                              "half and in the second. Bars: twice the standard error over batches of the text. "
                              "Costs of 1e-5 or less, and negative ones, are drawn at 1e-5."};
    const mhc__intervene_model *first = any(study);
    head(study, "place\tintervention", &figure.tsv);
    mhc__text_format(&figure.gnuplot,
                     "set multiplot layout 1,%d\nset logscale y\nset format y \"%%g\"\nset yrange [%g:%g]\n"
                     "set ylabel \"loss added (nats)\"\nset key outside bottom center horizontal\n"
                     "set xrange [-0.6:2.6]\n"
                     "set xtics (\"%s\" 0, \"%s\" 1, \"%s\" 2)\n",
                     MHC__INTERVENE_GROUPS, FLOOR / 2, top(study), RANGES[0], RANGES[1], RANGES[2]);
    for (int i = 0; i < MHC__INTERVENE_HALVES; i++) {
        const mhc__intervene_result *r = &first->results[i];
        mhc__text_format(&figure.tsv, "%d\t%s = %s, %s", i % MHC__INTERVENE_RANGES, mhc__map_name(r->map),
                         mhc__substitute_name(r->by), RANGES[i % MHC__INTERVENE_RANGES]);
        for (int m = 0; m < study->model_count; m++)
            if (study->models[m].failed)
                mhc__text_format(&figure.tsv, "\tNaN\tNaN");
            else
                band_columns(&study->models[m].results[i], &figure.tsv);
        mhc__text_format(&figure.tsv, "\n");
    }
    for (int i = 0; i < MHC__INTERVENE_HALVES; i += MHC__INTERVENE_RANGES) {
        const int rows[2] = {i, i + MHC__INTERVENE_RANGES - 1};
        mhc__text_format(&figure.gnuplot, "set title \"%s = %s\" noenhanced\n", mhc__map_name(first->results[i].map),
                         mhc__substitute_name(first->results[i].by));
        points(study, figure.name, 3, rows, "bars", 0.2, &figure.gnuplot);
    }
    mhc__text_format(&figure.gnuplot, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

static mhc_status sites(mhc__intervene *study, mhc__html *html, mhc_error *error) {
    mhc__figure figure = {.name = "intervene_sites",
                          .width = 1400,
                          .height = 460,
                          .caption =
                              "The same with H_res of one site replaced, by the number of the site. In the first "
                              "site the streams are copies of the embedding: only the sums of its rows act."};
    int most = 0, columns = 2 * study->model_count;
    for (int m = 0; m < study->model_count; m++)
        most = study->models[m].sites > most ? study->models[m].sites : most;
    mhc__text_format(&figure.tsv, "site");
    for (int by = 0; by < MHC__SUBSTITUTES; by++)
        for (int m = 0; m < study->model_count; m++)
            mhc__text_format(&figure.tsv, "\t%s %s\t%s %s twice the standard error", study->models[m].label,
                             mhc__substitute_name((mhc__substitute)by), study->models[m].label,
                             mhc__substitute_name((mhc__substitute)by));
    mhc__text_format(&figure.tsv, "\n");
    for (int site = 0; site < most; site++) {
        mhc__text_format(&figure.tsv, "%d", site + 1);
        for (int by = 0; by < MHC__SUBSTITUTES; by++)
            for (int m = 0; m < study->model_count; m++) {
                const mhc__intervene_model *model = &study->models[m];
                if (model->failed || site >= model->sites)
                    mhc__text_format(&figure.tsv, "\tNaN\tNaN");
                else
                    band_columns(&model->results[MHC__INTERVENE_HALVES + by * model->sites + site], &figure.tsv);
            }
        mhc__text_format(&figure.tsv, "\n");
    }
    mhc__text_format(
        &figure.gnuplot,
        "set multiplot layout 1,3\nset logscale y\nset format y \"%%g\"\nset yrange [%g:*]\n"
        "set ylabel \"loss added (nats)\"\nset xlabel \"site\"\nset key top right\nset xrange [0.5:%d.5]\n",
        FLOOR / 2, most);
    const int rows[2] = {0, most - 1};
    for (int by = 0; by < MHC__SUBSTITUTES; by++) {
        mhc__text_format(&figure.gnuplot, "set title \"H_res = %s\" noenhanced\n",
                         mhc__substitute_name((mhc__substitute)by));
        points(study, figure.name, 2 + by * columns, rows, "lines", 0.1, &figure.gnuplot);
    }
    mhc__text_format(&figure.gnuplot, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__intervene_figures(mhc__intervene *study, mhc__html *html, mhc_error *error) {
    if (!any(study))
        return MHC_OK;
    MHC__TRY(halves(study, html, error));
    return sites(study, html, error);
}
