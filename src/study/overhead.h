/* Inside of the study overhead: what connections cost over the residual, by width and number of streams. */
#ifndef MHC_STUDY_OVERHEAD_H
#define MHC_STUDY_OVERHEAD_H

#include "base/spread.h"
#include "report/claim.h"
#include "report/html.h"
#include "study/settings.h"
#include "study/variant.h"

/* One connection at one width and number of streams. */
typedef struct mhc__overhead_cell {
    mhc__spread seconds;       /* of a step */
    mhc__spread ratio;         /* over the residual's step of the same round */
    double bytes, least_bytes; /* of a training run: as planned; with recomputation */
} mhc__overhead_cell;

typedef struct mhc__overhead {
    const mhc__study_options *options;
    mhc__study_folder folder;
    mhc__choice choices[MHC__STUDY_MAX_CHOICES];                           /* the residual is not among them */
    int channels[MHC__STUDY_MAX_CHOICES], streams[MHC__STUDY_MAX_CHOICES]; /* in the order given */
    int choice_count, channel_count, stream_count;
    mhc__config config;
    bool heads_set, ffn_set; /* by the user, for all widths */
    int warmup, steps;
    double seconds;            /* that this run has measured for */
    mhc__overhead_cell *cells; /* [channel_count, stream_count, choice_count + 1]; the last one is the residual */
} mhc__overhead;

static inline mhc__overhead_cell *mhc__overhead_at(const mhc__overhead *study, int channels, int streams, int choice) {
    return &study->cells[(channels * study->stream_count + streams) * (study->choice_count + 1) + choice];
}
static inline const mhc__overhead_cell *mhc__overhead_residual(const mhc__overhead *study, int channels, int streams) {
    return mhc__overhead_at(study, channels, streams, study->choice_count);
}

/* The place of the largest of some values. */
int mhc__overhead_largest(const int *values, int count);
int mhc__overhead_smallest(const int *values, int count);

/* Measures what is not in OUT/cells.jsonl yet. MHC_MISMATCH where that is of other settings. */
mhc_status mhc__overhead_measure(mhc__overhead *study, mhc_error *error);

/* What the claim's rule looks at: the paper's connection with four streams at the largest width. */
typedef struct mhc__overhead_evidence {
    bool there;
    int channels, narrow;        /* the largest width, and the smallest */
    mhc__spread wide, narrowest; /* ratios there */
} mhc__overhead_evidence;

enum { MHC__OVERHEAD_CLAIMS = 1 };
extern const mhc__claim mhc__overhead_claims[MHC__OVERHEAD_CLAIMS];
mhc__overhead_evidence mhc__overhead_gather(const mhc__overhead *study);

/* Whether the second is less than the first: no ratio of it reaches the least of those. */
bool mhc__overhead_is_less(mhc__spread first, mhc__spread second);
void mhc__overhead_findings(const mhc__overhead *study, mhc__html *html);
mhc_status mhc__overhead_figures(mhc__overhead *study, mhc__html *html, mhc_error *error);
mhc_status mhc__overhead_report(mhc__overhead *study, mhc_error *error);

#endif
