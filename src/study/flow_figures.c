#include <math.h>

#include "study/figure.h"
#include "study/flow.h"

enum { PANEL_WIDTH = 560, PANEL_HEIGHT = 400, POINTS = 1500, HEAT_STEPS = 150 };

/* Steps between those that are drawn, so that there are at most `points`. */
static int64_t stride(const mhc__flow *study, int points) {
    return (study->config.train.steps + points - 1) / points;
}

static double value(const mhc__flow_arm *flow, int64_t step, mhc__layer_value which, int layer) {
    return step < flow->log.count ? mhc__layer_at(&flow->log, step, which, layer) : NAN;
}

/* step, then for each of the models from..to the drawn layers, of each value in `which`. */
static void curves_tsv(const mhc__flow *study, int from, int to, const mhc__layer_value *which, int count,
                       mhc__text *tsv) {
    int layers[MHC__FLOW_LAYERS];
    mhc__flow_layers(study->config.model.blocks, layers);
    mhc__text_format(tsv, "step");
    for (int c = from; c < to; c++)
        for (int w = 0; w < count; w++)
            for (int l = 0; l < MHC__FLOW_LAYERS; l++)
                mhc__text_format(tsv, "\t%s value %d layer %d", study->choices[c].label, (int)which[w], layers[l]);
    mhc__text_format(tsv, "\n");
    for (int64_t step = 0; step < study->config.train.steps; step += stride(study, POINTS)) {
        mhc__text_format(tsv, "%lld", (long long)step);
        for (int c = from; c < to; c++)
            for (int w = 0; w < count; w++)
                for (int l = 0; l < MHC__FLOW_LAYERS; l++)
                    mhc__tsv_number(tsv, false, value(mhc__flow_at(study, c, 0), step, which[w], layers[l]));
        mhc__text_format(tsv, "\n");
    }
}

/* Decades that hold every gradient that is drawn, so that panels can be compared; 1e-15, the dotted line, in any case.
 */
static void decades(const mhc__flow *study, const int layers[MHC__FLOW_LAYERS], int *least, int *most) {
    double low = 1e-15, high = 1;
    for (int c = 0; c < study->choice_count; c++)
        for (int64_t step = 0; step < study->config.train.steps; step += stride(study, POINTS))
            for (int l = 0; l < MHC__FLOW_LAYERS; l++) {
                double g = value(mhc__flow_at(study, c, 0), step, MHC__LAYER_GRADIENT, layers[l]);
                low = g > 0 ? fmin(low, g) : low;
                high = isfinite(g) ? fmax(high, g) : high;
            }
    *least = (int)floor(log10(low));
    *most = (int)ceil(log10(high));
}

static mhc_status gradient_flow(mhc__flow *study, mhc__html *html, mhc_error *error) {
    static const mhc__layer_value which[] = {MHC__LAYER_GRADIENT};
    int columns = study->choice_count < 2 ? 1 : 2, rows = (study->choice_count + columns - 1) / columns;
    int layers[MHC__FLOW_LAYERS], least, most;
    mhc__flow_layers(study->config.model.blocks, layers);
    decades(study, layers, &least, &most);
    mhc__figure figure = {.name = "gradient_flow",
                          .width = columns * PANEL_WIDTH,
                          .height = rows * PANEL_HEIGHT,
                          .caption =
                              "Gradient norm of four layers, step by step, of the first seed, as in the published "
                              "picture, which clamps at 1e-15 (dotted) and so can't show the 1e-17 that it is "
                              "quoted for. Nothing is clamped here."};
    curves_tsv(study, 0, study->choice_count, which, 1, &figure.tsv);
    mhc__text *gp = &figure.gnuplot;
    mhc__text_format(
        gp,
        "set multiplot layout %d,%d\nset logscale y\nset format y \"10^{%%T}\"\nset xlabel \"step\" offset 0,0.5\n"
        "set ylabel \"gradient norm of the layer's weight\"\nset key bmargin center horizontal samplen 2\n"
        "set xrange [0:%lld]\nset yrange [1e%d:1e%d]\n",
        rows, columns, (long long)study->config.train.steps, least, most);
    for (int c = 0; c < study->choice_count; c++) {
        mhc__text_format(gp, "set title \"%s\"\nplot 1e-15 with lines dt 3 lc rgb \"#888888\" notitle",
                         study->choices[c].label);
        for (int l = 0; l < MHC__FLOW_LAYERS; l++)
            mhc__text_format(gp, ", \\\n     'gradient_flow.tsv' using 1:%d skip 1 with lines ls %d title \"layer %d\"",
                             2 + c * MHC__FLOW_LAYERS + l, 3 + l, layers[l]);
        mhc__text_format(gp, "\n");
    }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

/* Norms of H of one connection: three panels. */
static mhc_status matrix_evolution(mhc__flow *study, int c, const char *name, const char *caption, mhc__html *html,
                                   mhc_error *error) {
    static const mhc__layer_value which[] = {MHC__LAYER_RES_RAW, MHC__LAYER_RES,      MHC__LAYER_PRE_RAW,
                                             MHC__LAYER_PRE,     MHC__LAYER_POST_RAW, MHC__LAYER_POST};
    static const char *const titles[] = {"H_res", "H_pre", "H_post"};
    int layers[MHC__FLOW_LAYERS];
    mhc__flow_layers(study->config.model.blocks, layers);
    mhc__figure figure = {.name = name, .width = 3 * PANEL_WIDTH, .height = PANEL_HEIGHT + 40, .caption = caption};
    curves_tsv(study, c, c + 1, which, 6, &figure.tsv);
    mhc__text *gp = &figure.gnuplot;
    mhc__text_format(gp,
                     "set multiplot layout 1,3\nset xlabel \"step\" offset 0,0.5\nset ylabel \"Frobenius norm\"\n"
                     "set key bmargin center horizontal samplen 2\nset xrange [0:%lld]\n"
                     "set offsets graph 0, graph 0, graph 0.05, graph 0.05\n",
                     (long long)study->config.train.steps);
    for (int k = 0; k < 3; k++) {
        mhc__text_format(gp, "set title \"%s, %s\" noenhanced\nplot ", study->choices[c].label, titles[k]);
        for (int l = 0; l < MHC__FLOW_LAYERS; l++)
            mhc__text_format(gp,
                             "%s'%s.tsv' using 1:%d skip 1 with lines ls %d title \"layer %d\", \\\n"
                             "     '' using 1:%d skip 1 with lines ls %d dt 2 notitle",
                             l ? ", \\\n     " : "", name, 2 + 2 * k * MHC__FLOW_LAYERS + l, 3 + l, layers[l],
                             2 + (2 * k + 1) * MHC__FLOW_LAYERS + l, 3 + l);
        mhc__text_format(gp, "\n");
    }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

/* One block of the file for each model: step, layer, log10 of the gradient. */
static void heat_tsv(const mhc__flow *study, mhc__text *tsv) {
    for (int c = 0; c < study->choice_count; c++) {
        const mhc__flow_arm *flow = mhc__flow_at(study, c, 0);
        mhc__text_format(tsv, "%s# %s: step, layer, log10 of the gradient norm\n", c ? "\n\n" : "",
                         study->choices[c].label);
        for (int64_t step = 0; step < study->config.train.steps; step += stride(study, HEAT_STEPS))
            for (int layer = 0; layer < study->config.model.blocks; layer++) {
                double g = value(flow, step, MHC__LAYER_GRADIENT, layer);
                mhc__text_format(tsv, "%lld\t%d\t", (long long)step, layer);
                if (isfinite(g))
                    mhc__text_format(tsv, "%.3f\n", log10(fmax(g, 1e-30)));
                else
                    mhc__text_format(tsv, "NaN\n");
            }
    }
}

static mhc_status heat_map(mhc__flow *study, mhc__html *html, mhc_error *error) {
    int columns = study->choice_count < 2 ? 1 : 2, rows = (study->choice_count + columns - 1) / columns;
    mhc__figure figure = {.name = "gradient_heat_map",
                          .width = columns * PANEL_WIDTH,
                          .height = rows * PANEL_HEIGHT,
                          .caption =
                              "Gradient norm of every layer (upwards: towards the output) and step, as log10, of "
                              "the first seed; 1e-16 and less in the darkest, 1e4 and more in the lightest colour."};
    heat_tsv(study, &figure.tsv);
    mhc__text *gp = &figure.gnuplot;
    mhc__text_format(
        gp,
        "set multiplot layout %d,%d\nset xlabel \"step\"\nset ylabel \"layer\"\nset xrange [0:%lld]\n"
        "set yrange [-0.5:%d.5]\nset cbrange [-16:4]\nunset key\nunset grid\nset cblabel \"log10 gradient norm\" "
        "offset 0.7,0\n"
        "set palette defined (0 \"#0d0887\", 0.3 \"#7e03a8\", 0.55 \"#cc4778\", 0.8 \"#f89540\", 1 \"#f0f921\")\n",
        rows, columns, (long long)study->config.train.steps, study->config.model.blocks - 1);
    for (int c = 0; c < study->choice_count; c++)
        mhc__text_format(gp, "set title \"%s\"\nplot 'gradient_heat_map.tsv' index %d using ($1+%g):2:3 with image\n",
                         study->choices[c].label, c, 0.5 * (double)stride(study, HEAT_STEPS));
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

/* Means over windows of 50 steps: single minibatches say little. */
static mhc_status learning(mhc__flow *study, mhc__html *html, mhc_error *error) {
    const mhc__flow_evidence evidence = mhc__flow_evidence_of(study);
    const int64_t window = 50 < study->config.train.steps ? 50 : study->config.train.steps;
    mhc__figure figure = {.name = "learning",
                          .width = 2 * PANEL_WIDTH,
                          .height = PANEL_HEIGHT + 20,
                          .caption =
                              "Training loss, means over 50 steps, against the entropy of the answers (dotted: what "
                              "a constant answer reaches); and share of dev questions right, against the majority's "
                              "share (dotted)."};
    mhc__text *tsv = &figure.tsv, *gp = &figure.gnuplot;
    double least_loss = 0.55, least_right = 0.35;
    mhc__text_format(tsv, "step");
    for (int c = 0; c < study->choice_count; c++)
        mhc__text_format(tsv, "\t%s loss", study->choices[c].label);
    mhc__text_format(tsv, "\n");
    for (int64_t first = 0; first + window <= study->config.train.steps; first += window) {
        mhc__text_format(tsv, "%lld", (long long)(first + window / 2));
        for (int c = 0; c < study->choice_count; c++) {
            const mhc__series *series = &mhc__flow_at(study, c, 0)->arm.series;
            double sum = 0;
            for (int64_t i = first; i < first + window; i++)
                sum += i < series->count ? series->at[i].loss / (double)window : NAN;
            mhc__tsv_number(tsv, false, sum);
            least_loss = fmin(least_loss, sum);
        }
        mhc__text_format(tsv, "\n");
    }
    for (int c = 0; c < study->choice_count; c++) {
        const mhc__layer_log *log = &mhc__flow_at(study, c, 0)->log;
        mhc__text_format(tsv, "\n\n# %s: steps, share right\n", study->choices[c].label);
        for (int i = 0; i < log->evaluation_count; i++) {
            mhc__text_format(tsv, "%lld\t%.6f\n", (long long)log->evaluations[i].steps, log->evaluations[i].accuracy);
            least_right = fmin(least_right, log->evaluations[i].accuracy);
        }
        if (!log->evaluation_count)
            mhc__text_format(tsv, "NaN\tNaN\n");
    }
    mhc__text_format(gp,
                     "set multiplot layout 1,2\nset xlabel \"step\" offset 0,0.5\nset xrange [0:%lld]\n"
                     "set key bmargin center horizontal samplen 2\n"
                     "set title \"Training loss\"\nset ylabel \"cross-entropy (nats)\"\nset yrange [%.2f:0.85]\n"
                     "plot %.9g with lines dt 3 lc rgb \"#888888\" notitle",
                     (long long)study->config.train.steps, floor(20 * least_loss) / 20, evidence.prior_entropy);
    for (int c = 0; c < study->choice_count; c++)
        mhc__text_format(gp, ", \\\n     'learning.tsv' index 0 using 1:%d skip 1 with lines ls %d title \"%s\"", 2 + c,
                         study->choices[c].style, study->choices[c].label);
    mhc__text_format(gp,
                     "\nset title \"Dev questions right\"\nset ylabel \"share\"\nset yrange [%.2f:0.75]\n"
                     "plot %.9g with lines dt 3 lc rgb \"#888888\" notitle",
                     floor(20 * least_right) / 20, evidence.dev_questions ? evidence.majority : 0.5);
    for (int c = 0; c < study->choice_count; c++)
        mhc__text_format(gp,
                         ", \\\n     'learning.tsv' index %d using 1:2 with linespoints ls %d pt 7 ps 0.7 title \"%s\"",
                         c + 1, study->choices[c].style, study->choices[c].label);
    mhc__text_format(gp, "\nunset multiplot\n");
    return mhc__figure_draw(&figure, study->folder.report, html, study->options, error);
}

mhc_status mhc__flow_figures(mhc__flow *study, mhc__html *html, mhc_error *error) {
    MHC__TRY(gradient_flow(study, html, error));
    MHC__TRY(heat_map(study, html, error));
    int hc = mhc__choice_find(study->choices, study->choice_count, "boolq-100-hc");
    int mhc = mhc__choice_find(study->choices, study->choice_count, "boolq-100");
    if (hc >= 0)
        MHC__TRY(
            matrix_evolution(study, hc, "baseline_matrix_evolution",
                             "Norms of the baseline's matrices at four layers, of the first seed. They act as they "
                             "are: raw and projected are the same.",
                             html, error));
    if (mhc >= 0)
        MHC__TRY(
            matrix_evolution(study, mhc, "mhc_matrix_evolution",
                             "Norms of mHC's matrices at four layers, of the first seed: of the raw parameters, as "
                             "published (solid), and of what acts, after sigmoid and Sinkhorn (dashed).",
                             html, error));
    return learning(study, html, error);
}
