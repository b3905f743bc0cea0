#include <math.h>

#include "file/atomic.h"
#include "study/figure.h"
#include "study/page.h"
#include "study/sinkhorn.h"
#include "study/sinkhorn_flow.h"

typedef mhc__sinkhorn_evidence evidence;

static void errors_table(const evidence *e, mhc__table *table) {
    mhc__table_start(table, "Logits|Cycles|Mean error|99 of 100|Largest|Above 1e-3, %");
    for (int c = 0; c < MHC__SINKHORN_CASES; c++)
        for (int t = 0; t < MHC__SINKHORN_TIMES; t++) {
            const mhc__sinkhorn_case *one = &e->cases[c];
            mhc__table_cell(table, "%s", mhc__sinkhorn_cases[c].name);
            mhc__table_cell(table, "%d", mhc__sinkhorn_times[t]);
            mhc__table_number(table, one->mean[t]);
            mhc__table_number(table, one->p99[t]);
            mhc__table_number(table, one->most[t]);
            mhc__table_number(table, 100 * one->above[t]);
        }
}

static void limits_table(const evidence *e, mhc__table *table) {
    mhc__table_start(table, "Logits|Mass off the diagonal|σ on differences|Cycles to 1e-6, mean|99 of 100|Not there, %|"
                            "Ratio less σ², median|Gradient of 20 cycles off the limit's, median|99 of 100");
    for (int c = 0; c < MHC__SINKHORN_CASES; c++) {
        const mhc__sinkhorn_case *one = &e->cases[c];
        mhc__table_cell(table, "%s", mhc__sinkhorn_cases[c].name);
        mhc__table_number(table, one->off_diagonal);
        mhc__table_number(table, one->sigma);
        mhc__table_number(table, one->cycles_mean);
        mhc__table_number(table, one->cycles_p99);
        mhc__table_number(table, 100 * one->capped);
        if (isfinite(one->rate_off))
            mhc__table_number(table, one->rate_off);
        else
            mhc__table_cell(table, "–");
        mhc__table_number(table, one->gradient_median);
        mhc__table_number(table, one->gradient_p99);
    }
}

static void kinds_table(const evidence *e, int scale, mhc__table *table) {
    mhc__text head = {0};
    mhc__text_format(&head, "Convention");
    for (int k = 0; k < MHC__SINKHORN_KINDS; k++)
        mhc__text_format(&head, "|%s", mhc__sinkhorn_kinds[k]);
    mhc__table_start(table, head.data ? head.data : "");
    table->failed |= head.failed;
    mhc__text_free(&head);
    for (int a = 0; a < MHC__SINKHORN_KINDS; a++) {
        mhc__table_cell(table, "%s", mhc__sinkhorn_kinds[a]);
        for (int b = 0; b < MHC__SINKHORN_KINDS; b++)
            if (a == b)
                mhc__table_cell(table, "–");
            else
                mhc__table_cell(table, "%.2g (%.2g)", e->median[scale][a][b], e->largest[scale][a][b]);
    }
}

static void stacks_table(const evidence *e, mhc__table *table) {
    mhc__text head = {0};
    mhc__text_format(&head, "Layers");
    for (int d = 0; d < MHC__SINKHORN_DEPTHS; d++)
        mhc__text_format(&head, "|%d %s", mhc__sinkhorn_depths[d], d ? "layers" : "layer");
    mhc__table_start(table, head.data ? head.data : "");
    table->failed |= head.failed;
    mhc__text_free(&head);
    for (int k = 0; k < MHC__SINKHORN_STACKS; k++) {
        mhc__table_cell(table, "%s", e->stacks[k].name);
        for (int d = 0; d < MHC__SINKHORN_DEPTHS; d++)
            mhc__table_cell(table, "%.4g (%.4g)", e->stacks[k].p95[d], e->stacks[k].most[d]);
    }
}

static mhc_status curves(const evidence *e, const mhc__study_options *options, const char *folder, mhc__html *html,
                         mhc_error *error) {
    mhc__figure figure = {.name = "sinkhorn_convergence",
                          .width = 1200,
                          .height = 480,
                          .caption =
                              "Mean error of the column sums by cycle (columns, then rows, as the paper does). Left, "
                              "logits around 0; right, matrices that start near the identity: there the iteration "
                              "hardly moves, and 20 cycles (the grey line) are far from the end."};
    mhc__text_format(&figure.tsv, "# cycle");
    for (int c = 0; c < MHC__SINKHORN_CASES; c++)
        mhc__text_format(&figure.tsv, "\t%s", mhc__sinkhorn_cases[c].name);
    for (int step = 0; step < MHC__SINKHORN_STEPS; step++) {
        mhc__text_format(&figure.tsv, "\n%d", step + 1);
        for (int c = 0; c < MHC__SINKHORN_CASES; c++) /* what is left is rounding */
            mhc__tsv_number(&figure.tsv, false, e->cases[c].curve[step] > 1e-15 ? e->cases[c].curve[step] : NAN);
    }
    mhc__text_format(&figure.tsv, "\n");
    mhc__text *gp = &figure.gnuplot;
    mhc__text_format(gp,
                     "set multiplot layout 1,2\nset logscale xy\nset format y \"10^{%%T}\"\nset xrange [1:%d]\n"
                     "set yrange [1e-15:3]\nset xlabel \"cycles\"\nset ylabel \"largest |column sum - 1|, mean\"\n"
                     "set key bottom left\nset arrow 1 from 20, graph 0 to 20, graph 1 nohead lc rgb \"#888888\"\n",
                     MHC__SINKHORN_STEPS);
    for (int near = 0; near < 2; near++) {
        mhc__text_format(gp, "set title \"%s\"\nplot ", near ? "near the identity" : "around 0");
        for (int c = 0, style = 0; c < MHC__SINKHORN_CASES; c++) {
            if ((mhc__sinkhorn_cases[c].gap > 0) != (near == 1))
                continue;
            mhc__text_format(gp, "%s'%s.tsv' using 1:%d skip 1 with lines ls %d title \"%s\"",
                             style ? ", \\\n     " : "", figure.name, c + 2, style + 1, mhc__sinkhorn_cases[c].name);
            style++;
        }
        mhc__text_format(gp, "\n");
    }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, folder, html, options, error);
}

/* Heat maps of the logarithm of a median, one for each scale. */
static mhc_status conventions(const evidence *e, const mhc__study_options *options, const char *folder, mhc__html *html,
                              mhc_error *error) {
    mhc__figure figure = {.name = "sinkhorn_conventions",
                          .width = 1500,
                          .height = 480,
                          .caption =
                              "How far two conventions are apart for the same logits: the largest difference of an "
                              "entry of H_res, median over the draws, as a power of ten. `birkhoff` is the limit that "
                              "all of them approach."};
    for (int scale = 0; scale < MHC__SINKHORN_SCALES; scale++) {
        mhc__text_format(&figure.tsv, "%s# scale\trow\tcolumn\tlog10 of the median\n", scale ? "\n\n" : "");
        for (int a = 0; a < MHC__SINKHORN_KINDS; a++)
            for (int b = 0; b < MHC__SINKHORN_KINDS; b++) {
                mhc__text_format(&figure.tsv, "%g\t%d\t%d", mhc__sinkhorn_scales[scale], a, b);
                mhc__tsv_number(&figure.tsv, false, log10(fmax(e->median[scale][a][b], 1e-16)));
                mhc__text_format(&figure.tsv, "\n");
            }
    }
    mhc__text *gp = &figure.gnuplot;
    mhc__text_format(gp,
                     "set multiplot layout 1,%d\nset palette defined (0 \"#f7fbff\", 0.5 \"#6baed6\", 1 \"#08306b\")\n"
                     "set cbrange [-8:0]\nunset colorbox\nset size square\nset lmargin 14\nset rmargin 1\nset bmargin "
                     "6\nset xrange [-0.5:%d.5]\nset yrange [%d.5:-0.5]\n"
                     "unset grid\nunset key\nset xtics rotate by 45 right noenhanced (",
                     MHC__SINKHORN_SCALES, MHC__SINKHORN_KINDS - 1, MHC__SINKHORN_KINDS - 1);
    for (int axis = 0; axis < 2; axis++)
        for (int k = 0; k < MHC__SINKHORN_KINDS; k++)
            mhc__text_format(gp, "\"%s\" %d%s", mhc__sinkhorn_kinds[k], k,
                             k + 1 < MHC__SINKHORN_KINDS ? ", "
                             : axis                      ? ")\n"
                                                         : ")\nset ytics noenhanced (");
    for (int scale = 0; scale < MHC__SINKHORN_SCALES; scale++)
        mhc__text_format(
            gp,
            "set title \"logits N(0, %g²)\"\nplot '%s.tsv' index %d using 3:2:4 with image, '' index %d using "
            "3:2:($2 == $3 || $4 >= -4 ? \"\" : sprintf(\"%%.0f\",$4)) with labels textcolor rgb \"#222222\", '' index "
            "%d "
            "using 3:2:($4 < -4 ? \"\" : sprintf(\"%%.1f\",$4)) with labels textcolor rgb \"#ffffff\"\n",
            mhc__sinkhorn_scales[scale], figure.name, scale, scale, scale);
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, folder, html, options, error);
}

static mhc_status gradients(const evidence *e, const mhc__study_options *options, const char *folder, mhc__html *html,
                            mhc_error *error) {
    mhc__figure figure = {.name = "sinkhorn_gradient",
                          .width = 800,
                          .height = 440,
                          .caption =
                              "The gradient through 20 cycles against that of the exact limit, relative Frobenius "
                              "distance: the median, and what 99 of 100 are below. Both are right, of two different "
                              "maps: near the identity `sinkhorn` and `birkhoff` are two models."};
    mhc__text_format(&figure.tsv, "# logits\tmedian\t99 of 100\n");
    for (int c = 0; c < MHC__SINKHORN_CASES; c++) {
        mhc__text_format(&figure.tsv, "%s", mhc__sinkhorn_cases[c].name);
        mhc__tsv_number(&figure.tsv, false, fmax(e->cases[c].gradient_median, 1e-13));
        mhc__tsv_number(&figure.tsv, false, fmax(e->cases[c].gradient_p99, 1e-13));
        mhc__text_format(&figure.tsv, "\n");
    }
    mhc__text_format(
        &figure.gnuplot,
        "set logscale y\nset format y \"10^{%%T}\"\nset yrange [1e-13:*]\nset xrange [-0.5:%d.5]\n"
        "set xtics rotate by 30 right\nset ylabel \"distance of the gradients\"\nset key top left\n"
        "plot '%s.tsv' using 0:2:xtic(1) skip 1 with linespoints ls 3 pt 7 title \"median\", '' using 0:3 skip 1 "
        "with linespoints ls 2 pt 5 title \"99 of 100\"\n",
        MHC__SINKHORN_CASES - 1, figure.name);
    return mhc__figure_draw(&figure, folder, html, options, error);
}

static void show(mhc__html *html, void (*fill)(const evidence *, mhc__table *), const evidence *e,
                 const char *caption) {
    mhc__table table;
    fill(e, &table);
    mhc__html_table(html, &table, caption);
    mhc__table_free(&table);
}

static mhc_status body(mhc__html *html, const evidence *e, const mhc__table *errors, const mhc__study_options *options,
                       const char *folder, mhc_error *error) {
    mhc__html_paragraph(
        html,
        "mHC keeps H_res on the doubly stochastic matrices by dividing rows and columns by their sums, 20 times "
        "over. How near does that come, where does it not, and do the published conventions agree? Nothing is "
        "trained here: %lld random 4 x 4 matrices of each kind, in double precision. **N(0, s²)**: independent "
        "logits. **gap g**: g on the diagonal besides, so that H_res starts near the identity, where trained "
        "models have been found.",
        (long long)e->draws);
    MHC__TRY(mhc__page_claims(html, mhc__sinkhorn_claims, MHC__SINKHORN_CLAIMS, e, folder, options, error));
    mhc__html_section(html, "Convergence");
    MHC__TRY(curves(e, options, folder, html, error));
    show(html, limits_table, e,
         "The limit, how many cycles lead to it, and how far the gradient through 20 cycles is from its own. Counts "
         "stop "
         "at the number of cycles that the run tries; –: none came near its limit.");
    mhc__html_section(html, "Gradient");
    MHC__TRY(gradients(e, options, folder, html, error));
    mhc__html_section(html, "Conventions");
    mhc__html_paragraph(html, "Order, eps and start are semantics: the same logits (for conventions that lay them out "
                              "transposed, the transposed ones) give different matrices.");
    MHC__TRY(conventions(e, options, folder, html, error));
    for (int scale = 0; scale < MHC__SINKHORN_SCALES; scale++) {
        char caption[128];
        mhc__table table;
        snprintf(caption, sizeof caption,
                 "The largest difference of an entry: its median over the draws, and in brackets the largest; logits "
                 "N(0, %g²).",
                 mhc__sinkhorn_scales[scale]);
        kinds_table(e, scale, &table);
        mhc__html_table(html, &table, caption);
        mhc__table_free(&table);
    }
    mhc__html_section(html, "Products over depth");
    show(
        html, stacks_table, e,
        "The largest column sum of the product: what 95 of 100 are below, and in brackets the largest. 20 cycles, rows "
        "last: row sums of the product are 1 to rounding, and all of the error is in the column sums, the backward "
        "gain.");
    mhc__html_section(html, "The iteration at work");
    MHC__TRY(mhc__sinkhorn_flow(options, folder, html, error));
    mhc__html_section(html, "All errors");
    mhc__html_table(html, errors, "The largest distance of a column sum from 1.");
    return MHC_OK;
}

mhc_status mhc__sinkhorn_report(const mhc__study_options *options, const evidence *e, double seconds,
                                const char *folder, mhc_error *error) {
    MHC__TRY(mhc__make_folders(folder, error));
    mhc__html html;
    mhc__table table;
    mhc__html_start(&html, "Sinkhorn's iteration",
                    "What 20 iterations leave, for which logits, and how conventions differ");
    errors_table(e, &table);
    mhc_status status = body(&html, e, &table, options, folder, error);
    const mhc__page_ending ending = {"sinkhorn", options, folder, 1, seconds, &table, NULL};
    status = mhc__page_end(status, &ending, &html, error);
    mhc__table_free(&table);
    return status;
}
