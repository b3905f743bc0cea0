/* Inside of the stability study: its arms, and what the report is made from. */
#ifndef MHC_STUDY_STABILITY_H
#define MHC_STUDY_STABILITY_H

#include "report/html.h"
#include "study/arm.h"
#include "study/settings.h"

typedef struct mhc__stability {
    const mhc__study_options *options;
    char out[1024], report[1100]; /* OUT and OUT/report */
    char connections[MHC__STUDY_MAX_CHOICES][32];
    int connection_count, seeds;
    int64_t every;      /* steps between the records of table and pictures: 20, as published; less in short runs */
    mhc__config config; /* of all arms; each has its own connection, streams and seed */
    mhc__arm *arms;     /* [connection_count, seeds] */
} mhc__stability;

static inline const mhc__arm *mhc__stability_arm(const mhc__stability *study, int connection, int seed) {
    return &study->arms[connection * study->seeds + seed];
}

/* The label of a connection. */
const char *mhc__stability_label(mhc__stability *study, int connection);

/* OUT/report/: index.html, the pictures, table.tsv and table.md; the table also to the log. */
mhc_status mhc__stability_report(mhc__stability *study, mhc_error *error);
/* The sentences of the report that depend on what was measured. */
void mhc__stability_findings(mhc__stability *study, mhc__html *html);
/* The pictures, into the page. */
mhc_status mhc__stability_figures(mhc__stability *study, mhc__html *html, mhc_error *error);

#endif
