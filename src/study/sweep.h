/* One model at several depths, with several connections: what the studies `demo` and `depth` are made of. */
#ifndef MHC_STUDY_SWEEP_H
#define MHC_STUDY_SWEEP_H

#include "report/html.h"
#include "study/arm.h"
#include "study/settings.h"
#include "study/variant.h"

typedef struct mhc__sweep mhc__sweep;

/* What tells one of these studies from the other. */
typedef struct mhc__sweep_kind {
    const char *name, *title, *subtitle;
    const char *question; /* a paragraph */
    mhc__config (*config)(mhc__study_size size);
    /* Rows of a batch at this depth, where nobody set them; may be NULL. */
    int (*batch)(const mhc__config *config, int blocks);
    const mhc__variant *variants;
    const char *connections, *depths; /* unless set */
    const char *quick;                /* connections of a quick run; NULL: the same */
    /* Of the report, after the general part: tables and sentences, then pictures. May be NULL. */
    mhc_status (*own_page)(mhc__sweep *study, mhc__html *html, mhc_error *error);
    mhc_status (*own_figures)(mhc__sweep *study, mhc__html *html, mhc_error *error);
    const char *next; /* commands to try next */
} mhc__sweep_kind;

struct mhc__sweep {
    const mhc__sweep_kind *kind;
    const mhc__study_options *options;
    mhc__study_folder folder;
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];
    int depths[MHC__STUDY_MAX_CHOICES]; /* blocks, rising */
    int choice_count, depth_count, seeds;
    mhc__config config; /* of all arms; each has its own blocks, batch, choice and seed */
    mhc__arm *arms;     /* [depth_count, choice_count, seeds] */
};

/* Runs the study. */
mhc_status mhc__sweep_run(const mhc__sweep_kind *kind, const mhc__study_options *options, mhc_error *error);

static inline const mhc__arm *mhc__sweep_arm(const mhc__sweep *study, int depth, int choice, int seed) {
    return &study->arms[(depth * study->choice_count + choice) * study->seeds + seed];
}

/* Numbers of one arm. */
typedef enum mhc__sweep_value {
    MHC__SWEEP_LOSS_END,   /* mean of the last five steps; NaN when it became NaN */
    MHC__SWEEP_GRAD_MAX,   /* largest global gradient norm */
    MHC__SWEEP_SIGNAL,     /* ||x_L|| / ||x_0|| before training */
    MHC__SWEEP_SIGNAL_END, /* after it */
    MHC__SWEEP_GROWTH,     /* SIGNAL to the power 1 / blocks */
    MHC__SWEEP_GRADIENT,   /* norm of dL/dx_0 over that of dL/dx_L, before training */
    MHC__SWEEP_GRADIENT_END,
    MHC__SWEEP_COMPOSITE,     /* forward composite gain before training */
    MHC__SWEEP_COMPOSITE_MAX, /* the largest, of all steps and both profiles */
    MHC__SWEEP_COMPOSITE_BACK_MAX,
    MHC__SWEEP_LOSS_LAST,   /* of the last step */
    MHC__SWEEP_PROXY_START, /* mhc-poc's, before training */
    MHC__SWEEP_PROXY,       /* after it */
    MHC__SWEEP_SPREAD,      /* the largest in training */
    MHC__SWEEP_SECONDS      /* per step */
} mhc__sweep_value;

double mhc__sweep_of(const mhc__arm *arm, mhc__sweep_value which);
/* Mean and sample standard deviation over seeds. */
void mhc__sweep_over_seeds(const mhc__sweep *study, int depth, int choice, mhc__sweep_value which, double *mean,
                           double *deviation);
double mhc__sweep_mean(const mhc__sweep *study, int depth, int choice, mhc__sweep_value which);

/* OUT/report/: index.html, the pictures, table.tsv and table.md; the table also to the log. */
mhc_status mhc__sweep_report(mhc__sweep *study, mhc_error *error);
mhc_status mhc__sweep_figures(mhc__sweep *study, mhc__html *html, mhc_error *error);
void mhc__sweep_findings(mhc__sweep *study, mhc__html *html);

#endif
