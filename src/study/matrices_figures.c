#include <math.h>

#include "probe/matrix.h"
#include "study/figure.h"
#include "study/matrices.h"

enum { CELL = 62, MARGIN = 90 };

static const mhc__matrices_model *first_measured(const mhc__matrices *study) {
    for (int m = 0; m < study->model_count; m++)
        if (!study->models[m].failed)
            return &study->models[m];
    return NULL;
}

static int measured(const mhc__matrices *study) {
    int count = 0;
    for (int m = 0; m < study->model_count; m++)
        count += !study->models[m].failed;
    return count;
}

/* Two blocks for each matrix: its entries; then its sums, of rows at the right, of columns below. */
static void matrix_blocks(const double *h, int n, bool first, mhc__text *tsv) {
    mhc__text_format(tsv, "%s", first ? "" : "\n\n");
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            mhc__text_format(tsv, "%d\t%d", i + 1, j + 1);
            mhc__tsv_number(tsv, false, h[i * n + j]);
            mhc__text_format(tsv, "\n");
        }
    mhc__text_format(tsv, "\n\n");
    for (int i = 0; i < n; i++) {
        mhc__text_format(tsv, "%d\t%d", i + 1, n + 1);
        mhc__tsv_number(tsv, false, mhc__row_sum(h, n, i));
        mhc__text_format(tsv, "\n%d\t%d", n + 1, i + 1);
        mhc__tsv_number(tsv, false, mhc__column_sum(h, n, i));
        mhc__text_format(tsv, "\n");
    }
}

static void panel(const char *file, const mhc__matrices_model *model, int p, int block, mhc__text *gp) {
    mhc__matrices_window window = model->windows[p];
    int n = model->streams;
    if (window.first == window.last)
        mhc__text_format(gp, "set title \"%s: H_{%d}\"\n", model->label, window.first);
    else
        mhc__text_format(gp, "set title \"%s: H_{%d} ... H_{%d}\"\n", model->label, window.last, window.first);
    mhc__text_format(gp, "set xrange [0.5:%d.8]\nset yrange [%d.6:0.5]\n", n + 1, n + 1);
    mhc__text_format(gp,
                     "plot '%s.tsv' index %d using 2:1:(clamp($3)) with image, '' index %d using 2:1:(abs($3) < 0.55 ? "
                     "text($3) : \"\") with labels textcolor rgb \"#222222\", '' index %d using 2:1:(abs($3) < 0.55 ? "
                     "\"\" : text($3)) with labels textcolor rgb \"#ffffff\", '' index %d using 2:1:(text($3)) with "
                     "labels textcolor rgb \"#333333\"\n",
                     file, block, block, block, block + 1);
}

/* Figure 8: one row of panels for each model. */
static mhc_status heat_maps(mhc__matrices *study, mhc__html *html, mhc_error *error) {
    const mhc__matrices_model *any = first_measured(study);
    mhc__figure figure = {
        .name = "matrices",
        .caption = "The paper's figure 8: matrices averaged over tokens, single (H_l) and multiplied; products "
                   "are formed token by token and averaged then. Row i is the destination, column j the "
                   "source. At the right of each row its sum, the forward gain of stream i; below each column "
                   "its sum, the backward gain. Blue is positive, red negative; colours end at 1 and -1."};
    int panels = 0, streams = any->streams, block = 0;
    for (int m = 0; m < study->model_count; m++) {
        panels = study->models[m].panel_count > panels ? study->models[m].panel_count : panels;
        streams = study->models[m].streams > streams ? study->models[m].streams : streams;
    }
    int size = CELL * (streams > 4 ? streams : 4) + MARGIN;
    figure.width = size * panels;
    figure.height = size * measured(study);
    mhc__text_format(
        &figure.gnuplot,
        "clamp(x) = x > 1 ? 1 : x < -1 ? -1 : x\n"
        "text(x) = abs(x) < 0.005 ? \"0.00\" : abs(x) < 9.995 ? sprintf(\"%%.2f\", x) : abs(x) < 9999 ? "
        "sprintf(\"%%.0f\", x) : "
        "sprintf(\"%%.0e\", x)\n"
        "set multiplot layout %d,%d\nset palette defined (-1 \"#8b1a1a\", -0.5 \"#ef8a62\", 0 \"#f7f7f7\", "
        "0.5 \"#6baed6\", 1 \"#08306b\")\nset cbrange [-1:1]\nunset colorbox\nset size square\n"
        "unset xtics\nunset ytics\nunset border\nunset grid\nunset key\n",
        measured(study), panels);
    for (int m = 0; m < study->model_count; m++) {
        const mhc__matrices_model *model = &study->models[m];
        int n = model->streams;
        for (int p = 0; p < model->panel_count && !model->failed; p++, block += 2) {
            matrix_blocks(model->panels + p * n * n, n, block == 0, &figure.tsv);
            panel(figure.name, model, p, block, &figure.gnuplot);
        }
        for (int p = model->panel_count; p < panels && !model->failed; p++)
            mhc__text_format(&figure.gnuplot, "set multiplot next\n");
    }
    mhc__text_format(&figure.gnuplot, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

/* Figures 3 and 7: a row for each model, gains of single matrices and of products. */
static mhc_status gains(mhc__matrices *study, mhc__html *html, mhc_error *error) {
    static const char *const names[MHC__MATRICES_CURVES] = {"forward", "backward", "forward", "backward"};
    mhc__figure figure = {
        .name = "matrices_gains",
        .width = 1200,
        .height = 380 * measured(study),
        .caption = "The paper's figures 3 and 7. Left, single matrices; right, products: forward of the sites "
                   "1 to l, backward of the sites l to the last. Gain: the largest absolute sum of a row "
                   "(forward) or a column (backward). Lines: of the matrix averaged over tokens, as the "
                   "paper's figures; dots: the mean over tokens of each token's own gain."};
    int sites = 0, row = 0;
    mhc__text_format(&figure.tsv, "site");
    for (int m = 0; m < study->model_count; m++) {
        if (study->models[m].failed)
            continue;
        sites = study->models[m].sites > sites ? study->models[m].sites : sites;
        for (int c = 0; c < MHC__MATRICES_CURVES; c++)
            mhc__text_format(&figure.tsv, "\t%s %s %s of the mean\t%s %s %s, mean", study->models[m].label,
                             c < 2 ? "single" : "composite", names[c], study->models[m].label,
                             c < 2 ? "single" : "composite", names[c]);
    }
    for (int s = 0; s < sites; s++) {
        mhc__text_format(&figure.tsv, "\n%d", s + 1);
        for (int m = 0; m < study->model_count; m++) {
            const mhc__matrices_model *model = &study->models[m];
            for (int c = 0; c < MHC__MATRICES_CURVES && !model->failed; c++) {
                int place = c * model->sites + s;
                mhc__tsv_number(&figure.tsv, false, s < model->sites ? model->of_mean[place] : NAN);
                mhc__tsv_number(&figure.tsv, false, s < model->sites ? model->of_token[place] : NAN);
            }
        }
    }
    mhc__text_format(&figure.tsv, "\n");
    mhc__text_format(&figure.gnuplot,
                     "set multiplot layout %d,2\nset xlabel \"site\"\nset ylabel \"gain\"\nset xrange [0:%d]\n"
                     "set key outside bottom center horizontal noenhanced\n",
                     measured(study), sites + 1);
    for (int m = 0; m < study->model_count; m++) {
        const mhc__matrices_model *model = &study->models[m];
        if (model->failed)
            continue;
        for (int side = 0; side < 2; side++) {
            double most = fmax(mhc__matrices_most(model, model->of_token, (mhc__matrices_curve)(2 * side)),
                               mhc__matrices_most(model, model->of_token, (mhc__matrices_curve)(2 * side + 1)));
            mhc__text_format(&figure.gnuplot, "set title \"%s, %s\"\n%s\nplot ", model->label,
                             side ? "products" : "single matrices",
                             most > 10 ? "set logscale y\nset yrange [*:*]" : "unset logscale y\nset yrange [0:*]");
            for (int c = 2 * side; c < 2 * side + 2; c++) {
                int column = 2 + 2 * (row * MHC__MATRICES_CURVES + c);
                mhc__text_format(
                    &figure.gnuplot,
                    "%s'%s.tsv' using 1:%d skip 1 with lines ls %d title \"%s\", '' using 1:%d skip 1 with "
                    "points ls %d pt 7 ps 0.4 notitle",
                    c > 2 * side ? ", " : "", figure.name, column, c % 2 ? 2 : 3, names[c], column + 1, c % 2 ? 2 : 3);
            }
            mhc__text_format(&figure.gnuplot, "\n");
        }
        row++;
    }
    mhc__text_format(&figure.gnuplot, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__matrices_figures(mhc__matrices *study, mhc__html *html, mhc_error *error) {
    if (!first_measured(study))
        return MHC_OK;
    MHC__TRY(heat_maps(study, html, error));
    return gains(study, html, error);
}
