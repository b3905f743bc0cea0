/* Inside of the study intervene: what is replaced in which model, what it costs, and the report. */
#ifndef MHC_STUDY_INTERVENE_H
#define MHC_STUDY_INTERVENE_H

#include "config/trained.h"
#include "probe/intervention.h"
#include "report/html.h"
#include "study/settings.h"

typedef struct mhc__intervene_result {
    mhc__map map;
    mhc__substitute by;
    int first, end;           /* sites */
    double loss, cost, error; /* held-out nats per token; less the model's own; standard error over batches of text */
    bool seen;                /* more than twice the standard error, of MHC__INTERVENE_BATCHES or more */
} mhc__intervene_result;

typedef struct mhc__intervene_model {
    char label[48];
    char folder[1200]; /* in OUT: interventions.jsonl; of an own model its run as well */
    char path[1200];   /* a run's folder, or a checkpoint */
    bool failed;       /* its training was not finite: nothing was measured */
    int sites, streams;
    bool isometry;        /* its H_res are rotations or reflections: their mean is neither */
    int64_t step, tokens; /* of the checkpoint; held out and looked at */
    int64_t batches;
    double loss;    /* as it was trained */
    double seconds; /* of training here */
    mhc__intervene_result *results;
    int count;
} mhc__intervene_model;

/* Batches of text that a verdict takes. */
enum { MHC__INTERVENE_BATCHES = 3 };
/* The interventions on all sites, the first half and the second come first, in groups of three. */
enum { MHC__INTERVENE_GROUPS = 5, MHC__INTERVENE_RANGES = 3 };
enum { MHC__INTERVENE_HALVES = MHC__INTERVENE_GROUPS * MHC__INTERVENE_RANGES };
/* Then H_res of each site alone, by each substitute. */

typedef struct mhc__intervene {
    const mhc__study_options *options;
    mhc__study_folder folder;
    mhc__intervene_model models[MHC__STUDY_MAX_CHOICES];
    int model_count;
    int64_t batches;    /* of held-out text at most; 0: all of it */
    const char *text;   /* in place of a checkpoint's own; NULL */
    mhc__config config; /* of own models */
} mhc__intervene;

/* Evaluates the model with each intervention, and keeps what was done in interventions.jsonl. MHC_MISMATCH where that
 * file is of another model or text. */
mhc_status mhc__intervene_measure(const mhc__intervene *study, mhc__intervene_model *model, mhc_error *error);
/* The result of a map replaced in all sites (0), the first half (1) or the second (2); NULL: not there. */
const mhc__intervene_result *mhc__intervene_find(const mhc__intervene_model *model, mhc__map map, mhc__substitute by,
                                                 int range);
/* From the losses of batches with and without an intervention. */
void mhc__intervene_judge(const double *with, const double *without, int64_t batches, mhc__intervene_result *result);

/* The sentences that follow from the results. */
void mhc__intervene_findings(const mhc__intervene_model *model, mhc__html *html);
mhc_status mhc__intervene_figures(mhc__intervene *study, mhc__html *html, mhc_error *error);
mhc_status mhc__intervene_report(mhc__intervene *study, mhc_error *error);

#endif
