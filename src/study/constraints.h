/* Inside of the constraints study: its arms, and what the report is made from. */
#ifndef MHC_STUDY_CONSTRAINTS_H
#define MHC_STUDY_CONSTRAINTS_H

#include "report/html.h"
#include "study/arm.h"
#include "study/paired.h"
#include "study/settings.h"
#include "study/start.h"
#include "study/variant.h"

/* Most rates; steps of the default size. */
enum { MHC__CONSTRAINTS_RATES = 8, MHC__CONSTRAINTS_STEPS = 1500 };

/* What a model costs, from its shapes. */
typedef struct mhc__constraints_cost {
    int64_t parameters;
    double layers, connection; /* FLOP per token of a training step (three times forward) */
} mhc__constraints_cost;

/* The rates tried for one choice, on a seed that no result uses. */
typedef struct mhc__constraints_rates {
    double loss[MHC__CONSTRAINTS_RATES]; /* held-out; NaN: not finite */
    int best;                            /* -1: none was finite */
} mhc__constraints_rates;

typedef struct mhc__constraints {
    const mhc__study_options *options;
    mhc__study_folder folder;
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];
    int choice_count, seeds, rate_count;
    double rates[MHC__CONSTRAINTS_RATES];
    int sweep_steps;
    float off_diagonal;
    int widened;        /* hidden width of residual-wide */
    mhc__config config; /* of all arms; each has its own choice, rate and seed */
    mhc__constraints_rates swept[MHC__STUDY_MAX_CHOICES];
    double sweep_seconds;
    mhc__arm *arms; /* [choice_count, seeds] */
    mhc__constraints_cost costs[MHC__STUDY_MAX_CHOICES];
    mhc__start_difference starts[MHC__STUDY_MAX_CHOICES]; /* to the reference, else to the first; first seed */
    int reference;                                        /* sinkhorn, else the first with streams; -1: none */
} mhc__constraints;

static inline const mhc__arm *mhc__constraints_arm(const mhc__constraints *study, int choice, int seed) {
    return &study->arms[choice * study->seeds + seed];
}

/* The place of the smallest loss that is finite; -1: none. */
int mhc__constraints_best(const double *losses, int count);
/* Of a model of this configuration; vocabulary 0 counts as 256. */
mhc_status mhc__constraints_cost_of(const mhc__config *config, mhc__constraints_cost *cost, mhc_error *error);
/* The feed-forward width at which the residual's parameters are nearest to those of `like`. */
mhc_status mhc__constraints_match(const mhc__config *residual, const mhc__config *like, int *width, mhc_error *error);

/* Held-out loss of every choice less that of `base`, seed by seed; NaN where a run was not finite. With Holm's
 * correction over all but base. base -1: all NaN. */
void mhc__constraints_against(const mhc__constraints *study, int base, mhc__paired *results);
/* Median over seeds and steps. */
double mhc__constraints_step_seconds(const mhc__constraints *study, int choice);
/* Training loss, mean over seeds and the tenth of the run that ends when `share` of its steps are done. */
double mhc__constraints_loss_at(const mhc__constraints *study, int choice, double share);
/* A number of the last step that was probed, mean over seeds. name: as in docs/metrics.md. */
double mhc__constraints_number(const mhc__constraints *study, int choice, const char *name);

/* OUT/report/: index.html, the pictures, table.tsv and table.md; the table also to the log. */
mhc_status mhc__constraints_report(mhc__constraints *study, mhc_error *error);
mhc_status mhc__constraints_figures(mhc__constraints *study, mhc__html *html, mhc_error *error);
/* The sentences that depend on what was measured. */
void mhc__constraints_findings(const mhc__constraints *study, mhc__html *html);

#endif
