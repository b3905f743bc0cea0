#include <string.h>

#include "study/overhead.h"

bool mhc__overhead_is_less(mhc__spread first, mhc__spread second) {
    return second.most < first.least;
}

static int place_of(const int *values, int count, int value) {
    for (int i = 0; i < count; i++)
        if (values[i] == value)
            return i;
    return -1;
}

mhc__overhead_evidence mhc__overhead_gather(const mhc__overhead *study) {
    int paper = mhc__choice_find(study->choices, study->choice_count, "paper"),
        four = place_of(study->streams, study->stream_count, 4),
        wide = mhc__overhead_largest(study->channels, study->channel_count),
        narrow = mhc__overhead_smallest(study->channels, study->channel_count);
    mhc__overhead_evidence found = {.there = paper >= 0 && four >= 0};
    if (!found.there)
        return found;
    found.channels = study->channels[wide];
    found.narrow = study->channels[narrow];
    found.wide = mhc__overhead_at(study, wide, four, paper)->ratio;
    found.narrowest = mhc__overhead_at(study, narrow, four, paper)->ratio;
    return found;
}

static void adds_little(const void *data, mhc__finding *finding) {
    const mhc__overhead_evidence *e = data;
    if (!e->there) {
        mhc__ruled(finding, MHC__NOT_DECIDED, "The connection paper with four streams was not measured.");
        return;
    }
    mhc__measured(finding, "%+.1f %% at %d channels (%+.1f to %+.1f)", 100 * (e->wide.median - 1), e->channels,
                  100 * (e->wide.least - 1), 100 * (e->wide.most - 1));
    if (e->narrow < e->channels)
        mhc__measured(finding, "%+.1f %% at %d", 100 * (e->narrowest.median - 1), e->narrow);
    const char *falls = e->narrow < e->channels && mhc__overhead_is_less(e->narrowest, e->wide)
                            ? ", and it falls with the width: wider models pay less"
                            : "";
    if (e->wide.median <= 1.067)
        mhc__ruled(finding, MHC__REPRODUCED, "At the largest width that was measured%s.", falls);
    else if (e->wide.least <= 1.067)
        mhc__ruled(finding, MHC__NOT_DECIDED,
                   "The median is more, but the rounds reach 6.7 %%: it takes a quieter machine, or more of them "
                   "(`--steps`).");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "At the largest width that was measured, on this processor%s.", falls);
}

const mhc__claim mhc__overhead_claims[MHC__OVERHEAD_CLAIMS] = {
    {.id = "overhead-6.7",
     .text = "mHC with four streams adds 6.7 % to the time of training.",
     .source =
         "arXiv 2512.24880, sections 1 and 4.3 (in-house training at scale; model, machine and baseline not given)",
     .published = "+6.7 %",
     .rule =
         "Reproduced where the median ratio of steps over the residual's, at the largest width measured, is at most "
         "1.067; not reproduced where that of every round is above it.",
     .decide = adds_little},
};
