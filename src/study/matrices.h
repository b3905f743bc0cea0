/* The paper's figures 7 and 8 from trained models: token-averaged mixing matrices, single and multiplied, with their
 * sums.
 */
#ifndef MHC_STUDY_MATRICES_H
#define MHC_STUDY_MATRICES_H

#include "report/claim.h"
#include "report/html.h"
#include "study/settings.h"

enum { MHC__MATRICES_PANELS = 12, MHC__MATRICES_MODELS = 8 };

/* Gains by site, in both orders of averaging: the mean over tokens of the gain, and the gain of the mean matrix. */
typedef enum mhc__matrices_curve {
    MHC__SINGLE_FORWARD,
    MHC__SINGLE_BACKWARD,
    MHC__COMPOSITE_FORWARD,  /* of H_l ... H_1 */
    MHC__COMPOSITE_BACKWARD, /* of H_L ... H_l */
    MHC__MATRICES_CURVES
} mhc__matrices_curve;

/* Sites first to last, from 1; one site: its matrix, else the product H_last ... H_first. */
typedef struct mhc__matrices_window {
    int first, last;
} mhc__matrices_window;

typedef struct mhc__matrices_model {
    char label[64], path[1300], connection[32];
    bool failed;  /* its training was not finite: nothing is measured */
    bool altered; /* its H_res is not that of the connection's preset: no example of it */
    int64_t step, tokens;
    double loss, seconds; /* of one batch; of training */
    int sites, streams, panel_count;
    mhc__matrices_window windows[MHC__MATRICES_PANELS];
    double *panels;    /* [panel_count][n, n]: token means, row = destination */
    double *of_token;  /* [MHC__MATRICES_CURVES][sites]: means over tokens of gains */
    double *of_mean;   /* the same, of mean matrices */
    double column_min; /* smallest column sum of the mean of the whole product, and its smallest row sum */
    double row_min;
    double means_off; /* largest entry of (product of mean matrices) - (mean of products), over all sites, over that of
                         the latter */
} mhc__matrices_model;

typedef struct mhc__matrices {
    const mhc__study_options *options;
    mhc__study_folder folder;
    mhc__config config; /* of the models that are trained */
    bool own;
    const char *sites, *ranges; /* as set; NULL: first, middle and last; both halves and all */
    mhc__matrices_model models[MHC__MATRICES_MODELS];
    int model_count;
} mhc__matrices;

/* Measures the trained model at model->path. */
mhc_status mhc__matrices_measure(const mhc__matrices *study, mhc__matrices_model *model, mhc_error *error);
void mhc__matrices_model_free(mhc__matrices_model *model);
/* The windows of a model of so many sites, from "1,30" and "1-30,1-60", or the default. Errors name the field. */
mhc_status mhc__matrices_windows(const char *sites, const char *ranges, int count, mhc__matrices_model *model,
                                 mhc_error *error);

typedef struct mhc__matrices_evidence {
    double mhc_forward_off;            /* the largest distance of a composite forward gain of mHC from 1 */
    double mhc_single, mhc_composite;  /* largest backward gains of mean matrices */
    double hc_composite;               /* largest composite gain of HC, either way; NaN: not there */
    double mhc_orders, mhc_column_min; /* largest difference of the two orders in its composite; smallest column sum */
} mhc__matrices_evidence;
mhc__matrices_evidence mhc__matrices_gather(const mhc__matrices *study);
enum { MHC__MATRICES_CLAIMS = 3 };
extern const mhc__claim mhc__matrices_claims[MHC__MATRICES_CLAIMS];
/* Largest of a curve. */
double mhc__matrices_most(const mhc__matrices_model *model, const double *curves, mhc__matrices_curve curve);

mhc_status mhc__matrices_figures(mhc__matrices *study, mhc__html *html, mhc_error *error);
mhc_status mhc__matrices_report(mhc__matrices *study, mhc_error *error);

#endif
