#include "study/sinkhorn_flow.h"

#include <math.h>

#include "base/philox.h"
#include "mhc/oracle.h"
#include "study/figure.h"

enum { FLOW = 6, FLOW_STREAMS = 4 };

/* One matrix of the flow as block number `index` of the file; its largest deviation of a row or column sum from 1. */
static double flow_block(const double *res, int index, int iterations, mhc__text *tsv) {
    double worst = 0;
    if (index)
        mhc__text_format(tsv, "\n\n");
    for (int i = 0; i < FLOW_STREAMS; i++) {
        double row = 0, column = 0;
        for (int j = 0; j < FLOW_STREAMS; j++) {
            row += res[i * FLOW_STREAMS + j];
            column += res[j * FLOW_STREAMS + i];
            mhc__text_format(tsv, "%d\t%d\t%d", iterations, i + 1, j + 1);
            mhc__tsv_number(tsv, false, res[i * FLOW_STREAMS + j]);
            mhc__text_format(tsv, "\n");
        }
        worst = fmax(worst, fmax(fabs(row - 1), fabs(column - 1)));
    }
    return worst;
}

mhc_status mhc__sinkhorn_flow(const mhc__study_options *options, const char *folder, mhc__html *html,
                              mhc_error *error) {
    static const int iterations[FLOW] = {0, 1, 2, 5, 10, 20};
    mhc__figure figure = {.name = "sinkhorn_flow",
                          .width = 1500,
                          .height = 330,
                          .caption =
                              "A random matrix, exp of N(0, 1) logits, after 0 to 20 Sinkhorn iterations (rows, "
                              "then columns): the map that gives mHC its H_res. Below each: the largest distance "
                              "of a row or column sum from 1. In the model itself nothing like this happens "
                              "where the logits stay at 0."};
    float draw[FLOW_STREAMS * FLOW_STREAMS];
    double logits[FLOW_STREAMS * FLOW_STREAMS], res[FLOW_STREAMS * FLOW_STREAMS];
    mhc__normal_fill(options->seed, mhc__philox_place(0x464c4f57u, 0), 1.0f, draw, FLOW_STREAMS * FLOW_STREAMS);
    mhc_spec spec;
    MHC__TRY(mhc_spec_preset(&spec, "reproducing-mhc", FLOW_STREAMS, 1, error));
    mhc__text *gp = &figure.gnuplot;
    mhc__text_format(&figure.tsv, "# iterations\trow\tcolumn\tvalue\n");
    mhc__text_format(gp,
                     "set multiplot layout 1,%d\nset palette defined (0 \"#f7fbff\", 0.5 \"#6baed6\", 1 \"#08306b\")\n"
                     "set cbrange [0:1]\nunset colorbox\nset size square\nset xrange [0.5:4.5]\n"
                     "set yrange [4.5:0.5]\nunset xtics\nunset ytics\nunset border\nunset grid\nunset key\n",
                     FLOW);
    for (int k = 0; k < FLOW; k++) {
        for (int i = 0; i < FLOW_STREAMS * FLOW_STREAMS; i++) {
            logits[i] = draw[i];
            res[i] = exp(logits[i]);
        }
        spec.sinkhorn.iterations = iterations[k];
        mhc_status status = k ? mhc_oracle_constraint_forward(&spec, logits, res, error) : MHC_OK;
        if (status != MHC_OK) {
            mhc__text_free(&figure.tsv);
            mhc__text_free(gp);
            return status;
        }
        double worst = flow_block(res, k, iterations[k], &figure.tsv);
        mhc__text_format(gp, "set title \"%d iteration%s\"\nset xlabel \"sums off by %.2g\"\n", iterations[k],
                         iterations[k] == 1 ? "" : "s", worst);
        mhc__text_format(gp,
                         "plot 'sinkhorn_flow.tsv' index %d using 3:2:4 with image, '' index %d using 3:2:($4 < 0.55 ? "
                         "sprintf(\"%%.2f\",$4) : \"\") with labels textcolor rgb \"#222222\", '' index %d using "
                         "3:2:($4 < 0.55 ? \"\" : sprintf(\"%%.2f\",$4)) with labels textcolor rgb \"#ffffff\"\n",
                         k, k, k);
    }
    mhc__text_format(gp, "unset multiplot\n");
    return mhc__figure_draw(&figure, folder, html, options, error);
}
