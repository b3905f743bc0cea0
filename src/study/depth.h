/* Inside of the depth study: its arms, and what the report is made from. */
#ifndef MHC_STUDY_DEPTH_H
#define MHC_STUDY_DEPTH_H

#include "report/html.h"
#include "study/arm.h"
#include "study/settings.h"

typedef struct mhc__depth {
    const mhc__study_options *options;
    char out[1024], report[1100]; /* OUT and OUT/report */
    char connections[MHC__STUDY_MAX_CHOICES][32];
    int depths[MHC__STUDY_MAX_CHOICES]; /* blocks, rising */
    int connection_count, depth_count, seeds;
    mhc__config config; /* of all arms; each has its own blocks, connection, streams, wrap and seed */
    mhc__arm *arms;     /* [depth_count, connection_count, seeds] */
} mhc__depth;

static inline const mhc__arm *mhc__depth_arm(const mhc__depth *study, int depth, int connection, int seed) {
    return &study->arms[(depth * study->connection_count + connection) * study->seeds + seed];
}

/* Numbers of one arm. */
typedef enum mhc__depth_value {
    MHC__DEPTH_LOSS_END,   /* mean of the last five steps; NaN when it became NaN */
    MHC__DEPTH_GRAD_MAX,   /* largest global gradient norm */
    MHC__DEPTH_SIGNAL,     /* ||x_L|| / ||x_0|| before training */
    MHC__DEPTH_SIGNAL_END, /* after it */
    MHC__DEPTH_GROWTH,     /* SIGNAL to the power 1 / blocks */
    MHC__DEPTH_GRADIENT,   /* norm of dL/dx_0 over that of dL/dx_L, before training */
    MHC__DEPTH_GRADIENT_END,
    MHC__DEPTH_COMPOSITE,     /* forward composite gain before training */
    MHC__DEPTH_COMPOSITE_MAX, /* the largest, of all steps and both profiles */
    MHC__DEPTH_COMPOSITE_BACK_MAX,
    MHC__DEPTH_PROXY,  /* mhc-poc's, after training */
    MHC__DEPTH_SPREAD, /* the largest in training */
    MHC__DEPTH_SECONDS /* per step */
} mhc__depth_value;

double mhc__depth_of(const mhc__arm *arm, mhc__depth_value which);
/* Mean and sample standard deviation over seeds. */
void mhc__depth_over_seeds(const mhc__depth *study, int depth, int connection, mhc__depth_value which, double *mean,
                           double *deviation);
double mhc__depth_mean(const mhc__depth *study, int depth, int connection, mhc__depth_value which);
const char *mhc__depth_label(mhc__depth *study, int connection);
int mhc__depth_style(mhc__depth *study, int connection);

/* OUT/report/: index.html, the pictures, table.tsv and table.md; the table also to the log. */
mhc_status mhc__depth_report(mhc__depth *study, mhc_error *error);
mhc_status mhc__depth_figures(mhc__depth *study, mhc__html *html, mhc_error *error);
void mhc__depth_findings(mhc__depth *study, mhc__html *html);

#endif
